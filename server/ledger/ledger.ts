// The ledger: double entry in an append-only journal. Money is never made or lost: every entry takes from one account
// what it gives to another of the same asset, so the sum over all accounts of an asset is zero. Every check and the
// writes it allows are in one transaction, which no other can come between; every check comes before the first write.

import { type Clock, systemClock } from "../clock.ts";
import { Entries, Rows, type Store } from "../store/index.ts";
import { type AuditReport, auditBooks } from "./audit.ts";
import { LedgerError } from "./errors.ts";
import { type Entry, readStatement } from "./statement.ts";
import {
  type AccountRow,
  type BodyRow,
  type EntryKind,
  prepareLedger,
  type SeriesRow,
  type Statements,
} from "./statements.ts";
import { MOST } from "./tables.ts";

/** The number of an account. */
export type AccountId = number;

/** Minor units: more than 0 and at most 2^63 - 1. */
export type Amount = bigint;

/** What an account is for. Money enters and leaves the books through "issue" and "correction", which may be negative. */
export type AccountKind = "token" | "provider" | "fees" | "issue" | "seller" | "tail" | "correction";

export interface Account {
  readonly kind: AccountKind;
  readonly asset: string;
  readonly name: string | null;
  /** What the balance less the holds never falls below; null: there is no such bound. */
  readonly floor: bigint | null;
}

/**
 * What makes a repeated request be done once. Chosen by whoever asks: a text, or a number in a series of rising ones,
 * which costs less: nothing but the last of a series is looked up, unless it is a repeat.
 */
export type Key = string | readonly [series: string, number: number];

export interface Transfer {
  readonly key: Key;
  readonly from: AccountId;
  readonly to: AccountId;
  readonly amount: Amount;
  /** A word for what is paid, such as "box". */
  readonly reason: string;
  readonly memo?: string;
}

export interface Hold extends Transfer {
  /** When `expire` may end it, in milliseconds since the epoch. */
  readonly expires?: number;
}

/** The books of one store. Methods are called inside a transaction of the store and throw LedgerError. */
export class Ledger {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #sql: Statements;
  /** Every debit changes the same account of the fees: these rows are written once for all debits of a transaction. */
  readonly #accounts: Rows<AccountId, AccountRow>;
  readonly #series: Rows<string, SeriesRow>;
  readonly #journal: Entries;

