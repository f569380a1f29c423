// The audit: reads the journal from its first entry and derives every balance, hold, chain and series again, without
// trusting anything that was kept beside it. Whatever does not agree is reported by name, each place once, so that a
// single wrong line does not make all later ones look wrong.

import type { Database } from "better-sqlite3";
import type { EntryKind } from "./statements.ts";

/** What can disagree: with entries, with accounts, with what is kept beside the journal. */
export type DisagreementName =
  | "ENTRY_MISSING"
  | "ENTRY_ACCOUNTS"
  | "ENTRY_BALANCE"
  | "ENTRY_CHAIN"
  | "ENTRY_ENDING"
  | "ENTRY_SERIES"
  | "FLOOR"
  | "BALANCE"
  | "HELD"
  | "LAST_ENTRY"
  | "OPEN_HOLD"
  | "SERIES"
  | "SUM";

/** One place where the books say one thing and the journal another. */
export interface Disagreement {
  readonly name: DisagreementName;
  readonly entry?: number;
  readonly account?: number;
  readonly hold?: number;
  readonly series?: string;
  readonly asset?: string;
  /** What stands there. */
  readonly stated: bigint | number | null;
  /** What follows from the journal. */
  readonly derived: bigint | number | null;
}

export interface AuditReport {
  readonly entries: number;
  readonly accounts: number;
  readonly openHolds: number;
  /** For each asset the sum of all balances, which is 0, and of those that are above 0. */
  readonly assets: readonly { readonly asset: string; readonly sum: bigint; readonly circulating: bigint }[];
  /** Empty when the books balance. At most the first 1,000. */
  readonly disagreements: readonly Disagreement[];
}

const MOST_REPORTED = 1000;

/** Audits the books of this database, inside a transaction, and changes nothing. */
export function auditBooks(db: Database): AuditReport {
  return new Audit(db).report();
}

interface JournalRow {
  readonly id: bigint;
  readonly kind: EntryKind;
  readonly source: bigint;
  readonly target: bigint;
  readonly amount: bigint;
  readonly series: string | null;
  readonly number: bigint | null;
  readonly series_previous: bigint | null;
  readonly source_balance: bigint | null;
  readonly source_previous: bigint | null;
  readonly target_balance: bigint | null;
  readonly target_previous: bigint | null;
  readonly hold: bigint | null;
}

interface BookRow {
  readonly id: bigint;
  readonly asset: string;
  readonly floor: bigint | null;
  readonly balance: bigint;
  readonly held: bigint;
  readonly last: bigint | null;
}

/** An account as the journal makes it. */
interface Derived {
  readonly book: BookRow;
  balance: bigint;
  held: bigint;
  last: bigint | null;
  /** What the newest entry says the balance was. */
  stated: bigint;
  floorReported: boolean;
}

