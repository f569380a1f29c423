// Poly1305 (RFC 8439 section 2.5) over a pad as it is written, so that a device can prove that it holds the same bytes
// (SPEC section 10). Numbers are kept in six limbs of 22 bits: a product of two is below 2^44, and six of them, four
// times five each for the wrap at 2^132 = 4 · 2^130, stay below 2^51, which a double holds exactly.

const LIMBS = 6;
const LIMB = 2 ** 22;
const WRAP = 20;
const MODULUS: bigint = (1n << 130n) - 5n;
const CLAMP: bigint = 0x0ffffffc0ffffffc0ffffffc0fffffffn;

type Limbs = Float64Array & { 0: number; 1: number; 2: number; 3: number; 4: number; 5: number };

/** The one-time MAC of a stream of bytes under a 32-byte key `r ‖ s` that is used for nothing else. */
export class Poly1305 {
  readonly #r: Float64Array;
  readonly #s: bigint;
  readonly #sum: Limbs = new Float64Array(LIMBS) as Limbs;
  readonly #product: Float64Array = new Float64Array(LIMBS);

  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new RangeError("a Poly1305 key has 32 bytes");
    this.#r = toLimbs(littleEndian(key.subarray(0, 16)) & CLAMP);
    this.#s = littleEndian(key.subarray(16));
  }

  /** Takes the next bytes: a multiple of 16, as a pad always is. */
  update(bytes: Uint8Array): void {
    if (bytes.length % 16 !== 0) throw new RangeError("a pad comes in blocks of 16 bytes");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 16) {
      this.#add(
        view.getUint32(at, true),
        view.getUint32(at + 4, true),
        view.getUint32(at + 8, true),
        view.getUint32(at + 12, true),
      );
      this.#multiply();
    }
  }

  /** The tag of all bytes taken, 16 bytes. */
  digest(): Uint8Array {
    let sum = 0n;
    for (let index = LIMBS - 1; index >= 0; index--) sum = (sum << 22n) + BigInt(this.#sum[index] as number);
    let tag = (sum % MODULUS) + this.#s;
    const bytes = new Uint8Array(16);
    for (let index = 0; index < 16; index++, tag >>= 8n) bytes[index] = Number(tag & 0xffn);
    return bytes;
  }

  // A block is 128 bits and a one above them: limbs at bits 0, 22, 44, 66, 88 and 110.
  #add(a: number, b: number, c: number, d: number): void {
    const sum = this.#sum;
    sum[0] += a & 0x3fffff;
    sum[1] += (a >>> 22) | ((b & 0xfff) << 10);
    sum[2] += (b >>> 12) | ((c & 0x3) << 20);
    sum[3] += (c >>> 2) & 0x3fffff;
    sum[4] += (c >>> 24) | ((d & 0x3fff) << 8);
    sum[5] += (d >>> 14) | 0x40000;
  }

  #multiply(): void {
    const r = this.#r;
    const sum = this.#sum;
    const product = this.#product;
    for (let to = 0; to < LIMBS; to++) {
      let low = 0;
      let wrapped = 0;
      for (let from = 0; from <= to; from++) low += (sum[from] as number) * (r[to - from] as number);
      for (let from = to + 1; from < LIMBS; from++) wrapped += (sum[from] as number) * (r[LIMBS + to - from] as number);
      product[to] = low + WRAP * wrapped;
    }
    let carry = 0;
    for (let index = 0; index < LIMBS; index++) {
      const value = (product[index] as number) + carry;
      carry = Math.floor(value / LIMB);
      sum[index] = value - carry * LIMB;
    }
    const first = sum[0] + carry * WRAP;
    const rest = Math.floor(first / LIMB);
    sum[0] = first - rest * LIMB;
    sum[1] += rest;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function toLimbs(value: bigint): Float64Array {
  return Float64Array.from({ length: LIMBS }, (_, index) => Number((value >> BigInt(22 * index)) & 0x3fffffn));
}
