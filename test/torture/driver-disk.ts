// The disk under the driver when it is hunted: as fast as memory and as forgetful as disks are. What was written and not synced may be lost in a crash of its
// computer, each write for itself; names that were made, moved or removed count only once their directory is synced, and are lost from the last one backwards.
// It stands in for node:fs and node:fs/promises, as far as the driver and the simulator's images use them, and forgives nothing else: what they should not ask
// for is not there.

import { readFileSync as readSystemFile, readlinkSync as readSystemLink } from "node:fs";

interface Dice {
  below(limit: number): number;
}

interface Write {
  readonly at: number;
  readonly bytes: Uint8Array | null;
}

let inodes = 0n;

/** A file: what everybody reads now, what is on the platter, and what lies between. */
class Inode {
  readonly number: bigint = ++inodes;
  now: Uint8Array;
  synced: Uint8Array;
  since: Write[] = [];
  /** Writes so far: the time of the last one. */
  writes = 0n;

  constructor(content: Uint8Array) {
    this.now = content;
    this.synced = content;
  }

  write(at: number, bytes: Uint8Array): void {
    this.#do({ at, bytes: bytes.slice() });
  }

  truncate(length: number): void {
    if (length !== this.now.length) this.#do({ at: length, bytes: null });
  }

  sync(): void {
    this.synced = this.now.slice();
    this.since = [];
  }

  /** Of the writes since the last sync some have arrived, in their order or not. */
  crash(random: Dice, inOrder: boolean): void {
    const how = random.below(3);
    const arrived = inOrder
      ? this.since.slice(0, random.below(this.since.length + 1))
      : this.since.filter(() => how > random.below(2));
    this.now = arrived.reduce(apply, this.synced.slice());
    this.sync();
  }

  #do(write: Write): void {
    if (this.now === this.synced) this.now = this.synced.slice();
    this.now = apply(this.now, write);
    this.since.push(write);
    this.writes++;
  }
}

function apply(content: Uint8Array, { at, bytes }: Write): Uint8Array {
  if (bytes === null) return at <= content.length ? content.slice(0, at) : grown(content, at);
  const whole = at + bytes.length <= content.length ? content : grown(content, at + bytes.length);
  whole.set(bytes, at);
  return whole;
}

function grown(content: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(content);
  return bytes;
}

/** A name that came (with its file), or went (without). */
interface Naming {
  readonly path: string;
  readonly file: Inode | null;
}

const names = new Map<string, Inode>();
const syncedNames = new Map<string, Inode>();
/** What happened to names since their directory was synced; a rename is one event. */
let namings: Naming[][] = [];
/** Directories are taken to be durable. */
const directories = new Set<string>();
const handles = new Map<number, { path: string; file: Inode | null }>();
let descriptors = 3;

/** The hand of the hunt on the disk. */
export const disk = {
  /** Called before each operation of the driver; what it returns is waited for, so that one that never settles is the end of its host. */
  before: (_operation: "rename" | "other"): Promise<void> | null => null,

  /** Empty. */
  clear(): void {
    names.clear();
    syncedNames.clear();
    handles.clear();
    directories.clear();
    namings = [];
  },

  /** Puts a file there, synced, and its directory. */
  put(path: string, content: Uint8Array): void {
    directories.add(path.slice(0, path.lastIndexOf("/")));
    const file = new Inode(content);
    names.set(path, file);
    syncedNames.set(path, file);
  },

  /** What everybody reads there now. */
  read(path: string): Uint8Array | null {
    return names.get(path)?.now ?? null;
  },

  list(directory: string): string[] {
    return [...names.keys()].filter((path) => path.startsWith(directory));
  },

  /** The computer that has everything under `directory` loses its power. In order, a write that arrived has all those before it in its file. */
  crash(directory: string, random: Dice, inOrder: boolean): void {
    const mine = (path: string): boolean => path.startsWith(directory);
    const happened = namings.filter((naming) => mine(naming[0]!.path));
    const files = new Set([...names, ...syncedNames].filter(([path]) => mine(path)).map(([, file]) => file));
    for (const { file } of happened.flat()) if (file !== null) files.add(file);
    for (const file of files) file.crash(random, inOrder);
    namings = namings.filter((naming) => !mine(naming[0]!.path));
    for (const path of names.keys()) if (mine(path)) names.delete(path);
    for (const [path, file] of syncedNames) if (mine(path)) names.set(path, file);
    for (const naming of happened.slice(0, random.below(happened.length + 1)))
      for (const one of naming) settle(names, one);
    for (const path of syncedNames.keys()) if (mine(path)) syncedNames.delete(path);
    for (const [path, file] of names) if (mine(path)) syncedNames.set(path, file);
    for (const path of names.keys()) if (mine(path) && path.includes(".lock-")) names.delete(path);
  },
};

function settle(where: Map<string, Inode>, { path, file }: Naming): void {
  if (file === null) where.delete(path);
  else where.set(path, file);
}

function name(...naming: Naming[]): void {
  for (const one of naming) settle(names, one);
  namings.push(naming);
}

