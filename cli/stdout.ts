// Standard output, of which every byte is looked after: what could not be written is an error of the command, and an answer that
// was in it is kept. Into a file it is written here and not by Node's stream, which takes a write that was cut short for whole.

import { fstatSync, writeSync } from "node:fs";
import { Writable } from "node:stream";
import { CliError } from "./errors.ts";

/** A stream that a command prints to. */
export type Output = Writable & { readonly fd: number };

/** What goes to `stream`, which is the standard output. Failures are told by {@link written}. */
export function checkedOutput(stream: NodeJS.Process["stdout"]): Output {
  const { fd } = stream;
  const toFile = isOnDisk(fd);
  stream.on("error", () => {}); // The write that met it tells it.
  const output = new Writable({
    decodeStrings: true,
    write(bytes: Buffer, _encoding, done) {
      if (!toFile) {
        stream.write(bytes, (error) => done(error));
        return;
      }
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
  output.on("error", () => {});
  return Object.assign(output, { fd });
}

/**
 * Resolves when everything that was printed is out.
 * @param kept answers that are kept on the disk when it is not
 * @throws CliError OUTPUT_CLOSED
 */
export async function written(stream: Writable, kept = 0): Promise<void> {
  const failure = await new Promise<Error | null | undefined>((resolve) => void stream.write("", resolve));
  if (failure) throw new CliError("OUTPUT_CLOSED", { kept }, stream.errored ?? failure);
}

/** Whether a descriptor is a file or a disk. One that was closed is neither. */
export function isOnDisk(descriptor: number): boolean {
  try {
    const found = fstatSync(descriptor);
    return found.isFile() || found.isBlockDevice();
  } catch {
    return false;
  }
}