  constructor(store: Store, clock: Clock = systemClock) {
    this.#store = store;
    this.#clock = clock;
    const sql = prepareLedger(store.db);
    this.#sql = sql;
    this.#accounts = new Rows(store, {
      read: (account) => sql.account.get(account),
      write: (rows) => {
        for (const [account, { balance, held, last }] of rows) sql.setAccount.run(balance, held, last, account);
      },
    });
    this.#series = new Rows(store, {
      read: (name) => sql.series.get(name),
      write: (rows) =>
        sql.setSeries.run(
          rows.flatMap(([name, { number, last }]) => [name, number, last]),
          rows.length,
        ),
    });
    this.#journal = new Entries(store, "journal", ENTRY);
  }

  /** Opens an account with nothing in it. @throws BAD_ASSET, NAME_TAKEN, and BAD_AMOUNT for a floor that cannot be. */
  openAccount(account: Omit<Account, "name"> & { readonly name?: string }): AccountId {
    this.#inTransaction();
    const { kind, asset, name = null, floor } = account;
    if (!/^[A-Z0-9]{1,8}$/.test(asset)) throw new LedgerError("BAD_ASSET", { asset });
    // An account begins empty, so a floor above zero would be broken from the start.
    if (floor !== null && (floor > 0n || floor < -MOST)) {
      throw new LedgerError("BAD_AMOUNT", { amount: `the floor ${floor}`, least: -MOST, most: 0n });
    }
    if (name !== null && this.#sql.named.get(kind, asset, name) !== undefined) {
      throw new LedgerError("NAME_TAKEN", { kind, asset, name });
    }
    return Number(this.#sql.openAccount.run(kind, asset, name, floor).lastInsertRowid);
  }

  /** The account of this name; opened if there is none, without a floor for "issue" and "correction", else with 0. */
  named(kind: AccountKind, asset: string, name: string): AccountId {
    const found = this.#sql.named.get(kind, asset, name);
    if (found !== undefined) return found;
    const floor = kind === "issue" || kind === "correction" ? null : 0n;
    return this.openAccount({ kind, asset, name, floor });
  }

  /** What account `a` is. @throws ACCOUNT_UNKNOWN */
  account(a: AccountId): Account {
    const row = this.#sql.terms.get(a);
    if (row === undefined) throw new LedgerError("ACCOUNT_UNKNOWN", { account: a });
    return row as Account;
  }

  /** What account `a` has, and how much of that its open holds set aside. @throws ACCOUNT_UNKNOWN */
  balance(a: AccountId): { readonly balance: bigint; readonly held: bigint } {
    const { balance, held } = this.#account(a);
    return { balance, held };
  }

  /**
   * Moves money, and returns the number of the entry. A repeat under the same key returns the first entry and moves
   * nothing, whatever the balance is by then.
   * @throws BAD_AMOUNT, KEY_REUSED, KEY_PASSED, ACCOUNT_UNKNOWN, SAME_ACCOUNT, ASSET_MISMATCH, INSUFFICIENT, OVERFLOW
   */
  transfer(t: Transfer): number {
    this.#inTransaction();
    checkAmount(t.amount, MOST);
    const place = this.#place("transfer", t);
    if (place.first !== null) return place.first;
    const { source, target } = this.#sides(t);
    checkAvailable(t, source);
    checkOverflow(t.to, target.balance, t.amount);
    return this.#move("transfer", t, source, target, place, null);
  }

  /**
   * Sets money aside until `post`, `void` or `expire`, and returns the number of the hold. A repeat under the same key
   * returns the first hold; `expires` is not compared, since a repeat comes later.
   * @throws as `transfer`
   */
  hold(t: Hold): number {
    this.#inTransaction();
    checkAmount(t.amount, MOST);
    const place = this.#place("hold", t);
    if (place.first !== null) return place.first;
    const { source } = this.#sides(t);
    checkAvailable(t, source);
    checkOverflow(t.from, source.held, t.amount);
    const expires = t.expires ?? null;
    const hold = this.#write("hold", t, place, UNMOVED, null, expires);
    this.#accounts.set(t.from, { ...source, held: source.held + t.amount });
    this.#sql.openHold.run(hold, expires);
    return hold;
  }

  /**
   * Pays what was set aside, or part of it, and frees the rest. Returns the number of the entry.
   * @throws HOLD_UNKNOWN, HOLD_ENDED, BAD_AMOUNT for more than is held, OVERFLOW
   */
  post(hold: number, amount?: Amount): number {
    this.#inTransaction();
    const held = this.#openHold(hold);
    const paid = amount ?? held.amount;
    checkAmount(paid, held.amount);
    const { source, target } = this.#sides(held);
    checkOverflow(held.to, target.balance, paid);
    this.#sql.closeHold.run(hold);
    const freed = { ...source, held: source.held - held.amount };
    return this.#move("post", { ...held, amount: paid }, freed, target, KEYLESS, hold);
  }

  /** Frees what was set aside. Returns the number of the entry. @throws HOLD_UNKNOWN, HOLD_ENDED */
  void(hold: number): number {
    this.#inTransaction();
    return this.#free("void", hold);
  }

  /** Ends the holds that expire at `now`, in milliseconds since the epoch, or earlier. Returns how many. */
  expire(now: number): number {
    this.#inTransaction();
    const holds = this.#sql.expired.all(now);
    for (const hold of holds) this.#free("expire", hold);
    return holds.length;
  }

  /**
   * What moved on account `a`, newest last: the newest `limit` entries above number `after` and below number `before`.
   * The page of older ones is the one before its first entry.
   * @throws ACCOUNT_UNKNOWN
   */
  statement(a: AccountId, after = 0, limit = 100, before: number = Number.POSITIVE_INFINITY): Entry[] {
    this.#journal.write();
    return readStatement(this.#sql, a, this.#account(a).last, { after, limit, before });
  }

  /** Derives every balance and every hold from the journal, and reports each disagreement by name. */
  audit(): AuditReport {
    this.#inTransaction();
    this.#accounts.write();
    this.#series.write();
    this.#journal.write();
    return auditBooks(this.#store.db);
  }

  #inTransaction(): void {
    if (!this.#store.inTransaction) throw new Error("the ledger works inside a transaction of its store only");
  }

  #account(a: AccountId): AccountRow {
    const row = this.#accounts.get(a);
    if (row === undefined) throw new LedgerError("ACCOUNT_UNKNOWN", { account: a });
    return row;
  }

  /** Both accounts of a transfer, which may pay each other. */
  #sides({ from, to }: Pick<Body, "from" | "to">): { source: AccountRow; target: AccountRow } {
    const source = this.#account(from);
    const target = this.#account(to);
    if (from === to) throw new LedgerError("SAME_ACCOUNT", { account: from });
    if (source.asset !== target.asset) {
      throw new LedgerError("ASSET_MISMATCH", { from: source.asset, to: target.asset });
    }
    return { source, target };
  }

  /** Where the key puts the new entry, or the entry that it has been used for. */
  #place(kind: EntryKind, t: Transfer): Place {
    if (typeof t.key === "string") {
      this.#journal.write();
      const body = this.#sql.byKey.get(t.key);
      if (body === undefined) return { ...KEYLESS, key: t.key };
      return { ...KEYLESS, first: sameBody(body, kind, t, t.key) };
    }
    const [series, number] = t.key;
    if (!Number.isSafeInteger(number)) throw new Error("the numbers of a series are whole");
    const end = this.#series.get(series);
    if (end === undefined || number > end.number) {
      return { first: null, key: null, series, number, previous: end?.last ?? null };
    }
    this.#journal.write();
    // Numbers fall along the chain, so the first that is not above the one asked for decides.
    let body = this.#sql.body.get(end.last)!;
    while (body.number! > number && body.seriesPrevious !== null) body = this.#sql.body.get(body.seriesPrevious)!;
    if (body.number !== number) throw new LedgerError("KEY_PASSED", { series, number, last: end.number });
    return { ...KEYLESS, first: sameBody(body, kind, t, `${series}/${number}`) };
  }

  /** Moves the money: the entry, and both balances after it. All checks were made. */
  #move(kind: EntryKind, t: Body, source: AccountRow, target: AccountRow, place: Place, hold: number | null): number {
    const left = source.balance - t.amount;
    const grown = target.balance + t.amount;
    const entry = this.#write(kind, t, place, { left, sourceLast: source.last, grown, targetLast: target.last }, hold);
    this.#accounts.set(t.from, { ...source, balance: left, last: entry });
    this.#accounts.set(t.to, { ...target, balance: grown, last: entry });
    return entry;
  }

  #free(kind: "void" | "expire", hold: number): number {
    const held = this.#openHold(hold);
    const { source } = this.#sides(held);
    this.#sql.closeHold.run(hold);
    this.#accounts.set(held.from, { ...source, held: source.held - held.amount });
    return this.#write(kind, held, KEYLESS, UNMOVED, hold);
  }

  #write(
    kind: EntryKind,
    t: Body,
    place: Place,
    moved: Moved,
    hold: number | null,
    expires: number | null = null,
  ): number {
    const { from, to, amount, reason, memo = null } = t;
    const { key, series, number, previous } = place;
    const { left, sourceLast, grown, targetLast } = moved;
    const at = this.#clock.now();
    const entry = this.#journal.add(
      kind,
      from,
      to,
      amount,
      reason,
      memo,
      at,
      key,
      series,
      number,
      previous,
      left,
      sourceLast,
      grown,
      targetLast,
      hold,
      expires,
    );
    if (series !== null) this.#series.set(series, { number: number as number, last: entry });
    return entry;
  }

  /** The body of a hold that has not ended. */
  #openHold(hold: number): BodyRow {
    this.#journal.write();
    const body = this.#sql.body.get(hold);
    if (body?.kind !== "hold") throw new LedgerError("HOLD_UNKNOWN", { hold });
    const ending = this.#sql.ending.get(hold);
    if (ending === undefined) return body;
    const { kind, amount, id } = ending;
    throw new LedgerError("HOLD_ENDED", { hold, how: kind as "post" | "void" | "expire", amount, entry: id });
  }
}

