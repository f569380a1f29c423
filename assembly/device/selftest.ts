// What a blank device can say of its chip and its body before anybody trusts them with a pad (SPEC section 8, SELFTEST). A chip that fails is no error here but what
// was found: the counts and times are the answer, and the computer judges them.
//
// The sector that it works on is the one of the journal that the next boot erases before it writes there, so that whatever is left in it, also by a cut, is gone then;
// and the pattern holds nothing that could be taken for a record.

import { badArgument, Code, fail } from "./failure";
import { PAGE_SIZE, SECTOR_SIZE } from "./flash";
import { button, norErase, norGeometry, norProgram, norRead, supplyOk, ticks } from "./hal";
import { nextSector } from "./journal";
import { control, FRAME_HEAD, line, reply, slice } from "./layout";

namespace Step {
  export const ERASE: u32 = 1;
  export const PROGRAM: u32 = 2;
  export const ZERO: u32 = 3;
  export const BUTTON: u32 = 4;
}

const GEOMETRY: u32 = 6;

/** What a step found. */
@unmanaged
class Found {
  operations: u32;
  /** What the body returned for the last operation: 0 done. */
  status: u32;
  least: u32;
  most: u32;
  sum: u32;
  wrongBits: u32;
  read: u32;
}
const FOUND_SIZE: u32 = 28;

/** What the body says of itself and its chip. Only asks, and so is answered in every state. */
export function identify(): u32 {
  const answer = reply + FRAME_HEAD;
  for (let what: u32 = 0; what < GEOMETRY; what++) store<u32>(answer + (what << 2), norGeometry(what));
  store<u32>(answer + (GEOMETRY << 2), supplyOk());
  line.replyLength = (GEOMETRY + 1) << 2;
  return Code.OK;
}

/** One step on the scratch sector, or a look at the button. */
export function selftest(step: u32): u32 {
  if (step > Step.BUTTON) return badArgument(0);
  if (step === Step.BUTTON) {
    store<u32>(reply + FRAME_HEAD, button());
    line.replyLength = 4;
    return Code.OK;
  }
  const base = nextSector() * SECTOR_SIZE;
  // Not where the answer goes: the kept reply stays whole when the supply fails.
  const found = changetype<Found>(control);
  memory.fill(changetype<usize>(found), 0, FOUND_SIZE);
  found.least = u32.MAX_VALUE;
  for (let i: u32 = 0; i < SECTOR_SIZE; i += 4) store<u32>(slice + i, shallRead(step, i));
  for (let at: u32 = 0; at < SECTOR_SIZE && !found.status; at += step === Step.ERASE ? SECTOR_SIZE : PAGE_SIZE) {
    if (!supplyOk()) return fail(Code.SUPPLY_LOW);
    const began = ticks();
    found.status = step === Step.ERASE ? norErase(base, SECTOR_SIZE) : norProgram(base + at, slice + at, PAGE_SIZE);
    const took = ticks() - began;
    found.operations++;
    found.least = min(found.least, took);
    found.most = max(found.most, took);
    found.sum += took;
  }
  const began = ticks();
  norRead(base, slice, SECTOR_SIZE);
  found.read = ticks() - began;
  for (let i: u32 = 0; i < SECTOR_SIZE; i += 4) {
    found.wrongBits += popcnt<u32>(load<u32>(slice + i) ^ shallRead(step, i));
  }
  memory.copy(reply + FRAME_HEAD, control, FOUND_SIZE);
  line.replyLength = FOUND_SIZE;
  return Code.OK;
}

/**
 * The word that the sector has at `offset` behind a step. Where a record would begin the pattern is a multiple of 32, and the magic of a record is none.
 */
function shallRead(step: u32, offset: u32): u32 {
  return step === Step.ERASE ? u32.MAX_VALUE : step === Step.PROGRAM ? (offset >> 2) * 0x9e3779b1 : 0;
}
