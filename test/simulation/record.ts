// What the server has answered a token, read from the sealed boxes that it makes durable, with the copy of the pad: behind each
// commit, so that nothing that became true is missed, and nothing counts that did not.

import { decode } from "cborg";
import type { Server } from "../../server/index.ts";
import { keptBoxes } from "./books.ts";
import type { Observer } from "./observer.ts";

/** An answer, as the server sealed it. */
export interface Recorded {
  readonly ok: boolean;
  readonly charged: bigint;
  readonly balance: bigint;
}

const DATA = 1;
const LAST = 2;
const KEY = 32;
const NOBODY = "00".repeat(16);

export class Record {
  /** By the id of the request. */
  answers: ReadonlyMap<string, Recorded> = new Map();
  /** What answers to requests that nobody could read have charged. */
  unreadable = 0n;
  readonly #observer: Observer;
  readonly #seen: Set<number> = new Set();

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  /** What all answers together say was charged. */
  get charged(): bigint {
    let charged = this.unreadable;
    for (const answer of this.answers.values()) charged += answer.charged;
    return charged;
  }

  /** Reads what has become durable since the last time. */
  read(server: Server, pad: number): void {
    let run: { mark: number; parts: Uint8Array[] } | null = null;
    for (const { mark, box } of keptBoxes(server, pad)) {
      const kind = box[2]!;
      if (kind !== DATA && kind !== LAST) continue;
      if (run === null && this.#seen.has(mark)) continue;
      const text = this.#observer.openDown(mark, box);
      if (text === null) {
        this.#observer.find(`a box that is kept for mark ${mark} down does not lie there`);
        continue;
      }
      run ??= { mark, parts: [] };
      run.parts.push(text);
      if (kind === DATA) continue;
      let at = run.mark;
      for (const part of run.parts) {
        this.#seen.add(at);
        at += KEY + part.length;
      }
      this.#take(Buffer.concat(run.parts));
      run = null;
    }
  }

  #take(text: Uint8Array): void {
    const { id, ok, charged, balance } = decode(text) as {
      id: Uint8Array;
      ok: boolean;
      charged: number;
      balance: number;
    };
    const name = Buffer.from(id).toString("hex");
    if (name === NOBODY) {
      this.unreadable += BigInt(charged);
      return;
    }
    const answer = { ok, charged: BigInt(charged), balance: BigInt(balance) };
    const known = this.answers.get(name);
    if (known === undefined) this.answers = new Map([...this.answers, [name, answer]]);
    else if (known.ok !== ok || known.charged !== answer.charged || known.balance !== answer.balance) {
      this.#observer.find(`the request ${name} has two answers`);
    }
  }
}
