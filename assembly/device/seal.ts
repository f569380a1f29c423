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
import { associated, control, FRAME_HEAD, LinkStatus, line, link, pad, reply, slice, state } from "./layout";
import {
  burn,
  CONTROL_RESERVE,
  consumption,
  flashFault,
  isToken,
  LOW,
  offsetAt,
  readPad,
  room,
  SLOT_READY,
  SLOT_SIZE,
  SLOT_TAG,
  sealing,
  setBurned,
  settle,
  setUsed,
  slotAt,
  slots,
  used,
} from "./pad";

export const OPENING_TEXT: u32 = 16;
const START: u32 = 0xffffffff;
const SLOT_ITEM: u32 = BOX_HEADER + SLOT_TAG;

/** BEGIN: takes the next slot and opens a segment under it. */
export function begin(payload: usize): u32 {
  if (isToken()) return fail(Code.CALL_FIRST);
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

  code = takeSlot();
  if (code) return code;

  const offset = slotAt(pad.side, slot);
  const answer = reply + FRAME_HEAD;
  store<u32>(answer, slot);
  store<u32>(answer, first, 4);
  store<u32>(answer, SLOT_TAG | (SLOT << 16), 8);
  memory.copy(answer + 8 + BOX_HEADER, slice, SLOT_TAG);
  store<u32>(control, first);
  store<u32>(control, run === START ? first : run, 4);
  store<u32>(control, number, 8);
  store<u32>(control, state.split, 12);
  associate(associated, pad.suite, direction, OPENING, OPENING_TEXT, offset + SLOT_READY, PAD_ID_AT);
  seal(slice + SLOT_READY, associated, control, answer + 8 + SLOT_ITEM);
  line.replyLength = 8 + SLOT_ITEM + BOX_HEADER + OPENING_TEXT + BOX_TAG;
  return Code.OK;
}

/** Reserves the next slot durably, to be destroyed by whoever settles next. The caller has settled, and what it changed in `state` goes into the same record. */
export function reserveSlot(): u32 {
  state.pendingOffset = slotAt(pad.side, state.nextSlot);
  state.pendingLength = SLOT_SIZE;
  state.nextSlot++;
  return commit();
}

/** Spends the next slot: reserved, then read into `slice`, then destroyed. As reserveSlot. */
export function takeSlot(): u32 {
  const offset = slotAt(pad.side, state.nextSlot);
  let code = reserveSlot();
  if (code) return code;
  readPad(offset, slice, SLOT_SIZE);
  code = settle();
  if (code) return code;
  return suspicious(slice, SLOT_SIZE) ? flashFault(offset) : Code.OK;
}

/** SEAL: one box of a run. */
export function sealBox(payload: usize, length: u32): u32 {
  if (isToken() && link.status !== LinkStatus.LINKED) return fail(Code.CALL_FIRST);
  const kind = load<u32>(payload);
  if (kind !== DATA && kind !== LAST) return badArgument(0);
  const n = length - 4;
  if (n > TEXT_MAX) return badArgument(4);
  const size = consumption(n);
  if (size > room()) return noRoom(size);
  const code = settle();
  return code ? code : sealNext(kind, payload + 4, n);
}

/** Seals a text as the next box. The caller has settled and looked at the room, and what it changed in `state` goes into the same record. */
export function sealNext(kind: u32, text: usize, n: u32): u32 {
  const direction = sealing();
  const size = consumption(n);
  const mark = used(direction);
  const offset = offsetAt(direction, mark, size);
  setUsed(direction, mark + size);
  let code = commit();
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
  seal(slice, associated, text, answer + 8);
  line.replyLength = 8 + BOX_HEADER + n + BOX_TAG;
  return Code.OK;
}

/** Low may be helped by a grant as long as the pad has unspoken bytes; high has the whole choice itself. */
export function noRoom(size: u32): u32 {
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
