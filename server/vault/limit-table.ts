/**
 * The limits of many pads in little memory: at most 42 bytes a pad, so that a million of them are not a million objects. Entries
 * are seven words each, in blocks that never move, found through a hash table of their numbers. An entry comes in as the
 * words that the log has of it, so that nobody spells a name to look it up.
 */
import type { LimitEntry } from "./limits.ts";

/** Words of an entry: the pad's name, then the fields. */
const WORDS = 7;
const FIELDS = ["heard", "up", "down", "split", "receipt"] as const satisfies readonly (keyof LimitEntry)[];
/** Bytes of an entry, here and in the log. */
export const ENTRY_BYTES: number = 4 * WORDS;
/** Entries of a block: 2^8. */
const BLOCK_BITS = 8;
const BLOCK_MASK = (1 << BLOCK_BITS) - 1;

/** The words of an entry: two of the name, then heard, up, down, split and receipt. */
export type LimitWords = Uint32Array;

export class LimitTable implements ReadonlyMap<string, LimitEntry> {
  size = 0;
  private readonly blocks: Uint32Array[] = [];
  /** Number of an entry + 1, or 0; at least a third is free. */
  private index: Uint32Array = new Uint32Array(128);

  get(pad: string): LimitEntry | undefined {
    const entry = this.find(...nameOf(pad));
    return entry === -1 ? undefined : entryOf(this.words(entry));
  }

  has(pad: string): boolean {
    return this.find(...nameOf(pad)) !== -1;
  }

  /** Whether any field is above what is known of this pad, or nothing is. */
  isRaisedBy(limit: LimitWords): boolean {
    const entry = this.find(limit[0] as number, limit[1] as number);
    if (entry === -1) return true;
    const known = this.words(entry);
    return limit.some((word, i) => i >= 2 && word > (known[i] as number));
  }

  /** Raises every field of this pad to at least what `limit` says. */
  raise(limit: LimitWords): void {
    const found = this.find(limit[0] as number, limit[1] as number);
    if (found === -1) {
      this.add(limit);
      return;
    }
    const known = this.words(found);
    for (let i = 2; i < WORDS; i++) if ((limit[i] as number) > (known[i] as number)) known[i] = limit[i] as number;
  }

  /** Every entry as it stands, for who does not change it. */
  *rows(): Generator<LimitWords, void, undefined> {
    for (let entry = 0; entry < this.size; entry++) yield this.words(entry);
  }

  forEach(run: (limit: LimitEntry, pad: string, map: ReadonlyMap<string, LimitEntry>) => void): void {
    for (const limit of this.values()) run(limit, limit.pad, this);
  }

  *keys(): MapIterator<string> {
    for (const { pad } of this.values()) yield pad;
  }

  *values(): MapIterator<LimitEntry> {
    for (const words of this.rows()) yield entryOf(words);
  }

  *entries(): MapIterator<[string, LimitEntry]> {
    for (const limit of this.values()) yield [limit.pad, limit];
  }

  [Symbol.iterator](): MapIterator<[string, LimitEntry]> {
    return this.entries();
  }

  private words(entry: number): LimitWords {
    const at = (entry & BLOCK_MASK) * WORDS;
    return (this.blocks[entry >>> BLOCK_BITS] as Uint32Array).subarray(at, at + WORDS);
  }

  private find(high: number, low: number): number {
    for (let place = this.placeOf(high, low); ; place = (place + 1) & (this.index.length - 1)) {
      const entry = (this.index[place] as number) - 1;
      if (entry === -1) return -1;
      const block = this.blocks[entry >>> BLOCK_BITS] as Uint32Array;
      const at = (entry & BLOCK_MASK) * WORDS;
      if (block[at] === high && block[at + 1] === low) return entry;
    }
  }

  private add(limit: LimitWords): void {
    const entry = this.size++;
    if ((entry & BLOCK_MASK) === 0) this.blocks.push(new Uint32Array(WORDS << BLOCK_BITS));
    this.words(entry).set(limit);
    if (this.size * 3 > this.index.length * 2) {
      this.index = new Uint32Array(2 * this.index.length);
      for (let each = 0; each < entry; each++) this.place(each);
    }
    this.place(entry);
  }

  private place(entry: number): void {
    const [high, low] = this.words(entry) as unknown as [number, number];
    let place = this.placeOf(high, low);
    while (this.index[place] !== 0) place = (place + 1) & (this.index.length - 1);
    this.index[place] = entry + 1;
  }

  private placeOf(high: number, low: number): number {
    const mixed = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 15), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) & (this.index.length - 1);
  }
}

/** An entry in words. */
export function wordsOf(limit: LimitEntry): LimitWords {
  const words = new Uint32Array(WORDS);
  words.set(nameOf(limit.pad));
  for (const [i, field] of FIELDS.entries()) {
    const value = limit[field];
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32)
      throw new Error(`${field} has 32 bits, not ${value}`);
    words[2 + i] = value;
  }
  return words;
}

function entryOf([high, low, heard, up, down, split, receipt]: LimitWords): LimitEntry {
  const pad = [high, low].map((word) => (word as number).toString(16).padStart(8, "0")).join("");
  return { pad, heard, up, down, split, receipt } as LimitEntry;
}

const NAME = /^[0-9a-f]{16}$/;

function nameOf(pad: string): [high: number, low: number] {
  if (!NAME.test(pad)) throw new Error("The name of a pad is 16 hex digits");
  return [Number.parseInt(pad.slice(0, 8), 16), Number.parseInt(pad.slice(8), 16)];
}
