// Where the text of an opened bundle goes. The device destroys its pad bytes only after `finish`, so a sink that says it
// is finished has the text for good.

import { randomUUID } from "node:crypto";
import { fsyncSync, writeSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Writable } from "node:stream";
import { onDisk, syncDirectory, writeAll } from "./disk.ts";
import { DriverError } from "./errors.ts";

export interface TextSink {
  write(text: Uint8Array): Promise<void>;
  /** Resolves when the whole text is where it belongs and stays there. */
  finish(): Promise<void>;
  /** Takes back what can be taken back. */
  abort(): Promise<void>;
}

/**
 * A file, its owner's alone, that appears under its name only when it is whole and on the disk. What was there before is
 * replaced then. @throws DriverError DISK_FULL or DISK_FAILED
 */
export function fileSink(path: string): TextSink {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.part`);
  let handle: FileHandle | null = null;
  let size = 0;
  const opened = async () => {
    handle ??= await onDisk(path, 0, () => open(temporary, "wx", 0o600));
    return handle;
  };
  return {
    write: async (text) => {
      const file = await opened();
      await onDisk(path, text.length, () => writeAll(file, text, size));
      size += text.length;
    },
    finish: async () => {
      const file = await opened();
      await onDisk(path, 0, async () => {
        await file.sync();
        await file.close();
        handle = null;
        await rename(temporary, path);
        await syncDirectory(dirname(path));
      });
    },
    abort: async () => {
      await handle?.close();
      handle = null;
      await rm(temporary, { force: true });
    },
  };
}

/**
 * A file that is open already, such as a stdout that a shell sent into one: the text goes where its position is, or to its
 * end, and it stays open. It is written here and not by a stream, for Node's takes a write that was cut short for whole.
 * @throws DriverError DISK_FULL or DISK_FAILED
 */
export function descriptorSink(descriptor: number, name: string): TextSink {
  return {
    write: (text) =>
      onDisk(name, text.length, async () => {
        for (let done = 0; done < text.length; ) {
          done += writeSync(descriptor, text, done, text.length - done, null);
        }
      }),
    finish: () => onDisk(name, 0, async () => fsyncSync(descriptor)),
    abort: async () => {},
  };
}

/** A pipe or any other stream, which gets the text as it flows and is left open. @throws DriverError OUTPUT_CLOSED */
export function streamSink(stream: Writable): TextSink {
  stream.on("error", () => {}); // Each failure is thrown by the write that met it.
  return {
    write: (text) =>
      new Promise((resolve, reject) => {
        stream.write(text, (error) => (error ? reject(new DriverError("OUTPUT_CLOSED", {}, error)) : resolve()));
      }),
    finish: async () => {},
    abort: async () => {},
  };
}
