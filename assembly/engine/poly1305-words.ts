// Poly1305 on a computer, one block at a time: four limbs of 32 bits in 64-bit words, multiplied with 16 products.
//
// r1, r2 and r3 are multiples of 4, so 2^128 r_i = 2^130 r_i / 4 = 5 r_i / 4 mod p exactly: s_i below. Carries are not
// finished between blocks: in units of 2^32, at a multiplication, h0 <= 3.02, h1 and h2 <= 2 and h3 <= 6, because two bits
// above 2^128 and the mark of the block stay in h3. With r < 2^28 and s < 1.25 * 2^28 the largest sum is then below
// (3.02 + 2.5 + 2.5 + 7.5) * 2^60 < 2^64, and what it carries around, 5 * 13 * 2^60 / 2^34 = 1.02 * 2^32, is the rest of h0.

/** Bytes of h: four u64. */
export const WORDS: u32 = 32;
/** Writes the clamped key at `key`: four u32. */
export function wordKey(r: usize, key: usize): void {
  store<u32>(r, load<u32>(key) & 0x0fffffff);
  store<u32>(r, load<u32>(key, 4) & 0x0ffffffc, 4);
  store<u32>(r, load<u32>(key, 8) & 0x0ffffffc, 8);
  store<u32>(r, load<u32>(key, 12) & 0x0ffffffc, 12);
}

/** Takes in whole blocks: h = (h + block + 2^128) r for each of them. */
export function wordBlocks(h: usize, r: usize, data: usize, length: u32): void {
  const r0: u64 = load<u32>(r);
  const r1: u64 = load<u32>(r, 4);
  const r2: u64 = load<u32>(r, 8);
  const r3: u64 = load<u32>(r, 12);
  const s1 = r1 + (r1 >> 2);
  const s2 = r2 + (r2 >> 2);
  const s3 = r3 + (r3 >> 2);
  let h0 = load<u64>(h);
  let h1 = load<u64>(h, 8);
  let h2 = load<u64>(h, 16);
  let h3 = load<u64>(h, 24);
  const end = data + length;
  for (; data < end; data += 16) {
    h0 += load<u32>(data);
    h1 += load<u32>(data, 4);
    h2 += load<u32>(data, 8);
    h3 += <u64>load<u32>(data, 12) + (1 << 32);
    const d0 = h0 * r0 + h1 * s3 + h2 * s2 + h3 * s1;
    const d1 = h0 * r1 + h1 * r0 + h2 * s3 + h3 * s2 + (d0 >> 32);
    const d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s3 + (d1 >> 32);
    const d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + (d2 >> 32);
    h0 = (d0 & 0xffffffff) + 5 * (d3 >> 34);
    h1 = d1 & 0xffffffff;
    h2 = d2 & 0xffffffff;
    h3 = d3 & 0x3ffffffff;
  }
  store<u64>(h, h0);
  store<u64>(h, h1, 8);
  store<u64>(h, h2, 16);
  store<u64>(h, h3, 24);
}

/** h = h r, for an h that was carried, and to which at most another one was added. */
export function wordMultiply(h: usize, r: usize): void {
  const r0: u64 = load<u32>(r);
  const r1: u64 = load<u32>(r, 4);
  const r2: u64 = load<u32>(r, 8);
  const r3: u64 = load<u32>(r, 12);
  const s1 = r1 + (r1 >> 2);
  const s2 = r2 + (r2 >> 2);
  const s3 = r3 + (r3 >> 2);
  let h3 = load<u64>(h, 24);
  const h0 = load<u64>(h) + 5 * (h3 >> 34);
  const h1 = load<u64>(h, 8);
  const h2 = load<u64>(h, 16);
  h3 &= 0x3ffffffff;
  const d0 = h0 * r0 + h1 * s3 + h2 * s2 + h3 * s1;
  const d1 = h0 * r1 + h1 * r0 + h2 * s3 + h3 * s2 + (d0 >> 32);
  const d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s3 + (d1 >> 32);
  const d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + (d2 >> 32);
  store<u64>(h, (d0 & 0xffffffff) + 5 * (d3 >> 34));
  store<u64>(h, d1 & 0xffffffff, 8);
  store<u64>(h, d2 & 0xffffffff, 16);
  store<u64>(h, d3 & 0x3ffffffff, 24);
}

/** Carries h once around: three limbs below 2^32, and h below 2^130 + 2^34. */
export function wordCarry(h: usize): void {
  let h0 = load<u64>(h);
  let h1 = load<u64>(h, 8) + (h0 >> 32);
  let h2 = load<u64>(h, 16) + (h1 >> 32);
  let h3 = load<u64>(h, 24) + (h2 >> 32);
  h0 = (h0 & 0xffffffff) + 5 * (h3 >> 34);
  h1 = (h1 & 0xffffffff) + (h0 >> 32);
  h2 = (h2 & 0xffffffff) + (h1 >> 32);
  h3 = (h3 & 0x3ffffffff) + (h2 >> 32);
  store<u64>(h, h0 & 0xffffffff);
  store<u64>(h, h1 & 0xffffffff, 8);
  store<u64>(h, h2 & 0xffffffff, 16);
  store<u64>(h, h3, 24);
}

/** Writes h as four words and the bits above 2^128 in a fifth, below 2^130 + 2^34. */
export function wordWords(h: usize, out: usize): void {
  wordCarry(h);
  store<u32>(out, load<u32>(h));
  store<u32>(out, load<u32>(h, 8), 4);
  store<u32>(out, load<u32>(h, 16), 8);
  store<u64>(out, load<u64>(h, 24), 12);
}
