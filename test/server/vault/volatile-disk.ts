// A disk in memory that keeps what a real one promises and nothing more: bytes after a sync of their file, names after a sync of
// their directory. It can be cut at any change, lose what was not synced, be full, fail, and let others act in between.

import { dirname } from "node:path";
import type { Disk, Opening } from "../../../server/vault/index.ts";
import type { Random } from "../../../simulator/index.ts";

/** Ends a process in the middle of a change. */
export class Cut extends Error {}

interface Content {
  readonly number: number;
  bytes: Buffer;
  durable: Buffer;
  unsynced: { at: number; bytes: Uint8Array }[];
}

type Names = Map<string, Content>;
type NameChange = { directory: string; apply: (names: Names) => void };

let contents = 0;

export class VolatileDisk implements Disk {
  /** Changes made so far. */
  changes = 0;
  /** The change in the middle of which the process ends. */
  cutAt: number = Number.POSITIVE_INFINITY;
  /** Called before each change; may throw what the disk answers instead, or act as another process. */
  before: ((operation: string, path: string) => void) | null = null;
  /** Bytes that still fit. */
  room: number = Number.POSITIVE_INFINITY;
  private names: Names;
  private readonly durableNames: Names;
  private unsyncedNames: NameChange[] = [];
  private readonly files = new Map<number, { content: Content; append: boolean; path: string }>();
  private readonly locks = new Set<string>();
  private readonly directories: Set<string>;
  private nextFile = 3;

  constructor(names: Names = new Map(), directories: Set<string> = new Set(["/"])) {
    this.names = names;
    this.durableNames = new Map(names);
    this.directories = directories;
  }

  /** The disk after the process was killed: nothing is lost but what it had not said yet. */
  afterKill(): VolatileDisk {
    for (const content of this.names.values()) content.durable = content.bytes;
    return new VolatileDisk(new Map(this.names), this.directories);
  }

  /** The disk after the computer lost power: of what was not synced any part is there. */
  afterPowerCut(random: Random): VolatileDisk {
    const names = new Map(this.durableNames);
    for (const { apply } of this.unsyncedNames) if (random.below(2) === 1) apply(names);
    for (const content of new Set(names.values())) {
      let bytes: Buffer = Buffer.from(content.durable);
      for (const write of content.unsynced) {
        const fate = random.below(4);
        const part = fate === 0 ? 0 : fate === 1 ? random.below(write.bytes.length + 1) : write.bytes.length;
        // The size may be there without the bytes.
        bytes = written(bytes, write.at, fate === 2 ? new Uint8Array(part) : write.bytes.subarray(0, part));
      }
      content.bytes = bytes;
      content.durable = bytes;
      content.unsynced = [];
    }
    return new VolatileDisk(names, this.directories);
  }

  /** What all files hold, as a thief finds it. */
  everything(): Map<string, Buffer> {
    return new Map([...this.names].map(([path, { bytes }]) => [path, Buffer.from(bytes)]));
  }

  /** Puts bytes into a file, as something else than the vault would. */
  put(path: string, bytes: Uint8Array): void {
    const content = { number: contents++, bytes: Buffer.from(bytes), durable: Buffer.from(bytes), unsynced: [] };
    this.names.set(path, content);
    this.durableNames.set(path, content);
  }

