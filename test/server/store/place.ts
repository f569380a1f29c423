// A place for a database, on this machine's real disk, that is gone after the test.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Migration, openStore, type Store, type StoreOptions } from "../../../server/store/index.ts";

/** A directory of this test. */
export function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "tearpad-store-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Where a database may come to be. */
export function place(): string {
  return join(directory(), "books.db");
}

/** A table of numbers, which come in the order of their rows. */
export const numbers: Migration = {
  name: "numbers",
  sql: "CREATE TABLE number (row INTEGER PRIMARY KEY, value INTEGER NOT NULL UNIQUE, text TEXT) STRICT",
};

/** Opens a store that this test closes; made if there is none. */
export function open(path: string, migrations: readonly Migration[] = [numbers], options?: StoreOptions): Store {
  const store = openStore(path, migrations, options ?? { create: true });
  onTestFinished(() => {
    if (store.db.open) store.close();
  });
  return store;
}

/** A work that writes `value` and returns it. */
export function writes(store: Store, value: number, text: string | null = null): () => number {
  const insert = store.db.prepare("INSERT INTO number (value, text) VALUES (?, ?)");
  return () => {
    insert.run(value, text);
    return value;
  };
}

/** What was written, in order. */
export function written(store: Store): number[] {
  return store.db.prepare<[], number>("SELECT value FROM number ORDER BY row").pluck().all();
}

/** The error that `run` throws. */
export function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
