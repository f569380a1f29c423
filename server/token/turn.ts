// One turn: what happens to one pad in one transaction. It works on a copy of the pad's row, opens boxes up and seals boxes
// down on the server's twin, moves money, and writes the row at its end, unless somebody else has changed it meanwhile.
// A turn that is left by an error has changed nothing: its savepoint is undone, and the copy is thrown away.
//
// Down bytes may be read and sealed with before the transaction is durable, because nothing leaves before it is; when it
// fails, what was sealed is thrown away with the copy.

import { type BoxPlace, EngineError } from "../../host/engine/index.ts";
import {
  boxCost,
  CONTROL_RESERVE_BYTES,
  downEnd,
  encodeGrant,
  encodeReceipt,
  type ItemKind,
  itemShape,
  type LinkItem,
  TEXT_MAX_BYTES,
  upBase,
} from "../../host/protocol/index.ts";
import type { AccountId } from "../ledger/index.ts";
import { earningsAccount } from "../service/index.ts";
import { type Kept, keptFrom } from "./answers.ts";
import type { TokenServer } from "./core.ts";
import { grantFor } from "./grant.ts";
import { mayBurn } from "./keep.ts";
import { bytesLeft, downRoom, type Pad, Stale } from "./pads.ts";
import { isTied, type Tariff, worthAt } from "./tariff.ts";

/** A box down that was sealed in a turn; `end` is the mark behind it. */
export interface Sealed {
  readonly mark: number;
  readonly end: number;
  readonly box: Uint8Array;
}

/** There is not enough pad left for a box down. */
export class NoRoom extends Error {}

/** Less than the shortest request, or the shortest answer, takes of the pad. */
const SMALLEST_RUN_BYTES = 80;
const KEY_BYTES = 32;
const SECOND_MS = 1000;

/** The slice of one box; turns never overlap, and none leaves anything in it. */
const slice = new Uint8Array(KEY_BYTES + TEXT_MAX_BYTES);

export class Turn {
  readonly server: TokenServer;
  readonly tariff: Tariff;
  /** The row as it will be. */
  readonly pad: Pad;
  readonly sealed: Sealed[] = [];
  /** What may still be debited in this link. */
  budget: bigint;
  readonly #before: Pad;
  /** Whole pages came to be used. */
  #burns = false;
  #balance: { readonly balance: bigint; readonly held: bigint } | null = null;
  #kept: Kept | null = null;

  /** @throws Stale when the row of the pad is not of this epoch */
  constructor(server: TokenServer, pad: number, epoch: number | null, budget: bigint) {
    const before = server.pad(pad);
    if (before === undefined || (epoch !== null && before.epoch !== epoch)) throw new Stale("the link is not the last");
    this.server = server;
    this.tariff = server.tariff(before.tariff);
    this.#before = before;
    this.pad = { ...before };
    this.budget = budget;
  }

  /** What the account of the pad has, and what of it is held. */
  get balance(): { readonly balance: bigint; readonly held: bigint } {
    this.#balance ??= this.server.ledger.balance(this.pad.account);
    return this.#balance;
  }

  get available(): bigint {
    return this.balance.balance - this.balance.held;
  }

  /** Money was moved by somebody else within this turn. */
  balanceMoved(): void {
    this.#balance = null;
  }

  /** The text of the box that comes next up, or null when it is not that, or was changed on its way. */
  open(item: LinkItem): Uint8Array | null {
    const { pad } = this;
    const cost = boxCost(item.textLength, pad.burnUnit);
    const offset = upBase(pad) + pad.up;
    if (offset + cost > pad.split) return null;
    const text = this.#openAt(offset, item);
    if (text === null) return null;
    pad.up += cost;
    pad.opened = true;
    return text;
  }

  /** The text of an item under a key of a slot, or null when it was not sealed with it. */
  openInSlot(offset: number, item: LinkItem): Uint8Array | null {
    return this.#openAt(offset, item);
  }

