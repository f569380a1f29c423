// What the ledger asks its tables, prepared once. Money is read as bigint, and everything else as number: with
// safeIntegers SQLite's integers come as bigint and its reals as number, so the rest is cast to real, exact to 2^53.

import type { Database, Statement } from "better-sqlite3";
import { Many } from "../store/index.ts";

export type EntryKind = "transfer" | "hold" | "post" | "void" | "expire";

/** What never changes of an account. */
export interface TermsRow {
  readonly kind: string;
  readonly asset: string;
  readonly name: string | null;
  readonly floor: bigint | null;
}

/** What an entry needs of an account. */
export interface AccountRow {
  readonly asset: string;
  readonly floor: bigint | null;
  readonly balance: bigint;
  readonly held: bigint;
  /** The last entry that moved money of it. */
  readonly last: number | null;
}

/** The last number of a series of keys, and its entry. */
export interface SeriesRow {
  readonly number: number;
  readonly last: number;
}

/** An entry of the journal, as far as it says what was asked for. */
export interface BodyRow {
  readonly id: number;
  readonly kind: EntryKind;
  readonly from: number;
  readonly to: number;
  readonly amount: bigint;
  readonly reason: string;
  readonly memo: string | null;
  readonly number: number | null;
  readonly seriesPrevious: number | null;
}

/** An entry that moved money, as its two accounts see it. */
export interface MoveRow {
  readonly from: number;
  readonly to: number;
  readonly amount: bigint;
  readonly reason: string;
  readonly memo: string | null;
  readonly at: number;
  readonly left: bigint;
  readonly fromPrevious: number | null;
  readonly grown: bigint;
  readonly toPrevious: number | null;
}

export interface Statements {
  readonly terms: Statement<[account: number], TermsRow>;
  readonly account: Statement<[account: number], AccountRow>;
  readonly named: Statement<[kind: string, asset: string, name: string], number>;
  readonly openAccount: Statement<[kind: string, asset: string, name: string | null, floor: bigint | null]>;
  readonly setAccount: Statement<[balance: bigint, held: bigint, last: number | null, account: number]>;
  readonly body: Statement<[entry: number], BodyRow>;
  readonly byKey: Statement<[key: string], BodyRow>;
  readonly ending: Statement<[hold: number], BodyRow>;
  readonly move: Statement<[entry: number], MoveRow>;
  readonly series: Statement<[name: string], SeriesRow>;
  readonly setSeries: Many;
  readonly openHold: Statement<[hold: number, expires: number | null]>;
  readonly closeHold: Statement<[hold: number]>;
  readonly expired: Statement<[now: number], number>;
}

/** Prepares the statements of a ledger on its store's connection. */
export function prepareLedger(db: Database): Statements {
  const real = (column: string, name = column) => `CAST(${column} AS REAL) AS "${name}"`;
  const money = <P extends unknown[], Row>(sql: string) => db.prepare<P, Row>(sql).safeIntegers();
  const number = <P extends unknown[]>(sql: string) => db.prepare<P, number>(sql).pluck();
  const body = `SELECT ${real("id")}, kind, ${real("source", "from")}, ${real("target", "to")}, amount, reason, memo,
    ${real("number")}, ${real("series_previous", "seriesPrevious")} FROM journal`;
  return {
    terms: money("SELECT kind, asset, name, floor FROM account WHERE id = ?"),
    account: money(`SELECT asset, floor, balance, held, ${real("last")} FROM account WHERE id = ?`),
    named: number("SELECT id FROM account WHERE kind = ? AND asset = ? AND name = ?"),
    openAccount: db.prepare("INSERT INTO account (kind, asset, name, floor) VALUES (?, ?, ?, ?)"),
    setAccount: db.prepare("UPDATE account SET balance = ?, held = ?, last = ? WHERE id = ?"),
    body: money(`${body} WHERE id = ?`),
    byKey: money(`${body} WHERE key = ?`),
    ending: money(`${body} WHERE hold = ?`),
    move: money(
      `SELECT ${real("source", "from")}, ${real("target", "to")}, amount, reason, memo, ${real("at")},
         source_balance AS left, ${real("source_previous", "fromPrevious")},
         target_balance AS grown, ${real("target_previous", "toPrevious")}
       FROM journal WHERE id = ? AND source_balance IS NOT NULL`,
    ),
    series: db.prepare("SELECT number, last FROM series WHERE name = ?"),
    setSeries: new Many(
      db,
      "(?, ?, ?)",
      (rows) => `INSERT INTO series (name, number, last) VALUES ${rows}
        ON CONFLICT (name) DO UPDATE SET number = excluded.number, last = excluded.last`,
    ),
    openHold: db.prepare("INSERT INTO hold (id, expires) VALUES (?, ?)"),
    closeHold: db.prepare("DELETE FROM hold WHERE id = ?"),
    expired: number("SELECT id FROM hold WHERE expires <= ? ORDER BY id"),
  };
}
