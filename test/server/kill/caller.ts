// An independent client of a server in another process: a low end in memory, a TCP line, and requests that are always under way. It
// writes down what was acknowledged. When its line breaks it calls again, sends the same boxes again, and hears the rest.

import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { ItemReader, type LinkItem } from "../../../host/protocol/index.ts";
import type { LowEnd } from "../low-end.ts";

/** An answer that has come. */
export interface Acknowledged {
  readonly charged: bigint;
  readonly balance: bigint;
}

const AT_ONCE = 3;
const AGAIN_MS = 20;
const BODY_BYTES = 100;

export class Caller {
  /** Requests that were sent, by their ids; null: not answered yet. */
  readonly asked: Map<string, Acknowledged | null> = new Map();
  /** Answers since the line was last made. */
  fresh = 0;
  /** There is a line. */
  connected = false;
  /** What must not be. */
  readonly failures: string[] = [];
  /** At the last call: how many requests the server had taken whose answers had not come. */
  takenUnanswered = 0;
  readonly #low: LowEnd;
  readonly #address: () => URL | null;
  /** Boxes that the server may not have, by their marks, and the request that each ends. */
  #boxes: { readonly mark: number; readonly box: Uint8Array; readonly id: string }[] = [];
  #run: Uint8Array[] = [];
  #asking = true;
  #over = false;

  constructor(low: LowEnd, address: () => URL | null) {
    this.#low = low;
    this.#address = address;
  }

  /** Requests that were sent and not answered. */
  get inFlight(): number {
    return [...this.asked.values()].filter((answer) => answer === null).length;
  }

  /** Asks nothing new; what is under way is still heard. */
  finish(): void {
    this.#asking = false;
  }

  end(): void {
    this.#over = true;
  }

  /** Calls and talks, again and again, until `end`. */
  async live(): Promise<void> {
    while (!this.#over) {
      const address = this.#address();
      if (address !== null) await this.#talk(address);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  async #talk({ hostname, port }: URL): Promise<void> {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const reader = new ItemReader();
    const watch = setInterval(() => this.#over && socket.destroy(), AGAIN_MS);
    let state: "called" | "linked" = "called";
    this.fresh = 0;
    this.#run = [];
    this.connected = true;
    socket.on("error", () => {}); // Its end is told by "close".
    socket.on("connect", () => socket.write(this.#low.call()));
    socket.on("data", (bytes: Buffer) => {
      for (const item of reader.push(new Uint8Array(bytes))) {
        if (state === "called") {
          if (!this.#answerWelcome(socket, item)) socket.destroy();
          state = "linked";
        } else {
          this.#take(socket, item);
        }
      }
    });
    await new Promise((resolve) => socket.once("close", resolve));
    this.connected = false;
    clearInterval(watch);
  }

  #answerWelcome(socket: Socket, item: LinkItem): boolean {
    const low = this.#low;
    const welcome = low.welcome(item.bytes);
    if (welcome === null) return false;
    this.takenUnanswered = this.#boxes.filter(
      ({ mark, id }) => mark < welcome.up && this.asked.get(id) === null,
    ).length;
    socket.write(low.ready(item.bytes, { again: low.up, cap: 1_000_000n }));
    this.#boxes = this.#boxes.filter(({ mark }) => mark >= welcome.up);
    for (const { box } of this.#boxes) socket.write(box);
    return true;
  }

  #take(socket: Socket, item: LinkItem): void {
    const heard = this.#low.open(item.bytes);
    if (heard === null) {
      this.failures.push(`a ${item.kind} does not lie at mark ${this.#low.down}`);
      socket.destroy();
      return;
    }
    if (heard.kind === "data" || heard.kind === "last") this.#run.push(heard.text);
    if (heard.kind === "last") {
      this.#answered(Buffer.concat(this.#run));
      this.#run = [];
      this.#low.release();
    }
    while (this.#asking && this.inFlight < AT_ONCE) this.#ask(socket);
  }

  #answered(text: Uint8Array): void {
    const { id, ok, charged, balance } = decode(text) as {
      id: Uint8Array;
      ok: boolean;
      charged: number;
      balance: number;
    };
    const name = Buffer.from(id).toString("hex");
    const known = this.asked.get(name);
    const answer = { charged: BigInt(charged), balance: BigInt(balance) };
    if (known === undefined || !ok) this.failures.push(`an answer to nothing that was asked: ${name}`);
    if (known && (known.charged !== answer.charged || known.balance !== answer.balance)) {
      this.failures.push(`${name} was answered twice, and not with the same`);
    }
    this.asked.set(name, answer);
    this.fresh++;
  }

  #ask(socket: Socket): void {
    const low = this.#low;
    const id = randomBytes(16);
    const text = encode(
      { id: new Uint8Array(id), service: "echo", body: new Uint8Array(randomBytes(BODY_BYTES)) },
      rfc8949EncodeOptions,
    );
    const mark = low.up;
    let box: Uint8Array;
    try {
      box = low.seal("last", text);
    } catch {
      // No room until the next grant: something must be said that brings it.
      if (this.inFlight === 0 && low.room >= STATE_BYTES) socket.write(this.#keep(low.up, low.state(), "state"));
      return;
    }
    this.asked.set(id.toString("hex"), null);
    socket.write(this.#keep(mark, box, id.toString("hex")));
  }

  #keep(mark: number, box: Uint8Array, id: string): Uint8Array {
    this.#boxes.push({ mark, box, id });
    return box;
  }
}

const STATE_BYTES = 52;
