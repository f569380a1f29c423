// The box (SPEC: boxes): one text of at most 4,096 bytes, sealed under a slice of the pad that is used this once.
//
// A slice is r (16) | s (16) | key (n). The text is hidden by XOR with the key; r and s are a Poly1305 key for the tag,
// which covers what both ends know about the box without sending it (the associated data) and the text itself, so that
// a key byte that decayed on one side fails here and never turns into wrong text. Nothing here knows whether a slice was
// used before: who calls seal has spent it already.

import {
  begin,
  beginFour,
  finish,
  finishOfFour,
  MAC_STATE,
  updateFour,
  updateLengths,
  updateLengthsFour,
  updatePadded,
  updateXor,
  updateXorFour,
} from "./poly1305";
import { xor } from "./xor";

/** Length and kind, before the ciphertext. */
export const BOX_HEADER: u32 = 4;
/** The tag, behind the ciphertext. */
export const BOX_TAG: u32 = 16;
/** r and s, before the key. */
export const BOX_KEY: u32 = 32;
/** The longest text of one box. */
export const TEXT_MAX: u32 = 4096;
/** The associated data. */
export const AAD: u32 = 32;

export const SLOT: u32 = 0;
export const DATA: u32 = 1;
export const LAST: u32 = 2;
export const OPENING: u32 = 3;

// One MAC at a time, and the tag it yields.
const mac: usize = memory.data(MAC_STATE, 16);
const expected: usize = memory.data(BOX_TAG, 16);

/** Writes the associated data of a box, 32 bytes at out. The pad id is 16 bytes; both addresses are multiples of 4. */
export function associate(
  out: usize,
  suite: u32,
  direction: u32,
  kind: u32,
  length: u32,
  offset: u32,
  padId: usize,
): void {
  store<u32>(out, suite | (direction << 8) | (kind << 16));
  store<u32>(out, length, 4);
  store<u32>(out, offset, 8);
  store<u32>(out, 0, 12);
  store<u32>(out, load<u32>(padId), 16);
  store<u32>(out, load<u32>(padId, 4), 20);
  store<u32>(out, load<u32>(padId, 8), 24);
  store<u32>(out, load<u32>(padId, 12), 28);
}

/**
 * Seals text into item: 4 + n + 16 bytes, with n and kind as the associated data says. The text may lie in the item
 * already, at item + 4. All addresses are multiples of 4.
 */
export function seal(slice: usize, aad: usize, text: usize, item: usize): void {
  const length: u32 = load<u16>(aad, 4);
  computeTag(slice, aad, text);
  xor(item + BOX_HEADER, text, slice + BOX_KEY, length);
  writeFrame(item, aad);
}

/**
 * Opens item into text and says whether it is what the other end sealed under this slice and this associated data. If
 * not, the text is zeros again. The text may lie in the item, at item + 4. All addresses are multiples of 4.
 */
export function open(slice: usize, aad: usize, item: usize, text: usize): bool {
  const length: u32 = load<u16>(aad, 4);
  xor(text, item + BOX_HEADER, slice + BOX_KEY, length);
  computeTag(slice, aad, text);
  if (frameMatches(item, aad)) return true;
  for (let i: u32 = 0; i < length; i++) store<u8>(text + i, 0);
  return false;
}

/**
 * Whether nine or more equal bytes follow each other in a slice: a dead bus or flash that was never filled, under which
 * the text would leave in clear. Among random bytes it happens with a probability of length / 2^64. The address is a multiple of 4.
 */
export function suspicious(slice: usize, length: u32): bool {
  // Wherever nine equal bytes begin, they cover a whole word at a multiple of 4 and the byte behind it. Such words are
  // rare, and only they are looked at.
  let i: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    for (; i + 64 < length; i += 64) {
      const words = slice + i;
      const flat = v128.or(
        v128.or(i32x4.eq(v128.load(words), v128.load(words, 1)), i32x4.eq(v128.load(words, 16), v128.load(words, 17))),
        v128.or(
          i32x4.eq(v128.load(words, 32), v128.load(words, 33)),
          i32x4.eq(v128.load(words, 48), v128.load(words, 49)),
        ),
      );
      if (v128.any_true(flat) && plateau(slice, length, i, i + 64)) return true;
    }
  }
  for (; i + 4 <= length; i += 4) {
    const word = load<u32>(slice + i);
    if (word === rotl(word, 8) && plateau(slice, length, i, i + 4)) return true;
  }
  return false;
}

