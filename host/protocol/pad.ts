// The arithmetic of a pad (SPEC section 1): where slots, boxes and the two directions lie, and what a text costs. The
// two ends never tell each other an offset in clear; both compute it from marks.

export const TEXT_MAX_BYTES = 4096;
export const SLOT_BYTES = 192;
/** What down keeps for control boxes. */
export const CONTROL_RESERVE_BYTES = 1024;
/** Key bytes that a box uses beside its text: `r ‖ s`. */
const BOX_KEY_BYTES = 32;
const PAD_BYTES_PER_SLOT = 8192;

export type Side = "low" | "high";
export type Direction = "up" | "down";

/** What was fixed when a pad was issued. */
export interface PadShape {
  readonly padLength: number;
  /** Number of slots on each side. */
  readonly slots: { readonly low: number; readonly high: number };
  readonly burnUnit: number;
}

/** Where one end of a pad stands: what INFO says about it. */
export interface PadPosition extends PadShape {
  readonly side: Side;
  readonly nextSlot: number;
  readonly up: { readonly used: number };
  readonly down: { readonly used: number };
  readonly split: number;
}

/** The number of slots that a side with slots gets at issue. */
export function slotsAtIssue(padLength: number): number {
  return Math.floor(padLength / PAD_BYTES_PER_SLOT);
}

/** The offset where up begins. */
export function upBase(shape: PadShape): number {
  return SLOT_BYTES * shape.slots.low;
}

/** The offset where down ends: its bytes lie below. */
export function downEnd(shape: PadShape): number {
  return shape.padLength - SLOT_BYTES * shape.slots.high;
}

/** The first split of a pad of two people: the middle between both ends' slots. */
export function firstSplitOfPair(shape: PadShape): number {
  const base = upBase(shape);
  return roundDown(base + Math.floor((downEnd(shape) - base) / 2), shape.burnUnit);
}

/** The first split of a token: a sixteenth of what lies between its slots and the end of the pad. */
export function firstSplitOfToken(shape: PadShape): number {
  const base = upBase(shape);
  return roundDown(base + Math.floor((downEnd(shape) - base) / 16), shape.burnUnit);
}

/** Whether a pad is that of a token and its server: slots on the low side only. */
export function isToken({ slots }: PadShape): boolean {
  return slots.low > 0 && slots.high === 0;
}

/** The direction in which a side seals. */
export function sealingDirection(side: Side): Direction {
  return side === "low" ? "up" : "down";
}

/** The mark of the direction in which this end seals. */
export function sealingMark(position: PadPosition): number {
  return position[sealingDirection(position.side)].used;
}

/** Pad bytes that a box of `textLength` bytes of text consumes. */
export function boxCost(textLength: number, burnUnit: number): number {
  return Math.ceil((BOX_KEY_BYTES + textLength) / burnUnit) * burnUnit;
}

/** The offset of the pad bytes of a box at `mark` of a direction, of which it consumes `cost`. */
export function boxOffset(shape: PadShape, direction: Direction, mark: number, cost: number): number {
  return direction === "up" ? upBase(shape) + mark : downEnd(shape) - mark - cost;
}

/** What a text costs as one run: its boxes, all full but the last, and their pad bytes. */
export interface RunCost {
  readonly boxes: number;
  readonly padBytes: number;
}

/** What a text of `textLength` bytes costs, slots aside (each segment takes one). */
export function runCost(textLength: number, burnUnit: number): RunCost {
  const boxes = Math.max(1, Math.ceil(textLength / TEXT_MAX_BYTES));
  const last = textLength - (boxes - 1) * TEXT_MAX_BYTES;
  return { boxes, padBytes: (boxes - 1) * boxCost(TEXT_MAX_BYTES, burnUnit) + boxCost(last, burnUnit) };
}

/** What this end can still seal, in pad bytes: now, and after the largest grant that the other end could give. */
export interface Room {
  readonly now: number;
  readonly afterGrant: number;
}

/** The room of this end. High needs no grant: it gives them. */
export function roomOf(position: PadPosition): Room {
  const downStart = downEnd(position) - position.down.used - CONTROL_RESERVE_BYTES;
  if (position.side === "high") {
    const now = Math.max(0, downStart - position.split);
    return { now, afterGrant: now };
  }
  const upStart = upBase(position) + position.up.used;
  const now = position.split - upStart;
  return { now, afterGrant: Math.max(now, downStart - upStart) };
}

/** `bytes` rounded down to a whole number of burn units. */
export function roundDown(bytes: number, burnUnit: number): number {
  return bytes - (bytes % burnUnit);
}
