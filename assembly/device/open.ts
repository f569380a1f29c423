// Opening: verify, hand over, and burn only when the host says that the text is safe (release). Until then a cut loses no answer. The danger of an unburned
// box is only that it is opened twice, never that its bytes seal anything.

import {
  associate,
  BOX_HEADER,
  BOX_KEY,
  BOX_TAG,
  DATA,
  LAST,
  OPENING,
  open,
  suspicious,
  TEXT_MAX,
} from "../engine/box";
import { ADDRESSES_TEXT_MAX, ADDRESSES_TEXT_MIN, takeAddresses } from "./addresses";
import { badArgument, Code, fail, REFUSED } from "./failure";
import { allZero } from "./flash";
import { PAD_ID_AT } from "./identity";
import { commit } from "./journal";
import {
  associated,
  control,
  FRAME_HEAD,
  health,
  LinkStatus,
  line,
  link,
  pad,
  page,
  reply,
  slice,
  state,
  verified,
} from "./layout";
import { ADDRESSES, GRANT, RECEIPT } from "./link";
import {
  consumption,
  flashFault,
  isToken,
  LOW,
  readPad,
  SLOT_READY,
  SLOT_SIZE,
  SLOT_TAG,
  sealing,
  setBurned,
  settle,
  setUsed,
  slotAt,
  slots,
  splitFitsLow,
  UP,
  used,
  WITNESS,
} from "./pad";
import { OPENING_TEXT } from "./seal";
import { takeReceipt } from "./value";

const RECEIPT_TEXT: u32 = 48;
const GRANT_TEXT: u32 = 4;
const RELEASE_MAX: u32 = 65536;
const NOT_FOUND: u32 = 0xffffffff;
const OPENING_KEY: u32 = BOX_KEY + OPENING_TEXT;

/** FIND: looks a slot up by its tag and opens the opening of a segment; on low it takes the grant in it. */
export function find(payload: usize): u32 {
  const item = payload + SLOT_TAG;
  if (load<u32>(item) !== (OPENING_TEXT | (OPENING << 16))) return badArgument(SLOT_TAG);
  const slot = lookUp(payload);
  if (slot === NOT_FOUND) return fail(Code.SLOT_UNKNOWN);

  const offset = slotAt(other(), slot) + SLOT_READY;
  readPad(offset, slice, OPENING_KEY);
  if (suspicious(slice, OPENING_KEY)) return flashFault(offset);
  associate(associated, pad.suite, opposite(), OPENING, OPENING_TEXT, offset, PAD_ID_AT);
  const genuine = open(slice, associated, item, control);
  if (!genuine) return fail(Code.AUTH_FAILED, 0, ++health.failedTags);

  const code = takeGrant(load<u32>(control, 12));
  if (code && code !== REFUSED) return code;
  verified.slot = slot + 1;
  const answer = reply + FRAME_HEAD;
  store<u32>(answer, slot);
  memory.copy(answer + 4, control, 12);
  store<u32>(answer, state.split, 16);
  line.replyLength = 20;
  return Code.OK;
}

function other(): u32 {
  return 1 - pad.side;
}

/** The direction in which the other side seals. */
function opposite(): u32 {
  return 1 - sealing();
}

/** The unused slot of the other side with this tag. The tags of all slots are read, whichever matches. */
function lookUp(wanted: usize): u32 {
  let found = NOT_FOUND;
  for (let slot: u32 = 0; slot < slots(other()); slot++) {
    const offset = slotAt(other(), slot);
    readPad(offset, page, WITNESS);
    let difference: u32 = 0;
    for (let i: u32 = 0; i < SLOT_TAG; i++) difference |= load<u8>(page + i) ^ load<u8>(wanted + i);
    if (difference || allZero(page, WITNESS)) continue;
    readPad(offset + SLOT_READY, page, WITNESS);
    if (!allZero(page, WITNESS)) found = slot;
  }
  return found;
}

/** Low takes the maximum of the split it holds and the one it is told, durably. Only what was authenticated comes here. */
function takeGrant(split: u32): u32 {
  if (pad.side !== LOW || split <= state.split || !splitFitsLow(split)) return REFUSED;
  const code = settle();
  if (code) return code;
  state.split = split;
  return commit();
}

