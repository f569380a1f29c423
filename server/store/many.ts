// One statement for many rows: what a call of SQLite costs is mostly the call.

import type { Database, Statement } from "better-sqlite3";

/** Rows of the largest form; there is one for each power of two up to it. */
const MOST = 32;

/** A statement that takes its rows as a list. */
export class Many {
  readonly #db: Database;
  readonly #row: string;
  readonly #sql: (rows: string) => string;
  readonly #forms: Map<number, Statement> = new Map();

  /**
   * @param row one row of the list, such as `(?, ?)`
   * @param sql the statement around the list
   */
  constructor(db: Database, row: string, sql: (rows: string) => string) {
    this.#db = db;
    this.#row = row;
    this.#sql = sql;
  }

  /** Runs it for so many rows, whose values stand one behind the other. */
  run(values: readonly unknown[], rows: number): void {
    const width = values.length / rows;
    let at = 0;
    for (let form = MOST; at < rows; form >>= 1) {
      for (; rows - at >= form; at += form) this.#form(form).run(values.slice(at * width, (at + form) * width));
    }
  }

  #form(rows: number): Statement {
    let statement = this.#forms.get(rows);
    if (statement === undefined) {
      statement = this.#db.prepare(this.#sql(Array(rows).fill(this.#row).join(", ")));
      this.#forms.set(rows, statement);
    }
    return statement;
  }
}
