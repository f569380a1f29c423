// By what a stretch of noise is known again wherever it lies: behind other bytes, without its beginning, or as a part of another
// file. Which places of a stream are landmarks is decided by the 32 bytes before each place alone, about one in 4,096, so that
// the same noise has them at the same places whatever stands around it; each is known by a digest of the 512 bytes before it.
// (A copy that was changed, or put in another order in pieces of less than that, has others.)
//
// Of a long stream the 1,024 with the lowest digests are kept. These are the same ones wherever they are met, so that a piece
// of which dozens were found in two streams has some among those that both kept.

import { hash } from "node:crypto";

/** So many leading bits of the rolling sum are zero at a landmark. */
const SPACING_BITS = 12;
const DIGESTED_BYTES = 512;
const DIGEST_DIGITS = 16;
const KEPT = 1024;
/** Odd, with its bits well spread: 2^32 divided by the golden ratio. */
const SPREAD = 0x9e3779b1;

/** The landmarks of one stream that comes in pieces. */
export class Landmarks {
  #places: Map<string, number> = new Map();
  /** Digests above it are not among those that are kept. */
  #highest: string | null = null;
  #repeatedAt: number | null = null;
  #before: Buffer = Buffer.alloc(0);
  #seen = 0;
  #sum = 0;

  /** Where each that is kept was found: the end of its bytes, counted from the first byte of the stream. By their digests. */
  get places(): ReadonlyMap<string, number> {
    this.#keepLowest();
    return this.#places;
  }

  /** Where a landmark came for the second time, so that the stream repeats itself; null while none did. */
  get repeatedAt(): number | null {
    return this.#repeatedAt;
  }

  /** Takes the next bytes, and keeps a copy of the last 512 until {@link wipe}. */
  update(bytes: Uint8Array): void {
    const known = Buffer.concat([this.#before, bytes]);
    const first = this.#before.length;
    for (let at = first; at < known.length; at++) {
      // Each step moves what was summed up to the left: after 32 of them a byte has left the sum.
      this.#sum = ((this.#sum << 1) + Math.imul(known[at]! + 1, SPREAD)) >>> 0;
      if (this.#sum >>> (32 - SPACING_BITS) !== 0 || at + 1 < DIGESTED_BYTES) continue;
      this.#add(known.subarray(at + 1 - DIGESTED_BYTES, at + 1), this.#seen + at + 1 - first);
    }
    this.#seen += bytes.length;
    this.#before.fill(0);
    this.#before = Buffer.from(known.subarray(-DIGESTED_BYTES));
    known.fill(0);
  }

  wipe(): void {
    this.#before.fill(0);
  }

  #add(digested: Uint8Array, place: number): void {
    const digest = hash("sha256", digested, "hex").slice(0, DIGEST_DIGITS);
    if (this.#highest !== null && digest > this.#highest) return;
    if (this.#places.has(digest)) this.#repeatedAt ??= place;
    else this.#places.set(digest, place);
    if (this.#places.size > 2 * KEPT) this.#keepLowest();
  }

  #keepLowest(): void {
    if (this.#places.size <= KEPT) return;
    const kept = [...this.#places].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, KEPT);
    this.#places = new Map(kept);
    this.#highest = kept.at(-1)![0];
  }
}
