// Commands: which one, whether it may run now, and who does it (SPEC section 8).

import { badArgument, Code, fail, Section } from "./failure";
import { commitFill, fill, write } from "./fill";
import { PAGE_SIZE } from "./flash";
import { norRead } from "./hal";
import {
  FILL_LIST,
  FILL_SIZE,
  LIST_SIZE,
  PAD_ID_AT,
  PAGES,
  pageAddress,
  provenance,
  SERIAL_AT,
  SERIAL_SIZE,
} from "./identity";
import { aside, chip, FRAME_HEAD, health, Kind, line, PAYLOAD_MAX, pad, State, state, work } from "./layout";
import { call, ready, sealState } from "./link";
import { find, openBox, release, releaseSlot } from "./open";
import { NO_SIDE, room } from "./pad";
import { begin, raise, sealBox } from "./seal";
import { identify, selftest } from "./selftest";
import { answerValue } from "./value";

namespace Command {
  export const HELLO: u32 = 0x01;
  export const INFO: u32 = 0x02;
  export const PAGE: u32 = 0x03;
  export const VALUE: u32 = 0x04;
  export const FILL: u32 = 0x10;
  export const WRITE: u32 = 0x11;
  export const COMMIT: u32 = 0x12;
  export const BEGIN: u32 = 0x20;
  export const SEAL: u32 = 0x21;
  export const RAISE: u32 = 0x22;
  export const FIND: u32 = 0x30;
  export const OPEN: u32 = 0x31;
  export const RELEASE: u32 = 0x32;
  export const RELEASE_SLOT: u32 = 0x33;
  export const CALL: u32 = 0x40;
  export const READY: u32 = 0x41;
  export const STATE: u32 = 0x42;
  export const SELFTEST: u32 = 0x50;
}

const PROTOCOL: u32 = 1;
const VERSION_MAJOR: u32 = 0;
const VERSION_MINOR: u32 = 3;
const VERSION_PATCH: u32 = 0;
const WINDOW: u32 = 1;
const INFO_SIZE: u32 = 112;

/** Commands that are answered at any session and sequence, change nothing and are not kept. */
export function isAside(type: u32): bool {
  return type === Command.HELLO || type === Command.INFO || type === Command.PAGE || type === Command.VALUE;
}

export function answerAside(type: u32, payload: usize, length: u32): u32 {
  if (type === Command.HELLO) return length === 4 ? hello(load<u32>(payload)) : badArgument(0);
  if (type === Command.INFO) return length === 0 ? info() : badArgument(0);
  if (type === Command.VALUE) return length === 0 ? answerValue() : badArgument(0);
  if (health.fault && (health.fault < Section.IDENTITY || health.fault > Section.PAD))
    return fail(Code.FAULTY, health.fault);
  if (state.state <= State.FILLING) return fail(Code.WRONG_STATE, state.state);
  return length === 4 && load<u32>(payload) < PAGES ? readPage(load<u32>(payload)) : badArgument(0);
}

/** Runs a command within its session. The reply's payload is in `reply` then, and its length in line.replyLength. */
export function execute(type: u32, payload: usize, length: u32): u32 {
  if (type === Command.SELFTEST && length === 4 && !load<u32>(payload)) return identify();
  if (health.fault) return fail(Code.FAULTY, health.fault);
  if (work.kind === Kind.ERASING || work.kind === Kind.VERIFYING) return fail(Code.BUSY, 0, work.done, work.total);
  switch (type) {
    case Command.FILL:
      return precheck(state.state <= State.FILLING, isFill(length)) || fill(payload, length);
    case Command.WRITE:
      return precheck(state.state === State.FILLING, length >= 4) || write(payload, length);
    case Command.COMMIT:
      return precheck(state.state === State.FILLING, length === 48) || commitFill(payload);
    case Command.BEGIN:
      return precheck(isActive(), length === 8) || begin(payload);
    case Command.SEAL:
      return precheck(isActive(), length >= 4) || sealBox(payload, length);
    case Command.RAISE:
      return precheck(isActive(), length === 4) || raise(payload);
    case Command.FIND:
      return precheck(isActive(), length === 52) || find(payload);
    case Command.OPEN:
      return precheck(isActive(), length >= 8) || openBox(payload, length);
    case Command.RELEASE:
      return precheck(isActive(), length === 8) || release(payload);
    case Command.RELEASE_SLOT:
      return precheck(isActive(), length === 4) || releaseSlot(payload);
    case Command.CALL:
      return precheck(isActive(), length === 4) || call(payload);
    case Command.READY:
      return precheck(isActive(), length === 84) || ready(payload);
    case Command.STATE:
      return precheck(isActive(), length === 12) || sealState(payload);
    case Command.SELFTEST:
      return precheck(state.state === State.BLANK, length === 4) || selftest(load<u32>(payload));
    default:
      return fail(Code.UNKNOWN_COMMAND);
  }
}