  open(path: string, how: Opening): number {
    let content = this.names.get(path);
    if (how === "new" && content !== undefined) throw failure("EEXIST");
    if (content === undefined) {
      if (how !== "new" && how !== "empty") throw failure("ENOENT");
      if (!this.directories.has(dirname(path))) throw failure("ENOENT");
      this.change("create", path);
      const made: Content = { number: contents++, bytes: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] };
      this.nameChange(path, (names) => names.set(path, made));
      content = made;
    } else if (how === "empty") {
      this.change("truncate", path);
      content.bytes = Buffer.alloc(0);
      content.durable = Buffer.alloc(0);
      content.unsynced = [];
    }
    this.files.set(this.nextFile, { content, append: how === "append", path });
    return this.nextFile++;
  }

  close(file: number): void {
    if (!this.files.delete(file)) throw new Error("Closed twice");
  }

  read(file: number, into: Uint8Array, position: number): number {
    return this.file(file).content.bytes.copy(into, 0, position);
  }

  write(file: number, bytes: Uint8Array, position: number | null): number {
    const { content, append, path } = this.file(file);
    const torn = this.cutAt === this.changes;
    if (!torn) this.change("write", path);
    const at = append && position === null ? content.bytes.length : (position as number);
    const room = this.room + Math.max(0, content.bytes.length - at);
    const piece = Uint8Array.from(bytes.subarray(0, torn ? bytes.length >> 1 : Math.min(bytes.length, room)));
    if (piece.length === 0 && !torn) throw failure("ENOSPC");
    this.room -= Math.max(0, at + piece.length - content.bytes.length);
    content.bytes = written(content.bytes, at, piece);
    content.unsynced.push({ at, bytes: piece });
    if (torn) this.change("write", path);
    return piece.length;
  }

  size(file: number): number {
    return this.file(file).content.bytes.length;
  }

  identity(file: number): string {
    return String(this.file(file).content.number);
  }

  identityAt(path: string): string | null {
    const content = this.names.get(path);
    return content === undefined ? null : String(content.number);
  }

  /** This disk knows no time. */
  changedAt(): number {
    return 0;
  }

  sync(file: number): void {
    const { content, path } = this.file(file);
    try {
      this.change("sync", path);
    } catch (error) {
      // What the disk failed to take the system takes for written: no later sync writes it.
      if (!(error instanceof Cut)) content.unsynced = [];
      throw error;
    }
    for (const { at, bytes } of content.unsynced) content.durable = written(content.durable, at, bytes);
    content.unsynced = [];
  }

  syncDirectory(path: string): void {
    this.change("sync", path);
    for (const { directory, apply } of this.unsyncedNames) if (directory === path) apply(this.durableNames);
    this.unsyncedNames = this.unsyncedNames.filter(({ directory }) => directory !== path);
  }

  link(existing: string, path: string): void {
    if (this.names.has(path)) throw failure("EEXIST");
    this.change("link", path);
    const content = this.content(existing);
    this.nameChange(path, (names) => names.set(path, content));
  }

  rename(from: string, to: string): void {
    const content = this.content(from);
    this.change("rename", to);
    this.nameChange(to, (names) => {
      names.delete(from);
      names.set(to, content);
    });
  }

  unlink(path: string): void {
    this.content(path);
    this.change("unlink", path);
    this.nameChange(path, (names) => names.delete(path));
  }

  exists(path: string): boolean {
    return this.names.has(path) || this.directories.has(path);
  }

  list(directory: string): string[] {
    return [...this.names.keys()]
      .filter((path) => dirname(path) === directory)
      .map((path) => path.slice(directory.length + 1));
  }

  makeDirectory(path: string): void {
    this.directories.add(path);
  }

  lock(path: string): (() => void) | null {
    if (this.locks.has(path)) return null;
    this.locks.add(path);
    return () => void this.locks.delete(path);
  }

  private change(operation: string, path: string): void {
    if (this.changes >= this.cutAt) throw new Cut();
    this.changes++;
    const { before } = this;
    // What others do in between is not interrupted itself.
    this.before = null;
    try {
      before?.(operation, path);
    } finally {
      this.before ??= before;
    }
  }

  private nameChange(path: string, apply: (names: Names) => void): void {
    apply(this.names);
    this.unsyncedNames.push({ directory: dirname(path), apply });
  }

  private content(path: string): Content {
    const content = this.names.get(path);
    if (content === undefined) throw failure("ENOENT");
    return content;
  }

  private file(file: number): { content: Content; append: boolean; path: string } {
    const open = this.files.get(file);
    if (open === undefined) throw new Error("Not open");
    return open;
  }
}

/** What a system call throws. */
export function failure(code: string): Error {
  return Object.assign(new Error(code), { code, syscall: "test" });
}

function written(content: Buffer, at: number, bytes: Uint8Array): Buffer {
  const next = Buffer.alloc(Math.max(content.length, at + bytes.length));
  content.copy(next);
  next.set(bytes, at);
  return next;
}
