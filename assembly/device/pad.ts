// The pad: where a box lies, what is left, and how used bytes are destroyed (SPEC section 1).

import { BOX_KEY } from "../engine/box";
import { Code, fail, Section } from "./failure";
import { allZero, PAGE_SIZE, zero } from "./flash";
import { norRead, supplyOk } from "./hal";
import { chip, pad, page, state, verified } from "./layout";

export const UP: u32 = 0;
export const DOWN: u32 = 1;
export const LOW: u32 = 0;
export const HIGH: u32 = 1;
export const NO_SIDE: u32 = 255;

export const BURN_UNIT_MAX: u32 = 64;
export const SLOT_SIZE: u32 = 192;
export const SLOT_SPACING: u32 = 8192;
export const SLOT_TAG: u32 = 16;
export const SLOT_WELCOME: u32 = 16;
export const SLOT_READY: u32 = 96;
/** What high keeps of down for boxes that the cores exchange. */
export const CONTROL_RESERVE: u32 = 1024;
/** A slice that starts with this many zeros is used. */
export const WITNESS: u32 = 32;

/** The direction in which this side seals. */
export function sealing(): u32 {
  return pad.side === LOW ? UP : DOWN;
}

/** Bytes of pad that a box of `length` bytes of text consumes. */
export function consumption(length: u32): u32 {
  return (BOX_KEY + length + pad.unit - 1) & ~(pad.unit - 1);
}

export function used(direction: u32): u32 {
  return direction === UP ? state.upUsed : state.downUsed;
}

export function setUsed(direction: u32, mark: u32): void {
  if (direction === UP) state.upUsed = mark;
  else state.downUsed = mark;
}

export function setBurned(direction: u32, mark: u32): void {
  if (direction === UP) state.upBurned = mark;
  else state.downBurned = mark;
}

/** The offset of `size` bytes that begin at a mark. */
export function offsetAt(direction: u32, mark: u32, size: u32): u32 {
  return direction === UP ? pad.upBase + mark : pad.downEnd - mark - size;
}

/** Bytes that this side can still use for DATA and LAST with the split as it is. */
export function room(): u32 {
  if (pad.side === LOW) return state.split - pad.upBase - state.upUsed;
  const left = pad.downEnd - state.downUsed - state.split;
  return left > CONTROL_RESERVE ? left - CONTROL_RESERVE : 0;
}

/** Whether low can take a split that it is told: not one that reaches into what was released of down, or was opened and may be released yet. */
export function splitFitsLow(split: u32): bool {
  return (
    (split & (pad.unit - 1)) === 0 &&
    split <= pad.downEnd - CONTROL_RESERVE &&
    split <= pad.downEnd - state.downUsed &&
    (verified.start === verified.end || split <= verified.start)
  );
}

/** Whether this device is a token, whose other end is a server: slots on the low side only. */
export function isToken(): bool {
  return pad.side === LOW && pad.slotsLow > 0 && pad.slotsHigh === 0;
}

export function slots(side: u32): u32 {
  return side === LOW ? pad.slotsLow : pad.slotsHigh;
}

/** The offset of a slot of one side. */
export function slotAt(side: u32, slot: u32): u32 {
  return side === LOW ? slot * SLOT_SIZE : pad.length - (slot + 1) * SLOT_SIZE;
}

/** Reads a part of the pad. */
export function readPad(offset: u32, pointer: usize, length: u32): void {
  norRead(chip.padBase + offset, pointer, length);
}

/** Destroys a part of the pad. */
export function burn(offset: u32, length: u32): u32 {
  return zero(chip.padBase + offset, length);
}

/** The bytes read from an offset cannot be pad. */
export function flashFault(offset: u32): u32 {
  return fail(Code.FLASH_FAULT, Section.PAD, chip.padBase + offset);
}

/** Whether the bytes at an offset show that they were used. */
function witnessed(offset: u32): bool {
  readPad(offset, page, WITNESS);
  return allZero(page, WITNESS);
}

/**
 * Finishes burning that an earlier command or an earlier life began: the pending range, and the sealing direction from burned to used.
 * Every command that will write calls it first, and so it is also the place to refuse while the supply is low and nothing has changed yet.
 */
export function settle(): u32 {
  if (!supplyOk()) return fail(Code.SUPPLY_LOW);
  if (state.pendingLength) {
    const code = burn(state.pendingOffset, state.pendingLength);
    if (code) return code;
    state.pendingLength = 0;
  }
  const direction = sealing();
  const from = direction === UP ? state.upBurned : state.downBurned;
  const to = used(direction);
  if (from < to) {
    const code = burn(offsetAt(direction, from, to - from), to - from);
    if (code) return code;
    setBurned(direction, to);
  }
  return Code.OK;
}

/** Moves next slot and the sealing mark past what the pad itself shows as used, in case the journal lost it (SPEC section 6, step 5). */
export function heedWitness(): void {
  while (state.nextSlot < slots(pad.side) && witnessed(slotAt(pad.side, state.nextSlot))) state.nextSlot++;

  const direction = sealing();
  const left = direction === UP ? state.split - pad.upBase - state.upUsed : pad.downEnd - state.downUsed - state.split;
  if (left < WITNESS) return;
  let zeros: u32 = 0;
  while (zeros < left) {
    const part = min(PAGE_SIZE, left - zeros);
    readPad(offsetAt(direction, used(direction) + zeros, part), page, part);
    const found = zerosFrom(direction, part);
    if (zeros === 0 && found < WITNESS) return;
    zeros += found;
    if (found < part) break;
  }
  setUsed(direction, used(direction) + min(left, (zeros + pad.unit - 1) & ~(pad.unit - 1)));
}

/** How many zeros there are in `page`, in the order of a direction. */
function zerosFrom(direction: u32, length: u32): u32 {
  let count: u32 = 0;
  while (count < length && load<u8>(page + (direction === UP ? count : length - 1 - count)) === 0) count++;
  return count;
}
