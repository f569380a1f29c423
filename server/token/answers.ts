// Boxes down as they were sealed. They stay until the device says that it has released them, and go out again as they are,
// however often a line breaks: nothing is sealed twice. They stay for a while longer as the record of what was answered: a
// request that comes again under its id gets the same answer, opened again with the twin, whose bytes stay as long.

import type { Statement } from "better-sqlite3";
import type { Store } from "../store/index.ts";
import type { Pad } from "./pads.ts";

/** A box at its mark. */
export interface KeptBox {
  readonly mark: number;
  readonly box: Uint8Array;
}

/** Of a pad at most this share is kept as a record. */
const RECORDED_SHARE = 64;

/** The mark of down from which on boxes are kept: what is not released, and at most `recordedBytes` before it. */
export function keptFrom(pad: Pick<Pad, "down" | "released" | "padLength">, recordedBytes: number): number {
  const recorded = Math.min(recordedBytes, Math.floor(pad.padLength / RECORDED_SHARE));
  return Math.max(0, Math.min(pad.released, pad.down - recorded));
}

export class Answers {
  readonly #insert: Statement;
  readonly #forget: Statement;
  readonly #find: Statement<[number, Uint8Array], number>;
  readonly #page: Statement<[number, number, number], KeptBox>;

  constructor({ db }: Store) {
    this.#insert = db.prepare("INSERT INTO answer (pad, mark, box, id) VALUES (?, ?, ?, ?)");
    this.#forget = db.prepare("DELETE FROM answer WHERE pad = ? AND mark < ?");
    this.#find = db.prepare<[number, Uint8Array], number>("SELECT mark FROM answer WHERE pad = ? AND id = ?").pluck();
    this.#page = db.prepare<[number, number, number], KeptBox>(
      "SELECT mark, box FROM answer WHERE pad = ? AND mark >= ? ORDER BY mark LIMIT ?",
    );
  }

  /** @param id of the request, when this is the first box of its answer */
  keep(pad: number, mark: number, box: Uint8Array, id: Uint8Array | null): void {
    this.#insert.run(pad, mark, box, id);
  }

  /** Where the answer to this request begins. */
  find(pad: number, id: Uint8Array): number | null {
    return this.#find.get(pad, id) ?? null;
  }

  /** Everything before `mark` is not needed any more. */
  forget(pad: number, mark: number): void {
    this.#forget.run(pad, mark);
  }

  /** The kept boxes from `mark` on, in order, at most `count`. */
  from(pad: number, mark: number, count: number): KeptBox[] {
    return this.#page.all(pad, mark, count);
  }
}
