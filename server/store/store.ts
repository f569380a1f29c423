// The store: one SQLite file with everything that the server must not forget, written by one process. A disk takes some
// thousand syncs a second whatever they carry, so works of many callers share one transaction: group commit. Each work
// fails alone: what it changes in memory knows how to undo that (Remembered), and from the first statement on with which it
// writes itself it has a savepoint. It learns that it is done only when the transaction it ran in is on the disk.

import type { Database, Statement } from "better-sqlite3";
import { named, StoreError } from "./errors.ts";

/** Works that share one transaction at most: what is lost together when its commit fails. */
const LARGEST_GROUP = 1024;

/** An open database and the way to change it. Made by openStore. */
export class Store {
  /** To prepare statements with; those that read or write money take `.safeIntegers()`. */
  readonly db: Database;
  readonly #path: string;
  readonly #queue: Work[] = [];
  readonly #listeners: (() => void)[] = [];
  readonly #remembered: Remembered[] = [];
  readonly #sql: Record<"begin" | "commit" | "rollback" | "savepoint" | "release" | "undo", Statement>;
  readonly #dataVersion: Statement<[], number>;
  #seenVersion: number;
  #scheduled = false;
  #running = false;
  /** The work that runs: whether it has a savepoint; null: none runs. */
  #saved: boolean | null = null;

  constructor(db: Database, path: string) {
    this.db = db;
    this.#path = path;
    this.#sql = {
      begin: db.prepare("BEGIN IMMEDIATE"),
      commit: db.prepare("COMMIT"),
      rollback: db.prepare("ROLLBACK"),
      savepoint: db.prepare("SAVEPOINT work"),
      release: db.prepare("RELEASE work"),
      undo: db.prepare("ROLLBACK TO work"),
    };
    this.#dataVersion = db.prepare<[], number>("PRAGMA data_version").pluck();
    this.#seenVersion = this.#dataVersion.get()!;
    beforeWrites(db, () => {
      if (this.#saved !== false) return;
      this.#sql.savepoint.run();
      this.#saved = true;
    });
  }

  /** Whether a transaction runs. (To ask the database is ten times as much work.) */
  get inTransaction(): boolean {
    return this.#running;
  }

