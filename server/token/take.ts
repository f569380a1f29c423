// What a link takes in one turn: boxes up in their order, as many as share the transaction. Runs are put together and served,
// STATEs obeyed, grants and receipts sealed. Nothing of it may be told before the turn is durable, and a turn that fails
// leaves link and talk as they were.

import { decodeState, type LinkItem, type StateText } from "../../host/protocol/index.ts";
import type { TokenServer } from "./core.ts";
import { type Jump, makeJump } from "./ready.ts";
import { type Job, type Refusal, serve } from "./serve.ts";
import { NoRoom, Turn } from "./turn.ts";

/** Boxes down behind which a turn takes no further item. */
const TURN_SEALED = 64;

/** What a link knows beside the row of its pad. */
export interface Talk {
  readonly cap: bigint;
  readonly budget: bigint;
  readonly jump: Jump | null;
  /** The account as this link last told or changed it. */
  readonly balance: bigint;
  /** Up to when this link is paid, where time is. */
  readonly paidTo: number;
  /** Texts of the unfinished run; null: they are in the store. */
  readonly parts: readonly Uint8Array[] | null;
}

/** One turn of a link. Used once, inside a work. */
export class Take {
  readonly turn: Turn;
  /** Texts that are not needed any more, once it is durable. */
  readonly used: Uint8Array[] = [];
  /** The item that is being taken; behind the turn, how many were. */
  at = 0;
  /** Work that begins when it is durable; nothing behind it is taken. */
  job: Job | null = null;
  /** The link ends with this turn. */
  ends = false;
  readonly #server: TokenServer;
  #cap: bigint;
  #jump: Jump | null;
  #paidTo: number;
  #parts: readonly Uint8Array[] | null;
  #wantsReceipt: boolean;

  /** @throws Stale when a later call has the pad */
  constructor(server: TokenServer, pad: number, epoch: number, talk: Talk) {
    this.turn = new Turn(server, pad, epoch, talk.budget);
    this.#server = server;
    this.#cap = talk.cap;
    this.#jump = talk.jump;
    this.#paidTo = talk.paidTo;
    this.#parts = talk.parts;
    this.#wantsReceipt = this.turn.balance.balance > talk.balance;
  }

  /** What the link knows when the turn is durable. */
  get talk(): Talk {
    const { budget, balance } = this.turn;
    const [cap, jump, paidTo, parts] = [this.#cap, this.#jump, this.#paidTo, this.#parts];
    return { cap, budget, jump, balance: balance.balance, paidTo, parts };
  }

  /**
   * Takes the first `most` of these items, or fewer, and writes the row.
   * @param refusals for requests, by the place of their last item, that an earlier try of this turn could not keep
   * @throws Refused, StillWorking: the item `at` is to be taken otherwise, or later; Stale
   */
  run(items: readonly LinkItem[], most: number, refusals: ReadonlyMap<number, Refusal>): void {
    const { turn } = this;
    const { up, down } = turn.pad;
    const end = Math.min(items.length, most);
    for (; this.at < end && !this.ends && this.job === null && turn.sealed.length < TURN_SEALED; this.at++) {
      this.#take(items[this.at]!, refusals.get(this.at));
    }
    if (turn.pad.up !== up) this.#paidTo = turn.settleTime(this.#paidTo);
    if (turn.spent && this.job === null) {
      turn.close();
      this.#endWithReceipt();
    }
    try {
      if (this.#wantsReceipt) turn.receipt(this.ends);
    } catch (error) {
      if (!(error instanceof NoRoom)) throw error;
    }
    if (turn.pad.up !== up || turn.pad.down !== down) turn.write();
  }

  #endWithReceipt(): void {
    this.ends = true;
    this.#wantsReceipt = true;
  }

  #take(item: LinkItem, refusal: Refusal | undefined): void {
    const { turn } = this;
    const { pad } = turn;
    const before = pad.up;
    const isBox = item.kind === "data" || item.kind === "last" || item.kind === "state";
    const text = this.#isPastJump() && isBox ? turn.open(item) : null;
    if (text === null) {
      this.ends = true;
      return;
    }
    let wantsRoom = false;
    if (item.kind === "state") {
      const state = decodeState(text);
      if (state === null || !this.#isPossible(state)) {
        this.ends = true;
        return;
      }
      this.#obey(state);
      wantsRoom = state.wantsRoom;
    } else if (pad.torn) {
      // It may be the rest of a run that went with a database: nobody can tell, and so it is not served. Its token asks again.
      pad.torn = item.kind !== "last";
      text.fill(0);
    } else {
      pad.runBytes += pad.up - before;
      pad.runText += text.length;
      if (item.kind === "data") this.#keepPart(text);
      else this.#serveRun(text, refusal);
    }
    if (!this.ends) turn.grant(wantsRoom);
  }

  /** Jumps when it is time to. False: this link does not come to where its READY said that it jumps. */
  #isPastJump(): boolean {
    const { pad } = this.turn;
    if (this.#jump === null || pad.up < this.#jump.again) return true;
    if (pad.up > this.#jump.again || !makeJump(this.turn, this.#jump)) return false;
    if (pad.unfinished === 0) this.#parts = null;
    this.#jump = null;
    return true;
  }

  /** What is sent again from an earlier link may be behind this READY. */
  #isPossible(state: StateText): boolean {
    const { pad } = this.turn;
    const isBehind = state.down < pad.released && this.#jump === null;
    return !isBehind && state.down <= pad.down && state.receiptSequence <= pad.receipt;
  }

  #obey(state: StateText): void {
    const { turn } = this;
    if (state.down > turn.pad.released) turn.release(state.down);
    // The cap of what is sent again was that of the earlier link.
    if (state.cap > this.#cap && this.#jump === null) {
      turn.budget += state.cap - this.#cap;
      this.#cap = state.cap;
    }
    if (state.ends) this.#endWithReceipt();
  }

  /** Whether what came of the run so far is kept: nothing grows that is larger than this server takes. */
  get #isKept(): boolean {
    return this.turn.pad.runText <= this.#server.config.limits.largestRequest;
  }

  #keepPart(text: Uint8Array): void {
    const { pad } = this.turn;
    if (this.#isKept) {
      if (pad.unfinished > 0) this.#parts ??= this.#server.parts.texts(pad.pad);
      this.#parts = [...(this.#parts ?? []), text];
      this.#server.parts.add(pad.pad, pad.unfinished, text);
    }
    pad.unfinished++;
  }

  /** The last box of a run has come. @throws Refused, StillWorking */
  #serveRun(text: Uint8Array, refusal: Refusal | undefined): void {
    const { pad } = this.turn;
    const before = pad.unfinished === 0 ? [] : (this.#parts ?? this.#server.parts.texts(pad.pad));
    this.used.push(...before);
    const whole = this.#isKept ? concatenateAll([...before, text]) : null;
    const arrived = { text: whole, boxes: pad.unfinished + 1, padBytes: pad.runBytes };
    if (pad.unfinished > 0) this.#server.parts.drop(pad.pad);
    pad.unfinished = pad.runBytes = pad.runText = 0;
    this.#parts = null;
    try {
      const done = serve(this.turn, arrived, refusal);
      this.job = done.job;
      if (done.ends) this.#endWithReceipt();
    } catch (error) {
      if (!(error instanceof NoRoom)) throw error;
      this.#endWithReceipt();
    } finally {
      whole?.fill(0);
      text.fill(0);
    }
  }
}

/** An array, and not a Buffer: slices of those are no copies. */
function concatenateAll(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
