// The outbox: sealed texts that have not left this host yet. Its promise: a bundle is whole and on the disk before
// anyone gets a byte of it, so that what was sealed once never has to be sealed again. An entry is `<id>.part` while it is
// written and `<id>.bundle` once it is finished; a finished one can be read any number of times until it is removed.
// A part that a crash left behind was given to no one and is good for nothing: remove it.

import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { onDisk, syncDirectory, writeAll } from "./disk.ts";
import { DriverError } from "./errors.ts";

export interface OutboxEntry {
  readonly id: string;
  readonly bytes: number;
  /** False for a part: one being written, or one that a crash left behind. */
  readonly finished: boolean;
}

/** Opens the outbox in a directory, which is made for this user alone when it is not there. */
export async function openOutbox(directory: string): Promise<Outbox> {
  await onDisk(directory, 0, () => mkdir(directory, { recursive: true, mode: 0o700 }));
  return new Outbox(directory);
}

/** See {@link openOutbox}. Its methods throw DriverError DISK_FULL or DISK_FAILED. */
export class Outbox {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Starts an entry that will have about so many bytes. @throws DISK_FULL when there is no room for them */
  async begin(bytes: number): Promise<OutboxPart> {
    const { bavail, bsize } = await onDisk(this.directory, bytes, () => statfs(this.directory));
    if (bavail * bsize < bytes) throw new DriverError("DISK_FULL", { path: this.directory, needed: bytes });
    const id = `${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}-${randomBytes(4).toString("hex")}`;
    const path = join(this.directory, `${id}.part`);
    return onDisk(path, bytes, async () => new OutboxPart(this.directory, id, await open(path, "wx", 0o600)));
  }

  /** All entries, oldest first. */
  async list(): Promise<OutboxEntry[]> {
    return onDisk(this.directory, 0, async () => {
      const names = (await readdir(this.directory)).filter((name) => /\.(part|bundle)$/.test(name)).sort();
      const entries = names.map(async (name) => ({
        id: name.replace(/\.(part|bundle)$/, ""),
        bytes: (await stat(join(this.directory, name))).size,
        finished: name.endsWith(".bundle"),
      }));
      return Promise.all(entries);
    });
  }

  /** The bytes of a finished bundle, the same each time. */
  async *read(id: string): AsyncGenerator<Uint8Array, void, undefined> {
    const path = join(this.directory, `${id}.bundle`);
    const stream = await onDisk(path, 0, async () => (await open(path, "r")).createReadStream());
    yield* stream;
  }

  /** Removes an entry: it was delivered, or it is not wanted any more. */
  async remove(id: string): Promise<void> {
    for (const end of ["part", "bundle"]) {
      const path = join(this.directory, `${id}.${end}`);
      await onDisk(path, 0, () => rm(path, { force: true }));
    }
  }
}

/** A bundle being written. After a failed `append` it stands where it stood before. */
export class OutboxPart {
  readonly id: string;
  readonly #directory: string;
  readonly #handle: FileHandle;
  #size = 0;

  constructor(directory: string, id: string, handle: FileHandle) {
    this.#directory = directory;
    this.id = id;
    this.#handle = handle;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends whole items. */
  async append(items: Uint8Array): Promise<void> {
    try {
      await onDisk(this.#path("part"), items.length, () => writeAll(this.#handle, items, this.#size));
    } catch (error) {
      await this.#handle.truncate(this.#size).catch(() => {}); // Until then, what finish does anyway.
      throw error;
    }
    this.#size += items.length;
  }

  /** Makes the bundle durable under its final name; from here on it may leave. */
  async finish(): Promise<void> {
    await onDisk(this.#path("part"), 0, async () => {
      await this.#handle.truncate(this.#size);
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#path("part"), this.#path("bundle"));
      await syncDirectory(this.#directory);
    });
  }

  /** Gives the entry up. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {}); // Closed before, when its last step failed.
    await onDisk(this.#path("part"), 0, () => rm(this.#path("part"), { force: true }));
  }

  #path(end: "part" | "bundle"): string {
    return join(this.#directory, `${this.id}.${end}`);
  }
}
