// Files of this host: texts, bundles and what a pipe brought. What a disk refuses is a named error.

import { randomUUID } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DriverError } from "./errors.ts";

const READ_BYTES = 65_536;
const FULL: readonly (string | undefined)[] = ["ENOSPC", "EDQUOT", "EFBIG"];

/** Does something with the disk. @throws DriverError DISK_FULL or DISK_FAILED, with the cause */
export async function onDisk<Result>(path: string, needed: number, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (cause) {
    if (FULL.includes((cause as NodeJS.ErrnoException).code))
      throw new DriverError("DISK_FULL", { path, needed }, cause);
    throw new DriverError("DISK_FAILED", { path }, cause);
  }
}

/** Makes a name in a directory durable. Windows has no such thing and needs none. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A file of known size that can be read from anywhere, as often as needed. */
export class ByteFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #size: number;

  private constructor(path: string, handle: FileHandle, size: number) {
    this.path = path;
    this.#handle = handle;
    this.#size = size;
  }

  /** Opens a file to be read. */
  static async open(path: string): Promise<ByteFile> {
    return onDisk(path, 0, async () => {
      const handle = await open(path, "r");
      return new ByteFile(path, handle, (await handle.stat()).size);
    });
  }

  /** A file without a name, for this user alone; it is gone when it is closed, or when the process ends. */
  static async temporary(): Promise<ByteFile> {
    const path = join(tmpdir(), `tearpad-${randomUUID()}`);
    return onDisk(path, 0, async () => {
      const handle = await open(path, "wx+", 0o600);
      await unlink(path);
      return new ByteFile(path, handle, 0);
    });
  }

  get size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await onDisk(this.path, bytes.length, () => writeAll(this.#handle, bytes, this.#size));
    this.#size += bytes.length;
  }

  /** The bytes at a position; fewer only when the file ends before. */
  async read(position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let have = 0;
    while (have < length) {
      const { bytesRead } = await onDisk(this.path, 0, () =>
        this.#handle.read(bytes, have, length - have, position + have),
      );
      if (bytesRead === 0) break;
      have += bytesRead;
    }
    return bytes.subarray(0, have);
  }

  /** All bytes in order, in pieces. */
  async *stream(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let position = 0; ; position += READ_BYTES) {
      const bytes = await this.read(position, READ_BYTES);
      if (bytes.length > 0) yield bytes;
      if (bytes.length < READ_BYTES) return;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Writes all of `bytes` at a position, however many calls it takes. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/**
 * Puts a stream into a temporary file: a text must have its size known before its first box. Of a stream with more than
 * `limit` bytes it takes one byte more than that and leaves the rest.
 */
export async function spool(
  source: AsyncIterable<Uint8Array>,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<ByteFile> {
  const file = await ByteFile.temporary();
  try {
    for await (const bytes of source) {
      await file.append(bytes.subarray(0, limit + 1 - file.size));
      if (file.size > limit) break;
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
