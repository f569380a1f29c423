// When the server gives the device more room to send (SPEC section 1: only high raises the split, and it never falls).
// What was given can never be used for answers again, so it is given late, and a little at a time: a small share of what is
// left when the device comes to the end of its room, and a larger one when it asks. Of a pad that comes to its end each
// direction may have half, and so both reach it.

import { type PadShape, roundDown, upBase } from "../../host/protocol/index.ts";
import { downRoom } from "./pads.ts";

const LEAST_STEP_BYTES = 65_536;
/** Unasked the device gets this share of what is left. */
const UNASKED_SHARE = 8;
/** What a device should always have: so that it can ask, and end its link. */
const LEAST_ROOM_BYTES = 256;
/** A grant of less than this is not worth its box. */
const SMALLEST_GRANT_BYTES = 64;

/**
 * The split to raise to, or null when the device has room enough, or the pad has none to give.
 * @param asked the device wants more than it has
 */
export function grantFor(pad: PadShape & { up: number; down: number; split: number }, asked: boolean): number | null {
  const room = pad.split - upBase(pad) - pad.up;
  const left = room + downRoom(pad);
  const step = Math.max(pad.padLength / 32, LEAST_STEP_BYTES);
  const share = Math.min(step, Math.max(left / UNASKED_SHARE, LEAST_ROOM_BYTES));
  if (!asked && room >= share / 4) return null;
  const target = Math.min(asked ? room + step : share, left / 2);
  const gain = roundDown(Math.floor(target - room), pad.burnUnit);
  return gain < SMALLEST_GRANT_BYTES ? null : pad.split + gain;
}
