// Poly1305 on a computer, in four lanes (SIMD). They take four blocks of one message at a time (poly1305-one.ts), or a block
// of each of four messages, which needs no powers of r and no sum at the end (poly1305.ts). Numbers are ten limbs of 13
// bits, two to a 32-bit lane: one instruction multiplies eight pairs of 16 bits and adds them in twos, so that 50 of them
// multiply four numbers.
//
// Bounds. The multiplier's limbs are balanced, within 4100, and five times that, but for the lowest, where a product wraps
// at 2^130 = 5; limbs of h are within 8352. A sum is then within 8352 (4100 + 9 * 20480) = 1.58 * 10^9, and together with
// 26 bits of a block and what is carried into it, within 2^31. Carries run in two chains, 0 to 7 and 6 to 1; what they
// leave over in the odd limbs where they end is within 161.
//
// XOR goes along: what it has in registers is what the MAC takes in. Time goes into the number of instructions: they keep
// every unit that a processor has for vectors busy, and more messages at once, or one by words beside them, gain nothing.

// The bytes at `table`: 18 pairs of limbs of the multiplier, (c_e, c_(e-1)) in every lane, with e from -8 to 9, where
// c_(e-10) = 5 c_e, so that limb i of a product is the sum over k of the pair (h_2k, h_2k+1) times the pair e = i - 2k;
// masks, since V8 would build constants anew at each use; the lanes; and limbs before they are paired.
const MASK13: u32 = 288;
const MASK26: u32 = 304;
const MARK: u32 = 320;
const PAIR13: u32 = 336;
const LANE: u32 = 352;
const LIMB: u32 = 432;
export const LANE_STATE: u32 = 736;

/** Makes lane `lane` the number of four words, of which the last may have 34 bits. */
export function setLane(table: usize, lane: u32, w0: u64, w1: u64, w2: u64, w3: u64): void {
  const low = w0 | (w1 << 32);
  const at = table + LANE + 4 * lane;
  store<u32>(at, <u32>low & 0x3ffffff);
  store<u32>(at, <u32>(low >> 26) & 0x3ffffff, 16);
  store<u32>(at, <u32>((low >> 52) | (w2 << 12)) & 0x3ffffff, 32);
  store<u32>(at, <u32>((w2 >> 14) | (w3 << 18)) & 0x3ffffff, 48);
  store<u32>(at, <u32>(w3 >> 8), 64);
}

/** Makes every lane this number. */
export function setLanes(table: usize, w0: u64, w1: u64, w2: u64, w3: u64): void {
  setLane(table, 0, w0, w1, w2, w3);
  for (let i: u32 = 0; i < 80; i += 16) v128.store(table + i, v128.load32_splat(table + i, LANE), LANE);
}

/** Makes the numbers that were set in the lanes their multipliers, and the lanes 0. */
export function lanesMultiply(table: usize): void {
  const mask = i32x4.splat(0x1fff);
  const half = i32x4.splat(0x1000);
  const limb = table + LIMB + 144;
  for (let i: u32 = 0; i < 80; i += 16) {
    const group = v128.load(table + LANE + i);
    v128.store(limb + 2 * i, v128.and(group, mask));
    v128.store(limb + 2 * i, i32x4.shr_u(group, 13), 16);
  }
  // Five times the lowest limb is not asked for: it falls on the lanes, which have been read.
  let carry = half;
  for (let i: u32 = 0; i < 160; i += 16) {
    const sum = i32x4.add(v128.load(limb + i), carry);
    const one = i32x4.sub(v128.and(sum, mask), half);
    carry = i32x4.add(i32x4.shr_s(sum, 13), half);
    v128.store(limb + i, one);
    v128.store(limb + i - 160, i32x4.add(one, i32x4.shl(one, 2)));
  }
  carry = i32x4.sub(carry, half);
  v128.store(limb, i32x4.add(v128.load(limb), i32x4.add(carry, i32x4.shl(carry, 2))));
  const low = i32x4.splat(0xffff);
  let below = v128.load(table, LIMB);
  for (let i: u32 = 0; i < 288; i += 16) {
    const one = v128.load(table + i, LIMB + 16);
    v128.store(table + i, v128.or(v128.and(one, low), i32x4.shl(below, 16)));
    below = one;
  }
  for (let i: u32 = 0; i < 80; i += 16) v128.store(table + i, i32x4.splat(0), LANE);
  v128.store(table, mask, MASK13);
  v128.store(table, i32x4.splat(0x1fff1fff), PAIR13);
  v128.store(table, i32x4.splat(0x3ffffff), MASK26);
  v128.store(table, i32x4.splat(0x1000000), MARK);
}

