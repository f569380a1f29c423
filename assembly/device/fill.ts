// Filling: one power session from FILL to the records that make the pad active (SPEC section 10). Long work goes on in poll, one flash operation at a time.

import { begin, finish, updatePadded } from "../engine/poly1305";
import { badArgument, Code, fail } from "./failure";
import { erase, forgetBuffers, PAGE_SIZE, program, SECTOR_SIZE } from "./flash";
import { entropy, supplyOk } from "./hal";
import {
  composeIdentity,
  FILL_ADDRESSES,
  FILL_LIST,
  FILL_SIZE,
  firstSplit,
  listLength,
  loadIdentity,
  PAGES,
  pageAddress,
  SERIAL_AT,
  SERIAL_SIZE,
  shapePad,
  splitFits,
  writePage,
} from "./identity";
import { commit, forgetReceipt } from "./journal";
import {
  chip,
  expectedTag,
  FRAME_HEAD,
  firstReceipt,
  Kind,
  line,
  mac,
  Pad,
  pad,
  page,
  reply,
  State,
  slice,
  state,
  tag,
  work,
} from "./layout";
import { HIGH, LOW, NO_SIDE, readPad, SLOT_SPACING } from "./pad";

const BLOCK_SIZE: u32 = 65536;
const PAD_SIZE: usize = offsetof<Pad>();
const WRITE_MAX: u32 = 4096;
/** Sequence, 0, balance and MAC of the first receipt, as they lie in FILL. Sequence 0 is none. */
const FILL_RECEIPT: u32 = 128;
const FIRST_RECEIPT: u32 = 32;
/** As many equal consecutive bytes are no pad. */
const RUN: u32 = 9;

/** FILL: takes the shape of the pad, makes the new generation durable and begins to erase. */
export function fill(payload: usize, length: u32): u32 {
  const code = takeShape(payload, length);
  if (code) return code;
  state.generation++;
  state.state = State.FILLING;
  state.nextSlot = 0;
  state.upUsed = 0;
  state.upBurned = 0;
  state.downUsed = 0;
  state.downBurned = 0;
  state.split = 0;
  state.pendingLength = 0;
  forgetReceipt();
  const committed = commit();
  if (committed) {
    pad.side = NO_SIDE;
    endWork(committed);
    return committed;
  }
  state.split = load<u32>(payload, 8);
  entropy(SERIAL_AT, SERIAL_SIZE);
  composeIdentity(state.revision + 1, payload, length);
  memory.fill(firstReceipt, 0, FIRST_RECEIPT);
  const receipt = payload + FILL_RECEIPT;
  if (length > FILL_SIZE && load<u32>(receipt)) memory.copy(firstReceipt, receipt, FIRST_RECEIPT);
  startWork(Kind.ERASING, chip.copySize + chip.size - chip.padBase);
  work.error = 0;
  line.replyLength = 0;
  return Code.OK;
}

/** Lays the parameters into `pad`, or says which of them cannot be and leaves `pad` as it was. */
function takeShape(payload: usize, length: u32): u32 {
  memory.copy(page, changetype<usize>(pad), PAD_SIZE);
  const code = tryShape(payload, length);
  if (code) memory.copy(changetype<usize>(pad), page, PAD_SIZE);
  return code;
}

function tryShape(payload: usize, size: u32): u32 {
  const long = size > FILL_SIZE;
  const suite: u32 = load<u8>(payload, 1);
  const slotSides: u32 = load<u8>(payload, 2);
  const provenance: u32 = load<u8>(payload, 3);
  const length = load<u32>(payload, 4);
  const split = load<u32>(payload, 8);
  if (load<u8>(payload) > (long ? LOW : HIGH)) return badArgument(0);
  if (suite !== 1) return fail(Code.SUITE_UNKNOWN, suite);
  if (slotSides > 3 || (long && slotSides !== 1)) return badArgument(2);
  if (provenance !== 1 && provenance !== 2) return badArgument(3);
  if (length & 4095 || length < 8192 || length > chip.size - chip.padBase) return badArgument(4);
  pad.side = load<u8>(payload);
  pad.suite = suite;
  pad.unit = load<u16>(payload, 14);
  pad.length = length;
  pad.slotsLow = slotSides & 1 ? length / SLOT_SPACING : 0;
  pad.slotsHigh = slotSides & 2 ? length / SLOT_SPACING : 0;
  if (!shapePad()) return badArgument(14);
  if (!splitFits(split)) return badArgument(8);
  if (
    long &&
    listLength(payload + FILL_LIST, size - FILL_LIST, load<u32>(payload, FILL_ADDRESSES)) !== size - FILL_LIST
  )
    return badArgument(FILL_ADDRESSES);
  return supplyOk() ? Code.OK : fail(Code.SUPPLY_LOW);
}

function startWork(kind: u32, total: u32): void {
  work.kind = kind;
  work.done = 0;
  work.total = total;
}

