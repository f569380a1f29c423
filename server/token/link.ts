// One link, from its first byte to its last, as a state machine between a line and the transactions. It knows no sockets:
// bytes come in by `receive`, and go out by `send` of the line, never before they are durable.
//
// Items are taken strictly in their order. Those that wait while a transaction is on its way to the disk share the next one,
// so a device that sends ahead gains by it. Nothing is held that the other side could make grow: a line that sends faster
// than the disk takes is not read on, and one that does not take its answers gets no more of them.

import { randomBytes } from "node:crypto";
import { decodeState, ItemReader, type LinkItem } from "../../host/protocol/index.ts";
import type { Seated, TokenServer } from "./core.ts";
import { answerCall } from "./desk.ts";
import { runJob } from "./job.ts";
import { keepAlive } from "./keep.ts";
import { Stale } from "./pads.ts";
import { acceptReady, type Jump, makeJump } from "./ready.ts";
import { type Job, type Refusal, Refused, StillWorking, serve } from "./serve.ts";
import { NoRoom, type Sealed, Turn } from "./turn.ts";

/** The line that a link talks over. */
export interface Line {
  /** Takes bytes. False: no more for now, until `Link.drained` is called. */
  send(bytes: Uint8Array): unknown;
  /** Ends the line, when what was sent is out. */
  end(): void;
  /** Asks to read on, or not to, for now. */
  flow?(on: boolean): void;
}

/** Items of a line that may wait; a line that has more is not read until they are done. */
const WAITING_ITEMS = 64;
/** Items that share one transaction at most. */
const TURN_ITEMS = 32;
/** Boxes down behind which a turn takes no further item. */
const TURN_SEALED = 64;
/** Kept boxes that are read at once. */
const KEPT_BOXES = 16;
/** Calls that one line may make. */
const CALLS_MAX = 64;

/** A refusal is a welcome for nobody: its header, and as many random bytes as a welcome has behind it. */
const WELCOME_HEADER = [48, 0, 4, 0];
const WELCOME_BYTES = 68;

type State = "waiting" | "calling" | "welcomed" | "refused" | "linked" | "ended";

/** What a link knows beside the row of its pad; a turn that fails leaves it as it was. */
interface Talk {
  readonly cap: bigint;
  readonly budget: bigint;
  readonly jump: Jump | null;
  /** The account as this link last told or changed it. */
  readonly balance: bigint;
  /** Texts of the unfinished run; null: they are in the store. */
  readonly parts: readonly Uint8Array[] | null;
}

/** What a turn comes to. */
interface Outcome {
  readonly turn: Turn;
  readonly talk: Talk;
  /** Texts that are not needed any more, once it is durable. */
  readonly used: readonly Uint8Array[];
  /** Items that it took. */
  readonly taken: number;
  readonly job: Job | null;
  readonly ends: boolean;
}

export class Link implements Seated {
  readonly #server: TokenServer;
  readonly #line: Line;
  readonly #reader: ItemReader = new ItemReader();
  #state: State = "waiting";
  #waiting: LinkItem[] = [];
  #running = false;
  #nudged = false;
  #held = false;
  /** A slow service works for this link. */
  #working = false;
  #calls = 0;
  #pad = 0;
  #call = 0;
  #epoch = 0;
  #talk: Talk = { cap: 0n, budget: 0n, jump: null, balance: 0n, parts: null };
  /** Down up to here was given to the line. */
  #sentTo = 0;
  #drain: (() => void) | null = null;
  readonly #began: number;
  #heardAt: number;
  #openedAt: number | null = null;

  constructor(server: TokenServer, line: Line) {
    this.#server = server;
    this.#line = line;
    this.#began = server.clock.now();
    this.#heardAt = this.#began;
  }

  /** Whether both ends are proven. */
  get linked(): boolean {
    return this.#state === "linked";
  }

