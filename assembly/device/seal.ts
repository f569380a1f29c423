// Sealing: reserve durably, read, burn, check, and only then send (SPEC section 8). From the commit on the bytes are gone, whatever happens next.

import {
  associate,
  BOX_HEADER,
  BOX_KEY,
  BOX_TAG,
  DATA,
  LAST,
  OPENING,
  SLOT,
  seal,
  suspicious,
  TEXT_MAX,
} from "../engine/box";
import { badArgument, Code, fail } from "./failure";
import { PAD_ID_AT } from "./identity";
import { commit } from "./journal";
import { associated, FRAME_HEAD, line, opening, pad, reply, slice, state } from "./layout";
import {
  burn,
  CONTROL_RESERVE,
  consumption,
  flashFault,
  LOW,
  offsetAt,
  readPad,
  room,
  SLOT_READY,
  SLOT_SIZE,
  sealing,
  setBurned,
  settle,
  setUsed,
  slotAt,
  slots,
  used,
} from "./pad";

export const OPENING_TEXT: u32 = 16;
export const SLOT_TAG: u32 = 16;
const START: u32 = 0xffffffff;
const SLOT_ITEM: u32 = BOX_HEADER + SLOT_TAG;

/** BEGIN: takes the next slot and opens a segment under it. */
export function begin(payload: usize): u32 {
  const run = load<u32>(payload);
  const number = load<u32>(payload, 4);
  const direction = sealing();
  const first = used(direction);
  if (run === START && number !== 0) return badArgument(4);
  if (run !== START && run > first) return badArgument(0);
  const slot = state.nextSlot;
  if (slot >= slots(pad.side)) return fail(Code.SLOTS_EXHAUSTED, 0, slots(pad.side));
  let code = settle();
  if (code) return code;

  const offset = slotAt(pad.side, slot);
  state.nextSlot = slot + 1;
  state.pendingOffset = offset;
  state.pendingLength = SLOT_SIZE;
  code = commit();
  if (code) return code;
  readPad(offset, slice, SLOT_SIZE);
  code = settle();
  if (code) return code;
  if (suspicious(slice, SLOT_SIZE)) return flashFault(offset);

  const answer = reply + FRAME_HEAD;
  store<u32>(answer, slot);
  store<u32>(answer, first, 4);
  store<u32>(answer, SLOT_TAG | (SLOT << 16), 8);
  memory.copy(answer + 8 + BOX_HEADER, slice, SLOT_TAG);
  store<u32>(opening, first);
  store<u32>(opening, run === START ? first : run, 4);
  store<u32>(opening, number, 8);
  store<u32>(opening, state.split, 12);
  associate(associated, pad.suite, direction, OPENING, OPENING_TEXT, offset + SLOT_READY, PAD_ID_AT);
  seal(slice + SLOT_READY, associated, opening, answer + 8 + SLOT_ITEM);
  line.replyLength = 8 + SLOT_ITEM + BOX_HEADER + OPENING_TEXT + BOX_TAG;
  return Code.OK;
}

/** SEAL: one box of a run. */
export function sealBox(payload: usize, length: u32): u32 {
  const kind = load<u32>(payload);
  if (kind !== DATA && kind !== LAST) return badArgument(0);
  const n = length - 4;
  if (n > TEXT_MAX) return badArgument(4);
  const size = consumption(n);
  if (size > room()) return noRoom(size);
  let code = settle();
  if (code) return code;

  const direction = sealing();
  const mark = used(direction);
  const offset = offsetAt(direction, mark, size);
  setUsed(direction, mark + size);
  code = commit();
  if (code) return code;
  readPad(offset, slice, BOX_KEY + n);
  code = burn(offset, size);
  if (code) return code;
  setBurned(direction, mark + size);
  if (suspicious(slice, BOX_KEY + n)) return flashFault(offset);

  const answer = reply + FRAME_HEAD;
  store<u32>(answer, mark);
  store<u32>(answer, offset, 4);
  associate(associated, pad.suite, direction, kind, n, offset, PAD_ID_AT);
  seal(slice, associated, payload + 4, answer + 8);
  line.replyLength = 8 + BOX_HEADER + n + BOX_TAG;
  return Code.OK;
}

/** Low may be helped by a grant as long as the pad has unspoken bytes; high has the whole choice itself. */
function noRoom(size: u32): u32 {
  const grantable = pad.side === LOW && pad.upBase + state.upUsed + size <= pad.downEnd - CONTROL_RESERVE;
  return fail(grantable ? Code.NEED_GRANT : Code.EXHAUSTED, 0, size, room());
}

/** RAISE: high gives more of the pad to up. It is durable here before low hears of it, and never taken back. */
export function raise(payload: usize): u32 {
  if (pad.side === LOW) return fail(Code.WRONG_SIDE);
  const split = load<u32>(payload);
  if (split & (pad.unit - 1)) return badArgument(0);
  if (split > state.split) {
    const given = split - state.split;
    if (given > room()) return fail(Code.EXHAUSTED, 0, given, room());
    let code = settle();
    if (code) return code;
    state.split = split;
    code = commit();
    if (code) return code;
  }
  store<u32>(reply + FRAME_HEAD, state.split);
  line.replyLength = 4;
  return Code.OK;
}
