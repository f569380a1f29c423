// The link of a token to its server (SPEC section 13). A call names nobody: it shows a tag that only the server knows. Its welcome says where the server stands, and
// only when neither end is behind the other does the device spend the slot and say that it is ready.

import { associate, BOX_HEADER, BOX_TAG, open, SLOT, seal, suspicious } from "../engine/box";
import { badArgument, Code, fail } from "./failure";
import { PAD_ID_AT } from "./identity";
import { associated, control, FRAME_HEAD, health, LinkStatus, line, link, pad, reply, slice, state } from "./layout";
import {
  consumption,
  DOWN,
  flashFault,
  isToken,
  LOW,
  readPad,
  room,
  SLOT_READY,
  SLOT_SIZE,
  SLOT_TAG,
  SLOT_WELCOME,
  settle,
  slotAt,
  slots,
  splitFitsLow,
  UP,
} from "./pad";
import { noRoom, reserveSlot, sealNext, takeSlot } from "./seal";
import { plus, presence } from "./value";

const WELCOME: u32 = 4;
const READY: u32 = 5;
export const RECEIPT: u32 = 6;
export const GRANT: u32 = 7;
export const ADDRESSES: u32 = 8;
const STATE: u32 = 9;

const WELCOME_TEXT: u32 = 48;
const READY_TEXT: u32 = 64;
const STATE_TEXT: u32 = 20;
/** The link ends, and: room is wanted. */
const STATE_FLAGS: u32 = 3;
/** The server knows the next 16 slots; so far from the last call that it welcomed none is given up any more. */
const UNANSWERED_MAX: u32 = 12;

// The payload of READY: the welcome's item, and behind it what the host wants.
const AGAIN: u32 = BOX_HEADER + WELCOME_TEXT + BOX_TAG;
const NUMBER: u32 = AGAIN + 4;
const CAP: u32 = AGAIN + 8;

/** CALL: the tag of the next slot, as often as it is asked for; with skip the next slot is given up first. */
export function call(payload: usize): u32 {
  if (!isToken()) return fail(Code.WRONG_SIDE);
  const skip = load<u32>(payload);
  if (skip > 1) return badArgument(0);
  const slot = state.nextSlot + skip;
  if (skip && state.nextSlot >= state.answered + UNANSWERED_MAX) return fail(Code.SLOT_KEPT, 0, state.nextSlot);
  if (slot >= slots(LOW)) return fail(Code.SLOTS_EXHAUSTED, 0, slots(LOW));
  if (skip) {
    let code = settle();
    if (code) return code;
    code = reserveSlot();
    if (code) return code;
    code = settle();
    if (code) return code;
  }
  const offset = slotAt(LOW, slot);
  readPad(offset, slice, SLOT_SIZE);
  if (suspicious(slice, SLOT_SIZE)) return flashFault(offset);

  const answer = reply + FRAME_HEAD;
  store<u32>(answer, slot);
  store<u32>(answer, SLOT_TAG | (SLOT << 16), 4);
  memory.copy(answer + 4 + BOX_HEADER, slice, SLOT_TAG);
  line.replyLength = 4 + BOX_HEADER + SLOT_TAG;
  return Code.OK;
}

/** READY: opens the welcome of the next slot, compares, and answers it. From the commit on the slot is spent and the cap may be debited. */
export function ready(payload: usize): u32 {
  if (!isToken()) return fail(Code.WRONG_SIDE);
  const welcome = payload + BOX_HEADER;
  let code = openWelcome(payload, welcome);
  if (code) return code;
  code = compare(welcome);
  if (code) return code;
  const split = load<u32>(welcome, 16);
  if (split > state.split && !splitFitsLow(split)) return badArgument(12);
  const again = load<u32>(payload, AGAIN);
  if (again & (pad.unit - 1) || again < load<u32>(welcome, 4) || again > state.upUsed) return badArgument(AGAIN);
  const cap = load<u64>(payload, CAP);
  code = settle();
  if (code) return code;
  code = presence(cap);
  if (code) return code;

  const slot = state.nextSlot;
  state.answered = slot + 1;
  state.openCaps = plus(state.openCaps, cap);
  state.split = split;
  code = takeSlot();
  if (state.nextSlot !== slot) link.status = LinkStatus.NONE;
  if (code) return code;

  const answer = reply + FRAME_HEAD;
  composeReady(answer + BOX_HEADER, again, load<u32>(payload, NUMBER), cap);
  associate(associated, pad.suite, UP, READY, READY_TEXT, slotAt(LOW, slot) + SLOT_READY, PAD_ID_AT);
  seal(slice + SLOT_READY, associated, answer + BOX_HEADER, answer);
  line.replyLength = BOX_HEADER + READY_TEXT + BOX_TAG;
  link.status = LinkStatus.READY;
  link.notes = load<u8>(welcome);
  link.lost = load<u32>(welcome, 32);
  link.cap = cap;
  link.raisedAt = 0;
  return Code.OK;
}

