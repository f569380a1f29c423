// Poly1305 on a computer, four blocks at a time (SIMD). Lane j takes every fourth block, and each step multiplies all lanes
// by r^4; at the end lane j still lacks r^(4-j). Numbers are ten limbs of 13 bits, two to a 32-bit lane: one instruction
// multiplies eight pairs of 16 bits and adds them in twos, so that 50 of them multiply four numbers.
//
// Bounds. The multiplier's limbs are balanced, within 4096, and five times that where a product wraps at 2^130 = 5; limbs
// of h are within 8352. A sum is then within 8352 (4096 + 9 * 20480) = 1.58 * 10^9, and together with 26 bits of a block
// and what is carried into it, within 2^31. Carries run in two chains, 0 to 7 and 6 to 1; what they leave over in the odd
// limbs where they end is within 161.
//
// The multiplications keep the processor waiting for each other. XOR costs half when it fills these pauses, so it may go
// along: always one group ahead, because bytes that were written just before arrive late.

import { WORDS, wordBlocks, wordCarry, wordMultiply } from "./poly1305-words";
import { xor, xor64 } from "./xor";

/** Below this many bytes it costs more to set the lanes up than they save. */
export const LANES_FROM: u32 = 1024;

// The bytes at `table`: 18 pairs of limbs of the multiplier, (c_e, c_(e-1)) in every lane, with e from -8 to 9, where
// c_(e-10) = 5 c_e, so that limb i of a product is the sum over k of the pair (h_2k, h_2k+1) times the pair e = i - 2k;
// masks, since V8 would build constants anew at each use; the lanes; limbs before they are paired; and r^4 in words.
const MASK13: u32 = 288;
const MASK26: u32 = 304;
const MARK: u32 = 320;
const LANE: u32 = 336;
const LIMB: u32 = 416;
const POWER: u32 = 496;
export const LANE_STATE: u32 = 528;

/**
 * Takes in whole groups of four blocks, two or more: h = (h + block + 2^128) r for each block. With a key, it does what xor
 * does on the way, and answers as xor does; the data are its source or its target, and lie apart from the other.
 */
export function laneBlocks(
  h: usize,
  r: usize,
  table: usize,
  data: usize,
  length: u32,
  target: usize = 0,
  source: usize = 0,
  key: usize = 0,
): bool {
  const flat = key !== 0 && xor(target, source, key, 128);
  setMultiplier(table, r);
  // The first group goes by words, but for its last multiplication: as lane 3, beside lanes that are 0, it still gets that.
  wordBlocks(h, r, data, 48);
  addBlock(h, data + 48);
  setLanes(table, h);
  const flatBehind = steps(table, data + 64, length - 64, target + 128, source + 128, key ? key + 128 : 0);
  gather(h, r, table);
  for (let i: u32 = 0; i < LANE_STATE; i += 16) v128.store(table + i, i64x2.splat(0));
  return flat || flatBehind;
}

/** Makes r^4 the multiplier. */
function setMultiplier(table: usize, r: usize): void {
  const power = table + POWER;
  for (let i: u32 = 0; i < 4; i++) store<u64>(power + 8 * i, load<u32>(r + 4 * i));
  for (let i = 1; i < 4; i++) wordMultiply(power, r);
  const limb = table + LIMB + 36;
  writeLimbs(limb, power);
  for (let i: u32 = 4; i < 40; i += 4) store<i32>(limb + i - 40, 5 * load<i32>(limb + i));
  for (let i: u32 = 0; i < 72; i += 4) {
    v128.store(table + 4 * i, i32x4.splat(pairAt(table + LIMB + i + 4, table + LIMB + i)));
  }
  v128.store(table, i32x4.splat(0x1fff), MASK13);
  v128.store(table, i32x4.splat(0x3ffffff), MASK26);
  v128.store(table, i32x4.splat(0x1000000), MARK);
}

/** Makes h lane 3, and the other lanes 0. */
function setLanes(table: usize, h: usize): void {
  const limb = table + LIMB;
  writeLimbs(limb, h);
  for (let i: u32 = 0; i < 40; i += 8) {
    const pair = pairAt(limb + i, limb + i + 4);
    v128.store(table + 2 * i, i32x4.replace_lane(i32x4.splat(0), 3, pair), LANE);
  }
}

function pairAt(low: usize, high: usize): u32 {
  return load<u16>(low) | (load<u32>(high) << 16);
}

// h += block + 2^128
function addBlock(h: usize, block: usize): void {
  store<u64>(h, load<u64>(h) + load<u32>(block));
  store<u64>(h, load<u64>(h, 8) + load<u32>(block, 4), 8);
  store<u64>(h, load<u64>(h, 16) + load<u32>(block, 8), 16);
  store<u64>(h, load<u64>(h, 24) + load<u32>(block, 12) + (1 << 32), 24);
}

