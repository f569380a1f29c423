// The store: one SQLite file with everything that the server must not forget, written by one process. A disk takes some
// thousand syncs a second whatever they carry, so works of many callers share one transaction: group commit. Each work
// has a savepoint of its own and fails alone; a promise resolves only when the transaction it ran in is on the disk.

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
   * Runs `work` in the next group's transaction, after all works that were given before. Resolves with its result when
   * that is on the disk. `work` is called at most once, must be synchronous, and begins and ends no transaction.
   *
   * Rejects with what `work` threw: its changes are undone and the others' unharmed. Rejects with StoreError when the whole
   * group is undone.
   */
  commit<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (!this.db.open) return reject(new StoreError("STORE_CLOSED", { path: this.#path }));
      this.#queue.push({ run: work, resolve: resolve as (result: unknown) => void, reject, result: undefined });
      this.#schedule();
    });
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
    try {
      this.#begin();
      for (const work of works) if (this.#runOne(work)) done.push(work);
      this.#commit();
    } catch (error) {
      this.#abandon();
      const reason = named(error, this.#path);
      for (const work of works) work.reject(reason);
      return;
    }
    for (const work of done) work.resolve(work.result);
  }

  /** Whether the work succeeded. Throws when its failure took the transaction with it, as a full disk does. */
  #runOne(work: Work): boolean {
    this.#sql.savepoint.run();
    try {
      work.result = synchronous(work.run());
    } catch (error) {
      if (!this.db.inTransaction) throw error;
      this.#sql.undo.run();
      this.#sql.release.run();
      for (const rows of this.#remembered) rows.undo();
      work.reject(named(error, this.#path));
      return false;
    }
    this.#sql.release.run();
    for (const rows of this.#remembered) rows.settle();
    return true;
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
    for (const rows of this.#remembered) rows.end(false);
    if (this.db.inTransaction) this.#sql.rollback.run();
  }
}

/** What is kept in memory of a table, and changed there: see Rows. */
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

interface Work {
  readonly run: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (reason: unknown) => void;
  result: unknown;
}

/** A work that goes on after it has returned would write outside of its transaction. */
function synchronous<T>(result: T): T {
  if (result instanceof Promise) throw new Error("a work of the store is synchronous");
  return result;
}