class Audit {
  readonly #db: Database;
  readonly #accounts = new Map<bigint, Derived>();
  readonly #holds = new Map<bigint, JournalRow>();
  readonly #series = new Map<string, { number: bigint; last: bigint }>();
  readonly #found: Disagreement[] = [];
  #entries = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  report(): AuditReport {
    for (const book of this.#read<BookRow>("SELECT id, asset, floor, balance, held, last FROM account ORDER BY id")) {
      const fresh = { balance: 0n, held: 0n, last: null, stated: 0n, floorReported: false };
      this.#accounts.set(book.id, { book, ...fresh });
    }
    let previous = 0n;
    for (const row of this.#read<JournalRow>("SELECT * FROM journal ORDER BY id")) {
      if (row.id !== previous + 1n) this.#note("ENTRY_MISSING", { entry: previous + 1n }, null, previous + 1n);
      previous = row.id;
      this.#entries++;
      this.#entry(row);
    }
    this.#compareAccounts();
    this.#compareHolds();
    this.#compareSeries();
    return {
      entries: this.#entries,
      accounts: this.#accounts.size,
      openHolds: this.#holds.size,
      assets: this.#assets(),
      disagreements: this.#found,
    };
  }

  #entry(row: JournalRow): void {
    const source = this.#accounts.get(row.source);
    const target = this.#accounts.get(row.target);
    if (source === undefined || target === undefined) {
      const account = source === undefined ? row.source : row.target;
      this.#note("ENTRY_ACCOUNTS", { entry: row.id, account }, account, null);
      return;
    }
    if (source.book.asset !== target.book.asset)
      this.#note("ENTRY_ACCOUNTS", { entry: row.id }, row.target, row.source);
    if (row.kind === "hold") {
      this.#holds.set(row.id, row);
      source.held += row.amount;
    }
    if (row.hold !== null || row.kind === "post" || row.kind === "void" || row.kind === "expire")
      this.#ending(row, source);
    if (row.kind === "transfer" || row.kind === "post") {
      this.#moved(row.id, source, -row.amount, row.source_balance, row.source_previous);
      this.#moved(row.id, target, row.amount, row.target_balance, row.target_previous);
    }
    this.#checkFloor(row.id, source);
    if (row.series !== null) this.#inSeries(row, row.series);
  }

  #ending(row: JournalRow, source: Derived): void {
    const hold = row.hold === null ? undefined : this.#holds.get(row.hold);
    const fits =
      hold !== undefined &&
      hold.source === row.source &&
      hold.target === row.target &&
      (row.kind === "post" ? row.amount <= hold.amount : row.amount === hold.amount);
    if (!fits) this.#note("ENTRY_ENDING", { entry: row.id }, row.amount, hold?.amount ?? null);
    if (hold === undefined) return;
    this.#holds.delete(hold.id);
    source.held -= hold.amount;
  }

  #moved(entry: bigint, side: Derived, amount: bigint, stated: bigint | null, previous: bigint | null): void {
    const account = side.book.id;
    side.balance += amount;
    if (stated !== side.stated + amount) this.#note("ENTRY_BALANCE", { entry, account }, stated, side.stated + amount);
    if (previous !== side.last) this.#note("ENTRY_CHAIN", { entry, account }, previous, side.last);
    side.stated = stated ?? side.balance;
    side.last = entry;
  }

  #checkFloor(entry: bigint, side: Derived): void {
    const { floor, id } = side.book;
    const available = side.balance - side.held;
    if (floor === null || available >= floor || side.floorReported) return;
    side.floorReported = true;
    this.#note("FLOOR", { entry, account: id }, available, floor);
  }

  #inSeries(row: JournalRow, series: string): void {
    const end = this.#series.get(series);
    const number = row.number ?? 0n;
    if (row.series_previous !== (end?.last ?? null) || (end !== undefined && number <= end.number)) {
      this.#note("ENTRY_SERIES", { entry: row.id, series }, row.series_previous, end?.last ?? null);
    }
    this.#series.set(series, { number, last: row.id });
  }

  #compareAccounts(): void {
    for (const { book, balance, held, last } of this.#accounts.values()) {
      const account = book.id;
      if (book.balance !== balance) this.#note("BALANCE", { account }, book.balance, balance);
      if (book.held !== held) this.#note("HELD", { account }, book.held, held);
      if (book.last !== last) this.#note("LAST_ENTRY", { account }, book.last, last);
    }
  }

  #compareHolds(): void {
    const kept = new Set<bigint>();
    for (const { id } of this.#read<{ id: bigint }>("SELECT id FROM hold ORDER BY id")) {
      kept.add(id);
      if (!this.#holds.has(id)) this.#note("OPEN_HOLD", { hold: id }, id, null);
    }
    for (const id of this.#holds.keys()) if (!kept.has(id)) this.#note("OPEN_HOLD", { hold: id }, null, id);
  }

  #compareSeries(): void {
    const rows = this.#read<{ name: string; number: bigint; last: bigint }>("SELECT name, number, last FROM series");
    for (const { name: series, number, last } of rows) {
      const end = this.#series.get(series);
      if (number !== end?.number || last !== end.last) this.#note("SERIES", { series }, last, end?.last ?? null);
      this.#series.delete(series);
    }
    for (const [series, { last }] of this.#series) this.#note("SERIES", { series }, null, last);
  }

  /** Sums of what the accounts state, which is what their owners are shown. */
  #assets(): AuditReport["assets"] {
    const sums = new Map<string, { sum: bigint; circulating: bigint }>();
    for (const { book } of this.#accounts.values()) {
      const { sum, circulating } = sums.get(book.asset) ?? { sum: 0n, circulating: 0n };
      const owned = book.balance > 0n ? book.balance : 0n;
      sums.set(book.asset, { sum: sum + book.balance, circulating: circulating + owned });
    }
    for (const [asset, { sum }] of sums) if (sum !== 0n) this.#note("SUM", { asset }, sum, 0n);
    return [...sums].map(([asset, amounts]) => ({ asset, ...amounts }));
  }

  #read<Row>(sql: string): IterableIterator<Row> {
    return this.#db.prepare<[], Row>(sql).safeIntegers().iterate();
  }

  #note(name: DisagreementName, where: Where, stated: bigint | null, derived: bigint | null): void {
    if (this.#found.length >= MOST_REPORTED) return;
    const { entry, account, hold, ...rest } = where;
    this.#found.push({
      name,
      ...(entry === undefined ? {} : { entry: Number(entry) }),
      ...(account === undefined ? {} : { account: Number(account) }),
      ...(hold === undefined ? {} : { hold: Number(hold) }),
      ...rest,
      stated,
      derived,
    });
  }
}

interface Where {
  readonly entry?: bigint;
  readonly account?: bigint;
  readonly hold?: bigint;
  readonly series?: string;
  readonly asset?: string;
}
