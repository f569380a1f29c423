// What can go wrong between the server and its database, in words. SQLite's own codes end here; an error that only a
// mistake in a statement can cause (a constraint, a syntax error) is not of the world and passes as it is.

import Database from "better-sqlite3";
import { type Kinds, TearpadError } from "../../host/protocol/index.ts";

/** The errors of the store, and their facts. */
export interface StoreFacts {
  STORE_MISSING: { path: string };
  STORE_FOREIGN: { path: string; found: string };
  STORE_NEWER: { path: string; found: number; known: number };
  STORE_OLDER: { path: string; found: number; known: number };
  STORE_READ_ONLY: { path: string };
  STORE_FULL: { path: string };
  STORE_BUSY: { path: string; waitedMs: number };
  STORE_CORRUPT: { path: string };
  STORE_FAILED: { path: string; reason: string };
  STORE_CLOSED: { path: string };
}
export type StoreErrorCode = keyof StoreFacts;

/** An error between the server and its database. */
export class StoreError<C extends StoreErrorCode = StoreErrorCode> extends TearpadError<C, StoreFacts[C]> {
  constructor(code: C, facts: StoreFacts[C], cause?: unknown) {
    super(code, facts, ERRORS[code], cause);
  }
}

/** Whether `error` is one of the store under this code; its facts are typed then. */
export function isStoreError<C extends StoreErrorCode>(error: unknown, code: C): error is StoreError<C> {
  return error instanceof StoreError && error.code === code;
}

/** How long a lock of another process is waited for. */
export const LONGEST_WAIT_MS = 5000;

/** The StoreError for what SQLite reports about the world; every other error as it is. */
export function named(error: unknown, path: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const code = error.code;
  const is = (primary: string) => code === primary || code.startsWith(`${primary}_`);
  if (is("SQLITE_FULL")) return new StoreError("STORE_FULL", { path }, error);
  if (is("SQLITE_BUSY")) return new StoreError("STORE_BUSY", { path, waitedMs: LONGEST_WAIT_MS }, error);
  if (is("SQLITE_READONLY") || is("SQLITE_PERM")) return new StoreError("STORE_READ_ONLY", { path }, error);
  if (is("SQLITE_NOTADB")) return new StoreError("STORE_FOREIGN", { path, found: "no database" }, error);
  if (is("SQLITE_CORRUPT")) return new StoreError("STORE_CORRUPT", { path }, error);
  if (is("SQLITE_IOERR") || is("SQLITE_CANTOPEN")) return new StoreError("STORE_FAILED", { path, reason: code }, error);
  return error;
}

const UNTOUCHED = "The database was not changed: no pad bytes were used and no money moved.";
const NOT_DONE = "What was asked for was not done: no money moved, and nothing was answered.";

const ERRORS: Kinds<StoreFacts> = {
  STORE_MISSING: {
    message: ({ path }) => `There is no database at ${path}.`,
    pad: UNTOUCHED,
    advice: "Check the directory. If the database was lost, restore it from its backup; never restore the vault.",
  },
  STORE_FOREIGN: {
    message: ({ path, found }) => `${path} is not a database of this server: it holds ${found}.`,
    pad: UNTOUCHED,
    advice:
      "Check the path, and that this is the server, with the services, that the database was made by. Tables that an unfinished version made are not converted: start that version, or make a new server.",
  },
  STORE_NEWER: {
    message: ({ path, found, known }) =>
      `${path} was written by a newer version (${found} sets of tables, this one knows ${known}).`,
    pad: UNTOUCHED,
    advice: "Start the newer version. An older one must not write to this database.",
  },
  STORE_OLDER: {
    message: ({ path, found, known }) =>
      `${path} was written by an older version (${found} sets of tables of ${known}), and was opened for reading only.`,
    pad: UNTOUCHED,
    advice: "Start the server of this version once: it brings the database up to date.",
  },
  STORE_READ_ONLY: {
    message: ({ path }) => `The database at ${path} cannot be written.`,
    pad: UNTOUCHED,
    advice: "Give the server's user the right to write the file and its directory, or mount the disk for writing.",
  },
  STORE_FULL: {
    message: ({ path }) => `The disk is full: the database at ${path} cannot grow.`,
    pad: NOT_DONE,
    advice: "Make room on the disk; the server goes on by itself. Do not delete the file that ends in -wal.",
  },
  STORE_BUSY: {
    message: ({ path, waitedMs }) => `Another process has kept the database at ${path} locked for ${waitedMs} ms.`,
    pad: NOT_DONE,
    advice: "End the other process, or wait until it has finished, and try again.",
  },
  STORE_CORRUPT: {
    message: ({ path }) => `The database at ${path} is damaged.`,
    pad: "Nothing was answered. What the damage took cannot be told; the limits log still knows which pad bytes are used.",
    advice: "Stop the server, keep a copy of the damaged files, check the disk, and restore the last backup.",
  },
  STORE_FAILED: {
    message: ({ path, reason }) => `The disk failed under the database at ${path} (${reason}).`,
    pad: "Nothing was answered. After a crash, what was asked for may be found done; then it is done once and whole.",
    advice: "Check the disk, its cable and the file system's log before the server goes on.",
  },
  STORE_CLOSED: {
    message: ({ path }) => `The server is stopping and has closed its database at ${path}.`,
    pad: UNTOUCHED,
    advice: "Try again when the server has started.",
  },
};
