/**
 * The limits of many pads in little memory: at most 48 bytes a pad, so that a million of them are not a million objects. Entries
 * lie one after the other in one array of words, found through a hash table of their numbers.
 */
import type { LimitEntry } from "./limits.ts";

/** Words of an entry: the pad's name, then the fields. */
const WORDS = 7;
const FIELDS = ["heard", "up", "down", "split", "receipt"] as const satisfies readonly (keyof LimitEntry)[];
const NAME = /^[0-9a-f]{16}$/;

export class LimitTable implements ReadonlyMap<string, LimitEntry> {
  size = 0;
  private words: Uint32Array = new Uint32Array(64 * WORDS);
  /** Number of an entry + 1, or 0; at least a third is free. */
  private index: Uint32Array = new Uint32Array(128);

  get(pad: string): LimitEntry | undefined {
    const entry = this.find(pad);
    return entry === -1 ? undefined : this.entry(entry);
  }

  has(pad: string): boolean {
    return this.find(pad) !== -1;
  }

  /** Whether any field is above what is known of this pad, or nothing is. */
  isRaisedBy(limit: LimitEntry): boolean {
    const entry = this.find(limit.pad);
    return entry === -1 || FIELDS.some((field, i) => limit[field] > (this.words[entry * WORDS + 2 + i] as number));
  }

  /** Raises every field of this pad to at least what `limit` says. */
  raise(limit: LimitEntry): void {
    const found = this.find(limit.pad);
    const at = (found === -1 ? this.add(limit.pad) : found) * WORDS + 2;
    for (const [i, field] of FIELDS.entries()) {
      const value = limit[field];
      if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32)
        throw new Error(`${field} has 32 bits, not ${value}`);
      if (value > (this.words[at + i] as number)) this.words[at + i] = value;
    }
  }

  forEach(run: (limit: LimitEntry, pad: string, map: ReadonlyMap<string, LimitEntry>) => void): void {
    for (const limit of this.values()) run(limit, limit.pad, this);
  }

  *keys(): MapIterator<string> {
    for (const { pad } of this.values()) yield pad;
  }

  *values(): MapIterator<LimitEntry> {
    for (let entry = 0; entry < this.size; entry++) yield this.entry(entry);
  }

  *entries(): MapIterator<[string, LimitEntry]> {
    for (const limit of this.values()) yield [limit.pad, limit];
  }

  [Symbol.iterator](): MapIterator<[string, LimitEntry]> {
    return this.entries();
  }

  private entry(number: number): LimitEntry {
    const [high, low, heard, up, down, split, receipt] = this.words.subarray(number * WORDS, (number + 1) * WORDS);
    const pad = [high, low].map((word) => (word as number).toString(16).padStart(8, "0")).join("");
    return { pad, heard, up, down, split, receipt } as LimitEntry;
  }

  private find(pad: string): number {
    const [high, low] = wordsOf(pad);
    for (let place = this.placeOf(high, low); ; place = (place + 1) & (this.index.length - 1)) {
      const entry = (this.index[place] as number) - 1;
      if (entry === -1 || (this.words[entry * WORDS] === high && this.words[entry * WORDS + 1] === low)) return entry;
    }
  }

  private add(pad: string): number {
    const entry = this.size++;
    if (entry * WORDS === this.words.length) {
      const larger = new Uint32Array(Math.ceil(entry * 1.25) * WORDS);
      larger.set(this.words);
      this.words = larger;
    }
    this.words.set(wordsOf(pad), entry * WORDS);
    if (this.size * 3 > this.index.length * 2) {
      this.index = new Uint32Array(2 * this.index.length);
      for (let each = 0; each < entry; each++) this.place(each);
    }
    this.place(entry);
    return entry;
  }

  private place(entry: number): void {
    let place = this.placeOf(this.words[entry * WORDS] as number, this.words[entry * WORDS + 1] as number);
    while (this.index[place] !== 0) place = (place + 1) & (this.index.length - 1);
    this.index[place] = entry + 1;
  }

  private placeOf(high: number, low: number): number {
    const mixed = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 15), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) & (this.index.length - 1);
  }
}

function wordsOf(pad: string): [high: number, low: number] {
  if (!NAME.test(pad)) throw new Error("The name of a pad is 16 hex digits");
  return [Number.parseInt(pad.slice(0, 8), 16), Number.parseInt(pad.slice(8), 16)];
}