  /** The text of the run down that begins at this mark and is kept. @throws VaultError PAGE_BURNED */
  recorded(mark: number): Uint8Array {
    const texts: Uint8Array[] = [];
    for (let next = mark; ; ) {
      const [kept] = this.server.answers.from(this.kept, next, 1);
      const shape = kept === undefined ? null : itemShape(kept.box);
      if (kept === undefined || shape === null) throw new Error("a recorded answer has no end");
      next = kept.mark + boxCost(shape.textLength, this.pad.burnUnit);
      const text = this.#openAt(downEnd(this.pad) - next, { ...shape, bytes: kept.box }, "down");
      if (text === null) throw new Error("a recorded answer does not open");
      texts.push(text);
      if (shape.kind === "last") return Buffer.concat(texts);
    }
  }

  #openAt(offset: number, item: LinkItem, direction: "up" | "down" = "up"): Uint8Array | null {
    const key = slice.subarray(0, KEY_BYTES + item.textLength);
    const place: BoxPlace = { padId: this.pad.padId, direction, offset };
    try {
      this.server.vault.read(this.pad.name, offset, key);
      return this.server.engine.openItem(place, key, item.bytes).text;
    } catch (error) {
      if (error instanceof EngineError) return null;
      throw error;
    } finally {
      key.fill(0);
    }
  }

  /** Pad bytes that boxes of a run may still take of down. */
  get room(): number {
    return Math.max(0, downRoom(this.pad));
  }

  /**
   * Seals the next box down and keeps it.
   * @param id of the request, with the first box of its answer
   * @throws NoRoom
   */
  seal(kind: ItemKind, text: Uint8Array, id: Uint8Array | null = null): void {
    const { pad } = this;
    const cost = boxCost(text.length, pad.burnUnit);
    const reserve = kind === "data" || kind === "last" ? CONTROL_RESERVE_BYTES : 0;
    const offset = downEnd(pad) - pad.down - cost;
    if (offset < pad.split + reserve) throw new NoRoom("down has no room");
    const box = this.#sealAt(offset, kind, text);
    this.server.answers.keep(this.kept, pad.down, box, id);
    pad.answer = this.kept.newest;
    this.sealed.push({ mark: pad.down, end: pad.down + cost, box });
    pad.down += cost;
  }

  /** The device has released down up to this mark. */
  release(mark: number): void {
    this.pad.released = mark;
    this.server.answers.forget(this.kept, this.keptFrom);
  }

  /** Its boxes down that are kept. */
  get kept(): Kept {
    this.#kept ??= this.server.keptToChange(this.pad);
    return this.#kept;
  }

  /** The mark of down from which on boxes are kept, and can be opened again. */
  get keptFrom(): number {
    return keptFrom(this.pad, this.server.config.limits.recordedBytes);
  }

  /** Seals an item under a key of a slot. */
  sealInSlot(offset: number, kind: ItemKind, text: Uint8Array): Uint8Array {
    return this.#sealAt(offset, kind, text);
  }

  #sealAt(offset: number, kind: ItemKind, text: Uint8Array): Uint8Array {
    const key = slice.subarray(0, KEY_BYTES + text.length);
    try {
      this.server.vault.read(this.pad.name, offset, key);
      return this.server.engine.sealItem({ padId: this.pad.padId, direction: "down", offset }, kind, key, text);
    } finally {
      key.fill(0);
    }
  }

  /** Debits the account of the pad. The caller has looked whether that much is there. */
  debit(amount: bigint, to: AccountId, reason: string, series = "box"): void {
    if (amount === 0n) return;
    const { pad } = this;
    this.server.ledger.transfer({
      key: [`${series} ${pad.pad}`, pad.up + pad.down],
      from: pad.account,
      to,
      amount,
      reason,
    });
    this.budget -= amount;
    const { balance, held } = this.balance;
    this.#balance = { balance: balance - amount, held };
  }

  /** What a tied token owes for the pad that is used, `more` bytes included; 0 for others. */
  due(more = 0): bigint {
    const { pad } = this;
    if (!isTied(this.tariff) || pad.closed) return 0n;
    const due = pad.worth - worthAt(pad, pad.up + pad.down + more);
    return due < 0n ? 0n : due;
  }

  /**
   * Debits a tied token for the pad that is used, as far as the cap allows: the rest waits for the next link. `more` bytes
   * are about to be used.
   */
  settle(more = 0): void {
    let amount = this.due(more);
    if (amount > this.budget) amount = this.budget;
    if (amount <= 0n) return;
    this.pad.worth -= amount;
    this.debit(amount, this.server.account("fees", this.pad.asset), "pad");
  }

  /**
   * Debits each second of a link that has begun since `paidTo`, as far as the cap and the value go. Returns up to when it is
   * paid. A clock that steps cannot make it more than a link may be silent, nor keep it from going on.
   */
  settleTime(paidTo: number): number {
    const { perSecond } = this.tariff;
    const now = this.server.clock.now();
    const from = paidTo > now + SECOND_MS ? now : Math.max(paidTo, now - this.server.config.limits.idleMs);
    if (perSecond === 0n || now < from) return from;
    const seconds = Math.floor((now - from) / SECOND_MS) + 1;
    const owed = [perSecond * BigInt(seconds), this.budget, this.available];
    const amount = owed.reduce((least, each) => (each < least ? each : least));
    this.debit(amount, this.server.account("fees", this.pad.asset), "time", "time");
    return from + seconds * SECOND_MS;
  }

  /** The account of what its owner earned and lets pay a part of the traffic; null for nearly all. */
  get earnings(): AccountId | null {
    const seat = this.server.seat(this.pad.pad);
    if (seat === undefined) return earningsAccount(this.server.store, this.pad.pad);
    if (seat.earnings === undefined) seat.earnings = earningsAccount(this.server.store, this.pad.pad);
    return seat.earnings;
  }

  /** Whether nothing can be said on this pad any more. */
  get spent(): boolean {
    return this.room < SMALLEST_RUN_BYTES || bytesLeft(this.pad) < 2 * SMALLEST_RUN_BYTES;
  }

  /** Books what is left of the value of a tied token whose pad is spent: its tail. */
  close(): void {
    const { pad } = this;
    if (!isTied(this.tariff) || pad.closed) return;
    this.settle();
    const tail = pad.worth;
    if (tail > this.budget) return; // The cap is too low: the next link closes it.
    this.debit(tail, this.server.account("tail", pad.asset), "tail", "tail");
    pad.worth = 0n;
    pad.closed = true;
  }

  /** Seals a receipt of what the account has now. @throws NoRoom */
  receipt(ends: boolean, settles = true): void {
    const { pad } = this;
    if (settles) this.settle(boxCost(48, pad.burnUnit));
    const { balance, held } = this.balance;
    const facts = { sequence: pad.receipt + 1, call: pad.linked, balance, up: pad.up };
    const open = ends ? held : this.budget + held;
    const mac = this.server.receipts.mac(pad, facts);
    this.seal("receipt", encodeReceipt({ ...facts, open, ends, closed: pad.closed, mac }));
    pad.receipt++;
    pad.booked = pad.receipt;
    pad.receiptCall = pad.linked;
  }

  /** Gives the device more room, when it comes to the end of it, or asks for it. */
  grant(asked: boolean): void {
    const split = grantFor(this.pad, asked);
    if (split === null) return;
    this.pad.split = split;
    this.seal("grant", encodeGrant(split));
  }

  /** Writes the row. The end of every turn that changed something. @throws Stale */
  write(): void {
    this.server.pads.move(this.pad, this.#before);
    this.server.note(this.pad);
    this.#burns = mayBurn(this.server, this.#before, this.pad);
    if (this.#burns) this.server.burning.note(this.pad);
  }

  /** What a turn leaves to do when it is durable. */
  afterwards(): void {
    if (this.#burns) this.server.burning.keep(this.pad);
  }
}
