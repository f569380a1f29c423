// Boxes down as they were sealed. They stay until the device says that it has released them, and go out again as they are,
// however often a line breaks: nothing is sealed twice. They stay for a while longer as the record of what was answered: a
// request that comes again under its id gets the same answer, opened again with the twin, whose bytes stay as long.
//
// Where the boxes of a pad are is known in memory while it is in use; otherwise the chain from its newest box tells.

import type { Statement } from "better-sqlite3";
import { Entries, type Store } from "../store/index.ts";
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

interface Row {
  readonly pad: number;
  readonly mark: number;
  readonly previous: number | null;
  readonly id: Uint8Array | null;
}

export class Answers {
  readonly #entries: Entries;
  readonly #row: Statement<[number], Row>;
  readonly #box: Statement<[number], Uint8Array>;

  constructor(store: Store) {
    const { db } = store;
    this.#entries = new Entries(store, "answer", ["answer", "pad", "mark", "previous", "id", "box"]);
    this.#row = db.prepare<[number], Row>("SELECT pad, mark, previous, id FROM answer WHERE answer = ?");
    this.#box = db.prepare<[number], Uint8Array>("SELECT box FROM answer WHERE answer = ?").pluck();
  }

  /** The kept boxes of a pad. */
  of({ pad, answer, down }: Pad): Kept {
    this.#entries.write();
    const kept = new Kept(pad, answer);
    let last = down;
    for (let number = answer; number !== null; ) {
      const row = this.#row.get(number);
      // The number of a box that is gone may have become that of another: of another pad, or of a later box of this one.
      if (row === undefined || row.pad !== pad || row.mark >= last) break;
      kept.numbers.push(number);
      kept.marks.push(row.mark);
      kept.heads.push(headOf(row.id));
      last = row.mark;
      number = row.previous;
    }
    kept.numbers.reverse();
    kept.marks.reverse();
    kept.heads.reverse();
    return kept;
  }

  /** @param id of the request, when this is the first box of its answer */
  keep(kept: Kept, mark: number, box: Uint8Array, id: Uint8Array | null): void {
    const number = this.#entries.add(kept.pad, mark, kept.newest, id, box);
    kept.numbers.push(number);
    kept.marks.push(mark);
    kept.heads.push(headOf(id));
    kept.newest = number;
  }

  /** Where the answer to this request begins; of those that were sealed anew the newest. */
  find(kept: Kept, id: Uint8Array): number | null {
    const head = headOf(id);
    const { heads, first } = kept;
    for (let i = heads.lastIndexOf(head); i >= first; i = i === 0 ? -1 : heads.lastIndexOf(head, i - 1)) {
      this.#entries.write();
      const found = this.#row.get(kept.numbers[i]!)?.id;
      if (found !== null && found !== undefined && Buffer.compare(found, id) === 0) return kept.marks[i]!;
    }
    return null;
  }

  /** The answers that begin from mark `from` on and before `to`, in order, but for those that were sealed anew since. */
  between(kept: Kept, from: number, to: number): { readonly mark: number; readonly id: Uint8Array }[] {
    const found: { mark: number; id: Uint8Array }[] = [];
    this.#entries.write();
    for (let i = kept.first; i < kept.marks.length && kept.marks[i]! < to; i++) {
      const mark = kept.marks[i]!;
      const id = mark < from ? null : this.#row.get(kept.numbers[i]!)!.id;
      if (id !== null && this.find(kept, id) === mark) found.push({ mark, id });
    }
    return found;
  }

  /** Everything before `mark` is not needed any more. */
  forget(kept: Kept, mark: number): void {
    for (; kept.first < kept.marks.length && kept.marks[kept.first]! < mark; kept.first++) {
      this.#entries.remove(kept.numbers[kept.first]!);
    }
  }

  /** The kept boxes from `mark` on, in order, at most `count`. */
  from(kept: Kept, mark: number, count: number): KeptBox[] {
    this.#entries.write();
    let i = kept.marks.length;
    while (i > kept.first && kept.marks[i - 1]! >= mark) i--;
    const numbers = kept.numbers.slice(i, i + count);
    return numbers.map((number, n) => ({ mark: kept.marks[i + n]!, box: this.#box.get(number)! }));
  }
}

/** Where the kept boxes of one pad are, in the order of their marks. */
export class Kept {
  readonly pad: number;
  /** The newest that was ever kept, whether it is still there or not. */
  newest: number | null;
  readonly numbers: number[] = [];
  readonly marks: number[] = [];
  /** The first four bytes of the ids of their requests; -1 where there is none. */
  readonly heads: number[] = [];
  /** Those before this one are forgotten. */
  first = 0;
  #before: { readonly first: number; readonly length: number; readonly newest: number | null } | null = null;

  constructor(pad: number, newest: number | null) {
    this.pad = pad;
    this.newest = newest;
  }

  /** A work is about to change it. */
  begin(): void {
    this.#before ??= { first: this.first, length: this.numbers.length, newest: this.newest };
  }

  /** The work is done. */
  settle(): void {
    this.#before = null;
    if (this.first === 0) return;
    for (const list of [this.numbers, this.marks, this.heads]) list.splice(0, this.first);
    this.first = 0;
  }

  /** The work is undone. */
  undo(): void {
    if (this.#before === null) return;
    const { first, length, newest } = this.#before;
    for (const list of [this.numbers, this.marks, this.heads]) list.length = length;
    this.first = first;
    this.newest = newest;
    this.#before = null;
  }
}

function headOf(id: Uint8Array | null): number {
  return id === null ? -1 : (id[0]! | (id[1]! << 8) | (id[2]! << 16) | (id[3]! << 24)) >>> 0;
}
