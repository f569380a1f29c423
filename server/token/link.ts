// One link, from its first byte to its last, as a state machine between a line and the transactions. It knows no sockets:
// bytes come in by `receive`, and go out by `send` of the line, never before they are durable.
//
// Items are taken strictly in their order. Those that wait while a transaction is on its way to the disk share the next one,
// so a device that sends ahead gains by it. Nothing is held that the other side could make grow: a line that sends faster
// than the disk takes is not read on, and one that does not take its answers gets no more of them.

import { randomBytes } from "node:crypto";
import { ItemReader, type LinkItem } from "../../host/protocol/index.ts";
import type { Work } from "../store/index.ts";
import type { Seated, TokenServer } from "./core.ts";
import { answerCall } from "./desk.ts";
import { runJob } from "./job.ts";
import { Stale } from "./pads.ts";
import { acceptReady } from "./ready.ts";
import { type Job, type Refusal, Refused, StillWorking } from "./serve.ts";
import { Take, type Talk } from "./take.ts";
import { NoRoom, type Sealed } from "./turn.ts";

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
/** Kept boxes that are read at once. */
const KEPT_BOXES = 16;
/** Calls that one line may make. */
const CALLS_MAX = 64;

/** A refusal is a welcome for nobody: its header, and as many random bytes as a welcome has behind it. */
const WELCOME_HEADER = [48, 0, 4, 0];
const WELCOME_BYTES = 68;

type State = "waiting" | "calling" | "welcomed" | "refused" | "linked" | "ended";

