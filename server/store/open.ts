// Opening the database, in the settings that the promises of the store rest on. What it is handed may be missing, of
// another program, of a newer version, damaged, locked or not writable: each has its name, and none is changed.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { LONGEST_WAIT_MS, named, StoreError } from "./errors.ts";
import { Store } from "./store.ts";

/** The tables of one module. Once released it is never changed: what comes later is another migration. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export interface StoreOptions {
  /** Makes the database if there is none. Without it that is STORE_MISSING. */
  readonly create?: boolean;
  /** Only reads: nothing is created, migrated or written. */
  readonly readOnly?: boolean;
}

/** "Tear", in the header of the file: how it is told from the databases of other programs. */
const APPLICATION_ID = 0x54656172;

/**
 * Opens the database at `path` and brings it up to date: runs those of `migrations` that it has not seen, in their
 * order, all or none. Later versions only append to `migrations`.
 * @throws StoreError
 */
export function openStore(path: string, migrations: readonly Migration[], options: StoreOptions = {}): Store {
  const { create = false, readOnly = false } = options;
  if (!existsSync(path) && (!create || readOnly || !existsSync(dirname(path))))
    throw new StoreError("STORE_MISSING", { path });
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly: readOnly, timeout: LONGEST_WAIT_MS });
    const blank = isBlank(db, path);
    if (blank && (!create || readOnly)) throw new StoreError("STORE_MISSING", { path });
    checkVersion(db, path, migrations);
    if (readOnly) {
      const found = version(db);
      if (found < migrations.length) throw new StoreError("STORE_OLDER", { path, found, known: migrations.length });
    } else {
      settle(db);
      migrate(db, path, migrations);
    }
    return new Store(db, path);
  } catch (error) {
    db?.close();
    throw named(error, path);
  }
}

/** The settings that are not kept in the file. */
function settle(db: Database.Database): void {
  db.pragma("journal_mode = WAL");
  // Without this line no commit of a WAL database is synced. The others make macOS sync through the disk's own cache.
  db.pragma("synchronous = FULL");
  db.pragma("fullfsync = ON");
  db.pragma("checkpoint_fullfsync = ON");
  db.pragma("foreign_keys = ON");
  // Without it REPLACE deletes a row past the triggers that forbid it.
  db.pragma("recursive_triggers = ON");
  // A checkpoint writes a page once however often it changed: rarer ones write less, and 64 MiB are read back quickly.
  db.pragma("wal_autocheckpoint = 16384");
  db.pragma("cache_size = -65536");
}

/** Whether nothing was ever put in: a new file, or one whose making was cut off. Another program's is STORE_FOREIGN. */
function isBlank(db: Database.Database, path: string): boolean {
  const id = db.pragma("application_id", { simple: true });
  if (id === APPLICATION_ID) return false;
  const tables = db.prepare<[], number>("SELECT count(*) FROM sqlite_schema").pluck().get();
  if (id === 0 && tables === 0 && version(db) === 0) return true;
  throw new StoreError("STORE_FOREIGN", { path, found: "the tables of another program" });
}

function checkVersion(db: Database.Database, path: string, migrations: readonly Migration[]): void {
  const found = version(db);
  if (found > migrations.length) throw new StoreError("STORE_NEWER", { path, found, known: migrations.length });
  if (found === 0) return;
  const marks = db.prepare<[], string>("SELECT name FROM migration ORDER BY number").pluck().all();
  const expected = migrations.map(markOf);
  const other = marks.findIndex((mark, index) => mark !== expected[index]);
  if (other === -1) return;
  const [name] = marks[other]!.split(" ");
  const what = name === migrations[other]?.name ? `tables "${name}" of another shape` : `other tables ("${name}")`;
  throw new StoreError("STORE_FOREIGN", { path, found: what });
}

function migrate(db: Database.Database, path: string, migrations: readonly Migration[]): void {
  if (version(db) === migrations.length && migrations.length > 0) return;
  const run = db.transaction(() => {
    // Another process may have done it while this one waited for the lock.
    if (isBlank(db, path)) {
      db.pragma(`application_id = ${APPLICATION_ID}`);
      db.exec("CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT");
    }
    checkVersion(db, path, migrations);
    const insert = db.prepare("INSERT INTO migration (name) VALUES (?)");
    for (const migration of migrations.slice(version(db))) {
      db.exec(migration.sql);
      insert.run(markOf(migration));
    }
    db.pragma(`user_version = ${migrations.length}`);
  });
  run.immediate();
}

/** What a database remembers a migration by: its name, and what it made, whatever its comments and line breaks were. */
function markOf({ name, sql }: Migration): string {
  const made = sql.replaceAll(/--.*$/gm, "").replaceAll(/\s+/g, " ").trim();
  return `${name} ${createHash("sha256").update(made).digest("hex").slice(0, 16)}`;
}

function version(db: Database.Database): number {
  return db.pragma("user_version", { simple: true }) as number;
}
