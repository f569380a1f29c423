// When the server gives the device more room to send (SPEC section 1: only high raises the split, and it never falls).
// A little at a time, since what was given can never be used for answers again: as much as the device needs ahead, and of a
// pad that comes to its end a share of what is left, so that both directions reach it.

import { type PadShape, roundDown, upBase } from "../../host/protocol/index.ts";
import { downRoom } from "./pads.ts";

const LEAST_STEP_BYTES = 65_536;
/** A grant of less than this is not worth its box. */
const SMALLEST_GRANT_BYTES = 64;

/**
 * The split to raise to, or null when the device has room enough, or the pad has none to give.
 * @param asked it has called, or said how it stands, as one does that is short of room: it gets a larger share
 */
export function grantFor(pad: PadShape & { up: number; down: number; split: number }, asked: boolean): number | null {
  const room = pad.split - upBase(pad) - pad.up;
  const free = downRoom(pad);
  const step = Math.max(pad.padLength / 32, LEAST_STEP_BYTES);
  const share = Math.min(step, (room + free) / (asked ? 2 : 4));
  if (room >= (asked ? share : share / 2)) return null;
  const gain = roundDown(Math.floor(Math.min(share - room, free)), pad.burnUnit);
  return gain < SMALLEST_GRANT_BYTES ? null : pad.split + gain;
}