/** OPEN: verifies one box of the other side where the host says that it lies, does what a control box says, and hands its text over. Consumes nothing. */
export function openBox(payload: usize, length: u32): u32 {
  const offset = load<u32>(payload);
  const item = payload + 4;
  const header = load<u32>(item);
  const kind = header >> 16;
  const n = header & 0xffff;
  if (!mayOpen(kind, n) || length !== 4 + BOX_HEADER + n + BOX_TAG) return badArgument(4);
  const size = consumption(n);
  const lowest = pad.side === LOW ? state.split : pad.upBase;
  const end = pad.side === LOW ? pad.downEnd : state.split;
  if (offset < lowest || offset > end || size > end - offset || offset & (pad.unit - 1)) return badArgument(0);

  readPad(offset, slice, BOX_KEY + n);
  if (allZero(slice, WITNESS)) return fail(Code.BOX_USED, 0, offset);
  if (suspicious(slice, BOX_KEY + n)) return flashFault(offset);
  associate(associated, pad.suite, opposite(), kind, n, offset, PAD_ID_AT);
  // In place, where the host's own bytes lie: the kept reply stays whole when the tag turns out wrong.
  const genuine = open(slice, associated, item, item + BOX_HEADER);
  if (!genuine) return fail(Code.AUTH_FAILED, 0, ++health.failedTags);

  // Before it is applied: a grant may not reach into the box that brings it.
  const start = verified.start;
  const stop = verified.end;
  remember(offset, behindLost(offset + size));
  const code = kind > LAST ? apply(kind, item + BOX_HEADER, n) : Code.OK;
  if (code && code !== REFUSED) {
    verified.start = start;
    verified.end = stop;
    return code;
  }
  const answer = reply + FRAME_HEAD;
  store<u32>(answer, kind | (code ? 1 << 8 : 0));
  // By words, which memory.copy does only where both lie alike; what the last takes of the tag is covered by the CRC-32 of the reply.
  for (let i: u32 = 0; i < n; i += 4) store<u32>(answer + 4 + i, load<u32>(item + BOX_HEADER + i));
  line.replyLength = 4 + n;
  return Code.OK;
}

/** Whether a host may have such a box opened: those of a run, and on a token what its server tells it. */
function mayOpen(kind: u32, n: u32): bool {
  if (kind === DATA || kind === LAST) return n <= TEXT_MAX;
  if (!isToken()) return false;
  if (kind === RECEIPT) return n === RECEIPT_TEXT;
  if (kind === GRANT) return n === GRANT_TEXT;
  return kind === ADDRESSES && n >= ADDRESSES_TEXT_MIN && n <= ADDRESSES_TEXT_MAX;
}

/** Does what a control box says; REFUSED when it says nothing new. An error has changed nothing. */
function apply(kind: u32, text: usize, n: u32): u32 {
  if (kind === RECEIPT) return takeReceipt(text);
  return kind === GRANT ? takeGrant(load<u32>(text)) : takeAddresses(text, n);
}

/**
 * What the server lost of down lies behind the first box that comes after it, and nothing of it will come any more: it may be released with that box. Where a range ends
 * that begins with a box which ends at `end`.
 */
function behindLost(end: u32): u32 {
  const lost = isToken() && link.status !== LinkStatus.NONE ? link.lost : 0;
  return lost > state.downUsed && end === pad.downEnd - lost ? pad.downEnd - state.downUsed : end;
}

function remember(start: u32, end: u32): void {
  if (start === verified.end && verified.start < verified.end) {
    verified.end = end;
  } else if (end === verified.start && verified.start < verified.end) {
    verified.start = start;
  } else if (start < verified.start || end > verified.end) {
    verified.start = start;
    verified.end = end;
  }
}

/** RELEASE: burns a part of what was verified. The range is durable first, so that a cut finishes it. */
export function release(payload: usize): u32 {
  const offset = load<u32>(payload);
  const length = load<u32>(payload, 4);
  if (length === 0 || length > RELEASE_MAX || length & (pad.unit - 1)) return badArgument(4);
  if (offset & (pad.unit - 1)) return badArgument(0);
  if (offset < verified.start || offset > verified.end || length > verified.end - offset) {
    return fail(Code.NOT_VERIFIED, 0, verified.start, verified.end);
  }
  let code = settle();
  if (code) return code;

  const direction = opposite();
  const mark = direction === UP ? offset + length - pad.upBase : pad.downEnd - offset;
  if (mark > used(direction)) {
    setUsed(direction, mark);
    setBurned(direction, mark);
  }
  code = destroy(offset, length);
  if (code) return code;
  store<u32>(reply + FRAME_HEAD, used(direction));
  line.replyLength = 4;
  return Code.OK;
}

/** RELEASE_SLOT: burns the slot that the last FIND found. */
export function releaseSlot(payload: usize): u32 {
  const slot = load<u32>(payload);
  if (verified.slot === 0 || slot !== verified.slot - 1) return fail(Code.NOT_VERIFIED);
  let code = settle();
  if (code) return code;
  code = destroy(slotAt(other(), slot), SLOT_SIZE);
  if (code) return code;
  line.replyLength = 0;
  return Code.OK;
}

/** Commits a range as pending and burns it. */
function destroy(offset: u32, length: u32): u32 {
  state.pendingOffset = offset;
  state.pendingLength = length;
  const code = commit();
  return code ? code : settle();
}
