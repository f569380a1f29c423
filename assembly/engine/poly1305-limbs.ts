// Poly1305 for a Cortex-M0+, which multiplies 32 by 32 bits to 32 and no wider: ten limbs of 13 bits, all in locals.
//
// With r clamped, h below 2^13 (h1 below 2^13 + 400 after the last carry) and a block's limb added to each, every sum of
// ten products fits in 32 bits but the first, which may reach 1.09 * 2^32; so its products with r1 to r9 are split first.

/** Bytes of h, and of r. */
export const LIMBS: u32 = 40;

/** Writes the limbs of the clamped key at `key`. */
export function limbKey(r: usize, key: usize): void {
  const w0 = load<u32>(key) & 0x0fffffff;
  const w1 = load<u32>(key, 4) & 0x0ffffffc;
  const w2 = load<u32>(key, 8) & 0x0ffffffc;
  const w3 = load<u32>(key, 12) & 0x0ffffffc;
  store<u32>(r, w0 & 0x1fff);
  store<u32>(r, (w0 >> 13) & 0x1fff, 4);
  store<u32>(r, ((w0 >> 26) | (w1 << 6)) & 0x1fff, 8);
  store<u32>(r, (w1 >> 7) & 0x1fff, 12);
  store<u32>(r, ((w1 >> 20) | (w2 << 12)) & 0x1fff, 16);
  store<u32>(r, (w2 >> 1) & 0x1fff, 20);
  store<u32>(r, (w2 >> 14) & 0x1fff, 24);
  store<u32>(r, ((w2 >> 27) | (w3 << 5)) & 0x1fff, 28);
  store<u32>(r, (w3 >> 8) & 0x1fff, 32);
  store<u32>(r, w3 >> 21, 36);
}

