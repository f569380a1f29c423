// Money, as far as a device knows it (SPEC section 14): the server's receipt, which it keeps and cannot check, and what it allowed the server to debit beyond it. What is
// left lies between the receipt's balance less the open caps, and the balance.

import { Code, fail, REFUSED } from "./failure";
import { button } from "./hal";
import { ASSET_AT, ASSET_SIZE, ownersLimit } from "./identity";
import { commit } from "./journal";
import { aside, FRAME_HEAD, health, LinkStatus, line, link, State, state } from "./layout";
import { settle } from "./pad";

const VALUE_SIZE: u32 = 56;
const PRESSED: u32 = 1;
const REJECTED: u32 = 2;

/** VALUE: both ends of what is left, and how the device stands to its server. */
export function answerValue(): u32 {
  const answer = aside + FRAME_HEAD;
  memory.fill(answer, 0, VALUE_SIZE);
  line.replyLength = VALUE_SIZE;
  if (health.fault || state.state <= State.FILLING) return Code.OK;
  store<u32>(answer, state.receiptSequence);
  store<u32>(answer, state.receiptCall, 4);
  store<u64>(answer, state.receiptBalance, 8);
  store<u64>(answer, state.openCaps, 16);
  store<u32>(answer, state.receiptUp, 24);
  store<u32>(answer, state.answered, 28);
  store<u64>(answer, ownersLimit(), 32);
  memory.copy(answer + 40, ASSET_AT, ASSET_SIZE);
  store<u8>(answer, <u8>link.status, 48);
  if (link.status !== LinkStatus.NONE) {
    store<u8>(answer, <u8>link.notes, 49);
    store<u32>(answer, link.lost, 52);
  }
  return Code.OK;
}

/** What is allowed in all stays what it is at most: there is no more money than fits. */
export function plus(caps: u64, cap: u64): u64 {
  const sum = caps + cap;
  return sum < caps ? u64.MAX_VALUE : sum;
}

/** Above the owner's limit a link costs a press of the button: one since the question, and one for each. The look that asks forgets what was pressed before. */
export function presence(cap: u64): u32 {
  if (cap <= ownersLimit()) return Code.OK;
  const answer = button();
  const answered = link.asked && (answer === PRESSED || answer === REJECTED);
  link.asked = answered ? 0 : 1;
  if (!answered) return fail(Code.PRESENCE, 0);
  return answer === PRESSED ? Code.OK : fail(Code.PRESENCE, 1);
}

/**
 * Takes a receipt that is newer than the one held. It says what is open of this call's caps as far as the server had opened our boxes: of a cap that was raised behind
 * that it knows nothing, and then the caps stay as they are, which is never less.
 */
export function takeReceipt(text: usize): u32 {
  const ofThisCall = load<u32>(text, 4) === state.answered;
  const newer = load<u32>(text) > state.receiptSequence;
  if (newer) {
    let code = settle();
    if (code) return code;
    state.receiptSequence = load<u32>(text);
    state.receiptCall = load<u32>(text, 4);
    state.receiptBalance = load<u64>(text, 8);
    state.receiptUp = load<u32>(text, 24);
    state.receiptMac = load<u64>(text, 32);
    state.receiptMacRest = load<u64>(text, 40);
    if (ofThisCall && state.receiptUp >= link.raisedAt) state.openCaps = load<u64>(text, 16);
    code = commit();
    if (code) return code;
  }
  if (ofThisCall && link.status === LinkStatus.READY) link.status = LinkStatus.LINKED;
  return newer ? Code.OK : REFUSED;
}