/** Who pays whom what, whatever the kind of entry. */
type Body = Pick<BodyRow, "from" | "to" | "amount" | "reason"> & { readonly memo?: string | null };

/** Where a key puts an entry: `first` is the entry that has this key already. */
interface Place {
  readonly first: number | null;
  readonly key: string | null;
  readonly series: string | null;
  readonly number: number | null;
  /** The entry before it in its series. */
  readonly previous: number | null;
}

/** Balances after an entry, and the entries before it; without money moved all are null. */
interface Moved {
  readonly left: bigint | null;
  readonly sourceLast: number | null;
  readonly grown: bigint | null;
  readonly targetLast: number | null;
}

/** The columns of the journal, as #write has their values. */
const ENTRY = [
  "id",
  "kind",
  "source",
  "target",
  "amount",
  "reason",
  "memo",
  "at",
  "key",
  "series",
  "number",
  "series_previous",
  "source_balance",
  "source_previous",
  "target_balance",
  "target_previous",
  "hold",
  "expires",
] as const;

const KEYLESS: Place = { first: null, key: null, series: null, number: null, previous: null };
const UNMOVED: Moved = { left: null, sourceLast: null, grown: null, targetLast: null };

function checkAmount(amount: bigint, most: bigint): void {
  if (typeof amount === "bigint" && amount > 0n && amount <= most) return;
  throw new LedgerError("BAD_AMOUNT", { amount: String(amount), least: 1n, most });
}

function checkAvailable({ from, amount }: Body, source: AccountRow): void {
  // Without a floor only the integer is a bound.
  const available = source.balance - source.held - (source.floor ?? -MOST);
  if (amount <= available) return;
  if (source.floor === null) throw new LedgerError("OVERFLOW", { account: from });
  throw new LedgerError("INSUFFICIENT", { account: from, needed: amount, available });
}

function checkOverflow(account: AccountId, sum: bigint, amount: bigint): void {
  if (sum + amount > MOST) throw new LedgerError("OVERFLOW", { account });
}

/** The entry, when the repeat under its key asks for the same. */
function sameBody(body: BodyRow, kind: EntryKind, t: Transfer, key: string): number {
  const same =
    body.kind === kind &&
    body.from === t.from &&
    body.to === t.to &&
    body.amount === t.amount &&
    body.reason === t.reason &&
    body.memo === (t.memo ?? null);
  if (!same) throw new LedgerError("KEY_REUSED", { key, entry: body.id });
  return body.id;
}
