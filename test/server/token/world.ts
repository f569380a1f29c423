// A server in a directory of its own, tokens issued to low ends in memory, and lines between them without sockets.

import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { type Logger, pino } from "pino";
import { afterAll, afterEach, expect } from "vitest";
import { type Engine, loadEngine } from "../../../host/engine/index.ts";
import { decodeReceipt, ItemReader, type LinkItem, type Receipt, runCost } from "../../../host/protocol/index.ts";
import {
  activateToken,
  type Clock,
  createServer,
  FIRST_CONFIG,
  Link,
  type Order,
  openServer,
  type Server,
  type ServerOptions,
} from "../../../server/index.ts";
import { LowEnd } from "../low-end.ts";

export const PAD: number = 256 * 1024;

const directories: string[] = [];
const servers = new Set<Server>();
afterEach(async () => {
  for (const server of servers) await server.close();
  servers.clear();
});
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

export const silent: Logger = pino({ level: "silent" });

/** A log that is kept, with everything that a server can say. */
export function keptLog(): { readonly log: Logger; readonly logged: () => string } {
  let text = "";
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      text += chunk;
      done();
    },
  });
  return { log: pino({ level: "trace" }, sink), logged: () => text };
}

/** The names of the files below a directory that have these bytes in them. */
export function filesWith(directory: string, needle: string | Uint8Array): string[] {
  const names = readdirSync(directory, { recursive: true }) as string[];
  return names.filter((name) => {
    const path = join(directory, name);
    return (
      statSync(path).isFile() && readFileSync(path).includes(typeof needle === "string" ? needle : Buffer.from(needle))
    );
  });
}

export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "tearpad-token-"));
  directories.push(directory);
  return directory;
}

/** Prices that are easy to add: 1 for a box, 2 for each KiB, 5 for a request to store. */
export const MONEY = {
  asset: "TPD",
  perBox: 1,
  perKiB: 2,
  services: { echo: 0, store: 5, catalogue: 0, statement: 0, compute: 0, register: 0 },
} as const;
export const FREE = { asset: "TPD", services: { echo: 0, store: 0, catalogue: 0 } } as const;
export const TIED = { asset: "TPD", exhaustion: "erasing", services: { echo: 0, store: 0 } } as const;

/** A configuration that answers at once. */
export function config(changes: object = {}): object {
  const tariffs = { money: MONEY, free: FREE, tied: TIED, index: { ...TIED, exhaustion: "index" } };
  return { ...FIRST_CONFIG, addresses: { number: 0, list: [] }, tariffs, answerAfterMs: 0, ...changes };
}

/** A server that is running; closed after the test. */
export async function startServer(directory: string, options: ServerOptions = {}): Promise<Server> {
  const server = await openServer(directory, { log: silent, ...options });
  servers.add(server);
  return server;
}

/** A new server. */
export async function newServer(
  changes: object = {},
  options: ServerOptions = {},
): Promise<Server & { directory: string }> {
  const directory = scratch();
  createServer(directory, config(changes));
  return Object.assign(await startServer(directory, options), { directory });
}

export async function stop(server: Server): Promise<void> {
  servers.delete(server);
  await server.close();
}

/** What is lost when a process is killed: everything but its files. */
export function crashed(directory: string): string {
  const copy = scratch();
  rmSync(copy, { recursive: true });
  cpSync(directory, copy, { recursive: true });
  return copy;
}

function database(directory: string): string[] {
  return ["", "-wal", "-shm"].map((ending) => join(directory, `tearpad.db${ending}`));
}

/** Puts the database of `from` back into `directory`. */
export function restore(from: string, directory: string): void {
  const files = database(from);
  for (const [index, path] of database(directory).entries()) {
    rmSync(path, { force: true });
    cpSync(files[index]!, path, { force: true, recursive: true });
  }
}

let engine: Engine | null = null;
async function theEngine(): Promise<Engine> {
  engine ??= await loadEngine();
  return engine;
}

export interface Token {
  readonly name: string;
  readonly low: LowEnd;
}

/** Waits as long as it takes: the test itself has an end. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** When the server has worked off what was sent: one turn may be under way, and what was sent is in the next. */
export async function settled(server: Server): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await server.token.commit(() => undefined);
}

/** A token, issued, filled and active. */
export async function issue(server: Server, order: Partial<Order> & { active?: boolean } = {}): Promise<Token> {
  const { active = true, ...rest } = order;
  const issuing = server.issue({ padLength: PAD, burnUnit: 1, tariff: "money", price: 10_000n, ...rest });
  const { padLength, burnUnit, padId, token } = issuing.parameters;
  const pad = randomBytes(padLength);
  issuing.write(pad);
  const name = issuing.finish();
  if (active) activateToken(server.token, name);
  const receipt = { ...token.receipt, call: 0, up: 0 };
  return { name, low: new LowEnd(await theEngine(), new Uint8Array(pad), padId, { burnUnit, receipt }) };
}

/** What came down a line, one by one. */
export class Wire {
  readonly link: Link;
  /** Every byte that came down. */
  readonly seen: Uint8Array[] = [];
  ended = false;
  readonly #reader = new ItemReader();
  readonly #items: LinkItem[] = [];
  #waiting: (() => void) | null = null;

