// Health tests of raw noise: the repetition count test and the adaptive proportion test of NIST SP 800-90B sections 4.4.1
// and 4.4.2, over bytes. These notice a source that died or got stuck, not one that is merely worse than claimed.
//
// A third, of our own, is the first one for what does not stick at one byte but at a pattern, or is a piece of memory that came
// twice: runs of bytes that equal what stood 4,096 or 5,040 bytes before. These are multiples of every period up to 10 and of
// the powers of two up to a page.
//
// They take their cutoff from the claimed min-entropy H and from how rarely a good source may fail, alpha = 2^-40 at each
// place: of 2^24 bytes, a pad of 16 MiB, a good source loses one fill in 2^16 to each. (At 2^-30 it would lose one in 2^6.)

const ALPHA_BITS = 40;
const WINDOW = 512;
const LAGS: readonly number[] = [4096, 5040];
const RECALL_BYTES = 8192;

/** What the tests have seen so far. */
export interface HealthCounters {
  /** Bytes tested. */
  readonly samplesTested: number;
  /** The longest run of equal bytes. */
  readonly longestRepetition: number;
  /** How often the first byte of a window of 512 occurred in it, at most. */
  readonly highestProportion: number;
}

/** Which test failed, at which byte counted from the first one tested, and with which count. */
export interface HealthFinding {
  readonly test: "repetition count" | "adaptive proportion" | "period";
  readonly position: number;
  readonly count: number;
  readonly cutoff: number;
}

/** Runs of equal bytes from this length on fail (SP 800-90B 4.4.1). `minEntropy` is in bits per byte. */
export function repetitionCutoff(minEntropy: number): number {
  return 1 + Math.ceil(ALPHA_BITS / minEntropy);
}

/** Counts in a window from this one on fail (SP 800-90B 4.4.2): 1 + critbinom(W, 2^-H, 1 - alpha). */
export function proportionCutoff(minEntropy: number): number {
  const hit = -minEntropy * Math.LN2;
  const miss = Math.log1p(-(2 ** -minEntropy));
  let tail = 0;
  let logChoose = 0;
  // The tail grows from its end, so that small terms are added first; critbinom is the last count above which it is small.
  for (let count = WINDOW; count > 0; count--) {
    tail += Math.exp(logChoose + count * hit + (WINDOW - count) * miss);
    if (tail > 2 ** -ALPHA_BITS) return 1 + count;
    logChoose += Math.log(count) - Math.log(WINDOW - count + 1);
  }
  return 1;
}

/** The tests over one stream of bytes that comes in pieces. */
export class HealthTests {
  readonly #repetitionCutoff: number;
  readonly #proportionCutoff: number;
  #samples = 0;
  #last = -1;
  #repetition = 0;
  #longestRepetition = 0;
  #first = -1;
  /** The bytes before, each at its place modulo the size of this, and for each lag how many now equal those before. */
  readonly #recalled = new Uint8Array(RECALL_BYTES);
  readonly #alike: number[] = LAGS.map(() => 0);
  #longestAlike = 0;
  #inWindow = 0;
  #proportion = 0;
  #highestProportion = 0;

  /** @param minEntropy claimed, in bits per byte: above 0, at most 8 */
  constructor(minEntropy: number) {
    this.#repetitionCutoff = repetitionCutoff(minEntropy);
    this.#proportionCutoff = proportionCutoff(minEntropy);
  }

  /** Takes the next bytes. Gives what failed, or null; after a failure the stream is not to be used. */
  update(bytes: Uint8Array): HealthFinding | null {
    for (const byte of bytes) {
      this.#count(byte);
      if (this.#repetition >= this.#repetitionCutoff) {
        return this.#finding("repetition count", this.#repetition, this.#repetitionCutoff);
      }
      if (this.#proportion >= this.#proportionCutoff) {
        return this.#finding("adaptive proportion", this.#proportion, this.#proportionCutoff);
      }
      if (this.#longestAlike >= this.#repetitionCutoff) {
        return this.#finding("period", this.#longestAlike, this.#repetitionCutoff);
      }
    }
    return null;
  }

  get counters(): HealthCounters {
    return {
      samplesTested: this.#samples,
      longestRepetition: this.#longestRepetition,
      highestProportion: this.#highestProportion,
    };
  }

  #count(byte: number): void {
    this.#compare(byte);
    this.#samples++;
    this.#repetition = byte === this.#last ? this.#repetition + 1 : 1;
    this.#last = byte;
    if (this.#repetition > this.#longestRepetition) this.#longestRepetition = this.#repetition;

    if (this.#inWindow === 0) {
      this.#first = byte;
      this.#proportion = 0;
    }
    if (byte === this.#first) this.#proportion++;
    if (this.#proportion > this.#highestProportion) this.#highestProportion = this.#proportion;
    this.#inWindow = (this.#inWindow + 1) % WINDOW;
  }

  #compare(byte: number): void {
    for (let i = 0; i < LAGS.length; i++) {
      const place = this.#samples - LAGS[i]!;
      const alike = place >= 0 && this.#recalled[place % RECALL_BYTES] === byte ? this.#alike[i]! + 1 : 0;
      this.#alike[i] = alike;
      if (alike > this.#longestAlike) this.#longestAlike = alike;
    }
    this.#recalled[this.#samples % RECALL_BYTES] = byte;
  }

  #finding(test: HealthFinding["test"], count: number, cutoff: number): HealthFinding {
    return { test, position: this.#samples - 1, count, cutoff };
  }
}
