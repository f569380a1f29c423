// The engine: boxes and runs of boxes over windows in a memory of fixed size, for hosts, servers and browsers.
//
// The caller fills the windows, text and pad slices to seal or items and pad slices to open, and finds the result in the
// window on the other side. A run longer than a window goes through it in pieces. Nothing here remembers which pad bytes
// were used: the caller has spent them before it calls, and reads no slice twice.

import {
  associate,
  BOX_HEADER,
  BOX_KEY,
  BOX_TAG,
  DATA,
  frameMatches,
  LAST,
  suspicious,
  TEXT_MAX,
  writeFrame,
  xorAndTag,
} from "./engine/box";

const SUITE: u32 = 1;
const WINDOW_BOXES: u32 = 16;
const LARGEST_BURN_UNIT: u32 = 256;

/** 16 bytes: the pad of the boxes. */
export const padId: usize = memory.data(16, 16);
/** Items, one behind the other. */
export const items: usize = memory.data(65856, 64);
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

const aad: usize = memory.data(32, 16);

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
    if (down) slice -= cost;
    length -= n;
    const kind = last && length === 0 ? LAST : DATA;
    associate(aad, SUITE, down, kind, n, offset + <u32>(slice - slices), padId);
    const fault = sealBox(slice, from, item, n);
    if (fault) return fault | (box << 8);
    if (!down) slice += cost;
    from += n;
    item += BOX_HEADER + n + BOX_TAG;
    box++;
  } while (length > 0);
  return OK;
}

/** Opens `boxes` consecutive DATA and LAST items of the items window into the text window. */
export function openBoxes(down: bool, burnUnit: u32, offset: u32, padLength: u32, boxes: u32): u32 {
  let slice = down ? slices + padLength : slices;
  let to = text;
  let item = items;
  for (let box: u32 = 0; box < boxes; box++) {
    const n: u32 = load<u16>(item);
    const cost = (BOX_KEY + n + burnUnit - 1) & (0 - burnUnit);
    if (down) slice -= cost;
    associate(aad, SUITE, down, load<u8>(item, 2), n, offset + <u32>(slice - slices), padId);
    const fault = openBox(slice, to, item, n);
    if (fault) return fault | (box << 8);
    if (!down) slice += cost;
    to += n;
    item += BOX_HEADER + n + BOX_TAG;
  }
  return OK;
}

// What box.ts does in seal and open, in one pass, with the look at the slice as part of it. A window is empty where a box failed.

function sealBox(slice: usize, from: usize, item: usize, n: u32): u32 {
  if (used(slice)) return USED;
  const flat = xorAndTag(slice, aad, from, item + BOX_HEADER, from);
  if ((flat || flatKey(slice)) && suspicious(slice, BOX_KEY + n)) {
    memory.fill(item + BOX_HEADER, 0, n);
    return SUSPICIOUS;
  }
  writeFrame(item, aad);
  return OK;
}

function openBox(slice: usize, to: usize, item: usize, n: u32): u32 {
  if (used(slice)) return USED;
  const flat = xorAndTag(slice, aad, to, to, item + BOX_HEADER);
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
