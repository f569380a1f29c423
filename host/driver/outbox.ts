// The outbox: sealed texts that have not left this host yet. Its promise: a bundle is whole and on the disk before
// anyone gets a byte of it, so that what was sealed once never has to be sealed again. An entry is `<id>.<owner>.part` while
// it is written and `<id>.bundle` once it is finished; a finished one can be read any number of times until it is removed.
// A part that a crash left behind was given to no one and is good for nothing: remove it, when its owner is gone.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { onDisk, syncDirectory, writeAll } from "./disk.ts";
import { DriverError } from "./errors.ts";

const SEND_BYTES = 65_536;

export interface OutboxEntry {
  readonly id: string;
  readonly bytes: number;
  /** False for a part: one being written, or one that a crash left behind. */
  readonly finished: boolean;
  /** The process that is writing it; null when none is. */
  readonly writer: number | null;
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
    const path = join(this.directory, `${id}.${ownName()}.part`);
    return onDisk(path, bytes, async () => new OutboxPart(this.directory, id, path, await open(path, "wx", 0o600)));
  }

  /** All entries, oldest first. */
  async list(): Promise<OutboxEntry[]> {
    return onDisk(this.directory, 0, async () => {
      const names = (await readdir(this.directory)).filter((name) => /\.(part|bundle)$/.test(name)).sort();
      const entries = names.map(async (name) => ({
        id: idOf(name),
        bytes: (await stat(join(this.directory, name))).size,
        finished: name.endsWith(".bundle"),
        writer: writerOf(name),
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

  /**
   * Gives the bytes of a finished bundle to `write`, one piece after the other. The pieces share one buffer, so that a
   * bundle of any size takes the same memory: what `write` keeps after it is done, it copies.
   */
  async send(id: string, write: (piece: Uint8Array) => Promise<void>): Promise<void> {
    const path = join(this.directory, `${id}.bundle`);
    const handle = await onDisk(path, 0, () => open(path, "r"));
    try {
      const buffer = new Uint8Array(SEND_BYTES);
      for (let position = 0; ; ) {
        const { bytesRead } = await onDisk(path, 0, () => handle.read(buffer, 0, SEND_BYTES, position));
        if (bytesRead === 0) return;
        await write(buffer.subarray(0, bytesRead));
        position += bytesRead;
      }
    } finally {
      await handle.close();
    }
  }

  /** Removes an entry: it was delivered, or it is not wanted any more. */
  async remove(id: string): Promise<void> {
    await onDisk(this.directory, 0, async () => {
      const names = (await readdir(this.directory)).filter(
        (name) => /\.(part|bundle)$/.test(name) && idOf(name) === id,
      );
      await Promise.all(names.map((name) => rm(join(this.directory, name), { force: true })));
    });
  }
}

function idOf(name: string): string {
  return name.split(".", 1)[0] as string;
}

/** This process in the name of a part: its number, and when it began, because numbers come again. */
function ownName(): string {
  return `${process.pid}-${beginOf(process.pid) ?? 0}`;
}

/** The process that is writing a part; null when it is gone. Where no beginning is known, the number has to do. */
function writerOf(name: string): number | null {
  const [, pid, begin] = /\.(\d+)-(\d+)\.part$/.exec(name) ?? [];
  if (pid === undefined || !isRunning(Number(pid))) return null;
  const found = beginOf(Number(pid));
  return found === null || begin === "0" || found === begin ? Number(pid) : null;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Clock ticks from the boot to when a process began, where the system tells (Linux, proc(5)); the 22nd field of its stat. */
function beginOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

/** A bundle being written. After a failed `append` it stands where it stood before. */
export class OutboxPart {
  readonly id: string;
  readonly #directory: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  #size = 0;

  constructor(directory: string, id: string, path: string, handle: FileHandle) {
    this.#directory = directory;
    this.#path = path;
    this.id = id;
    this.#handle = handle;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends whole items. */
  async append(items: Uint8Array): Promise<void> {
    try {
      await onDisk(this.#path, items.length, () => writeAll(this.#handle, items, this.#size));
    } catch (error) {
      await this.#handle.truncate(this.#size).catch(() => {}); // Until then, what finish does anyway.
      throw error;
    }
    this.#size += items.length;
  }

  /** Forgets what was appended: the bundle begins anew. */
  async clear(): Promise<void> {
    this.#size = 0;
    await onDisk(this.#path, 0, () => this.#handle.truncate(0));
  }

  /** Makes the bundle durable under its final name; from here on it may leave. */
  async finish(): Promise<void> {
    const bundle = join(this.#directory, `${this.id}.bundle`);
    await onDisk(this.#path, 0, async () => {
      await this.#handle.truncate(this.#size);
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#path, bundle);
      await syncDirectory(this.#directory);
    });
  }

  /** Gives the entry up. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {}); // Closed before, when its last step failed.
    await onDisk(this.#path, 0, () => rm(this.#path, { force: true }));
  }
}