function syncNames(directory: string): void {
  const inside = (path: string): boolean => path.slice(0, path.lastIndexOf("/")) === directory;
  for (const naming of namings) if (inside(naming[0]!.path)) for (const one of naming) settle(syncedNames, one);
  namings = namings.filter((naming) => !inside(naming[0]!.path));
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function mustFind(path: string): Inode {
  const file = names.get(path);
  if (file === undefined) throw failure("ENOENT", path);
  return file;
}

// node:fs

export function openSync(path: string, flags: string): number {
  const descriptor = descriptors++;
  if (flags === "wx" || flags === "wx+") {
    if (names.has(path)) throw failure("EEXIST", path);
    const file = new Inode(new Uint8Array(0));
    name({ path, file });
    handles.set(descriptor, { path, file });
  } else if (names.has(path)) {
    handles.set(descriptor, { path, file: mustFind(path) });
  } else {
    if (flags !== "r" || !directories.has(path)) throw failure("ENOENT", path);
    handles.set(descriptor, { path, file: null });
  }
  return descriptor;
}

function opened(descriptor: number): { path: string; file: Inode | null } {
  const found = handles.get(descriptor);
  if (found === undefined) throw failure("EBADF", String(descriptor));
  return found;
}

function openedFile(descriptor: number): Inode {
  const { path, file } = opened(descriptor);
  if (file === null) throw failure("EISDIR", path);
  return file;
}

export function closeSync(descriptor: number): void {
  opened(descriptor);
  handles.delete(descriptor);
}

export function readSync(descriptor: number, into: Uint8Array, at: number, length: number, position: number): number {
  const part = openedFile(descriptor).now.subarray(position, position + length);
  into.set(part, at);
  return part.length;
}

export function writeSync(descriptor: number, bytes: Uint8Array, at: number, length: number, position: number): number {
  openedFile(descriptor).write(position, bytes.subarray(at, at + length));
  return length;
}

export function fsyncSync(descriptor: number): void {
  const { path, file } = opened(descriptor);
  if (file === null) syncNames(path);
  else file.sync();
}

export { fsyncSync as fdatasyncSync };

/** What an image asks of its file, all as bigint. */
interface BigStats {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly nlink: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

function statsOf(file: Inode): BigStats {
  return { dev: 1n, ino: file.number, nlink: 1n, size: BigInt(file.now.length), mtimeNs: file.writes };
}

export function fstatSync(descriptor: number): BigStats {
  return statsOf(openedFile(descriptor));
}

export function statSync(path: string): BigStats | undefined {
  const file = names.get(path);
  return file && statsOf(file);
}

export function unlinkSync(path: string): void {
  mustFind(path);
  name({ path, file: null });
}

export function readdirSync(directory: string): string[] {
  const inside = disk.list(`${directory}/`).map((path) => path.slice(directory.length + 1));
  return inside.filter((entry) => !entry.includes("/"));
}

export function realpathSync(path: string): string {
  mustFind(path);
  return path;
}

/** Who this process is, a lock asks the system itself. */
export const readFileSync: typeof readSystemFile = readSystemFile;
export const readlinkSync: typeof readSystemLink = readSystemLink;

// node:fs/promises

/** As far as the driver uses one. */
class Handle {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  async write(bytes: Uint8Array, at: number, length: number, position: number): Promise<{ bytesWritten: number }> {
    await disk.before("other");
    // Disks take less than all at once, sometimes.
    const most = Math.max(1, length - (length % 7));
    return { bytesWritten: writeSync(this.#descriptor, bytes, at, Math.min(length, most), position) };
  }

  async read(into: Uint8Array, at: number, length: number, position: number): Promise<{ bytesRead: number }> {
    await disk.before("other");
    return { bytesRead: readSync(this.#descriptor, into, at, length, position) };
  }

  async truncate(length: number): Promise<void> {
    await disk.before("other");
    openedFile(this.#descriptor).truncate(length);
  }

  async sync(): Promise<void> {
    await disk.before("other");
    fsyncSync(this.#descriptor);
  }

  async stat(): Promise<{ size: number }> {
    await disk.before("other");
    return { size: openedFile(this.#descriptor).now.length };
  }

  async close(): Promise<void> {
    await disk.before("other");
    closeSync(this.#descriptor);
  }

  async *createReadStream(): AsyncGenerator<Uint8Array, void, undefined> {
    await disk.before("other");
    yield openedFile(this.#descriptor).now.slice();
    await this.close();
  }
}

export async function open(path: string, flags: string): Promise<Handle> {
  await disk.before("other");
  return new Handle(openSync(path, flags));
}

export async function mkdir(path: string): Promise<void> {
  await disk.before("other");
  directories.add(path);
}

export async function readdir(directory: string): Promise<string[]> {
  await disk.before("other");
  return readdirSync(directory);
}

export async function rename(from: string, to: string): Promise<void> {
  await disk.before("rename");
  const file = mustFind(from);
  if (from !== to) name({ path: from, file: null }, { path: to, file });
}

export async function rm(path: string, { force }: { force: boolean }): Promise<void> {
  await disk.before("other");
  if (names.has(path) || !force) unlinkSync(path);
}

export async function unlink(path: string): Promise<void> {
  await disk.before("other");
  unlinkSync(path);
}

export async function stat(path: string): Promise<{ size: number }> {
  await disk.before("other");
  return { size: mustFind(path).now.length };
}

export async function statfs(): Promise<{ bavail: number; bsize: number }> {
  await disk.before("other");
  return { bavail: Number.MAX_SAFE_INTEGER, bsize: 1 };
}