/** Makes the numbers that were set in the lanes what the next blocks are added to. */
export function lanesBegin(table: usize): void {
  for (let i: u32 = 0; i < 80; i += 16) {
    const group = v128.load(table + LANE + i);
    v128.store(table + LANE + i, v128.or(v128.and(group, i32x4.splat(0x1fff)), i32x4.shl(i32x4.shr_u(group, 13), 16)));
  }
}

/** Makes the lanes numbers again that addLane adds. */
export function lanesEnd(table: usize): void {
  // Pairs of limbs as groups of 26 bits, and 2p on top, so that none is negative.
  const groups = table + LANE;
  for (let k: u32 = 0; k < 5; k++) {
    const pair = v128.load(groups + 16 * k);
    const group = i32x4.add(i32x4.shr_s(i32x4.shl(pair, 16), 16), i32x4.shl(i32x4.shr_s(pair, 16), 13));
    v128.store(groups + 16 * k, i32x4.add(group, i32x4.splat((1 << 27) - (k ? 2 : 10))));
  }
}

/** Adds a lane to h, as four words. */
export function addLane(h: usize, table: usize, lane: u32): void {
  const at = table + LANE + 4 * lane;
  let word = <u64>load<u32>(at) + ((<u64>load<u32>(at, 16)) << 26);
  store<u64>(h, load<u64>(h) + (word & 0xffffffff));
  word = (word >> 32) + ((<u64>load<u32>(at, 32)) << 20);
  store<u64>(h, load<u64>(h, 8) + (word & 0xffffffff), 8);
  word = (word >> 32) + ((<u64>load<u32>(at, 48)) << 14);
  store<u64>(h, load<u64>(h, 16) + (word & 0xffffffff), 16);
  word = (word >> 32) + ((<u64>load<u32>(at, 64)) << 8);
  store<u64>(h, load<u64>(h, 24) + word, 24);
}

/** Takes the numbers out of memory. */
export function lanesClear(table: usize): void {
  for (let i: u32 = 0; i < LANE_STATE; i += 16) v128.store(table + i, i64x2.splat(0));
}

/**
 * Takes in `count` blocks in every lane: lane = lane * multiplier + block + 2^128. The first blocks lie at source and at
 * each stride behind it, and the next ones `step` behind them. With a target, source ^ key is written there, and those are
 * the blocks if `opening`; the answer is then that of xor.
 */
