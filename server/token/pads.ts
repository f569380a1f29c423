// The rows of pads: read, and written by compare-and-set. Whoever changes a pad gives the epoch that it knows; when another
// process, or a later call, has changed the epoch, nothing is written. What the boxes of a link move, and nothing else, is
// written once for all works of a transaction, before its commit.

import type { Statement } from "better-sqlite3";
import { CONTROL_RESERVE_BYTES, downEnd, type PadShape, upBase } from "../../host/protocol/index.ts";
import type { AccountId } from "../ledger/index.ts";
import { Rows, type Store } from "../store/index.ts";

export type PadState = "inactive" | "active" | "held" | "cancelled";

/** What the server knows of a token. The columns are explained in tables.ts; marks are in bytes. */
export interface Pad extends PadShape {
  readonly pad: number;
  readonly name: string;
  readonly padId: Uint8Array;
  readonly asset: string;
  readonly account: AccountId;
  readonly tariff: string;
  readonly issued: bigint;
  state: PadState;
  epoch: number;
  heard: number;
  linked: number;
  opened: boolean;
  again: number;
  welcome: Uint8Array | null;
  inDoubt: boolean;
  closed: boolean;
  up: number;
  down: number;
  released: number;
  split: number;
  receipt: number;
  receiptCall: number;
  booked: number;
  worth: bigint;
  unfinished: number;
  runBytes: number;
  runText: number;
  addresses: number;
  lost: number;
  torn: boolean;
  /** Its newest box in Answers; that may be gone. */
  answer: number | null;
}

/** Pad bytes that neither direction has used, the control reserve aside. */
export function bytesLeft(pad: Pick<Pad, "up" | "down"> & PadShape): number {
  return Math.max(0, padBytes(pad) - pad.up - pad.down);
}

/** Pad bytes for boxes when the pad was new, the control reserve aside. */
export function padBytes(shape: PadShape): number {
  return downEnd(shape) - upBase(shape) - CONTROL_RESERVE_BYTES;
}

/** Pad bytes between the split and what down has used, the control reserve aside; below 0 when boxes of control took of that. */
export function downRoom(pad: Pick<Pad, "down" | "split"> & PadShape): number {
  return downEnd(pad) - pad.down - pad.split - CONTROL_RESERVE_BYTES;
}

/** Somebody else has changed the pad: a later call, or a command of the operator. */
export class Stale extends Error {}

export class Pads {
  readonly #rows: Rows<number, Pad>;
  readonly #select: Statement<[number], Row>;
  readonly #named: Statement<[string], Row>;
  readonly #page: Statement<[number], Row>;
  readonly #sold: Statement<[], { tariff: string; asset: string }>;
  readonly #sharing: Statement<[number], number>;
  readonly #doubted: Statement<[number], string>;
  readonly #doubt: Statement<[number], { stood: string; aside: number | null }>;
  readonly #beginDoubt: Statement;
  readonly #setAside: Statement;
  readonly #endDoubt: Statement;
  readonly #toRetire: Statement<[], string>;
  readonly #retired: Statement;
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #move: Statement;

