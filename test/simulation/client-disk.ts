// The disk of simulated clients, in the place of node:fs/promises under host/: in memory, and as forgetful as disks are. A
// process can be killed at each operation: what it wrote stays, what it still waits for never comes. A computer can lose its
// power: of what was not synced a part is lost, from the end. The disk can be full.

/** A client's process, as far as its disk knows. */
export interface Owner {
  readonly directory: string;
  dead: boolean;
  full: boolean;
}

interface Inode {
  bytes: Buffer;
  /** What survives a loss of power. */
  synced: Buffer;
}

const files = new Map<string, Inode>();
const directories = new Set<string>();
let owners: Owner[] = [];

export const CLIENT_DISK = {
  /** One event of the simulated time. */
  hop: (): Promise<void> => Promise.resolve(),
  /** Told at each operation that changes something: true ends the process there. */
  strikes: (_owner: Owner): boolean => false,
  onFull: (_owner: Owner): void => {},

  clear(): void {
    files.clear();
    directories.clear();
    owners = [];
  },

  /** From now on what is opened under its directory is of this process. */
  own(owner: Owner): void {
    owners = [...owners.filter(({ directory }) => directory !== owner.directory), owner];
  },

  /** The computer of everything under a directory loses its power: `keep` says how much of so many unsynced bytes stays. */
  losePower(directory: string, keep: (bytes: number) => number): void {
    for (const [path, file] of files) {
      if (!path.startsWith(directory)) continue;
      const { bytes, synced } = file;
      const same = bytes.length >= synced.length && bytes.subarray(0, synced.length).equals(synced);
      if (same) file.bytes = Buffer.from(bytes.subarray(0, synced.length + keep(bytes.length - synced.length)));
      else if (keep(1) === 0) file.bytes = Buffer.from(synced);
      file.synced = file.bytes;
    }
  },
};

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function ownerOf(path: string): Owner | undefined {
  return owners.find(({ directory }) => path.startsWith(directory));
}

/** An operation of a process; of a dead one it never ends. */
async function operation(owner: Owner | undefined, writes: boolean): Promise<void> {
  if (owner === undefined) throw new Error("a file of nobody");
  await CLIENT_DISK.hop();
  if (!owner.dead && writes) CLIENT_DISK.strikes(owner);
  if (owner.dead) await new Promise(() => {});
}

class Handle {
  readonly #file: Inode;
  readonly #path: string;
  readonly #owner: Owner | undefined;

  constructor(path: string, file: Inode, owner: Owner | undefined) {
    this.#path = path;
    this.#file = file;
    this.#owner = owner;
  }

  async stat(): Promise<{ size: number }> {
    await operation(this.#owner, false);
    return { size: this.#file.bytes.length };
  }

  async read(into: Uint8Array, at: number, length: number, position: number): Promise<{ bytesRead: number }> {
    await operation(this.#owner, false);
    const part = this.#file.bytes.subarray(position, position + length);
    into.set(part, at);
    return { bytesRead: part.length };
  }

  async write(bytes: Uint8Array, at: number, length: number, position: number): Promise<{ bytesWritten: number }> {
    await operation(this.#owner, true);
    const file = this.#file;
    if (this.#owner?.full) {
      CLIENT_DISK.onFull(this.#owner);
      throw failure("ENOSPC", this.#path);
    }
    // Disks take less than all at once, sometimes.
    const part = bytes.subarray(at, at + Math.max(1, length - (length % 7)));
    const whole = Buffer.alloc(Math.max(file.bytes.length, position + part.length));
    file.bytes.copy(whole);
    whole.set(part, position);
    file.bytes = whole;
    return { bytesWritten: part.length };
  }

  async truncate(length: number): Promise<void> {
    await operation(this.#owner, true);
    const whole = Buffer.alloc(length);
    this.#file.bytes.copy(whole);
    this.#file.bytes = whole;
  }

  async sync(): Promise<void> {
    await operation(this.#owner, true);
    this.#file.synced = this.#file.bytes;
  }

  datasync(): Promise<void> {
    return this.sync();
  }

  async close(): Promise<void> {
    if (this.#owner?.dead) await new Promise(() => {});
  }
}

export async function open(path: string, flags: string): Promise<Handle> {
  const owner = ownerOf(path);
  await operation(owner, false);
  if (directories.has(path)) return new Handle(path, { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) }, owner);
  const there = files.get(path);
  if (there !== undefined && !flags.includes("x")) {
    if (flags.startsWith("w")) there.bytes = Buffer.alloc(0);
    return new Handle(path, there, owner);
  }
  if (there !== undefined) throw failure("EEXIST", path);
  if (!flags.startsWith("w")) throw failure("ENOENT", path);
  const file = { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) };
  files.set(path, file);
  return new Handle(path, file, owner);
}

export async function mkdir(path: string): Promise<void> {
  await operation(ownerOf(path), true);
  directories.add(path);
}

export async function rename(from: string, to: string): Promise<void> {
  await operation(ownerOf(from), true);
  const file = files.get(from);
  if (file === undefined) throw failure("ENOENT", from);
  files.delete(from);
  files.set(to, file);
}

export async function rm(path: string): Promise<void> {
  await operation(ownerOf(path), true);
  files.delete(path);
}

/** What only outboxes and bundles ask for: no link does. */
export const unlink: never = notHere as never;
export const readdir: never = notHere as never;
export const stat: never = notHere as never;
export const statfs: never = notHere as never;

function notHere(): never {
  throw new Error("a link does not ask for this");
}