  /** A slow one takes no more than it was given until `drained`. */
  constructor(server: Server, slow = false) {
    this.link = new Link(server.token, {
      send: (bytes) => {
        this.seen.push(bytes.slice());
        this.#items.push(...this.#reader.push(bytes));
        this.#waiting?.();
        return !slow;
      },
      end: () => {
        this.ended = true;
        this.#waiting?.();
      },
    });
  }

  send(...items: Uint8Array[]): void {
    for (const item of items) this.link.receive(item);
  }

  /** Whether an item is here. */
  get waits(): boolean {
    return this.#items.length > 0;
  }

  /** The next item; null when the line has ended. */
  async next(): Promise<LinkItem | null> {
    while (this.#items.length === 0) {
      if (this.ended) return null;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.#items.shift()!;
  }
}

export interface Answer {
  readonly id: Uint8Array;
  readonly ok: boolean;
  readonly charged: number;
  readonly balance: number;
  readonly body?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

export function newId(): Uint8Array {
  return new Uint8Array(randomBytes(16));
}

export function request(service: string, body: unknown, id: Uint8Array = newId()): Uint8Array {
  return encode({ id, service, body }, rfc8949EncodeOptions);
}

/** The books balance, sum to zero, and no token's account is below zero. */
export function expectBalanced(server: Server): void {
  const { store, ledger } = server.token;
  const report = store.transact(() => ledger.audit());
  expect(report.disagreements).toEqual([]);
  for (const { sum } of report.assets) expect(sum).toBe(0n);
}

/** A token that talks. */
export class Caller {
  readonly wire: Wire;
  readonly low: LowEnd;
  /** Receipts, in the order in which they came. */
  readonly receipts: Receipt[] = [];
  readonly #server: Server;
  readonly #answers: Answer[] = [];
  #run: Uint8Array[] = [];

  constructor(server: Server, low: LowEnd, slow = false) {
    this.#server = server;
    this.wire = new Wire(server, slow);
    this.low = low;
  }

  /** Calls, and becomes a link. Null: refused. */
  async connect(o: { cap?: bigint; again?: number; number?: number } = {}): Promise<Receipt | null> {
    this.wire.send(this.low.call());
    const welcome = await this.wire.next();
    if (welcome === null || this.low.welcome(welcome.bytes) === null) return null;
    this.wire.send(this.low.ready(welcome.bytes, { cap: 1_000_000n, ...o }));
    return this.receipt();
  }

  /** The next answer; null when the line has ended. */
  async answer(): Promise<Answer | null> {
    while (this.#answers.length === 0) if (!(await this.#take())) return null;
    return this.#answers.shift()!;
  }

  async ask(service: string, body: unknown, id?: Uint8Array): Promise<Answer | null> {
    const text = request(service, body, id);
    await this.roomFor(text.length);
    this.wire.send(...this.low.sealRun(text));
    return this.answer();
  }

  /** Asks for room as long as a text has none and there are grants. */
  async roomFor(bytes: number): Promise<void> {
    const { low } = this;
    while (low.room < runCost(bytes, low.shape.burnUnit).padBytes) {
      const { split } = low;
      this.wire.send(low.state({ wantsRoom: true }));
      await this.settle();
      if (low.split === split) return;
    }
  }

  /** Takes what the server says to what was sent. */
  async settle(): Promise<void> {
    await settled(this.#server);
    while (this.wire.waits) await this.#take();
  }

  /** The next receipt; null when the line has ended. */
  async receipt(): Promise<Receipt | null> {
    const before = this.receipts.length;
    while (this.receipts.length === before) if (!(await this.#take())) return null;
    return this.receipts.at(-1)!;
  }

  /** Ends the link in order. */
  async end(): Promise<Receipt | null> {
    this.wire.send(this.low.state({ ends: true }));
    const receipt = await this.receipt();
    this.low.release();
    return receipt;
  }

  /** The line breaks. */
  drop(): void {
    this.wire.link.closed();
  }

  /** Takes one item; false when the line has ended. */
  async #take(): Promise<boolean> {
    const item = await this.wire.next();
    if (item === null) return false;
    const heard = this.low.open(item.bytes);
    if (heard === null) throw new Error(`${item.kind} does not open at ${this.low.down}`);
    if (heard.kind === "receipt") this.receipts.push(decodeReceipt(heard.text)!);
    if (heard.kind === "data" || heard.kind === "last") this.#run.push(heard.text);
    if (heard.kind === "last") {
      this.#answers.push(decode(Buffer.concat(this.#run)) as Answer);
      this.#run = [];
      this.low.release();
    }
    return true;
  }
}

/** A caller that is linked. */
export async function linked(server: Server, low: LowEnd, o: { cap?: bigint } = {}): Promise<Caller> {
  const caller = new Caller(server, low);
  if ((await caller.connect(o)) === null) throw new Error("the call was refused");
  return caller;
}

/** Time that passes when it is told to. */
export class StoppedClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #due: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const entry = { at: this.#now + ms, run };
    this.#due.push(entry);
    return () => {
      const at = this.#due.indexOf(entry);
      if (at !== -1) this.#due.splice(at, 1);
    };
  }

  pass(ms: number): void {
    this.#now += ms;
    for (;;) {
      const at = this.#due.findIndex((entry) => entry.at <= this.#now);
      if (at === -1) return;
      this.#due.splice(at, 1)[0]!.run();
    }
  }
}
