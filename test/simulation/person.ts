// Somebody with a token: a program that takes what an earlier run of it left, asks what it has not asked, and ends; killed at any
// moment and started again with the same directory. What was asked and what was answered is written down here, outside of
// everything that can be killed.

import { createHash } from "node:crypto";
import { type Clock, isDriverError, openDevice } from "../../host/driver/index.ts";
import { type Answer, isLinkFailure, type Link, type LinkEvent, LinkFailure, openLink } from "../../host/link/index.ts";
import type { Info, Value } from "../../host/protocol/index.ts";
import { lineTo, type Machine, type Random } from "../../simulator/index.ts";
import { CLIENT_DISK, type Owner } from "./client-disk.ts";
import { DRAWN } from "./drawn.ts";
import type { Connection } from "./network.ts";
import { ADDRESS, type Token } from "./template.ts";
import type { Time } from "./time.ts";

/** What was asked, and what became of it. */
export interface Asked {
  readonly id: string;
  readonly service: string;
  readonly body: Uint8Array;
  /** What is bought for so much, minor units; 0 when nothing is. */
  readonly price: bigint;
  answer: Answered | null;
  /** Why there will be none: it was refused before its first box, or its program ended before it was on the disk. */
  refused: string | null;
}

export interface Answered {
  readonly ok: boolean;
  /** What the service failed with. */
  readonly error: string | null;
  readonly charged: bigint;
  readonly balance: bigint;
}

/** What somebody has offered, or has tried to. */
export interface Offer {
  readonly name: string;
  readonly asset: string;
  readonly price: bigint;
  readonly bytes: Uint8Array;
}

/** What a person asks of the world. */
export interface Surroundings {
  readonly time: Time;
  readonly random: Random;
  /** What was ever offered on the market. */
  readonly offers: Offer[];
  connect(person: Person): Promise<Connection>;
  /** Whether an older database, put back, knows nothing of the answer to a request. */
  isLost(person: Person, id: string): boolean;
  find(sentence: string): void;
  trace(sentence: string): void;
  /** The program has ended, one way or the other, and the device is free. */
  ended(person: Person, how: Ending): void;
}

export type Ending = "closed" | "killed" | { readonly code: string };

/** How one run of the program may end without anything being wrong. */
const ORDINARY: readonly string[] = [
  "NO_ADDRESS_ANSWERED",
  "CALL_REFUSED",
  "LINK_LOST",
  "LINK_CLOSED",
  "NOT_KEPT",
  "DISK_FULL",
  "NO_ANSWER",
  "DEVICE_LOST",
  "TIMEOUT",
  "NO_SESSION",
];
/** How a token may end for good. */
const FINAL: readonly string[] = ["SLOTS_EXHAUSTED", "VALUE_CLOSED", "EXHAUSTED", "PAD_EXHAUSTED"];

const SERVICES = [
  "echo",
  "echo",
  "store",
  "dig",
  "dig",
  "fails",
  "market",
  "market",
  "market",
  "market",
  "market",
] as const;
const MOST_AT_ONCE = 4;

export class Person {
  readonly token: Token;
  readonly machine: Machine;
  readonly hand: "the device" | "the copy";
  readonly asked: Map<string, Asked> = new Map();
  /** Nothing more is possible with this token, and why. */
  over: string | null = null;
  /** How often DEVICE_OLDER or SERVER_OLDER was said. */
  olderSaid: string | null = null;
  running = false;
  runs = 0;
  readonly #world: Surroundings;
  readonly #directory: string;
  #owner: Owner | null = null;
  #lines: Connection[] = [];
  #left: number;
  #dying: (() => void) | null = null;

  constructor(world: Surroundings, token: Token, machine: Machine, hand: Person["hand"], requests: number) {
    this.#world = world;
    this.token = token;
    this.machine = machine;
    this.hand = hand;
    this.#left = requests;
    this.#directory = `/${token.name}/${hand === "the copy" ? "copy" : "own"}`;
  }

  /** The process that runs. */
  get process(): Owner | null {
    return this.running ? this.#owner : null;
  }

  get directory(): string {
    return this.#directory;
  }