  /** When the line began, and when it last brought something, in the server's time. */
  get began(): number {
    return this.#began;
  }

  get heardAt(): number {
    return this.#heardAt;
  }

  /** Bytes of the line, as they come. */
  receive(bytes: Uint8Array): void {
    if (this.#state === "ended") return;
    this.#heardAt = this.#server.clock.now();
    try {
      const items = this.#reader.push(bytes);
      if (this.#waiting.length === 0) this.#waiting = items;
      else this.#waiting.push(...items);
    } catch {
      this.#end(); // No item: whatever it is, it is not this protocol.
      return;
    }
    if (!this.#held && this.#waiting.length > WAITING_ITEMS) this.#flow(false);
    this.#run();
  }

  /** The line takes bytes again. */
  drained(): void {
    this.#drain?.();
  }

  /** The line is gone. */
  closed(): void {
    this.#end();
  }

  isBusy(now: number): boolean {
    if (this.#state !== "linked" || this.#openedAt === null) return false;
    const since = now - this.#openedAt;
    return since >= 0 && since < this.#server.config.limits.giveWayMs;
  }

  displace(): void {
    this.#end();
  }

  nudge(): void {
    if (this.#state !== "linked" || this.#working) return;
    this.#nudged = true;
    this.#run();
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    try {
      while (this.#state !== "ended" && (this.#waiting.length > 0 || this.#nudged)) {
        if (this.#state === "linked") await this.#turn();
        else await this.#greet(this.#waiting.shift()!);
        if (this.#held && this.#waiting.length <= WAITING_ITEMS / 2) this.#flow(true);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#running = false;
    }
  }

  // Before the link: a tag, and a ready.

  async #greet(item: LinkItem): Promise<void> {
    this.#nudged = false;
    if (item.kind === "slot" && ++this.#calls <= CALLS_MAX) return this.#answerCall(item.bytes.subarray(4));
    if (item.kind === "ready" && this.#state === "welcomed") return this.#becomeLink(item);
    this.#end();
  }

  async #answerCall(tag: Uint8Array): Promise<void> {
    const { clock, config } = this.#server;
    this.#state = "calling";
    const due = new Promise<void>((resolve) => void clock.after(config.answerAfterMs, resolve));
    const welcomed = await answerCall(this.#server, tag);
    await due;
    if (this.#isEnded()) return;
    if (welcomed === null) {
      const refusal = randomBytes(WELCOME_BYTES);
      refusal.set(WELCOME_HEADER);
      this.#state = "refused";
      this.#line.send(refusal);
      return;
    }
    this.#pad = welcomed.pad;
    this.#call = welcomed.call;
    this.#state = "welcomed";
    this.#line.send(welcomed.item);
  }

  async #becomeLink(item: LinkItem): Promise<void> {
    const server = this.#server;
    const accepted = await server.commit(() => {
      const accepted = acceptReady(server, this.#pad, this.#call, item);
      if (accepted === null) return null;
      // A line with the same call that came before gives way to this one.
      const seat = server.takeSeat(this.#pad);
      if (seat.link !== this) seat.link?.displace();
      seat.link = this;
      seat.kept = accepted.turn.kept;
      server.wrote(accepted.turn.pad);
      return accepted;
    });
    if (accepted === null) return this.#end();
    if (this.#isEnded()) return this.#leave();
    const { epoch, cap, budget, jump, balance, released } = accepted;
    this.#epoch = epoch;
    this.#talk = { cap, budget, jump, balance, parts: null };
    this.#state = "linked";
    this.#sentTo = released;
    server.log.info({ token: accepted.turn.pad.name, call: this.#call }, "link");
    keepAlive(server, accepted.turn.pad); // Also what a crash kept from being burned.
    await this.#sendKept(accepted.turn.pad.down);
    if (accepted.ends) this.#end();
  }

  // Within the link: boxes up in their order, each turn one transaction.

  async #turn(): Promise<void> {
    this.#nudged = false;
    const server = this.#server;
    const refusals = new Map<number, Refusal>();
    let most = TURN_ITEMS;
    for (;;) {
      const progress = { at: 0 };
      try {
        const outcome = await server.commit(() => this.#take(this.#waiting.slice(0, most), refusals, progress));
        return await this.#after(outcome);
      } catch (error) {
        if (error instanceof Refused) {
          refusals.set(progress.at, error.refusal);
        } else if (error instanceof StillWorking) {
          // What is before it is taken alone; then it is waited for.
          if (progress.at === 0) await error.done;
          else most = progress.at;
        } else {
          throw error;
        }
        if (this.#isEnded()) return;
      }
    }
  }

  /** Takes items, inside a work. `progress` says at which one it stands when it throws. */
  #take(items: readonly LinkItem[], refusals: ReadonlyMap<number, Refusal>, progress: { at: number }): Outcome {
    const server = this.#server;
    const turn = new Turn(server, this.#pad, this.#epoch, this.#talk.budget);
    const { pad } = turn;
    let { cap, jump, parts } = this.#talk;
    let job: Job | null = null;
    let ends = false;
    let wantsReceipt = turn.balance.balance > this.#talk.balance;
    let at = 0;
    const used: Uint8Array[] = [];
    const down = pad.down;
    const up = pad.up;
    for (; at < items.length && !ends && job === null && turn.sealed.length < TURN_SEALED; at++) {
      progress.at = at;
      const item = items[at]!;
      if (jump !== null && pad.up >= jump.again) {
        if (pad.up > jump.again || !makeJump(turn, jump)) {
          ends = true;
          break;
        }
        if (pad.unfinished === 0) parts = null;
        jump = null;
      }
      const before = pad.up;
      const text = item.kind === "data" || item.kind === "last" || item.kind === "state" ? turn.open(item) : null;
      if (text === null) {
        ends = true;
        break;
      }
      const cost = pad.up - before;
      if (item.kind === "state") {
        const state = decodeState(text);
        // What is sent again from an earlier link may be behind this READY, and its cap was that link's.
        const earlier = jump !== null;
        if (
          state === null ||
          (state.down < pad.released && !earlier) ||
          state.down > pad.down ||
          state.receiptSequence > pad.receipt
        ) {
          ends = true;
          break;
        }
        if (state.down > pad.released) turn.release(state.down);
        if (state.cap > cap && !earlier) {
          turn.budget += state.cap - cap;
          cap = state.cap;
        }
        if (state.ends) ends = wantsReceipt = true;
      } else {
        const keeps = pad.runText + text.length <= server.config.limits.largestRequest;
        pad.runBytes += cost;
        pad.runText += text.length;
        if (item.kind === "data") {
          if (keeps) {
            if (pad.unfinished > 0) parts ??= server.parts.texts(pad.pad);
            parts = [...(parts ?? []), text];
            server.parts.add(pad.pad, pad.unfinished, text);
          }
          pad.unfinished++;
        } else {
          const before = pad.unfinished === 0 ? [] : (parts ?? server.parts.texts(pad.pad));
          used.push(...before);
          const whole = keeps ? concatenateAll([...before, text]) : null;
          const arrived = { text: whole, boxes: pad.unfinished + 1, padBytes: pad.runBytes };
          if (pad.unfinished > 0) server.parts.drop(pad.pad);
          pad.unfinished = pad.runBytes = pad.runText = 0;
          parts = null;
          try {
            const done = serve(turn, arrived, refusals.get(at));
            job = done.job;
            if (done.ends) ends = wantsReceipt = true;
          } catch (error) {
            if (!(error instanceof NoRoom)) throw error;
            ends = wantsReceipt = true;
          } finally {
            whole?.fill(0);
            text.fill(0);
          }
        }
      }
      if (!ends) turn.grant(item.kind === "state");
    }
    if (turn.spent && job === null) {
      turn.close();
      ends = wantsReceipt = true;
    }
    try {
      if (wantsReceipt) turn.receipt(ends);
    } catch (error) {
      if (!(error instanceof NoRoom)) throw error;
    }
    if (pad.up !== up || pad.down !== down) turn.write();
    const talk = { cap, budget: turn.budget, jump, balance: turn.balance.balance, parts };
    return { turn, talk, used, taken: at, job, ends };
  }

  /** A turn is durable: its boxes leave. */
  async #after({ turn, talk, used, taken, job, ends }: Outcome): Promise<void> {
    const server = this.#server;
    for (const text of used) text.fill(0);
    if (this.#isEnded()) {
      if (job !== null) void this.#runJob(job);
      return;
    }
    this.#talk = talk;
    this.#waiting.splice(0, taken);
    if (taken > 0) this.#openedAt = server.clock.now();
    turn.afterwards();
    await this.#send(turn.sealed, turn.pad.down);
    if (job !== null) await this.#runJob(job);
    if (ends) return this.#end();
  }

  /** The work of a slow service, and its answer. Later items wait for it: answers come in the order of their requests. */
  async #runJob(job: Job): Promise<void> {
    this.#working = true;
    const answered = await runJob(this.#server, job, this.#talk.budget);
    this.#working = false;
    if (this.#isEnded() || answered === null) return;
    const { budget, balance } = answered;
    this.#talk = { ...this.#talk, budget, balance: balance.balance };
    await this.#sendKept(answered.pad.down);
    if (answered.ends) this.#end();
  }

  /** Sends the boxes of a turn. When somebody else has sealed some before them, the store has all of them. */
  async #send(sealed: readonly Sealed[], down: number): Promise<void> {
    if (this.#sentTo === down) return;
    if (sealed[0]?.mark !== this.#sentTo) return this.#sendKept(down);
    this.#sentTo = down;
    const bytes = sealed.length === 1 ? sealed[0]!.box : concatenateAll(sealed.map(({ box }) => box));
    await this.#give(bytes);
  }

  /** Sends what is kept and was not sent on this line, up to the mark `down`. */
  async #sendKept(down: number): Promise<void> {
    while (this.#sentTo < down && !this.#isEnded()) {
      const kept = this.#server.keptFrom(this.#pad, this.#sentTo, KEPT_BOXES).filter(({ mark }) => mark < down);
      const last = kept.at(-1);
      if (last === undefined) break;
      // The boxes of a run are consecutive; where one is missing it was lost with an older database.
      this.#sentTo = last.mark + 1;
      await this.#give(concatenateAll(kept.map(({ box }) => box)));
    }
    this.#sentTo = down;
  }

  async #give(bytes: Uint8Array): Promise<void> {
    if (this.#isEnded() || this.#line.send(bytes) !== false) return;
    await new Promise<void>((resolve) => {
      this.#drain = resolve;
    });
    this.#drain = null;
  }

  #flow(on: boolean): void {
    this.#held = !on;
    this.#line.flow?.(on);
  }

  #fail(error: unknown): void {
    // A later call has the pad, or the pad has no room for a receipt: nothing to report.
    if (!(error instanceof Stale) && !(error instanceof NoRoom)) {
      this.#server.log.error({ err: error }, "a link ended by an error");
    }
    this.#server.doubt(this.#pad);
    this.#end();
  }

  /** A method, because the state changes while others are awaited. */
  #isEnded(): boolean {
    return this.#state === "ended";
  }

  #end(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#waiting = [];
    for (const part of this.#talk.parts ?? []) part.fill(0);
    this.#leave();
    this.#line.end();
    this.#drain?.();
  }

  #leave(): void {
    const seat = this.#server.seat(this.#pad);
    if (seat?.link === this) seat.link = null;
    this.#server.leaveSeat(this.#pad);
  }
}

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