/** Writes the ten limbs of h, balanced: adds 4096 to every limb, cuts, and takes it off again. */
function writeLimbs(out: usize, h: usize): void {
  store<u64>(h, load<u64>(h) + 0x02001000);
  store<u64>(h, load<u64>(h, 8) + 0x00080040, 8);
  store<u64>(h, load<u64>(h, 16) + 0x04002001, 16);
  store<u64>(h, load<u64>(h, 24) + 0x200100080, 24);
  wordCarry(h);
  const low = load<u64>(h) | (load<u64>(h, 8) << 32);
  const middle = load<u64>(h, 16);
  const high = load<u64>(h, 24);
  store<i32>(out, <i32>(low & 0x1fff) - 4096);
  store<i32>(out, <i32>((low >> 13) & 0x1fff) - 4096, 4);
  store<i32>(out, <i32>((low >> 26) & 0x1fff) - 4096, 8);
  store<i32>(out, <i32>((low >> 39) & 0x1fff) - 4096, 12);
  store<i32>(out, <i32>(((low >> 52) | (middle << 12)) & 0x1fff) - 4096, 16);
  store<i32>(out, <i32>((middle >> 1) & 0x1fff) - 4096, 20);
  store<i32>(out, <i32>((middle >> 14) & 0x1fff) - 4096, 24);
  store<i32>(out, <i32>(((middle >> 27) | (high << 5)) & 0x1fff) - 4096, 28);
  store<i32>(out, <i32>((high >> 8) & 0x1fff) - 4096, 32);
  store<i32>(out, <i32>(high >> 21) - 4096, 36);
}

// biome-ignore format: the rows of a multiplication
function steps(table: usize, data: usize, length: u32, target: usize, source: usize, key: usize): bool {
  let flat = i32x4.splat(0);
  const mask13 = v128.load(table, MASK13);
  const mask26 = v128.load(table, MASK26);
  const mark = v128.load(table, MARK);
  let h0 = v128.load(table, LANE);
  let h1 = v128.load(table, LANE + 16);
  let h2 = v128.load(table, LANE + 32);
  let h3 = v128.load(table, LANE + 48);
  let h4 = v128.load(table, LANE + 64);
  const keyEnd = key ? key + length - 64 : 0;
  for (const end = data + length; data < end; data += 64) {
    if (key !== keyEnd) {
      flat = v128.or(flat, xor64(target, source, key));
      target += 64;
      source += 64;
      key += 64;
    }

    // Four blocks as columns of words, and their 26-bit groups as the even limbs of the sums.
    const b0 = v128.load(data);
    const b1 = v128.load(data, 16);
    const b2 = v128.load(data, 32);
    const b3 = v128.load(data, 48);
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
    d0 = v128.and(d0, mask13);
    d7 = i32x4.add(d7, i32x4.shr_s(d6, 13));
    d6 = v128.and(d6, mask13);
    d2 = i32x4.add(d2, i32x4.shr_s(d1, 13));
    d1 = v128.and(d1, mask13);
    d8 = i32x4.add(d8, i32x4.shr_s(d7, 13));
    d7 = v128.and(d7, mask13);
    d3 = i32x4.add(d3, i32x4.shr_s(d2, 13));
    d2 = v128.and(d2, mask13);
    d9 = i32x4.add(d9, i32x4.shr_s(d8, 13));
    d8 = v128.and(d8, mask13);
    d4 = i32x4.add(d4, i32x4.shr_s(d3, 13));
    d3 = v128.and(d3, mask13);
    const wrap = i32x4.shr_s(d9, 13);
    d9 = v128.and(d9, mask13);
    d0 = i32x4.add(d0, i32x4.add(wrap, i32x4.shl(wrap, 2)));
    d5 = i32x4.add(d5, i32x4.shr_s(d4, 13));
    d4 = v128.and(d4, mask13);
    d1 = i32x4.add(d1, i32x4.shr_s(d0, 13));
    d0 = v128.and(d0, mask13);
    d6 = i32x4.add(d6, i32x4.shr_s(d5, 13));
    d5 = v128.and(d5, mask13);
    d7 = i32x4.add(d7, i32x4.shr_s(d6, 13));
    d6 = v128.and(d6, mask13);
    h0 = v128.or(d0, i32x4.shl(d1, 16));
    h1 = v128.or(d2, i32x4.shl(d3, 16));
    h2 = v128.or(d4, i32x4.shl(d5, 16));
    h3 = v128.or(d6, i32x4.shl(d7, 16));
    h4 = v128.or(d8, i32x4.shl(d9, 16));
  }
  v128.store(table, h0, LANE);
  v128.store(table, h1, LANE + 16);
  v128.store(table, h2, LANE + 32);
  v128.store(table, h3, LANE + 48);
  v128.store(table, h4, LANE + 64);
  return v128.any_true(flat);
}

/** h = the sum of the lanes, lane j times r^(4-j). */
function gather(h: usize, r: usize, table: usize): void {
  const groups = table + LANE;
  // Pairs of limbs as groups of 26 bits, and 2p on top, so that none is negative.
  for (let k: u32 = 0; k < 5; k++) {
    const pair = v128.load(groups + 16 * k);
    const group = i32x4.add(i32x4.shr_s(i32x4.shl(pair, 16), 16), i32x4.shl(i32x4.shr_s(pair, 16), 13));
    v128.store(groups + 16 * k, i32x4.add(group, i32x4.splat((1 << 27) - (k ? 2 : 10))));
  }
  for (let i: u32 = 0; i < WORDS; i += 8) store<u64>(h + i, 0);
  for (let lane = groups; lane < groups + 16; lane += 4) {
    let word = <u64>load<u32>(lane) + ((<u64>load<u32>(lane, 16)) << 26);
    store<u64>(h, load<u64>(h) + (word & 0xffffffff));
    word = (word >> 32) + ((<u64>load<u32>(lane, 32)) << 20);
    store<u64>(h, load<u64>(h, 8) + (word & 0xffffffff), 8);
    word = (word >> 32) + ((<u64>load<u32>(lane, 48)) << 14);
    store<u64>(h, load<u64>(h, 16) + (word & 0xffffffff), 16);
    word = (word >> 32) + ((<u64>load<u32>(lane, 64)) << 8);
    store<u64>(h, load<u64>(h, 24) + word, 24);
    wordMultiply(h, r);
  }
}