  /**
   * Runs `work` in a transaction of its own, which is on the disk when this returns. For the command line and for
   * start-up; it waits for the disk.
   * @throws what `work` throws, or StoreError; then nothing has changed.
   */
  transact<T>(work: () => T): T {
    if (!this.db.open) throw new StoreError("STORE_CLOSED", { path: this.#path });
    if (this.db.inTransaction) throw new Error("a transaction is running already");
    try {
      this.#begin();
      const result = synchronous(work());
      this.#commit();
      return result;
    } catch (error) {
      this.#abandon();
      throw named(error, this.#path);
    }
  }

  /**
   * Takes `work` into the next group's transaction, behind all works that were given before. One of its ends, `done` or
   * `failed`, is called once: the latter with what `run` threw, when its changes are undone and the others' unharmed, or
   * with StoreError when the whole group is undone.
   */
  enter(work: Work): void {
    if (this.db.open) {
      this.#queue.push(work);
      this.#schedule();
    } else {
      work.failed(new StoreError("STORE_CLOSED", { path: this.#path }));
    }
  }

  /** The same for a function: resolves with its result when that is on the disk, or rejects with how it failed. */
  commit<T>(work: () => T): Promise<T> {
    return promised(work, (entered) => this.enter(entered));
  }

  /** Calls `run` when another process has changed the database, before the next work sees that: caches are void. */
  onForeignChange(run: () => void): void {
    this.#listeners.push(run);
  }

  /** Has `rows` follow what becomes of works and of transactions. */
  remember(rows: Remembered): void {
    this.#remembered.push(rows);
  }

  /** Runs the works that wait, and closes the file. What is given later rejects with STORE_CLOSED. */
  close(): void {
    if (!this.db.open) return;
    if (this.db.inTransaction) throw new Error("a work cannot close the store it runs in");
    while (this.#queue.length > 0) this.#group();
    this.db.close();
  }

  /** On the next turn of the event loop, so that what is being read from other connections meanwhile joins the group. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#group();
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  #group(): void {
    if (this.db.inTransaction) throw new Error("a transaction was left open");
    const works = this.#queue.splice(0, LARGEST_GROUP);
    if (works.length === 0) return;
    const done: Work[] = [];
    const undone: { readonly work: Work; readonly reason: unknown }[] = [];
    try {
      this.#begin();
      for (const work of works) {
        const failure = this.#runOne(work);
        if (failure === null) done.push(work);
        else undone.push({ work, ...failure });
      }
      this.#commit();
    } catch (error) {
      this.#abandon();
      const reason = named(error, this.#path);
      for (const work of works) work.failed(undone.find((one) => one.work === work)?.reason ?? reason);
      return;
    }
    for (const { work, reason } of undone) work.failed(reason);
    for (const work of done) work.done();
  }

  /** What a work failed with alone. Throws when its failure took the transaction with it, as a full disk does. */
  #runOne(work: Work): { readonly reason: unknown } | null {
    let failure: { readonly reason: unknown } | null = null;
    this.#saved = false;
    try {
      work.run();
    } catch (error) {
      if (!this.db.inTransaction) throw error;
      if (this.#saved) this.#sql.undo.run();
      failure = { reason: named(error, this.#path) };
    }
    if (this.#saved) this.#sql.release.run();
    this.#saved = null;
    for (const rows of this.#remembered) {
      if (failure === null) rows.settle();
      else rows.undo();
    }
    return failure;
  }

  #begin(): void {
    this.#sql.begin.run();
    this.#running = true;
    const version = this.#dataVersion.get()!;
    if (version === this.#seenVersion) return;
    this.#seenVersion = version;
    for (const rows of this.#remembered) rows.end(false);
    for (const run of this.#listeners) run();
  }

  #commit(): void {
    for (const rows of this.#remembered) rows.write();
    this.#sql.commit.run();
    this.#running = false;
    for (const rows of this.#remembered) rows.end(true);
  }

  #abandon(): void {
    this.#running = false;
    this.#saved = null;
    for (const rows of this.#remembered) rows.end(false);
    if (this.db.inTransaction) this.#sql.rollback.run();
  }
}

/** Has `before` called before whatever writes, of all that is prepared from now on. */
function beforeWrites(db: Database, before: () => void): void {
  const prepare = db.prepare.bind(db);
  const watched = (sql: string) => {
    const statement = prepare(sql);
    if (!statement.readonly) precede(statement, ["run", "get", "all", "iterate"], before);
    return statement;
  };
  Object.assign(db, { prepare: watched });
  precede(db, ["exec"], before);
}

function precede(target: object, names: readonly string[], before: () => void): void {
  const methods = target as Record<string, (...values: unknown[]) => unknown>;
  for (const name of names) {
    const method = methods[name]!.bind(target);
    methods[name] = (...values) => {
      before();
      return method(...values);
    };
  }
}

/** What is kept in memory of a table, and changed there: see Rows and Entries. */
export interface Remembered {
  /** Writes what was changed; before each commit. */
  write(): void;
  /** A work is done. */
  settle(): void;
  /** A work is undone. */
  undo(): void;
  /** A transaction has ended, or what is remembered is void. */
  end(committed: boolean): void;
}

/** What is done in a transaction that others share. */
export interface Work {
  /** Called once, inside the transaction; must be synchronous, and begins and ends none. What it throws undoes what it wrote. */
  run(): void;
  /** It is on the disk. Throws nothing. */
  done(): void;
  /** It was not done. Throws nothing. */
  failed(reason: unknown): void;
}

/** A function as a work that is given to `enter`: resolves with its result when that is done. */
export function promised<T>(work: () => T, enter: (work: Work) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let result: T;
    const run = () => {
      result = synchronous(work());
    };
    enter({ run, done: () => resolve(result), failed: reject });
  });
}

/** A work that goes on after it has returned would write outside of its transaction. */
function synchronous<T>(result: T): T {
  if (result instanceof Promise) throw new Error("a work of the store is synchronous");
  return result;
}
