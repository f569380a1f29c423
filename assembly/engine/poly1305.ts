// Poly1305 (RFC 8439, section 2.5), the one-time MAC: 32 pad bytes, r and s, authenticate one message and no other.
//
// One interface over three bodies: limbs for the device, words for the engine, and lanes, which take four blocks at once
// when the engine is given enough of them. A message is a whole number of blocks of 16 bytes; a shorter tail is filled up
// with zeros, as the AEAD layout (section 2.8) asks for.

import { addLane, LANE_STATE, lanesClear, lanesEnd, lanesMultiply, lanesTake, setLane } from "./poly1305-lanes";
import { LIMBS, limbBlocks, limbKey, limbWords } from "./poly1305-limbs";
import { LANES_FROM, laneBlocks } from "./poly1305-one";
import { wordBlocks, wordKey, wordMultiply, wordWords } from "./poly1305-words";
import { xor } from "./xor";

// The state: h and r as the body keeps them, s, a block that is put together here, and room for the lanes.
const R: u32 = LIMBS;
const S: u32 = R + LIMBS;
const BLOCK: u32 = S + 16;
const LANE: u32 = BLOCK + 32;

/** Bytes of state that the caller provides: `memory.data(MAC_STATE, 16)`. They hold secrets from begin to finish. */
export const MAC_STATE: i32 = LANE + (ASC_FEATURE_SIMD ? LANE_STATE : 0);

/** Starts a MAC under a key of 32 bytes: r, which is clamped here, then s. */
export function begin(mac: usize, key: usize): void {
  if (ASC_FEATURE_SIMD) {
    v128.store(mac, i64x2.splat(0));
    v128.store(mac, i64x2.splat(0), 16);
    wordKey(mac + R, key);
    v128.store(mac + S, v128.load(key, 16));
    return;
  }
  for (let i: u32 = 0; i < LIMBS; i += 4) store<u32>(mac + i, 0);
  limbKey(mac + R, key);
  for (let i: u32 = 0; i < 16; i += 4) store<u32>(mac + S + i, load<u32>(key + i, 16));
}

/** Takes in length bytes, and zeros up to the next multiple of 16: a part of an AEAD, or of a message of whole blocks. */
export function updatePadded(mac: usize, data: usize, length: u32): void {
  const whole = length & ~15;
  if (whole) blocks(mac, data, whole);
  const tail = length & 15;
  if (!tail) return;
  const block = mac + BLOCK;
  for (let i: u32 = 0; i < 16; i++) store<u8>(block + i, i < tail ? load<u8>(data + whole + i) : 0);
  blocks(mac, block, 16);
}

/**
 * Does what xor does, answers as it does, and takes in the text, the target if `opening` and else the source, as updatePadded
 * does: a long one in the same pass. Source and target lie apart. For the engine build.
 */
export function updateXor(mac: usize, target: usize, source: usize, key: usize, length: u32, opening: bool): bool {
  const lanes = lanesIn(length);
  const flat = lanes > 0 && laneBlocks(mac, mac + R, mac + LANE, source, lanes, target, key, opening);
  const flatBehind = xor(target + lanes, source + lanes, key + lanes, length - lanes);
  updatePadded(mac, (opening ? target : source) + lanes, length - lanes);
  return flat || flatBehind;
}

/** Takes in the last block of an AEAD: the lengths of associated data and text, in bytes, as two u64. */
export function updateLengths(mac: usize, aad: u32, text: u32): void {
  const block = mac + BLOCK;
  storeLengths(block, aad, text);
  blocks(mac, block, 16);
}

/** Writes the tag of 16 bytes and wipes the state. */
export function finish(mac: usize, out: usize): void {
  const h = mac + BLOCK;
  if (ASC_FEATURE_SIMD) wordWords(mac, h);
  else limbWords(mac, h);
  // h is less than twice p. h + 5 reaches 2^130 exactly when h >= p, and its low 130 bits are then h - p.
  let carry: u64 = 5;
  for (let i: u32 = 0; i < 20; i += 4) carry = (carry + load<u32>(h + i)) >> (i < 16 ? 32 : 2);
  // tag = (h mod p + s) mod 2^128
  carry = 5 * carry;
  for (let i: u32 = 0; i < 16; i += 4) {
    carry += <u64>load<u32>(h + i) + load<u32>(mac + S + i);
    store<u32>(out + i, <u32>carry);
    carry >>= 32;
  }
  if (ASC_FEATURE_SIMD) for (let i: u32 = 0; i < LANE; i += 16) v128.store(mac + i, i32x4.splat(0));
  else for (let i: u32 = 0; i < LANE; i += 4) store<u32>(mac + i, 0);
}

/** Starts four MACs under keys that lie `stride` apart. They end one by one. For the engine build. */
export function beginFour(mac: usize, key: usize, stride: usize): void {
  const lanes = mac + LANE;
  for (let lane: u32 = 0; lane < 4; lane++) {
    wordKey(mac + R, key);
    const r = mac + R;
    setLane(lanes, lane, load<u32>(r), load<u32>(r, 4), load<u32>(r, 8), load<u32>(r, 12));
    key += stride;
  }
  lanesMultiply(lanes);
}

/** Takes length bytes, a multiple of 16, into each of four MACs, `stride` apart. */
export function updateFour(mac: usize, data: usize, stride: usize, length: u32): void {
  lanesTake(mac + LANE, length / 16, 16, data, stride);
}

/** Takes the last block into each of four MACs: what updateLengths does. */
export function updateLengthsFour(mac: usize, aad: u32, text: u32): void {
  const block = mac + BLOCK;
  storeLengths(block, aad, text);
  lanesTake(mac + LANE, 1, 16, block, 0);
  lanesEnd(mac + LANE);
}

/** Does what updateXor does, for four texts of a length that is a multiple of 16, each of them a stride behind the last. */
export function updateXorFour(
  mac: usize,
  target: usize,
  targetStride: usize,
  source: usize,
  sourceStride: usize,
  key: usize,
  keyStride: usize,
  length: u32,
  opening: bool,
): bool {
  const lanes = mac + LANE;
  return lanesTake(lanes, length / 16, 16, source, sourceStride, target, targetStride, key, keyStride, opening);
}

/** Writes the tag of one of four MACs, which began under the key at `key`; the last one wipes the state. */
export function finishOfFour(mac: usize, number: u32, key: usize, out: usize): void {
  begin(mac, key);
  addLane(mac, mac + LANE, number);
  wordMultiply(mac, mac + R);
  finish(mac, out);
  if (number === 3) lanesClear(mac + LANE);
}

function blocks(mac: usize, data: usize, length: u32): void {
  if (ASC_FEATURE_SIMD) {
    const lanes = lanesIn(length);
    if (lanes) laneBlocks(mac, mac + R, mac + LANE, data, lanes);
    wordBlocks(mac, mac + R, data + lanes, length - lanes);
  } else {
    limbBlocks(mac, mac + R, data, length);
  }
}

/** How many of the bytes the lanes take. */
function lanesIn(length: u32): u32 {
  return length < LANES_FROM ? 0 : length & ~63;
}

function storeLengths(block: usize, aad: u32, text: u32): void {
  store<u32>(block, aad);
  store<u32>(block, 0, 4);
  store<u32>(block, text, 8);
  store<u32>(block, 0, 12);
}