/** Opens a welcome under the next slot, which stays as it is. */
function openWelcome(item: usize, text: usize): u32 {
  if (load<u32>(item) !== (WELCOME_TEXT | (WELCOME << 16))) return badArgument(0);
  if (state.nextSlot >= slots(LOW)) return fail(Code.SLOTS_EXHAUSTED, 0, slots(LOW));
  const offset = slotAt(LOW, state.nextSlot);
  readPad(offset, slice, SLOT_SIZE);
  if (suspicious(slice, SLOT_SIZE)) return flashFault(offset);
  associate(associated, pad.suite, DOWN, WELCOME, WELCOME_TEXT, offset + SLOT_WELCOME, PAD_ID_AT);
  const genuine = open(slice + SLOT_WELCOME, associated, item, text);
  return genuine ? Code.OK : fail(Code.AUTH_FAILED, 0, ++health.failedTags);
}

/** What one end knows of the other only rises. Who has less than the other remembers was put back to an earlier state. */
function compare(welcome: usize): u32 {
  return (
    deviceOlder(1, state.upUsed, load<u32>(welcome, 4)) ||
    deviceOlder(2, state.downUsed, load<u32>(welcome, 12)) ||
    deviceOlder(3, state.nextSlot, load<u32>(welcome, 20)) ||
    serverOlder(4, state.downUsed, load<u32>(welcome, 8)) ||
    serverOlder(5, state.split, load<u32>(welcome, 16)) ||
    serverOlder(6, state.receiptSequence, load<u32>(welcome, 24))
  );
}

function deviceOlder(what: u32, own: u32, remembered: u32): u32 {
  return own < remembered ? fail(Code.OLDER, 0, what, own, remembered) : Code.OK;
}

function serverOlder(what: u32, remembered: u32, servers: u32): u32 {
  return servers < remembered ? fail(Code.OLDER, 1, what, remembered, servers) : Code.OK;
}

function composeReady(text: usize, again: u32, number: u32, cap: u64): void {
  store<u32>(text, again);
  store<u32>(text, state.upUsed, 4);
  store<u32>(text, number, 8);
  store<u32>(text, state.downUsed, 12);
  store<u32>(text, state.split, 16);
  store<u32>(text, state.receiptSequence, 20);
  store<u64>(text, cap, 24);
  store<u64>(text, state.receiptBalance, 32);
  store<u32>(text, state.receiptCall, 40);
  store<u32>(text, state.receiptUp, 44);
  store<u64>(text, state.receiptMac, 48);
  store<u64>(text, state.receiptMacRest, 56);
}

/** STATE: a box that says what the device has released and holds, and what it allows on top. */
export function sealState(payload: usize): u32 {
  if (!isToken()) return fail(Code.WRONG_SIDE);
  if (link.status !== LinkStatus.LINKED) return fail(Code.CALL_FIRST);
  const more = load<u64>(payload);
  const flags = load<u32>(payload, 8);
  if (flags > STATE_FLAGS) return badArgument(8);
  const size = consumption(STATE_TEXT);
  if (size > room()) return noRoom(size);
  let code = settle();
  if (code) return code;
  const cap = plus(link.cap, more);
  if (more) code = presence(cap);
  if (code) return code;

  state.openCaps = plus(state.openCaps, more);
  store<u32>(control, state.downUsed);
  store<u32>(control, state.receiptSequence, 4);
  store<u64>(control, cap, 8);
  store<u32>(control, flags, 16);
  code = sealNext(STATE, control, STATE_TEXT);
  if (code) return code;
  link.cap = cap;
  if (more) link.raisedAt = state.upUsed;
  return Code.OK;
}
