// Rows that works add to a table and remove from it but never change, in memory while a transaction runs and written before
// its commit, many at once. A row has its number as soon as it is added. As with Rows, nothing is remembered of a work that is
// undone, nor of a transaction.

import type { Statement } from "better-sqlite3";
import { Many } from "./many.ts";
import type { Remembered, Store } from "./store.ts";

/** Rows of one table. Nobody else may add any to it, and whoever reads it calls `write` before. */
export class Entries implements Remembered {
  readonly #store: Store;
  readonly #last: Statement<[], number>;
  readonly #added: Waiting;
  readonly #removed: Waiting;
  /** The number of the row that is added next; null: to be asked for. */
  #next: number | null = null;

  /** @param columns of a row, first its number, which is the primary key */
  constructor(store: Store, table: string, columns: readonly [number: string, ...others: string[]]) {
    const { db } = store;
    const [number] = columns;
    const row = `(${columns.map(() => "?").join(", ")})`;
    const insert = new Many(db, row, (rows) => `INSERT INTO ${table} (${columns.join(", ")}) VALUES ${rows}`);
    const remove = new Many(db, "?", (numbers) => `DELETE FROM ${table} WHERE ${number} IN (${numbers})`);
    this.#store = store;
    this.#last = db.prepare<[], number>(`SELECT coalesce(max(${number}), 0) FROM ${table}`).pluck();
    this.#added = new Waiting(insert, columns.length);
    this.#removed = new Waiting(remove, 1);
    store.remember(this);
  }

  /** Adds a row, and returns its number. @param values of the other columns */
  add(...values: readonly unknown[]): number {
    if (!this.#store.inTransaction) throw new Error("rows are added inside a transaction only");
    this.#next ??= this.#last.get()! + 1;
    this.#added.values.push(this.#next, ...values);
    return this.#next++;
  }

  /** Removes the row of this number. */
  remove(number: number): void {
    this.#removed.values.push(number);
  }

  write(): void {
    this.#added.write();
    this.#removed.write();
  }

  settle(): void {
    this.#added.settle();
    this.#removed.settle();
  }

  undo(): void {
    const added = this.#added.undo();
    if (this.#next !== null) this.#next -= added;
    this.#removed.undo();
  }

  end(committed: boolean): void {
    this.#added.clear();
    this.#removed.clear();
    if (!committed) this.#next = null;
  }
}

/** Rows that wait for a statement: their values, one behind the other. */
class Waiting {
  readonly values: unknown[] = [];
  readonly #statement: Many;
  readonly #width: number;
  /** Of the values. */
  #written = 0;
  /** How many there were, and were written, when the last work was done. */
  #settled = 0;
  #settledWritten = 0;

  constructor(statement: Many, width: number) {
    this.#statement = statement;
    this.#width = width;
  }

  write(): void {
    const { values } = this;
    if (this.#written === values.length) return;
    const rest = this.#written === 0 ? values : values.slice(this.#written);
    this.#statement.run(rest, rest.length / this.#width);
    this.#written = values.length;
  }

  settle(): void {
    this.#settled = this.values.length;
    this.#settledWritten = this.#written;
  }

  /** Returns how many rows are gone. What the work has had written of others is undone with it: it comes again. */
  undo(): number {
    const gone = this.values.length - this.#settled;
    this.values.length = this.#settled;
    this.#written = this.#settledWritten;
    return gone / this.#width;
  }

  clear(): void {
    this.values.length = 0;
    this.#written = this.#settled = this.#settledWritten = 0;
  }
}
