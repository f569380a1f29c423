// Opening: what a path can hold, and what becomes of it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Migration, openStore } from "../../../server/store/index.ts";
import { directory, numbers, open, place, thrown, writes, written } from "./place.ts";

const letters: Migration = { name: "letters", sql: "CREATE TABLE letter (text TEXT NOT NULL) STRICT" };

describe("opening a store", () => {
  it("makes it when told to, in the settings that its promises rest on, and finds it again", () => {
    const path = place();
    const store = open(path);
    const pragma = (name: string) => store.db.pragma(name, { simple: true });
    expect({
      journal: pragma("journal_mode"),
      synchronous: pragma("synchronous"),
      foreignKeys: pragma("foreign_keys"),
      version: pragma("user_version"),
    }).toEqual({ journal: "wal", synchronous: 2, foreignKeys: 1, version: 1 });
    store.transact(writes(store, 7));
    store.close();
    expect(readFileSync(path).subarray(68, 72).toString("latin1")).toBe("Tear");
    expect(written(open(path, [numbers], {}))).toEqual([7]);
  });

  it("runs the migrations that it has not seen, in their order, all or none", () => {
    const path = place();
    const first = open(path);
    first.transact(writes(first, 7));
    first.close();
    const broken = { name: "broken", sql: "CREATE TABLE half (a INTEGER) STRICT; CREATE TABLE number (a INTEGER)" };
    expect(thrown(() => openStore(path, [numbers, letters, broken]))).toMatchObject({ code: "SQLITE_ERROR" });
    const second = open(path, [numbers, letters]);
    const tables = second.db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all();
    expect(tables).toEqual(["letter", "migration", "number"]);
    expect(second.db.pragma("user_version", { simple: true })).toBe(2);
    expect(written(second)).toEqual([7]);
  });

  it("starts over where the making of a database was cut off before its first transaction", () => {
    const path = place();
    writeFileSync(path, "");
    expect(thrown(() => openStore(path, [numbers]))).toMatchObject({ code: "STORE_MISSING" });
    expect(written(open(path))).toEqual([]);
  });

  it("says that a database is missing and makes none", () => {
    const path = place();
    expect(thrown(() => openStore(path, [numbers]))).toMatchObject({ code: "STORE_MISSING", facts: { path } });
    const both = { create: true, readOnly: true };
    expect(thrown(() => openStore(path, [numbers], both))).toMatchObject({ code: "STORE_MISSING" });
    expect(existsSync(path)).toBe(false);
    const nowhere = join(path, "deeper", "books.db");
    expect(thrown(() => openStore(nowhere, [numbers], { create: true }))).toMatchObject({ code: "STORE_MISSING" });
  });

  it("leaves alone what is of another program: a text, a database, one that has its number but other tables", () => {
    const text = place();
    writeFileSync(text, "Dear diary, this is not a database at all. ".repeat(40));
    const database = place();
    const db = new Database(database);
    db.exec("CREATE TABLE recipe (text TEXT)");
    db.close();
    const numbered = place();
    const other = new Database(numbered);
    other.pragma("application_id = 4711");
    other.close();
    const swapped = place();
    open(swapped, [letters, numbers]).close();
    for (const path of [text, database, numbered, swapped]) {
      const before = readFileSync(path);
      const error = thrown(() => openStore(path, [numbers, letters], { create: true }));
      expect(error).toMatchObject({ code: "STORE_FOREIGN", facts: { path } });
      expect(readFileSync(path).equals(before)).toBe(true);
    }
  });

  it("leaves alone a database whose tables have other columns under the same names, and takes other comments for the same", () => {
    const path = place();
    open(path).close();
    const before = readFileSync(path);
    const reshaped = { ...numbers, sql: numbers.sql.replace("text TEXT", "text TEXT, at INTEGER") };
    const error = thrown(() => openStore(path, [reshaped]));
    expect(error).toMatchObject({
      code: "STORE_FOREIGN",
      facts: { path, found: 'tables "numbers" of another shape' },
      advice: expect.stringContaining("make a new server"),
    });
    expect(readFileSync(path).equals(before)).toBe(true);
    const commented = { ...numbers, sql: `-- What is counted.\n${numbers.sql.replace(", value", ",\n  value")}\n` };
    expect(written(open(path, [commented], {}))).toEqual([]);
  });

  it("leaves alone what a newer version has written", () => {
    const path = place();
    open(path, [numbers, letters]).close();
    const before = readFileSync(path);
    const error = thrown(() => openStore(path, [numbers]));
    expect(error).toMatchObject({ code: "STORE_NEWER", facts: { path, found: 2, known: 1 } });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("reads without writing when told to: an older database is not migrated, and a write is refused", () => {
    const path = place();
    const writer = open(path);
    writer.transact(writes(writer, 7));
    const reader = open(path, [numbers], { readOnly: true });
    expect(reader.transact(() => written(reader))).toEqual([7]);
    expect(thrown(() => reader.transact(writes(reader, 8)))).toMatchObject({ code: "STORE_READ_ONLY" });
    const error = thrown(() => openStore(path, [numbers, letters], { readOnly: true }));
    expect(error).toMatchObject({ code: "STORE_OLDER", facts: { found: 1, known: 2 } });
    expect(written(writer)).toEqual([7]);
  });

  it("says that a database cannot be written when this user may only read it", async () => {
    const base = directory();
    const path = join(base, "books.db");
    open(path).close();
    chmodSync(path, 0o444);
    chmodSync(base, 0o555);
    onTestFinished(() => chmodSync(base, 0o755));
    // Root may write everything, so another user asks, once what only this one may read is loaded.
    const { out } = await script(
      `new Database(":memory:").close();
       if (process.getuid?.() === 0) { process.setgid(65534); process.setuid(65534); }
       try { openStore(path, migrations); } catch (error) { console.log(error.code); }`,
      path,
    );
    expect(out.trim()).toBe("STORE_READ_ONLY");
  });

  it("says that a database is damaged, when it opens or when a work meets the damage", () => {
    const path = place();
    const store = open(path);
    store.transact(() => {
      for (let value = 0; value < 2000; value++) writes(store, value, "text")();
    });
    store.close();
    const bytes = readFileSync(path);
    const schema = place();
    writeFileSync(schema, Buffer.from(bytes).fill(0xff, 100, 4096));
    expect(thrown(() => openStore(schema, [numbers]))).toMatchObject({
      code: "STORE_CORRUPT",
      facts: { path: schema },
    });
    const pages = place();
    writeFileSync(pages, Buffer.from(bytes).fill(0xff, 3 * 4096));
    const damaged = open(pages, [numbers], {});
    expect(thrown(() => damaged.transact(() => written(damaged)))).toMatchObject({ code: "STORE_CORRUPT" });
  });

  it("says that the disk failed when the path is no file", () => {
    const path = place();
    mkdirSync(path);
    expect(thrown(() => openStore(path, [numbers]))).toMatchObject({ code: "STORE_FAILED" });
  });

  it("waits five seconds for the lock of another process and then says so", async () => {
    const path = place();
    const store = open(path);
    const { child, until } = background(
      `const db = new Database(path); db.exec("BEGIN IMMEDIATE"); console.log("locked"); setInterval(() => {}, 1000);`,
      path,
    );
    await until("locked");
    await expect(store.commit(writes(store, 1))).rejects.toMatchObject({
      code: "STORE_BUSY",
      facts: { path, waitedMs: 5000 },
    });
    child.kill("SIGKILL");
    await once(child, "exit");
    await store.commit(writes(store, 2));
    expect(written(store)).toEqual([2]);
  });

  it("tells caches that another process has changed the database, before a work sees it", async () => {
    const path = place();
    const store = open(path);
    const events: string[] = [];
    store.onForeignChange(() => events.push(`foreign ${written(store)}`));
    await store.commit(writes(store, 1));
    await script(
      "const store = openStore(path, migrations); store.transact(() => store.db.exec('INSERT INTO number (value) VALUES (2)'));",
      path,
    );
    await store.commit(() => events.push("work"));
    await store.commit(() => events.push("work"));
    expect(events).toEqual(["foreign 1,2", "work", "work"]);
  });
});

/** Runs these lines in a process of its own, with the store at hand, and returns what they print. */
async function script(lines: string, path: string): Promise<{ out: string }> {
  const { child, output } = background(lines, path);
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`the script ended with ${code}: ${output()}`);
  return { out: output() };
}

function background(
  lines: string,
  path: string,
): { child: ChildProcess; output: () => string; until: (word: string) => Promise<void> } {
  const root = join(dirname(import.meta.dirname), "..", "..");
  const head = `
    import Database from "better-sqlite3";
    import { openStore } from ${JSON.stringify(join(root, "server/store/index.ts"))};
    void Database;
    const path = ${JSON.stringify(path)};
    const migrations = ${JSON.stringify([numbers])};`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", head + lines], { cwd: root });
  onTestFinished(() => void child.kill("SIGKILL"));
  let out = "";
  child.stdout.on("data", (piece) => {
    out += piece;
  });
  child.stderr.on("data", (piece) => {
    out += piece;
  });
  const until = async (word: string) => {
    while (!out.includes(word)) await once(child.stdout, "data");
  };
  return { child, output: () => out, until };
}
