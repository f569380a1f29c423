// The accepted boxes of a request that is not whole yet. Their marks are spent and the device may have forgotten them: after
// a broken line or a restart the request goes on behind them.

import type { Statement } from "better-sqlite3";
import type { Store } from "../store/index.ts";
import type { AtRest } from "./at-rest.ts";

export class Parts {
  readonly #atRest: AtRest;
  readonly #insert: Statement;
  readonly #all: Statement<[number], Uint8Array>;
  readonly #drop: Statement;

  constructor({ db }: Store, atRest: AtRest) {
    this.#atRest = atRest;
    this.#insert = db.prepare("INSERT INTO part (pad, number, text) VALUES (?, ?, ?)");
    this.#all = db.prepare<[number], Uint8Array>("SELECT text FROM part WHERE pad = ? ORDER BY number").pluck();
    this.#drop = db.prepare("DELETE FROM part WHERE pad = ?");
  }

  add(pad: number, number: number, text: Uint8Array): void {
    this.#insert.run(pad, number, this.#atRest.seal(text));
  }

  /** The texts of the boxes, in order. */
  texts(pad: number): Uint8Array[] {
    return this.#all.all(pad).map((sealed) => this.#atRest.open(sealed));
  }

  drop(pad: number): void {
    this.#drop.run(pad);
  }
}
