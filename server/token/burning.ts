// The pages of twins that are used and not burned yet. They wait a while, since burning writes the keys of a pad anew however
// few of its pages go. That some of a pad wait is noted in the database, by the transaction that used them, until the vault
// has burned them for good: what a crash finds waiting is burned by the next start, whether its token ever calls again or not.

import type { Statement } from "better-sqlite3";
import { isVaultError } from "../vault/index.ts";
import type { TokenServer } from "./core.ts";
import { needed } from "./keep.ts";
import type { Pad } from "./pads.ts";

/** Notes of an earlier process that are taken up at once. */
const TAKEN_UP = 64;

export class Burning {
  readonly #server: TokenServer;
  readonly #insert: Statement;
  readonly #delete: Statement;
  readonly #noted: Statement<[number], number>;
  /** Numbers of the pads that wait here, by their names. */
  readonly #waiting: Map<string, number> = new Map();
  /** Up to this pad the notes of earlier processes were taken up; null: all were. */
  #takenUp: number | null = null;
  #cancel: (() => void) | null = null;

  constructor(server: TokenServer) {
    const { db } = server.store;
    this.#server = server;
    this.#insert = db.prepare("INSERT OR IGNORE INTO burning (pad) VALUES (?)");
    this.#delete = db.prepare("DELETE FROM burning WHERE pad = ?");
    this.#noted = db
      .prepare<[number], number>(`SELECT pad FROM burning WHERE pad > ? ORDER BY pad LIMIT ${TAKEN_UP}`)
      .pluck();
  }

  /** Notes that pages of a pad come to be used; part of the work that uses them. */
  note({ pad }: Pad): void {
    this.#insert.run(pad);
  }

  /** Has the vault forget what is used of a pad, once that is durable. One that is lost or damaged is reported when it is read. */
  keep(pad: Pad): void {
    const { vault, log } = this.#server;
    const before = vault.pending();
    try {
      vault.keep(pad.name, needed(this.#server, pad));
    } catch (error) {
      log.error({ err: error, token: pad.name }, "used pad bytes were not burned");
    }
    if (vault.pending() > before) this.#waiting.set(pad.name, pad.pad);
    this.#later();
  }

  /** Burns what an earlier process has left waiting: of some pads now, of the others as its own. */
  begin(): void {
    this.#takenUp = 0;
    this.#burn();
  }

  /** Burns everything that waits. @throws StoreError, VaultError */
  end(): void {
    this.#cancel?.();
    const { store, vault } = this.#server;
    const burned: number[] = [];
    for (let before = -1; vault.pending() !== before; ) {
      before = vault.pending();
      if (before > 0) burned.push(...this.#flush());
    }
    if (burned.length > 0) store.transact(() => this.#forget(burned));
  }

  #later(): void {
    const { vault, clock, config } = this.#server;
    if (this.#cancel !== null || (vault.pending() === 0 && this.#takenUp === null)) return;
    this.#cancel = clock.after(config.limits.burnLagMs, () => {
      this.#cancel = null;
      this.#burn();
    });
  }

  #burn(): void {
    const { store, vault, seldom } = this.#server;
    const pads = this.#takeUp();
    try {
      if (vault.pending() > 0) pads.push(...this.#flush());
    } catch (error) {
      seldom.error(error, "used pad bytes wait to be burned");
    }
    // A note that stays costs the next start a look, and nothing else.
    if (pads.length > 0) store.commit(() => this.#forget(pads)).catch(() => {});
    this.#later();
  }

  /** Some pads that an earlier process has noted, now waiting here. */
  #takeUp(): number[] {
    if (this.#takenUp === null) return [];
    const { pads } = this.#server;
    const noted = this.#noted.all(this.#takenUp);
    this.#takenUp = noted.length < TAKEN_UP ? null : noted.at(-1)!;
    for (const number of noted) {
      const pad = pads.load(number);
      if (pad !== undefined && pad.state !== "cancelled") this.keep(pad);
    }
    return noted;
  }

  /** Lets the vault burn some. Returns whose they were. */
  #flush(): number[] {
    const burned = this.#server.vault.flush();
    const pads = burned.map((name) => this.#waiting.get(name)).filter((pad) => pad !== undefined);
    for (const name of burned) this.#waiting.delete(name);
    return pads;
  }

  /** Strikes the notes of pads of which nothing waits, as this work finds them. */
  #forget(numbers: readonly number[]): void {
    for (const number of numbers) {
      const pad = this.#server.pads.load(number);
      if (pad === undefined || this.#isBurned(pad)) this.#delete.run(number);
    }
  }

  #isBurned(pad: Pad): boolean {
    try {
      return pad.state === "cancelled" || this.#server.vault.hasBurned(pad.name, needed(this.#server, pad));
    } catch (error) {
      return isVaultError(error, "PAD_MISSING") || isVaultError(error, "PAD_CORRUPT");
    }
  }
}
