// Where commands read from and write to: files given by name, or the standard streams.

import { createReadStream, existsSync, fstatSync, statSync } from "node:fs";
import { DriverError, descriptorSink, fileSink, streamSink, type TextSink } from "../host/driver/index.ts";
import { type Io, UsageError } from "./command.ts";
import { CliError } from "./errors.ts";

/**
 * The path of a file that can be read from anywhere, or a stream: of stdin, or of a pipe or device given by its path. A file
 * that says it is empty is a stream too: those of /proc say so and are not. "-" is stdin.
 * @throws CliError NO_FILE
 */
export function inputOf(path: string | undefined, { stdin }: Io): string | AsyncIterable<Uint8Array> {
  if (path === undefined || path === "-") return stdin;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new CliError("NO_FILE", { path });
  return found.isFile() && found.size > 0 ? path : streamOf(path);
}

async function* streamOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path);
  } catch (cause) {
    throw new DriverError("DISK_FAILED", { path }, cause);
  }
}

/** The file at `out`, which must not be there yet, or stdout, be that a file or a stream. @throws CliError OUTPUT_EXISTS, UsageError */
export function outputTo(out: string | undefined, { stdout }: Io): TextSink {
  if (out === undefined) return isOnDisk(stdout.fd) ? descriptorSink(stdout.fd, "stdout") : streamSink(stdout);
  if (out === "-" || out === "/dev/stdout") throw new UsageError("Without --out it goes to stdout: leave --out away.");
  if (existsSync(out)) throw new CliError("OUTPUT_EXISTS", { path: out });
  return fileSink(out);
}

/** Does work that costs something once its output can be written; the output is taken back when the work fails. */
export async function opened<Result>(sink: TextSink, work: () => Promise<Result>): Promise<Result> {
  try {
    await sink.write(new Uint8Array(0));
    return await work();
  } catch (error) {
    await sink.abort().catch(() => {}); // The first error is the one that matters.
    throw error;
  }
}

/** Whether a descriptor is a file or a disk. One that was closed is neither. */
function isOnDisk(descriptor: number): boolean {
  try {
    const found = fstatSync(descriptor);
    return found.isFile() || found.isBlockDevice();
  } catch {
    return false;
  }
}

/** Where --json prints: on stdout, unless that carries the data. */
export function jsonStream(out: string | undefined, { stdout, stderr }: Io): NodeJS.WritableStream {
  return out === undefined ? stderr : stdout;
}
