// The pad as it lies on a chip: where it stands, and whether it is one. Its bytes are looked at and never shown.

import {
  boxOffset,
  downEnd,
  type PadPosition,
  roomOf,
  sealingDirection,
  slotOffset,
  upBase,
} from "../protocol/index.ts";
import { bytesOf, type Chip } from "./chip.ts";

/**
 * What was found. There is no checksum of a pad: it would tell about bytes that nobody may know, and be wrong after each
 * box. Every box is checked by its own tag. Offsets and marks are in bytes.
 */
export interface PadFinding {
  readonly address: number;
  readonly bytes: number;
  /** As the device takes them at boot: what the journal says, and what the pad itself witnesses (SPEC section 6). */
  readonly marks: PadPosition;
  /** What the device can seal, in pad bytes, now and after the largest grant. */
  readonly room: { readonly now: number; readonly afterGrant: number };
  readonly slotsLeft: number;
  /** Used bytes of the sealing direction that are not destroyed; the device does that before it serves. */
  readonly unburned: number;
  /** Where nine or more equal bytes lie that are not zero, as no pad has them; null when nowhere. */
  readonly suspiciousOffset: number | null;
}

const SCAN_BYTES = 65_536;
const SUSPICIOUS_BYTES = 9;
const WITNESS_BYTES = 32;

/** @param journaled what the journal says */
export function examinePad(chip: Chip, address: number, journaled: PadPosition): PadFinding {
  const marks = withWitness(chip, address, journaled);
  const direction = sealingDirection(marks.side);
  const { used } = marks[direction];
  const start = boxOffset(marks, direction, 0, used);
  const end = start + used;
  let unburned = 0;
  let last = 0;
  let equal = 0;
  let suspiciousOffset: number | null = null;
  eachByte(chip, address, marks.padLength, (byte, offset) => {
    equal = byte === last ? equal + 1 : 1;
    last = byte;
    if (byte === 0) return;
    if (equal === SUSPICIOUS_BYTES) suspiciousOffset ??= offset + 1 - SUSPICIOUS_BYTES;
    if (offset >= start && offset < end) unburned++;
  });
  return {
    address,
    bytes: marks.padLength,
    marks,
    room: roomOf(marks),
    slotsLeft: marks.slots[marks.side] - marks.nextSlot,
    unburned,
    suspiciousOffset,
  };
}

/** Slots and bytes that read as used are used, whatever the journal lost. */
function withWitness(chip: Chip, address: number, marks: PadPosition): PadPosition {
  const { side } = marks;
  let { nextSlot } = marks;
  while (
    nextSlot < marks.slots[side] &&
    isZero(bytesOf(chip, address + slotOffset(marks, side, nextSlot), WITNESS_BYTES))
  ) {
    nextSlot++;
  }
  const direction = sealingDirection(side);
  const used = marks[direction].used + zerosAhead(chip, address, marks);
  return { ...marks, nextSlot, [direction]: { used } };
}

/** How far the zeros next to the mark of the sealing direction reach, in whole burn units and not beyond split. */
function zerosAhead(chip: Chip, address: number, marks: PadPosition): number {
  const up = marks.side === "low";
  const left = up ? marks.split - upBase(marks) - marks.up.used : downEnd(marks) - marks.down.used - marks.split;
  const from = up ? upBase(marks) + marks.up.used : marks.split;
  let zeros = 0;
  while (zeros < left) {
    const part = Math.min(SCAN_BYTES, left - zeros);
    const ahead = bytesOf(chip, address + (up ? from + zeros : from + left - zeros - part), part);
    if (!up) ahead.reverse();
    const found = ahead.findIndex((byte) => byte !== 0);
    zeros += found === -1 ? part : found;
    if (found !== -1) break;
  }
  if (zeros < WITNESS_BYTES) return 0;
  return Math.min(left, Math.ceil(zeros / marks.burnUnit) * marks.burnUnit);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function eachByte(chip: Chip, address: number, length: number, see: (byte: number, offset: number) => void): void {
  const buffer = new Uint8Array(SCAN_BYTES);
  for (let done = 0; done < length; done += SCAN_BYTES) {
    const part = buffer.subarray(0, Math.min(SCAN_BYTES, length - done));
    chip.read(address + done, part);
    for (let i = 0; i < part.length; i++) see(part[i]!, done + i);
  }
  buffer.fill(0);
}