/** Whether nine equal bytes begin or end within [from, to), looking as far beyond as they may reach. */
function plateau(slice: usize, length: u32, from: u32, to: u32): bool {
  const start: u32 = from < 8 ? 0 : from - 8;
  const end = min(to + 8, length);
  let run: u32 = 0;
  let previous: u32 = 256;
  for (let i = start; i < end; i++) {
    const byte: u32 = load<u8>(slice + i);
    run = byte === previous ? run + 1 : 1;
    if (run === 9) return true;
    previous = byte;
  }
  return false;
}

/** Keeps the tag of aad and text for writeFrame or frameMatches. */
function computeTag(slice: usize, aad: usize, text: usize): void {
  const length: u32 = load<u16>(aad, 4);
  begin(mac, slice);
  updatePadded(mac, aad, AAD);
  updatePadded(mac, text, length);
  updateLengths(mac, AAD, length);
  finish(mac, expected);
}

/**
 * What xor of source and slice into target and computeTag of the text do, in one pass, with the answer of xor. The text is
 * the target if `opening`, and else the source; they lie apart. For the engine build.
 */
export function xorAndTag(slice: usize, aad: usize, target: usize, source: usize, opening: bool): bool {
  const length: u32 = load<u16>(aad, 4);
  begin(mac, slice);
  updatePadded(mac, aad, AAD);
  const flat = updateXor(mac, target, source, slice + BOX_KEY, length, opening);
  updateLengths(mac, AAD, length);
  finish(mac, expected);
  return flat;
}

/**
 * What xorAndTag does for four boxes with the longest text, each of them a stride behind the last, their associated data one
 * behind the other; but takeTag computes the tags.
 */
export function xorFour(
  slice: usize,
  sliceStride: usize,
  aad: usize,
  target: usize,
  targetStride: usize,
  source: usize,
  sourceStride: usize,
  opening: bool,
): bool {
  beginFour(mac, slice, sliceStride);
  updateFour(mac, aad, AAD, AAD);
  const key = slice + BOX_KEY;
  const flat = updateXorFour(mac, target, targetStride, source, sourceStride, key, sliceStride, TEXT_MAX, opening);
  updateLengthsFour(mac, AAD, TEXT_MAX);
  return flat;
}

/** Keeps the tag of one of four boxes, 0 to 3 in this order, for writeFrame or frameMatches. */
export function takeTag(number: u32, slice: usize): void {
  finishOfFour(mac, number, slice, expected);
}

/** Writes what stands around the ciphertext of an item: the header, and the computed tag, which need not be aligned. */
export function writeFrame(item: usize, aad: usize): void {
  store<u32>(item, headerOf(aad));
  const tag = item + BOX_HEADER + load<u16>(aad, 4);
  if (ASC_FEATURE_SIMD) v128.store(tag, v128.load(expected));
  else for (let i: u32 = 0; i < BOX_TAG; i++) store<u8>(tag + i, load<u8>(expected + i));
}

/** Whether header and tag of an item are what they must be, in constant time. */
export function frameMatches(item: usize, aad: usize): bool {
  const tag = item + BOX_HEADER + load<u16>(aad, 4);
  let difference = load<u32>(item) ^ headerOf(aad);
  if (ASC_FEATURE_SIMD) {
    const wrong = v128.xor(v128.load(tag), v128.load(expected));
    v128.store(expected, i64x2.splat(0));
    return !(difference | u32(v128.any_true(wrong)));
  }
  for (let i: u32 = 0; i < BOX_TAG; i++) difference |= load<u8>(tag + i) ^ load<u8>(expected + i);
  // The tag of a text that somebody else chose is as good as the key to the next forgery: it does not stay behind.
  for (let i: u32 = 0; i < BOX_TAG; i += 4) store<u32>(expected + i, 0);
  return difference === 0;
}

function headerOf(aad: usize): u32 {
  return load<u16>(aad, 4) | (load<u8>(aad, 2) << 16);
}
