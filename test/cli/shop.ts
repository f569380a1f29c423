// A server as an operator has it: a directory of the desk, a process that serves it, blank devices, and tokens sold into them.

import type { ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer as createPort } from "node:net";
import { pino } from "pino";
import { expect } from "vitest";
import { createServer, FIRST_CONFIG, type Office, openOffice, showToken } from "../../server/index.ts";
import { createImage } from "../../simulator/index.ts";
import type { Call, Desk } from "./shell.ts";

/** What token show and its like print. Money is in digits. */
export interface Token {
  readonly name: string;
  readonly state: string;
  readonly account: number;
  readonly balance: string;
  readonly held: string;
  readonly up: number;
  readonly down: number;
  readonly split: number;
  readonly calls: number;
  readonly receipt: number;
}

/** A token that was sold, and the image that it is in. */
export interface Sold extends Token {
  readonly image: string;
}

/** What call prints, and what every command prints that calls. */
export interface Called {
  readonly tried: readonly string[];
  readonly address: string;
  readonly finished: readonly { readonly service: string; readonly charged: string }[];
  readonly receipt: { readonly sequence: number; readonly call: number; readonly balance: string };
  readonly value: { readonly asset: string; readonly atMost: string; readonly atLeast: string };
  readonly charged: string;
}

export interface Statement {
  readonly account: number;
  readonly balance: string;
  readonly entries: readonly { readonly amount: string; readonly reason: string; readonly memo: string | null }[];
}

/** What a device knows, as balance prints it. */
export interface Balance {
  readonly asset: string;
  readonly atMost: string;
  readonly atLeast: string;
  readonly openCaps: string;
  readonly receipt: { readonly sequence: number; readonly balance: string };
  readonly pad: {
    readonly up: { readonly used: number };
    readonly down: { readonly used: number };
    readonly split: number;
    readonly nextSlot: number;
  };
}

const STANDARD = FIRST_CONFIG.tariffs.standard;
/** What its tariffs are: money, money with another rate, and the pad as value. */
const TARIFFS = {
  ...FIRST_CONFIG.tariffs,
  thrice: { ...STANDARD, rate: 3 },
  dear: { ...STANDARD, rate: 1_000_000 },
} as const;

/** A port that is free, and that the system gives to nobody who asks for any. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const probe = createPort().listen(port, "127.0.0.1");
    const free = await once(probe, "listening").then(
      () => true,
      () => false,
    );
    if (!free) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
}

export class Shop {
  readonly directory: string;
  readonly address: string;
  readonly #desk: Desk;
  #child: ChildProcess | null = null;

  private constructor(desk: Desk, directory: string, address: string) {
    this.#desk = desk;
    this.directory = directory;
    this.address = address;
  }

  /** A new server in a directory of the desk, serving. */
  static async open(desk: Desk, directory: string, changes: object = {}): Promise<Shop> {
    const shop = new Shop(desk, directory, `tcp://127.0.0.1:${await freePort()}`);
    const addresses = { number: 1, list: [shop.address] };
    const config = { ...FIRST_CONFIG, listen: [shop.address], addresses, tariffs: TARIFFS, answerAfterMs: 0 };
    createServer(desk.path(directory), { ...config, ...changes });
    await shop.serve();
    return shop;
  }

  /** Starts the process that serves, and gives what it said when it was up. */
  async serve(): Promise<object> {
    const child = this.#desk.start(["serve", this.directory, "--json"]);
    this.#child = child;
    let told = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      told += text;
    });
    const ended = once(child, "exit").then(() => null);
    const said = await Promise.race([once(child.stdout!, "data"), ended]);
    if (said === null) throw new Error(`the server did not come up: ${told}`);
    return JSON.parse(String(said[0])) as object;
  }

  /** Ends it, in order or at once. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#child!;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Changes its configuration: it counts from the next start on. */
  configure(change: (config: Record<string, unknown>) => object): void {
    const path = this.#desk.path(this.directory, "config.json");
    writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")))));
  }

  /** A blank device in an image. */
  blank(image: string, size: number = 262_144): string {
    createImage(this.#desk.path(image), size);
    return image;
  }

  /** Sells a token into a new image. */
  async sell(image: string, price: number, ...more: readonly string[]): Promise<Sold> {
    const limit = more.includes("--limit") ? [] : ["--limit", "1000000"];
    const words = ["issue", this.directory, this.blank(image), "--price", `${price}`, ...limit, ...more];
    return { ...(await this.json<Token>(words)), image };
  }

  /** What a command prints with --json. */
  async json<Printed>(args: readonly string[], call: Call = {}): Promise<Printed> {
    return JSON.parse(String(await this.#desk.ok([...args, "--json"], call))) as Printed;
  }

  /** As token show prints it, without a process for each look. */
  show({ name }: Token): Promise<Token> {
    return this.#look((office) => printed(showToken(office.token, name)) as Token);
  }

  statement({ name }: Token): Promise<Statement> {
    return this.json(["statement", this.directory, name, "--entries", "1000"]);
  }

  balance({ image }: Sold): Promise<Balance> {
    return this.json(["balance", image]);
  }

  /** The books balance. */
  async audit(): Promise<void> {
    const { disagreements, assets } = await this.#look(({ token }) => token.store.transact(() => token.ledger.audit()));
    expect(disagreements).toEqual([]);
    for (const { sum } of assets) expect(sum).toBe(0n);
  }

  async #look<Seen>(see: (office: Office) => Seen): Promise<Seen> {
    const office = await openOffice(this.#desk.path(this.directory), { log: pino({ level: "silent" }) });
    try {
      return see(office);
    } finally {
      await office.close();
    }
  }
}

function printed(result: object): unknown {
  return JSON.parse(JSON.stringify(result, (_, value) => (typeof value === "bigint" ? String(value) : value)));
}

/** The digits of money, added up. */
export function sum(amounts: readonly string[]): bigint {
  return amounts.reduce((total, amount) => total + BigInt(amount), 0n);
}
