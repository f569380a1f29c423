// The engine: boxes and runs of boxes over windows in a memory of fixed size, for hosts, servers and browsers.
//
// The caller fills the windows, text and pad slices to seal or items and pad slices to open, and finds the result in the
// window on the other side. A run longer than a window goes through it in pieces. Nothing here remembers which pad bytes
// were used: the caller has spent them before it calls, and reads no slice twice.

import {
  AAD,
  associate,
  BOX_HEADER,
  BOX_KEY,
  BOX_TAG,
  DATA,
  frameMatches,
  LAST,
  suspicious,
  TEXT_MAX,
  takeTag,
  writeFrame,
  xorAndTag,
  xorFour,
} from "./engine/box";

const SUITE: u32 = 1;
const WINDOW_BOXES: u32 = 16;
const LARGEST_BURN_UNIT: u32 = 256;

/** 16 bytes: the pad of the boxes. */
export const padId: usize = memory.data(16, 16);
/**
 * Items, one behind the other. The bytes behind them put text half a page off: where the last 12 bits of addresses agree,
 * a processor takes what it reads of the one window for what it just wrote to the other, and waits.
 */
export const items: usize = memory.data(67584, 64);
export const itemsSize: u32 = WINDOW_BOXES * (BOX_HEADER + TEXT_MAX + BOX_TAG);
/** Text, 16 boxes of it. */
export const text: usize = memory.data(65536, 64);
export const textSize: u32 = WINDOW_BOXES * TEXT_MAX;
/** One stretch of the pad, ascending: the slices of consecutive boxes, the first one at its end when they go down. */
export const slices: usize = memory.data(69632, 64);
export const slicesSize: u32 = WINDOW_BOXES * (TEXT_MAX + LARGEST_BURN_UNIT);

// What sealing and opening answer in the low byte; the number of the box in the window stands above it.
const OK: u32 = 0;
const USED: u32 = 1;
const SUSPICIOUS: u32 = 2;
const FORGED: u32 = 3;

/** Boxes that are done at once where so many have the longest text. */
const FOUR: u32 = 4;
/** Their items. */
const BOX_MAX: u32 = BOX_HEADER + TEXT_MAX + BOX_TAG;

/** The associated data of a box, or of four. */
const aad: usize = memory.data(FOUR * AAD, 16);

/**
 * Seals `length` bytes of the text window into consecutive boxes, full but for the last, which is LAST if `last` says so.
 * The pad stretch begins at `offset` and has `padLength` bytes.
 */
export function sealBoxes(down: bool, burnUnit: u32, offset: u32, padLength: u32, length: u32, last: bool): u32 {
  let slice = down ? slices + padLength : slices;
  let from = text;
  let item = items;
  let box: u32 = 0;
  do {
    const n = min(length, TEXT_MAX);
    const cost = (BOX_KEY + n + burnUnit - 1) & (0 - burnUnit);
    const stride: usize = down ? 0 - cost : cost;
    if (down) slice -= cost;
    const at = offset + <u32>(slice - slices);
    let boxes: u32 = 1;
    if (length >= FOUR * TEXT_MAX) {
      for (let i: u32 = 0; i < FOUR; i++) {
        const kind = last && (i + 1) * TEXT_MAX === length ? LAST : DATA;
        associate(aad + AAD * i, SUITE, down, kind, TEXT_MAX, at + i * <u32>stride, padId);
      }
      if (sealFour(slice, stride, from, item)) boxes = FOUR;
    }
    if (boxes === 1) {
      associate(aad, SUITE, down, last && n === length ? LAST : DATA, n, at, padId);
      const fault = sealBox(slice, from, item, n);
      if (fault) return fault | (box << 8);
    }
    slice += stride * (down ? boxes - 1 : boxes);
    from += n * boxes;
    item += (BOX_HEADER + n + BOX_TAG) * boxes;
    length -= n * boxes;
    box += boxes;
  } while (length > 0);
  return OK;
}

/** Seals `length` bytes of the text window into one item of this kind. Its slice begins at `offset`. */
export function sealItem(down: bool, kind: u32, offset: u32, length: u32): u32 {
  associate(aad, SUITE, down, kind, length, offset, padId);
  return sealBox(slices, text, items, length);
}

