// The disk, as far as the vault needs it. Everything that must survive a cut goes through here, so that a test can put a disk
// in its place that loses what was not synced, at any operation.

import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import Database from "better-sqlite3";

/**
 * How a file is opened: for reading; for reading and writing in place; for reading and appending, the end being found at each
 * write (these must exist); as a new file (which must not exist); or emptied, new if need be.
 */
export type Opening = "read" | "update" | "append" | "new" | "empty";

/** Files and directories; every call is finished when it returns and throws the system's error otherwise. */
export interface Disk {
  open(path: string, how: Opening): number;
  close(file: number): void;
  /** Reads at a position; fewer bytes than asked at the end of the file only. */
  read(file: number, into: Uint8Array, position: number): number;
  /** Writes at a position, or at the end with "append" (null). May write less, when the disk gets full. */
  write(file: number, bytes: Uint8Array, position: number | null): number;
  size(file: number): number;
  /** Which file this is, whatever its name. */
  identity(file: number): string;
  /** Which file has this name; null for none. */
  identityAt(path: string): string | null;
  /** When the file with this name was last written to: milliseconds since 1970. */
  changedAt(path: string): number;
  /** Makes what was written durable, not the name. */
  sync(file: number): void;
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): void;
  link(existing: string, path: string): void;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  exists(path: string): boolean;
  list(directory: string): string[];
  makeDirectory(path: string): void;
  /** Takes a lock that ends with this process at the latest; null when another has it for longer than `wait` ms. */
  lock(path: string, wait: number): (() => void) | null;
}

/** The real one. Files and directories that it makes are for their owner alone. */
export const systemDisk: Disk = {
  open: (path, how) => openSync(path, FLAGS[how], 0o600),
  close: closeSync,
  read: (file, into, position) => readSync(file, into, 0, into.length, position),
  write: (file, bytes, position) => writeSync(file, bytes, 0, bytes.length, position),
  size: (file) => fstatSync(file).size,
  identity(file) {
    const { dev, ino } = fstatSync(file);
    return `${dev}:${ino}`;
  },
  identityAt(path) {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats === undefined ? null : `${stats.dev}:${stats.ino}`;
  },
  changedAt: (path) => statSync(path).mtimeMs,
  sync: fdatasyncSync,
  syncDirectory(path) {
    const directory = openSync(path, "r");
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  },
  link: linkSync,
  rename: renameSync,
  unlink: unlinkSync,
  exists: existsSync,
  list: (directory) => readdirSync(directory),
  makeDirectory: (path) => void mkdirSync(path, { recursive: true, mode: 0o700 }),
  lock: lockFile,
};

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC } = constants;
const FLAGS: Readonly<Record<Opening, number>> = {
  read: O_RDONLY,
  update: O_RDWR,
  append: O_RDWR | O_APPEND,
  new: O_RDWR | O_CREAT | O_EXCL,
  empty: O_RDWR | O_CREAT | O_TRUNC,
};

/**
 * Node has no lock that the kernel takes back when a process dies; SQLite has: an exclusive transaction on an empty database.
 * So no owner can be stale, whichever way it ended.
 */
function lockFile(path: string, wait: number): (() => void) | null {
  const database = new Database(path, { timeout: wait });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY")) return null;
    throw error;
  }
  return () => void database.close();
}
