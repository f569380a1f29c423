// Rows that works change again and again, in memory while a transaction runs: read once, and written once, before the commit,
// however many works have changed them. They are what the transaction has made of them, no more: when a work is undone its
// changes are, and when the transaction is undone, or another process has changed the database, nothing is remembered.

import type { Remembered, Store } from "./store.ts";

/** How the rows of a table are read and written. */
export interface Source<Key, Row> {
  read(key: Key): Row | undefined;
  write(rows: readonly (readonly [key: Key, row: Row])[]): void;
}

/** Rows that are remembered between transactions, at most. */
const MOST_ROWS = 16_384;

/** Rows of one table, by their key. A row is never changed, but replaced by `set`. Nobody else may write them. */
export class Rows<Key, Row> implements Remembered {
  readonly #store: Store;
  readonly #source: Source<Key, Row>;
  readonly #rows: Map<Key, Row> = new Map();
  /** Keys of the rows that the transaction has changed. */
  readonly #changed: Set<Key> = new Set();
  /** What the running work found, latest last; undefined: the row was not remembered. */
  readonly #before: [key: Key, row: Row | undefined][] = [];

  constructor(store: Store, source: Source<Key, Row>) {
    this.#store = store;
    this.#source = source;
    store.remember(this);
  }

  /** The row as it stands for the work that runs; outside of a transaction as it stands in the database. */
  get(key: Key): Row | undefined {
    if (!this.#store.inTransaction) return this.#source.read(key);
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const row = this.#source.read(key);
    if (row === undefined) return undefined;
    this.#before.push([key, undefined]);
    this.#rows.set(key, row);
    return row;
  }

  /** The row as `get` has it, without remembering it. */
  peek(key: Key): Row | undefined {
    return (this.#store.inTransaction ? this.#rows.get(key) : undefined) ?? this.#source.read(key);
  }

  /** Replaces a row; inside a transaction. */
  set(key: Key, row: Row): void {
    this.#before.push([key, this.#rows.get(key)]);
    this.#rows.set(key, row);
    this.#changed.add(key);
  }

  /** The caller has written this row itself: it is remembered so if it is remembered at all. */
  follow(key: Key, row: Row): void {
    const known = this.#rows.get(key);
    if (known === undefined) return;
    this.#before.push([key, known]);
    this.#rows.set(key, row);
  }

  /** Nobody will ask for this row soon. */
  forget(key: Key): void {
    if (!this.#changed.has(key)) this.#rows.delete(key);
  }

  /** Whoever reads the table otherwise calls it before. What a work has written so may be undone with it: it comes again. */
  write(): void {
    if (this.#changed.size === 0) return;
    const rows: [Key, Row][] = [];
    for (const key of this.#changed) {
      const row = this.#rows.get(key);
      if (row !== undefined) rows.push([key, row]);
    }
    this.#source.write(rows);
  }

  settle(): void {
    this.#before.length = 0;
  }

  undo(): void {
    for (let entry = this.#before.pop(); entry !== undefined; entry = this.#before.pop()) {
      const [key, row] = entry;
      if (row === undefined) this.#rows.delete(key);
      else this.#rows.set(key, row);
    }
  }

  end(committed: boolean): void {
    this.#before.length = 0;
    this.#changed.clear();
    if (!committed || this.#rows.size > MOST_ROWS) this.#rows.clear();
  }
}