/** Opens `boxes` consecutive DATA and LAST items of the items window into the text window. */
export function openBoxes(down: bool, burnUnit: u32, offset: u32, padLength: u32, boxes: u32): u32 {
  let slice = down ? slices + padLength : slices;
  let to = text;
  let item = items;
  let box: u32 = 0;
  while (box < boxes) {
    const n: u32 = load<u16>(item);
    const cost = (BOX_KEY + n + burnUnit - 1) & (0 - burnUnit);
    const stride: usize = down ? 0 - cost : cost;
    if (down) slice -= cost;
    const at = offset + <u32>(slice - slices);
    let opened: u32 = 1;
    if (box + FOUR <= boxes && fourFull(item)) {
      for (let i: u32 = 0; i < FOUR; i++) {
        associate(aad + AAD * i, SUITE, down, load<u8>(item + BOX_MAX * i, 2), n, at + i * <u32>stride, padId);
      }
      if (openFour(slice, stride, to, item)) opened = FOUR;
    }
    if (opened === 1) {
      associate(aad, SUITE, down, load<u8>(item, 2), n, at, padId);
      const fault = openBox(slice, to, item, n);
      if (fault) return fault | (box << 8);
    }
    slice += stride * (down ? opened - 1 : opened);
    to += n * opened;
    item += (BOX_HEADER + n + BOX_TAG) * opened;
    box += opened;
  }
  return OK;
}

// Four boxes at once, if nothing is wrong with any of them. If something is, false: box by box it turns out what, and where.

function sealFour(slice: usize, stride: usize, from: usize, item: usize): bool {
  if (unusable(slice, stride)) return false;
  const flat = xorFour(slice, stride, aad, item + BOX_HEADER, BOX_MAX, from, TEXT_MAX, false);
  for (let i: u32 = 0; i < FOUR; i++) {
    takeTag(i, slice);
    writeFrame(item + BOX_MAX * i, aad + AAD * i);
    slice += stride;
  }
  if (flat) memory.fill(item, 0, FOUR * BOX_MAX);
  return !flat;
}

function openFour(slice: usize, stride: usize, to: usize, item: usize): bool {
  if (unusable(slice, stride)) return false;
  const flat = xorFour(slice, stride, aad, to, TEXT_MAX, item + BOX_HEADER, BOX_MAX, true);
  let good = !flat;
  for (let i: u32 = 0; i < FOUR; i++) {
    takeTag(i, slice);
    if (!frameMatches(item + BOX_MAX * i, aad + AAD * i)) good = false;
    slice += stride;
  }
  if (!good) memory.fill(to, 0, FOUR * TEXT_MAX);
  return good;
}

/** Whether one of four slices was used, or may repeat bytes where xor does not look. */
function unusable(slice: usize, stride: usize): bool {
  for (let i: u32 = 0; i < FOUR; i++) {
    if (used(slice) || flatKey(slice)) return true;
    slice += stride;
  }
  return false;
}

/** Whether four items from here on hold the longest text. */
function fourFull(item: usize): bool {
  for (let i: u32 = 0; i < FOUR; i++) if (load<u16>(item + BOX_MAX * i) !== TEXT_MAX) return false;
  return true;
}

// What box.ts does in seal and open, in one pass, with the look at the slice as part of it. A window is empty where a box failed.

function sealBox(slice: usize, from: usize, item: usize, n: u32): u32 {
  if (used(slice)) return USED;
  const flat = xorAndTag(slice, aad, item + BOX_HEADER, from, false);
  if ((flat || flatKey(slice)) && suspicious(slice, BOX_KEY + n)) {
    memory.fill(item + BOX_HEADER, 0, n);
    return SUSPICIOUS;
  }
  writeFrame(item, aad);
  return OK;
}

function openBox(slice: usize, to: usize, item: usize, n: u32): u32 {
  if (used(slice)) return USED;
  const flat = xorAndTag(slice, aad, to, item + BOX_HEADER, true);
  const genuine = frameMatches(item, aad);
  const fault = (flat || flatKey(slice)) && suspicious(slice, BOX_KEY + n) ? SUSPICIOUS : genuine ? OK : FORGED;
  if (fault) memory.fill(to, 0, n);
  return fault;
}

/** Whether a slice begins with 32 zeros, as used ones do. */
function used(slice: usize): bool {
  return !v128.any_true(v128.or(v128.load(slice), v128.load(slice, 16)));
}

/** What xor watches for, in the first 32 bytes of a slice. */
function flatKey(slice: usize): bool {
  const low = i32x4.eq(v128.load(slice), v128.load(slice, 1));
  return v128.any_true(v128.or(low, i32x4.eq(v128.load(slice, 16), v128.load(slice, 17))));
}