  /** Whether everything was asked and nothing waits for an answer. */
  get done(): boolean {
    if (this.over !== null) return true;
    if (this.#left > 0) return false;
    return [...this.asked.values()].every(({ answer, refused }) => answer !== null || refused !== null);
  }

  /** Runs the program once. */
  async run(calm: boolean): Promise<void> {
    const owner: Owner = { directory: this.#directory, dead: false, full: false };
    this.#owner = owner;
    CLIENT_DISK.own(owner);
    this.running = true;
    this.runs++;
    const died = new Promise<Ending>((resolve) => {
      this.#dying = () => resolve("killed");
    });
    const ending = await Promise.race([died, this.#program(owner, calm).catch((error) => this.#endingOf(error))]);
    this.running = false;
    this.#world.ended(this, ending);
  }

  /** The process is gone. */
  kill(): void {
    if (this.#owner === null || this.#owner.dead || !this.running) return;
    this.#owner.dead = true;
    for (const line of this.#lines) line.closeHere();
    this.#dying?.();
  }

  /** What the device says about itself, with nobody else at it. */
  async look(): Promise<{ readonly info: Info; readonly value: Value } | null> {
    try {
      const device = await openDevice(() => this.#plugIn(null), { clock: this.#world.time });
      const [info, value] = [await device.info(), await device.value()];
      await device.close();
      return { info, value };
    } catch (error) {
      if (isDriverError(error, "DEVICE_LOST") || isDriverError(error, "NO_ANSWER")) return null;
      throw error;
    }
  }

  #endingOf(error: unknown): Ending {
    const { code } = error as { code?: string };
    if (code === undefined || typeof code !== "string") throw error;
    if (code === "DEVICE_OLDER" || code === "SERVER_OLDER") this.olderSaid = code;
    else if (FINAL.includes(code)) this.over = code;
    else if (!ORDINARY.includes(code))
      this.#world.find(`${this.hand} of ${this.token.tariff} failed with ${(error as Error).stack}`);
    return { code };
  }

  async #plugIn(owner: Owner | null) {
    const { machine } = this;
    if (machine.state === "off" || machine.state === "held") machine.powerOn();
    let tell = (_reason?: Error) => {};
    const line = lineTo(machine);
    return {
      ...line,
      write: async (bytes: Uint8Array) => {
        if (owner !== null && !owner.dead) CLIENT_DISK.strikes(owner);
        if (owner?.dead) await new Promise(() => {});
        await line.write(bytes);
        if (machine.state !== "on") tell(new Error("unplugged"));
      },
      onClose: (listener: (reason?: Error) => void) => {
        tell = listener;
      },
    };
  }

  async #program(owner: Owner, calm: boolean): Promise<Ending> {
    const { time, random } = this.#world;
    const clock: Clock = { after: (milliseconds, run) => time.after(milliseconds, () => owner.dead || run()) };
    const device = await openDevice(() => this.#plugIn(owner), { clock });
    try {
      const before = await device.value();
      const cap = random.below(2) === 0 && !calm ? BigInt(random.below(60)) : before.receipt.balance;
      const link = await openLink(device, {
        directory: this.#directory,
        cap: cap < before.limit ? cap : before.limit,
        connect: async (address) => {
          if (address !== ADDRESS) throw new Error(`an address of nobody: ${address}`);
          const connection = await this.#world.connect(this);
          this.#lines.push(connection);
          return connection.transport;
        },
        clock,
        onEvent: ({ kind, ...facts }: LinkEvent) =>
          this.#world.trace(
            `${this.token.tariff} ${kind} ${"error" in facts ? (facts.error as Error).message : "reason" in facts ? facts.reason : ""}`,
          ),
      });
      try {
        return await this.#conversation(owner, link, calm);
      } catch (error) {
        await link.close().catch(() => {});
        throw error;
      }
    } finally {
      if (!owner.dead) await device.close();
    }
  }

  async #conversation(owner: Owner, link: Link, calm: boolean): Promise<Ending> {
    const { time, random } = this.#world;
    const pending = await link.pending();
    const kept = new Set(pending.map(({ id }) => id));
    for (const asked of this.asked.values())
      if (asked.answer === null && !kept.has(asked.id)) asked.refused ??= "never kept";
    for (const { id, answer } of pending) {
      const asked = this.asked.get(id);
      if (asked === undefined) this.#world.find(`a request is pending that nobody made: ${id}`);
      if (asked?.answer) this.#world.trace(`the answer of ${id} is handed over once more`);
      await this.#settle(owner, asked ?? null, answer());
    }
    while (this.#left > 0 && random.below(5) > 0) {
      const together = Math.min(this.#left, 1 + random.below(MOST_AT_ONCE));
      this.#left -= together;
      const doing = Array.from({ length: together }, () => this.#ask(owner, link, random));
      if (random.below(4) === 0 && !calm) doing.push(link.raise(BigInt(random.below(50))));
      const failed = (await Promise.allSettled(doing)).find(({ status }) => status === "rejected");
      if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
      await time.pause(random.below(400));
      if (owner.dead) return "killed";
    }
    const receipt = await link.close();
    this.#world.trace(`${this.token.tariff} closed with ${receipt.balance}`);
    return "closed";
  }

  #ask(owner: Owner, link: Link, random: Random): Promise<void> {
    const service = this.token.tariff === "tied" ? "echo" : SERVICES[random.below(SERVICES.length)]!;
    const body = new Uint8Array(random.below(4) === 0 ? 4000 + random.below(2500) : random.below(300));
    random.fill(body);
    const [sent, price] =
      service === "market"
        ? this.#atMarket(body.subarray(0, 300), random)
        : service === "store"
          ? [{ action: "put", name: `file ${random.below(3)}`, offset: 0, bytes: body, end: true }, 0n]
          : [body, 0n];
    const answered = link.request(service, sent);
    // A request takes its id before anything else.
    const id = Buffer.from(DRAWN.last).toString("hex");
    const asked: Asked = { id, service, body, price, answer: null, refused: null };
    this.asked.set(id, asked);
    this.#world.trace(`${this.token.tariff} asks ${service} with ${body.length} bytes: ${id}`);
    return this.#settle(owner, asked, answered);
  }

  /** Offers something, buys something, or collects what was earned; and what it buys for. */
  #atMarket(bytes: Uint8Array, random: Random): [body: object, price: bigint] {
    const { asset } = this.token;
    const { offers } = this.#world;
    const others = offers.filter((offer) => offer.asset === asset);
    const pick = random.below(9);
    const bought = others[random.below(Math.max(1, others.length))];
    if (pick === 0) return [{ action: "collect" }, 0n];
    if (pick < 7 && bought !== undefined) {
      const { name, price } = bought;
      return [{ action: "buy", name, price, digest: digestOf(bought.bytes) }, price];
    }
    const offer = { name: `offer-${offers.length}`, asset, price: BigInt(1 + random.below(20)), bytes };
    offers.push(offer);
    const into = random.below(3) > 0 ? "value" : "earnings";
    return [{ action: "offer", name: offer.name, price: offer.price, digest: digestOf(bytes), bytes, into }, 0n];
  }

  /** Writes down what came of a request; what says nothing of its outcome leaves it open. */
  async #settle(owner: Owner, asked: Asked | null, answering: Promise<Answer>): Promise<void> {
    let answer: Answered & { readonly body?: unknown };
    try {
      const { charged, balance, body, id } = await answering;
      if (asked !== null && id !== asked.id) this.#world.find(`${asked.id} got the answer of ${id}`);
      answer = { ok: true, error: null, charged, balance, body };
    } catch (error) {
      if (isLinkFailure(error, "SERVICE_ERROR") || isLinkFailure(error, "CAP_EXCEEDED")) {
        const { charged, balance } = error.facts;
        const code = "error" in error.facts ? error.facts.error : error.code;
        answer = { ok: false, error: code, charged, balance };
      } else if (error instanceof LinkFailure && ["NEED_GRANT", "PAD_EXHAUSTED"].includes(error.code)) {
        if (asked !== null) asked.refused = error.code;
        return;
      } else {
        throw error; // Its outcome is open: the next run finds it, or not.
      }
    }
    if (owner.dead || asked === null) return;
    this.#world.trace(
      `${this.token.tariff} ${asked.id} is answered: ${answer.error ?? "ok"}, charged ${answer.charged}, balance ${answer.balance}`,
    );
    const { ok, error, charged, balance } = answer;
    const known = asked.answer;
    const differs = known !== null && (known.ok !== ok || known.charged !== charged || known.balance !== balance);
    if (differs && !this.#world.isLost(this, asked.id)) {
      this.#world.find(`${asked.service} ${asked.id} got two answers`);
    }
    if (
      ok &&
      !["store", "market"].includes(asked.service) &&
      Buffer.compare(answer.body as Uint8Array, asked.body) !== 0
    ) {
      this.#world.find(`${asked.service} ${asked.id} got another body back`);
    }
    asked.answer ??= { ok, error, charged, balance };
  }
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}