export class Link implements Seated {
  readonly #server: TokenServer;
  readonly #line: Line;
  readonly #reader: ItemReader = new ItemReader();
  #state: State = "waiting";
  #waiting: LinkItem[] = [];
  /** A greeting or a turn is under way, and goes on by itself. */
  #running = false;
  #nudged = false;
  #held = false;
  /** A slow service works for this link. */
  #working = false;
  #calls = 0;
  #pad = 0;
  #call = 0;
  #epoch = 0;
  #talk: Talk = {
    cap: 0n,
    budget: 0n,
    jump: null,
    balance: 0n,
    paidTo: 0,
    parts: null,
  };
  /** Down up to here was given to the line. */
  #sentTo = 0;
  #drain: (() => void) | null = null;
  readonly #began: number;
  #heardAt: number;
  #openedAt: number | null = null;
  /** The turn that is under way: how much it may take, the refusals that it was run again for, and what it took. */
  readonly #turn: Work & { most: number; take: Take | null } = {
    most: TURN_ITEMS,
    take: null,
    run: () => {
      this.#turn.take = null;
      if (this.#isEnded()) return;
      this.#turn.take = new Take(this.#server, this.#pad, this.#epoch, this.#talk);
      this.#turn.take.run(this.#waiting, this.#turn.most, this.#refusals);
    },
    done: () => {
      const { take } = this.#turn;
      this.#turn.take = null;
      try {
        if (take !== null) this.#after(take);
      } catch (error) {
        this.#fail(error);
      }
    },
    failed: (reason) => this.#takeAgain(reason),
  };
  readonly #refusals: Map<number, Refusal> = new Map();

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

  get budget(): bigint {
    return this.#talk.budget;
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

  /** Goes on with what waits, unless something is under way. Whatever is ends with #next. */
  #run(): void {
    if (!this.#running) this.#next();
  }

  #next(): void {
    this.#running = this.#state !== "ended" && (this.#waiting.length > 0 || this.#nudged);
    if (!this.#running) return;
    this.#nudged = false;
    if (this.#state === "linked") this.#begin();
    else this.#greet(this.#waiting.shift()!).then(this.#goOn.bind(this), this.#fail.bind(this));
  }

  #goOn(): void {
    if (this.#held && this.#waiting.length <= WAITING_ITEMS / 2) this.#flow(true);
    this.#next();
  }

  // Before the link: a tag, and a ready.

  async #greet(item: LinkItem): Promise<void> {
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
      return accepted;
    });
    if (accepted === null) return this.#end();
    accepted.turn.afterwards();
    if (this.#isEnded()) return this.#leave();
    const { epoch, cap, budget, jump, balance, from } = accepted;
    this.#epoch = epoch;
    this.#talk = { cap, budget, jump, balance, paidTo: server.clock.now(), parts: null };
    this.#state = "linked";
    this.#sentTo = from;
    server.log.info({ token: accepted.turn.pad.name, call: this.#call }, "link");
    await this.#sendKept(accepted.turn.pad.down);
    if (accepted.ends) this.#end();
  }

  // Within the link: boxes up in their order, each turn one transaction.

  #begin(): void {
    this.#turn.most = TURN_ITEMS;
    this.#refusals.clear();
    this.#server.enter(this.#turn);
  }

  /** A turn is undone. */
  #takeAgain(reason: unknown): void {
    const turn = this.#turn;
    const at = turn.take?.at ?? 0;
    if (reason instanceof Refused) {
      this.#refusals.set(at, reason.refusal);
      this.#server.enter(turn);
    } else if (reason instanceof StillWorking) {
      // What is before it is taken alone; then it is waited for.
      if (at > 0) turn.most = at;
      void (at > 0 ? Promise.resolve() : reason.done).then(() => this.#server.enter(turn));
    } else {
      this.#fail(reason);
    }
  }

  /** A turn is durable: its boxes leave. */
  #after({ turn, talk, used, at, job, ends }: Take): void {
    for (const text of used) text.fill(0);
    turn.afterwards();
    if (this.#isEnded()) {
      if (job !== null) void this.#runJob(job);
      return;
    }
    this.#talk = talk;
    if (at === this.#waiting.length) this.#waiting = [];
    else this.#waiting.splice(0, at);
    if (at > 0) this.#openedAt = this.#server.clock.now();
    const sending = this.#send(turn.sealed, turn.pad.down);
    if (sending === null && job === null) this.#endTurn(ends);
    else void this.#linger(sending, job, ends);
  }

  /** What of a turn takes its time: a line that takes no more for now, and the work of a slow service. */
  async #linger(sending: Promise<void> | null, job: Job | null, ends: boolean): Promise<void> {
    try {
      await sending;
      if (job !== null) await this.#runJob(job);
      this.#endTurn(ends);
    } catch (error) {
      this.#fail(error);
    }
  }

  #endTurn(ends: boolean): void {
    if (ends) this.#end();
    this.#goOn();
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
  #send(sealed: readonly Sealed[], down: number): Promise<void> | null {
    if (this.#sentTo === down) return null;
    if (sealed[0]?.mark !== this.#sentTo) return this.#sendKept(down);
    this.#sentTo = down;
    return this.#give(sealed);
  }

  /** Sends what is kept and was not sent on this line, up to the mark `down`. */
  async #sendKept(down: number): Promise<void> {
    while (this.#sentTo < down && !this.#isEnded()) {
      const kept = this.#server.keptFrom(this.#pad, this.#sentTo, KEPT_BOXES).filter(({ mark }) => mark < down);
      const last = kept.at(-1);
      if (last === undefined) break;
      // The boxes of a run are consecutive; where one is missing it was lost with an older database.
      this.#sentTo = last.mark + 1;
      await this.#give(kept);
    }
    this.#sentTo = down;
  }

  /** Gives boxes to the line. A promise: it takes no more until that resolves. */
  #give(boxes: readonly { readonly box: Uint8Array }[]): Promise<void> | null {
    if (this.#isEnded()) return null;
    const bytes = boxes.length === 1 ? boxes[0]!.box : Buffer.concat(boxes.map(({ box }) => box));
    if (this.#line.send(bytes) !== false) return null;
    return new Promise<void>((resolve) => {
      this.#drain = () => {
        this.#drain = null;
        resolve();
      };
    });
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
