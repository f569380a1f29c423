// Requests of slow services while they work, each with the hold that covers it. What a crash leaves here is voided at the
// next start, and answered in the next link: outcome unknown, not charged.

import type { Statement } from "better-sqlite3";
import type { Store } from "../store/index.ts";

/** A request that has no answer yet. */
export interface OpenRequest {
  readonly request: number;
  readonly pad: number;
  readonly id: Uint8Array;
  readonly hold: number | null;
}

export class Requests {
  readonly #find: Statement<[number, Uint8Array], OpenRequest>;
  readonly #insert: Statement;
  readonly #delete: Statement;
  readonly #lose: Statement;
  readonly #open: Statement<[number], OpenRequest>;
  readonly #isOpen: Statement<[number], unknown>;
  readonly #working: Statement<[], OpenRequest>;
  /** Whether there may be any. Only the process that serves makes them. */
  #any: boolean;

  constructor({ db }: Store) {
    const columns = "SELECT request, pad, id, hold FROM request";
    this.#find = db.prepare<[number, Uint8Array], OpenRequest>(`${columns} WHERE pad = ? AND id = ?`);
    this.#insert = db.prepare("INSERT INTO request (pad, id, hold) VALUES (?, ?, ?)");
    this.#delete = db.prepare("DELETE FROM request WHERE request = ?");
    this.#lose = db.prepare("UPDATE request SET lost = 1, hold = NULL WHERE request = ?");
    this.#open = db.prepare<[number], OpenRequest>(`${columns} WHERE pad = ? ORDER BY request`);
    this.#isOpen = db.prepare<[number], unknown>("SELECT 1 FROM request WHERE request = ?");
    this.#working = db.prepare<[], OpenRequest>(`${columns} WHERE lost = 0`);
    this.#any = db.prepare("SELECT 1 FROM request LIMIT 1").get() !== undefined;
  }

  find(pad: number, id: Uint8Array): OpenRequest | null {
    return this.#any ? (this.#find.get(pad, id) ?? null) : null;
  }

  /** Whether this request waits for its answer. */
  isOpen(request: number): boolean {
    return this.#isOpen.get(request) !== undefined;
  }

  /** A slow service begins. Returns the number of the request. */
  begin(pad: number, id: Uint8Array, hold: number | null): number {
    this.#any = true;
    return Number(this.#insert.run(pad, id, hold).lastInsertRowid);
  }

  /** It was answered. */
  end(request: number): void {
    this.#delete.run(request);
  }

  /** Nobody will know what became of it; its hold was voided. */
  lose(request: number): void {
    this.#lose.run(request);
  }

  /** Requests of this pad that wait for their answer, oldest first. */
  open(pad: number): OpenRequest[] {
    return this.#any ? this.#open.all(pad) : [];
  }

  /** All requests that stand as working. */
  working(): OpenRequest[] {
    return this.#working.all();
  }
}