/** WRITE: the next bytes of the pad, in order. */
export function write(payload: usize, length: u32): u32 {
  if (work.kind !== Kind.FILLING) return wrongState();
  const offset = load<u32>(payload);
  const data = payload + 4;
  const count = length - 4;
  if (offset !== work.done) return badArgument(0);
  if (count === 0 || count > WRITE_MAX || count & (PAGE_SIZE - 1) || count > pad.length - offset) return badArgument(4);

  let byte = work.runByte;
  let run = work.runLength;
  for (let i: u32 = 0; i < count; i++) {
    const next: u32 = load<u8>(data + i);
    run = next === byte ? run + 1 : 1;
    byte = next;
    if (run === RUN) return fail(Code.FILL_REFUSED, 0, offset + i + 1 - RUN);
  }
  for (let i: u32 = 0; i < count; i += PAGE_SIZE) {
    const code = program(chip.padBase + offset + i, data + i, PAGE_SIZE);
    if (code) return code;
  }
  work.runByte = byte;
  work.runLength = run;
  work.done = offset + count;
  store<u32>(reply + FRAME_HEAD, work.done);
  line.replyLength = 4;
  return Code.OK;
}

/** COMMIT: begins to read the whole pad back under the one-time MAC key that the host chose. */
export function commitFill(payload: usize): u32 {
  if (work.kind !== Kind.FILLING || work.done !== pad.length) return wrongState();
  begin(mac, payload);
  memory.copy(expectedTag, payload + 32, 16);
  startWork(Kind.VERIFYING, pad.length);
  work.pages = 0;
  line.replyLength = 0;
  return Code.OK;
}

function wrongState(): u32 {
  return fail(Code.WRONG_STATE, state.state);
}

/** One step of the work that a fill began; 1 while there is more. */
export function step(): u32 {
  let code: u32 = Code.OK;
  if (work.kind === Kind.ERASING) code = eraseStep();
  else if (work.kind === Kind.VERIFYING) code = work.done < pad.length ? verifyStep() : finishStep();
  // A supply that is low now may be well at the next step; anything else ends this fill.
  if (code === Code.SUPPLY_LOW) return 0;
  if (code) endWork(code);
  return work.kind === Kind.ERASING || work.kind === Kind.VERIFYING ? 1 : 0;
}

/** First the identity copy that the new revision will take, then everything behind both copies. */
function eraseStep(): u32 {
  const base = work.done < chip.copySize ? pageAddress(state.revision + 1, 0) : chip.padBase - chip.copySize;
  const address = base + work.done;
  const left = (work.done < chip.copySize ? chip.copySize : work.total) - work.done;
  const size = chip.largeErase && left >= BLOCK_SIZE && (address & (BLOCK_SIZE - 1)) === 0 ? BLOCK_SIZE : SECTOR_SIZE;
  const code = erase(address, size);
  if (code) return code;
  work.done += size;
  if (work.done === work.total) {
    startWork(Kind.FILLING, pad.length);
    work.runLength = 0;
  }
  return Code.OK;
}

function verifyStep(): u32 {
  readPad(work.done, slice, SECTOR_SIZE);
  updatePadded(mac, slice, SECTOR_SIZE);
  forgetBuffers();
  work.done += SECTOR_SIZE;
  if (work.done < pad.length) return Code.OK;
  finish(mac, tag);
  let difference: u32 = 0;
  for (let i: u32 = 0; i < 16; i++) difference |= load<u8>(tag + i) ^ load<u8>(expectedTag + i);
  return difference ? fail(Code.FILL_MISMATCH) : Code.OK;
}

/**
 * The pad is what the host meant: write the identity page by page, and last the record that makes both count. It is written twice: until the first boot nothing else says
 * that there is a pad, and a device that lost its only record would ask to be filled again.
 */
function finishStep(): u32 {
  // Behind the pages the first record counts as one more.
  if (work.pages > PAGES) {
    const code = commit();
    if (!code) endWork(Code.OK);
    return code;
  }
  const code = work.pages < PAGES ? writePage(state.revision + 1, work.pages) : activate();
  if (!code) work.pages++;
  return code;
}

function activate(): u32 {
  const revision = state.revision + 1;
  const corrupt = loadIdentity(revision);
  if (corrupt) return fail(Code.FLASH_FAULT, corrupt, pageAddress(revision, 0));
  state.revision = revision;
  state.carried = 0;
  state.state = State.ACTIVE;
  state.split = firstSplit();
  state.receiptSequence = load<u32>(firstReceipt);
  state.receiptBalance = load<u64>(firstReceipt, 8);
  state.receiptMac = load<u64>(firstReceipt, 16);
  state.receiptMacRest = load<u64>(firstReceipt, 24);
  pad.revision = revision;
  return commit();
}

function endWork(code: u32): void {
  work.kind = Kind.NONE;
  work.error = code;
}