function isActive(): bool {
  return state.state === State.ACTIVE;
}

/** A pad, or a token with any list of addresses. */
function isFill(length: u32): bool {
  return length === FILL_SIZE || (length >= FILL_LIST && length <= FILL_LIST + LIST_SIZE);
}

/** State before arguments (SPEC section 9). */
function precheck(permitted: bool, fits: bool): u32 {
  if (!permitted) return fail(Code.WRONG_STATE, state.state);
  return fits ? Code.OK : badArgument(0);
}

function hello(nonce: u32): u32 {
  line.hellos++;
  if (((state.epoch << 16) | (line.hellos & 0xffff)) === 0) line.hellos++;
  line.session = (state.epoch << 16) | (line.hellos & 0xffff);
  line.nextSequence = 1;
  line.kept = 0;
  const answer = aside + FRAME_HEAD;
  store<u32>(answer, nonce);
  store<u32>(answer, PROTOCOL | (PAYLOAD_MAX << 16), 4);
  store<u32>(answer, line.session, 8);
  store<u32>(answer, VERSION_MAJOR | (VERSION_MINOR << 8) | (VERSION_PATCH << 16) | (WINDOW << 24), 12);
  line.replyLength = 16;
  return Code.OK;
}

function readPage(index: u32): u32 {
  norRead(pageAddress(pad.revision, index), aside + FRAME_HEAD, PAGE_SIZE);
  line.replyLength = PAGE_SIZE;
  return Code.OK;
}

function info(): u32 {
  const answer = aside + FRAME_HEAD;
  const described = pad.side !== NO_SIDE;
  memory.fill(answer, 0, INFO_SIZE);
  store<u8>(answer, health.fault ? State.FAULTY : state.state);
  store<u8>(answer, <u8>pad.side, 1);
  store<u8>(answer, <u8>pad.suite, 2);
  store<u8>(answer, <u8>health.fault, 3);
  store<u8>(answer, <u8>work.kind, 4);
  store<u8>(answer, <u8>work.error, 5);
  store<u8>(answer, <u8>health.traps, 6);
  store<u32>(answer, health.reason, 8);
  store<u32>(answer, work.done, 12);
  store<u32>(answer, work.total, 16);
  store<u32>(answer, state.epoch, 20);
  store<u32>(answer, state.generation, 24);
  store<u32>(answer, state.sequence, 28);
  store<u32>(answer, health.failedTags, 100);
  store<u32>(answer, described ? pad.unit : chip.burnUnit, 96);
  store<u32>(answer, chip.size, 104);
  if (described) {
    store<u8>(answer, <u8>provenance(), 7);
    memory.copy(answer + 32, PAD_ID_AT, 16);
    memory.copy(answer + 48, SERIAL_AT, SERIAL_SIZE);
    store<u32>(answer, pad.length, 56);
    store<u32>(answer, pad.slotsLow, 60);
    store<u32>(answer, pad.slotsHigh, 64);
    store<u32>(answer, state.nextSlot, 68);
    store<u32>(answer, state.upUsed, 72);
    store<u32>(answer, state.upBurned, 76);
    store<u32>(answer, state.downUsed, 80);
    store<u32>(answer, state.downBurned, 84);
    store<u32>(answer, state.split, 88);
    store<u32>(answer, room(), 92);
  }
  line.replyLength = INFO_SIZE;
  return Code.OK;
}