/** Takes in whole blocks: h = (h + block + 2^128) r for each of them. */
// biome-ignore format: the rows of a multiplication
export function limbBlocks(h: usize, r: usize, data: usize, length: u32): void {
  const r0 = load<u32>(r);
  const r1 = load<u32>(r, 4);
  const r2 = load<u32>(r, 8);
  const r3 = load<u32>(r, 12);
  const r4 = load<u32>(r, 16);
  const r5 = load<u32>(r, 20);
  const r6 = load<u32>(r, 24);
  const r7 = load<u32>(r, 28);
  const r8 = load<u32>(r, 32);
  const r9 = load<u32>(r, 36);
  let h0 = load<u32>(h);
  let h1 = load<u32>(h, 4);
  let h2 = load<u32>(h, 8);
  let h3 = load<u32>(h, 12);
  let h4 = load<u32>(h, 16);
  let h5 = load<u32>(h, 20);
  let h6 = load<u32>(h, 24);
  let h7 = load<u32>(h, 28);
  let h8 = load<u32>(h, 32);
  let h9 = load<u32>(h, 36);
  const end = data + length;
  for (; data < end; data += 16) {
    const w0 = load<u32>(data);
    const w1 = load<u32>(data, 4);
    const w2 = load<u32>(data, 8);
    const w3 = load<u32>(data, 12);
    h0 += w0 & 0x1fff;
    h1 += (w0 >> 13) & 0x1fff;
    h2 += ((w0 >> 26) | (w1 << 6)) & 0x1fff;
    h3 += (w1 >> 7) & 0x1fff;
    h4 += ((w1 >> 20) | (w2 << 12)) & 0x1fff;
    h5 += (w2 >> 1) & 0x1fff;
    h6 += (w2 >> 14) & 0x1fff;
    h7 += ((w2 >> 27) | (w3 << 5)) & 0x1fff;
    h8 += (w3 >> 8) & 0x1fff;
    h9 += (w3 >> 21) | 0x800; // 2^128, the mark of a full block

    const wrap = h1 * r9 + h2 * r8 + h3 * r7 + h4 * r6 + h5 * r5 + h6 * r4 + h7 * r3 + h8 * r2 + h9 * r1;
    let d = h0 * r0 + 5 * (wrap & 0x1fff);
    const d0 = d & 0x1fff;
    d = (d >> 13) + 5 * (wrap >> 13);
    d += h0 * r1 + h1 * r0 + 5 * (h2 * r9 + h3 * r8 + h4 * r7 + h5 * r6 + h6 * r5 + h7 * r4 + h8 * r3 + h9 * r2);
    const d1 = d & 0x1fff;
    d = (d >> 13) + h0 * r2 + h1 * r1 + h2 * r0 + 5 * (h3 * r9 + h4 * r8 + h5 * r7 + h6 * r6 + h7 * r5 + h8 * r4 + h9 * r3);
    const d2 = d & 0x1fff;
    d = (d >> 13) + h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + 5 * (h4 * r9 + h5 * r8 + h6 * r7 + h7 * r6 + h8 * r5 + h9 * r4);
    const d3 = d & 0x1fff;
    d = (d >> 13) + h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0 + 5 * (h5 * r9 + h6 * r8 + h7 * r7 + h8 * r6 + h9 * r5);
    const d4 = d & 0x1fff;
    d = (d >> 13) + h0 * r5 + h1 * r4 + h2 * r3 + h3 * r2 + h4 * r1 + h5 * r0 + 5 * (h6 * r9 + h7 * r8 + h8 * r7 + h9 * r6);
    const d5 = d & 0x1fff;
    d = (d >> 13) + h0 * r6 + h1 * r5 + h2 * r4 + h3 * r3 + h4 * r2 + h5 * r1 + h6 * r0 + 5 * (h7 * r9 + h8 * r8 + h9 * r7);
    const d6 = d & 0x1fff;
    d = (d >> 13) + h0 * r7 + h1 * r6 + h2 * r5 + h3 * r4 + h4 * r3 + h5 * r2 + h6 * r1 + h7 * r0 + 5 * (h8 * r9 + h9 * r8);
    const d7 = d & 0x1fff;
    d = (d >> 13) + h0 * r8 + h1 * r7 + h2 * r6 + h3 * r5 + h4 * r4 + h5 * r3 + h6 * r2 + h7 * r1 + h8 * r0 + 5 * (h9 * r9);
    const d8 = d & 0x1fff;
    d = (d >> 13) + h0 * r9 + h1 * r8 + h2 * r7 + h3 * r6 + h4 * r5 + h5 * r4 + h6 * r3 + h7 * r2 + h8 * r1 + h9 * r0;

    h0 = d0 + 5 * (d >> 13);
    h1 = d1 + (h0 >> 13);
    h0 &= 0x1fff;
    h2 = d2;
    h3 = d3;
    h4 = d4;
    h5 = d5;
    h6 = d6;
    h7 = d7;
    h8 = d8;
    h9 = d & 0x1fff;
  }
  store<u32>(h, h0);
  store<u32>(h, h1, 4);
  store<u32>(h, h2, 8);
  store<u32>(h, h3, 12);
  store<u32>(h, h4, 16);
  store<u32>(h, h5, 20);
  store<u32>(h, h6, 24);
  store<u32>(h, h7, 28);
  store<u32>(h, h8, 32);
  store<u32>(h, h9, 36);
}

/** Writes h as four words and the bits above 2^128 in a fifth, below 2^130 + 2^20. */
export function limbWords(h: usize, out: usize): void {
  let word = <u64>load<u32>(h) + ((<u64>load<u32>(h, 4)) << 13) + ((<u64>load<u32>(h, 8)) << 26);
  store<u32>(out, <u32>word);
  word = (word >> 32) + ((<u64>load<u32>(h, 12)) << 7) + ((<u64>load<u32>(h, 16)) << 20);
  store<u32>(out, <u32>word, 4);
  word =
    (word >> 32) + ((<u64>load<u32>(h, 20)) << 1) + ((<u64>load<u32>(h, 24)) << 14) + ((<u64>load<u32>(h, 28)) << 27);
  store<u32>(out, <u32>word, 8);
  word = (word >> 32) + ((<u64>load<u32>(h, 32)) << 8) + ((<u64>load<u32>(h, 36)) << 21);
  store<u32>(out, <u32>word, 12);
  store<u32>(out, <u32>(word >> 32), 16);
}
