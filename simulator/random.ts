/**
 * The seeded generator of the simulated world: which bits a cut leaves, what an unstable cell reads, what a worn sector loses.
 * The same seed gives the same world. It is small and fast and nothing more: no pad byte outside a test may ever come from it.
 *
 * The algorithm is sfc32 (Chris Doty-Humphrey, PractRand), its state filled from the seed by splitmix32.
 */

/** The whole state of a generator, to be put back later. */
export type RandomState = readonly [a: number, b: number, c: number, counter: number];

export class Random {
  private a = 0;
  private b = 0;
  private c = 0;
  private counter = 0;

  /** @param seed any integer; its low 32 bits count */
  constructor(seed: number) {
    this.seed(seed);
  }

  /** Starts the sequence that belongs to `seed`. */
  seed(seed: number): void {
    let state = seed | 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    };
    this.a = next();
    this.b = next();
    this.c = next();
    this.counter = 1;
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** The next 32 bits. */
  u32(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number from 0 to `limit` - 1, `limit` at most 2^32. */
  below(limit: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * limit);
  }

  /** Overwrites `bytes`. */
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      let word = this.u32();
      for (let j = i; j < i + 4 && j < bytes.length; j++, word >>>= 8) bytes[j] = word;
    }
  }

  /** The state as a value that later calls do not change. */
  state(): RandomState {
    return [this.a, this.b, this.c, this.counter];
  }

  /** Goes on from a state taken earlier. */
  resume(state: RandomState): void {
    [this.a, this.b, this.c, this.counter] = state;
  }
}