  constructor(store: Store) {
    const { db } = store;
    this.#rows = new Rows(store, {
      read: (pad) => fromRow(this.#select.get(pad)),
      write: (rows) => {
        for (const [, pad] of rows) this.#writeMoved(pad);
      },
    });
    this.#select = db.prepare<[number], Row>("SELECT * FROM pad WHERE pad = ?");
    this.#named = db.prepare<[string], Row>("SELECT * FROM pad WHERE name = ?");
    this.#page = db.prepare<[number], Row>("SELECT * FROM pad WHERE pad > ? ORDER BY pad LIMIT 1000");
    this.#sold = db.prepare("SELECT DISTINCT tariff, asset FROM pad WHERE state <> 'cancelled'");
    const sharers = "FROM pad WHERE account = ? AND state <> 'cancelled'";
    this.#sharing = db.prepare<[number], number>(`SELECT count(*) ${sharers}`).pluck();
    this.#doubted = db.prepare<[number], string>(`SELECT name ${sharers} AND in_doubt = 1`).pluck();
    this.#doubt = db.prepare("SELECT stood, aside FROM doubt WHERE pad = ?");
    this.#beginDoubt = db.prepare(
      "INSERT INTO doubt (pad, stood) VALUES (?, ?) ON CONFLICT (pad) DO UPDATE SET stood = excluded.stood",
    );
    this.#setAside = db.prepare("UPDATE doubt SET aside = ? WHERE pad = ?");
    this.#endDoubt = db.prepare("DELETE FROM doubt WHERE pad = ?");
    this.#toRetire = db.prepare<[], string>("SELECT name FROM pad WHERE state = 'cancelled' AND retired = 0").pluck();
    this.#retired = db.prepare("UPDATE pad SET retired = 1 WHERE name = ?");
    this.#insert = db.prepare(
      `INSERT INTO pad (name, pad_id, asset, account, tariff, length, slots, burn_unit, issued, state, split, receipt,
         booked, worth, addresses) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = db.prepare(
      `UPDATE pad SET state = ?, epoch = ?, heard = ?, linked = ?, opened = ?, again = ?, welcome = ?, in_doubt = ?,
         closed = ?, up = ?, down = ?, released = ?, split = ?, receipt = ?, receipt_call = ?, booked = ?, worth = ?,
         unfinished = ?, run_bytes = ?, run_text = ?, addresses = ?, lost = ?, torn = ?, answer = ? WHERE pad = ? AND epoch = ?`,
    );
    this.#move = db.prepare(
      `UPDATE pad SET up = ?, down = ?, released = ?, split = ?, receipt = ?, booked = ?, worth = ?, unfinished = ?,
         run_bytes = ?, run_text = ?, answer = ? WHERE pad = ? AND epoch = ?`,
    );
  }

  load(pad: number): Pad | undefined {
    return this.#rows.peek(pad);
  }

  /** The same, of a pad that will be asked for again: it is remembered. */
  get(pad: number): Pad | undefined {
    return this.#rows.get(pad);
  }

  /** Nobody will ask for this pad soon. */
  forget(pad: number): void {
    this.#rows.forget(pad);
  }

  named(name: string): Pad | undefined {
    return fromRow(this.#named.get(name));
  }

  /** All pads, oldest first, a page at a time: they may be written meanwhile. */
  *all(): Generator<Pad, void, undefined> {
    for (let rows = this.#page.all(0); rows.length > 0; rows = this.#page.all(rows.at(-1)!.pad)) {
      for (const row of rows) yield fromRow(row)!;
    }
  }

  /** The tariffs that tokens have, those aside that were cancelled, and the assets that they had then. */
  sold(): { readonly tariff: string; readonly asset: string }[] {
    return this.#sold.all();
  }

  /** How many pads an account has, those aside that were cancelled. */
  sharing(account: AccountId): number {
    return this.#sharing.get(account)!;
  }

  /** The name of a pad of this account whose books are in doubt. */
  doubted(account: AccountId): string | undefined {
    return this.#doubted.get(account);
  }

  /** Keeps what the account of a pad had when its books came to be in doubt. */
  doubt(pad: number, stood: bigint): void {
    this.#beginDoubt.run(pad, `${stood}`);
  }

  /** What the account of a pad in doubt had. */
  stood(pad: number): bigint {
    return BigInt(this.#doubt.get(pad)!.stood);
  }

  /** Keeps where earnings of a pad in doubt were put. */
  setAside(pad: number, account: AccountId): void {
    this.#setAside.run(account, pad);
  }

  /** Where earnings of a pad wait for the operator's word. */
  aside(pad: number): AccountId | null {
    return this.#doubt.get(pad)?.aside ?? null;
  }

  /** Nothing of a pad is in doubt any more. */
  endDoubt(pad: number): void {
    this.#endDoubt.run(pad);
  }

  /** Cancelled pads whose twin is still there. */
  toRetire(): string[] {
    return this.#toRetire.all();
  }

  /** The twin of this pad is destroyed. */
  retired(name: string): void {
    this.#retired.run(name);
  }

  /** A new pad, all marks 0. Returns its number. */
  insert(
    pad: Pick<
      Pad,
      "name" | "padId" | "asset" | "account" | "tariff" | "issued" | "state" | "split" | "receipt" | "addresses"
    > &
      PadShape,
  ): number {
    const { name, padId, asset, account, tariff, padLength, slots, burnUnit, issued, state, split, receipt } = pad;
    const { lastInsertRowid } = this.#insert.run(
      name,
      padId,
      asset,
      account,
      tariff,
      padLength,
      slots.low,
      burnUnit,
      `${issued}`,
      state,
      split,
      receipt,
      receipt,
      `${issued}`,
      pad.addresses,
    );
    return Number(lastInsertRowid);
  }

  /** Writes what moves of a pad. @throws Stale unless the row still has `epoch` */
  save(pad: Pad, epoch: number): void {
    const { changes } = this.#update.run(
      pad.state,
      pad.epoch,
      pad.heard,
      pad.linked,
      pad.opened ? 1 : 0,
      pad.again,
      pad.welcome,
      pad.inDoubt ? 1 : 0,
      pad.closed ? 1 : 0,
      pad.up,
      pad.down,
      pad.released,
      pad.split,
      pad.receipt,
      pad.receiptCall,
      pad.booked,
      `${pad.worth}`,
      pad.unfinished,
      pad.runBytes,
      pad.runText,
      pad.addresses,
      pad.lost,
      pad.torn ? 1 : 0,
      pad.answer,
      pad.pad,
      epoch,
    );
    if (changes !== 1) throw stale(pad);
    this.#rows.follow(pad.pad, pad);
  }

  /** The same for a pad that was as `before`: when only boxes were opened and sealed, as nearly always, it is written later. */
  move(pad: Pad, before: Pad): void {
    if (!isMoveOnly(pad, before)) {
      this.save(pad, before.epoch);
      return;
    }
    if (this.#rows.get(pad.pad)?.epoch !== pad.epoch) throw stale(pad);
    this.#rows.set(pad.pad, pad);
  }

  #writeMoved(pad: Pad): void {
    const { changes } = this.#move.run(
      pad.up,
      pad.down,
      pad.released,
      pad.split,
      pad.receipt,
      pad.booked,
      `${pad.worth}`,
      pad.unfinished,
      pad.runBytes,
      pad.runText,
      pad.answer,
      pad.pad,
      pad.epoch,
    );
    if (changes !== 1) throw stale(pad);
  }
}

/** Whether what `save` writes and boxes alone do not change is as it was. */
function isMoveOnly(pad: Pad, before: Pad): boolean {
  return (
    pad.state === before.state &&
    pad.epoch === before.epoch &&
    pad.heard === before.heard &&
    pad.linked === before.linked &&
    pad.opened === before.opened &&
    pad.again === before.again &&
    pad.welcome === before.welcome &&
    pad.inDoubt === before.inDoubt &&
    pad.closed === before.closed &&
    pad.receiptCall === before.receiptCall &&
    pad.addresses === before.addresses &&
    pad.lost === before.lost &&
    pad.torn === before.torn
  );
}

function stale({ pad }: Pad): Stale {
  return new Stale(`the row of pad ${pad} was changed by somebody else`);
}

interface Row {
  pad: number;
  name: string;
  pad_id: Uint8Array;
  asset: string;
  account: number;
  tariff: string;
  length: number;
  slots: number;
  burn_unit: number;
  issued: string;
  state: PadState;
  epoch: number;
  heard: number;
  linked: number;
  opened: number;
  again: number;
  welcome: Uint8Array | null;
  in_doubt: number;
  closed: number;
  up: number;
  down: number;
  released: number;
  split: number;
  receipt: number;
  receipt_call: number;
  booked: number;
  worth: string;
  unfinished: number;
  run_bytes: number;
  run_text: number;
  addresses: number;
  lost: number;
  torn: number;
  answer: number | null;
}

function fromRow(row: Row | undefined): Pad | undefined {
  if (row === undefined) return undefined;
  return {
    pad: row.pad,
    name: row.name,
    padId: row.pad_id,
    asset: row.asset,
    account: row.account,
    tariff: row.tariff,
    padLength: row.length,
    slots: { low: row.slots, high: 0 },
    burnUnit: row.burn_unit,
    issued: BigInt(row.issued),
    state: row.state,
    epoch: row.epoch,
    heard: row.heard,
    linked: row.linked,
    opened: row.opened === 1,
    again: row.again,
    welcome: row.welcome,
    inDoubt: row.in_doubt === 1,
    closed: row.closed === 1,
    up: row.up,
    down: row.down,
    released: row.released,
    split: row.split,
    receipt: row.receipt,
    receiptCall: row.receipt_call,
    booked: row.booked,
    worth: BigInt(row.worth),
    unfinished: row.unfinished,
    runBytes: row.run_bytes,
    runText: row.run_text,
    addresses: row.addresses,
    lost: row.lost,
    torn: row.torn === 1,
    answer: row.answer,
  };
}