// biome-ignore format: the rows of a multiplication
export function lanesTake(
  table: usize,
  count: u32,
  step: u32,
  source: usize,
  sourceStride: usize,
  target: usize = 0,
  targetStride: usize = 0,
  key: usize = 0,
  keyStride: usize = 0,
  opening: bool = false,
): bool {
  let flat = i32x4.splat(0);
  const mask13 = v128.load(table, MASK13);
  const mask26 = v128.load(table, MASK26);
  const pair13 = v128.load(table, PAIR13);
  const mark = v128.load(table, MARK);
  let h0 = v128.load(table, LANE);
  let h1 = v128.load(table, LANE + 16);
  let h2 = v128.load(table, LANE + 32);
  let h3 = v128.load(table, LANE + 48);
  let h4 = v128.load(table, LANE + 64);
  for (; count; count--) {
    let at = source;
    let b0 = v128.load(at);
    at += sourceStride;
    let b1 = v128.load(at);
    at += sourceStride;
    let b2 = v128.load(at);
    let b3 = v128.load(at + sourceStride);
    source += step;
    if (target) {
      at = key;
      const k0 = v128.load(at);
      const f0 = i32x4.eq(k0, v128.load(at, 1));
      at += keyStride;
      const k1 = v128.load(at);
      const f1 = i32x4.eq(k1, v128.load(at, 1));
      at += keyStride;
      const k2 = v128.load(at);
      const f2 = i32x4.eq(k2, v128.load(at, 1));
      at += keyStride;
      const k3 = v128.load(at);
      const f3 = i32x4.eq(k3, v128.load(at, 1));
      flat = v128.or(flat, v128.or(v128.or(f0, f1), v128.or(f2, f3)));
      key += step;
      const x0 = v128.xor(b0, k0);
      const x1 = v128.xor(b1, k1);
      const x2 = v128.xor(b2, k2);
      const x3 = v128.xor(b3, k3);
      at = target;
      v128.store(at, x0);
      at += targetStride;
      v128.store(at, x1);
      at += targetStride;
      v128.store(at, x2);
      v128.store(at + targetStride, x3);
      target += step;
      if (opening) {
        b0 = x0;
        b1 = x1;
        b2 = x2;
        b3 = x3;
      }
    }

    // Four blocks as columns of words, and their 26-bit groups as the even limbs of the sums.
    const q0 = i8x16.shuffle(b0, b1, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const q1 = i8x16.shuffle(b2, b3, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const q2 = i8x16.shuffle(b0, b1, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const q3 = i8x16.shuffle(b2, b3, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const w0 = i8x16.shuffle(q0, q1, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const w1 = i8x16.shuffle(q0, q1, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const w2 = i8x16.shuffle(q2, q3, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const w3 = i8x16.shuffle(q2, q3, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    let d0 = v128.and(w0, mask26);
    let d2 = v128.and(v128.or(i32x4.shr_u(w0, 26), i32x4.shl(w1, 6)), mask26);
    let d4 = v128.and(v128.or(i32x4.shr_u(w1, 20), i32x4.shl(w2, 12)), mask26);
    let d6 = v128.and(v128.or(i32x4.shr_u(w2, 14), i32x4.shl(w3, 18)), mask26);
    let d8 = v128.or(i32x4.shr_u(w3, 8), mark);

    // One pair of the multiplier after the other, with each limb that it counts for: in this order all of it stays in
    // sixteen registers. The optimizer of asc undoes the order from its second level on; asconfig.json asks for the first.
    let c = v128.load(table);
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(h4, c));
    c = v128.load(table, 32);
    d2 = i32x4.add(d2, i32x4.dot_i16x8_s(h4, c));
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(h3, c));
    c = v128.load(table, 64);
    d4 = i32x4.add(d4, i32x4.dot_i16x8_s(h4, c));
    d2 = i32x4.add(d2, i32x4.dot_i16x8_s(h3, c));
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(h2, c));
    c = v128.load(table, 96);
    d6 = i32x4.add(d6, i32x4.dot_i16x8_s(h4, c));
    d4 = i32x4.add(d4, i32x4.dot_i16x8_s(h3, c));
    d2 = i32x4.add(d2, i32x4.dot_i16x8_s(h2, c));
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(h1, c));
    c = v128.load(table, 128);
    d8 = i32x4.add(d8, i32x4.dot_i16x8_s(h4, c));
    d6 = i32x4.add(d6, i32x4.dot_i16x8_s(h3, c));
    d4 = i32x4.add(d4, i32x4.dot_i16x8_s(h2, c));
    d2 = i32x4.add(d2, i32x4.dot_i16x8_s(h1, c));
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(h0, c));
    c = v128.load(table, 160);
    d8 = i32x4.add(d8, i32x4.dot_i16x8_s(h3, c));
    d6 = i32x4.add(d6, i32x4.dot_i16x8_s(h2, c));
    d4 = i32x4.add(d4, i32x4.dot_i16x8_s(h1, c));
    d2 = i32x4.add(d2, i32x4.dot_i16x8_s(h0, c));
    c = v128.load(table, 192);
    d8 = i32x4.add(d8, i32x4.dot_i16x8_s(h2, c));
    d6 = i32x4.add(d6, i32x4.dot_i16x8_s(h1, c));
    d4 = i32x4.add(d4, i32x4.dot_i16x8_s(h0, c));
    c = v128.load(table, 224);
    d8 = i32x4.add(d8, i32x4.dot_i16x8_s(h1, c));
    d6 = i32x4.add(d6, i32x4.dot_i16x8_s(h0, c));
    c = v128.load(table, 256);
    d8 = i32x4.add(d8, i32x4.dot_i16x8_s(h0, c));
    c = v128.load(table, 16);
    let d1 = i32x4.dot_i16x8_s(h4, c);
    c = v128.load(table, 48);
    let d3 = i32x4.dot_i16x8_s(h4, c);
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(h3, c));
    c = v128.load(table, 80);
    let d5 = i32x4.dot_i16x8_s(h4, c);
    d3 = i32x4.add(d3, i32x4.dot_i16x8_s(h3, c));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(h2, c));
    c = v128.load(table, 112);
    let d7 = i32x4.dot_i16x8_s(h4, c);
    d5 = i32x4.add(d5, i32x4.dot_i16x8_s(h3, c));
    d3 = i32x4.add(d3, i32x4.dot_i16x8_s(h2, c));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(h1, c));
    c = v128.load(table, 144);
    let d9 = i32x4.dot_i16x8_s(h4, c);
    d7 = i32x4.add(d7, i32x4.dot_i16x8_s(h3, c));
    d5 = i32x4.add(d5, i32x4.dot_i16x8_s(h2, c));
    d3 = i32x4.add(d3, i32x4.dot_i16x8_s(h1, c));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(h0, c));
    c = v128.load(table, 176);
    d9 = i32x4.add(d9, i32x4.dot_i16x8_s(h3, c));
    d7 = i32x4.add(d7, i32x4.dot_i16x8_s(h2, c));
    d5 = i32x4.add(d5, i32x4.dot_i16x8_s(h1, c));
    d3 = i32x4.add(d3, i32x4.dot_i16x8_s(h0, c));
    c = v128.load(table, 208);
    d9 = i32x4.add(d9, i32x4.dot_i16x8_s(h2, c));
    d7 = i32x4.add(d7, i32x4.dot_i16x8_s(h1, c));
    d5 = i32x4.add(d5, i32x4.dot_i16x8_s(h0, c));
    c = v128.load(table, 240);
    d9 = i32x4.add(d9, i32x4.dot_i16x8_s(h1, c));
    d7 = i32x4.add(d7, i32x4.dot_i16x8_s(h0, c));
    c = v128.load(table, 272);
    d9 = i32x4.add(d9, i32x4.dot_i16x8_s(h0, c));

    d1 = i32x4.add(d1, i32x4.shr_s(d0, 13));
    d7 = i32x4.add(d7, i32x4.shr_s(d6, 13));
    d2 = i32x4.add(d2, i32x4.shr_s(d1, 13));
    d8 = i32x4.add(d8, i32x4.shr_s(d7, 13));
    d3 = i32x4.add(d3, i32x4.shr_s(d2, 13));
    d9 = i32x4.add(d9, i32x4.shr_s(d8, 13));
    d4 = i32x4.add(d4, i32x4.shr_s(d3, 13));
    const wrap = i32x4.shr_s(d9, 13);
    d0 = i32x4.add(v128.and(d0, mask13), i32x4.add(wrap, i32x4.shl(wrap, 2)));
    d5 = i32x4.add(d5, i32x4.shr_s(d4, 13));
    d1 = i32x4.add(v128.and(d1, mask13), i32x4.shr_s(d0, 13));
    d6 = i32x4.add(v128.and(d6, mask13), i32x4.shr_s(d5, 13));
    d7 = i32x4.add(v128.and(d7, mask13), i32x4.shr_s(d6, 13));
    h0 = v128.or(v128.and(d0, mask13), i32x4.shl(d1, 16));
    h1 = v128.and(i8x16.shuffle(d2, i32x4.shl(d3, 16), 0, 1, 18, 19, 4, 5, 22, 23, 8, 9, 26, 27, 12, 13, 30, 31), pair13);
    h2 = v128.and(i8x16.shuffle(d4, i32x4.shl(d5, 16), 0, 1, 18, 19, 4, 5, 22, 23, 8, 9, 26, 27, 12, 13, 30, 31), pair13);
    h3 = v128.or(v128.and(d6, mask13), i32x4.shl(d7, 16));
    h4 = v128.and(i8x16.shuffle(d8, i32x4.shl(d9, 16), 0, 1, 18, 19, 4, 5, 22, 23, 8, 9, 26, 27, 12, 13, 30, 31), pair13);
  }
  v128.store(table, h0, LANE);
  v128.store(table, h1, LANE + 16);
  v128.store(table, h2, LANE + 32);
  v128.store(table, h3, LANE + 48);
  v128.store(table, h4, LANE + 64);
  return v128.any_true(flat);
}
