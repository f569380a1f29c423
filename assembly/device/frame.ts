// The line: COBS frames in and out, and the rule that a command runs at most once (SPEC section 7). Window of one; the device never speaks first.

import { answerAside, execute, isAside } from "./command";
import { crc32 } from "./crc32";
import { Code, fail } from "./failure";
import { forgetBuffers } from "./flash";
import { transmit } from "./hal";
import {
  aside,
  FRAME_HEAD,
  FRAME_MAX,
  FRAME_ROOM,
  failure,
  frame,
  line,
  outgoing,
  PAYLOAD_MAX,
  reply,
  state,
  window,
} from "./layout";
import { copyRun } from "./run";

const CRC_SIZE: u32 = 4;
/** The code of a group that no zero stands behind. */
const FULL: u32 = 255;
const ERROR_TYPE: u32 = 0xff;
const ERROR_SIZE: u32 = 20;
const REPLY: u32 = 0x80;

namespace Bad {
  export const CRC: u32 = 1;
  export const LENGTH: u32 = 2;
  export const TOO_LONG: u32 = 3;
  export const COBS: u32 = 4;
  export const FLAGS: u32 = 5;
}

/** Takes the next bytes of the line from the window. */
export function take(count: u32): void {
  const end = window + count;
  let at = window;
  while (at < end) {
    const byte: u32 = load<u8>(at);
    if (byte && line.remaining) {
      at += takeGroup(at, <u32>(end - at));
      continue;
    }
    at++;
    if (byte) beginGroup(byte);
    // Also within a group.
    else endFrame();
  }
}

/** Takes what there is of a group, up to a zero that does not belong there, or up to where there is no room. Returns how many bytes that were. */
function takeGroup(source: usize, count: u32): u32 {
  const most = min(min(count, line.remaining), FRAME_ROOM - line.length);
  const taken = copyRun(frame + line.length, source, most);
  line.remaining -= taken;
  lengthen(taken);
  return taken;
}

function beginGroup(code: u32): void {
  if (line.code && line.code !== FULL) {
    store<u8>(frame + line.length, 0);
    lengthen(1);
  }
  line.code = code;
  line.remaining = code - 1;
}

/** What is too long stays one byte too long: so there is always room, and what follows overwrites what nobody will read. */
function lengthen(by: u32): void {
  line.length = min(line.length + by, FRAME_MAX + 1);
}

function endFrame(): void {
  const length = line.length;
  const began = line.code;
  const broken = line.remaining;
  line.length = 0;
  line.code = 0;
  line.remaining = 0;
  if (!began) return;
  if (length > FRAME_MAX) badFrame(Bad.TOO_LONG, false);
  else if (broken) badFrame(Bad.COBS, false);
  else if (length < FRAME_HEAD + CRC_SIZE || load<u16>(frame, 2) !== <u16>(length - FRAME_HEAD - CRC_SIZE))
    badFrame(Bad.LENGTH, false);
  else if (wordAt(frame + length - CRC_SIZE) !== crc32(frame, length - CRC_SIZE)) badFrame(Bad.CRC, false);
  else if (load<u8>(frame, 1)) badFrame(Bad.FLAGS, true);
  else handle(length - FRAME_HEAD - CRC_SIZE);
}

/** Nothing of such a frame can be trusted; only when its CRC-32 was right does the answer carry its sequence and session. */
function badFrame(what: u32, intact: bool): void {
  fail(Code.BAD_FRAME, what);
  if (!intact) memory.fill(frame, 0, FRAME_HEAD);
  sendError(Code.BAD_FRAME);
}

function handle(length: u32): void {
  const type: u32 = load<u8>(frame);
  const payload = frame + FRAME_HEAD;
  if (isAside(type)) {
    const code = answerAside(type, payload, length);
    if (code) sendError(code);
    else send(aside, type | REPLY, line.replyLength, load<u32>(frame, 4), load<u32>(frame, 8));
    return;
  }
  const sequence = load<u32>(frame, 4);
  const session = load<u32>(frame, 8);
  const crc = wordAt(payload + length);
  if (session === 0 || session !== line.session) {
    fail(Code.NO_SESSION, 0, state.upUsed, state.downUsed, state.split, state.nextSlot);
    return sendError(Code.NO_SESSION);
  }
  if (line.kept && sequence === line.lastSequence && crc === line.lastCrc) {
    return send(reply, load<u8>(reply), load<u16>(reply, 2), sequence, session);
  }
  if (sequence !== line.nextSequence) {
    fail(Code.WRONG_SEQUENCE, 0, line.nextSequence);
    return sendError(Code.WRONG_SEQUENCE);
  }
  const code = execute(type, payload, length);
  forgetBuffers();
  if (code) return sendError(code);
  line.kept = 1;
  line.lastSequence = sequence;
  line.lastCrc = crc;
  line.nextSequence = sequence + 1;
  send(reply, type | REPLY, line.replyLength, sequence, session);
}

function sendError(code: u32): void {
  const payload = aside + FRAME_HEAD;
  store<u8>(payload, <u8>code);
  store<u8>(payload, load<u8>(frame), 1);
  store<u16>(payload, <u16>failure.detail, 2);
  store<u32>(payload, failure.a, 4);
  store<u32>(payload, failure.b, 8);
  store<u32>(payload, failure.c, 12);
  store<u32>(payload, failure.d, 16);
  send(aside, ERROR_TYPE, ERROR_SIZE, load<u32>(frame, 4), load<u32>(frame, 8));
}

/** The u32 behind a payload, which may end at any byte: the small controllers of bodies fault on a word that is not aligned. */
function wordAt(at: usize): u32 {
  return load<u8>(at) | (load<u8>(at, 1) << 8) | (load<u8>(at, 2) << 16) | (load<u8>(at, 3) << 24);
}

/** Completes the frame whose payload lies in `buffer`, and sends it. */
function send(buffer: usize, type: u32, length: u32, sequence: u32, session: u32): void {
  assert(length <= PAYLOAD_MAX);
  store<u32>(buffer, type | (length << 16));
  store<u32>(buffer, sequence, 4);
  store<u32>(buffer, session, 8);
  const body = FRAME_HEAD + length;
  const crc = crc32(buffer, body);
  // The payload may end at any byte.
  for (let i: u32 = 0; i < CRC_SIZE; i++) store<u8>(buffer + body + i, <u8>(crc >> (i << 3)));
  transmit(outgoing, encode(buffer, body + CRC_SIZE));
}

/** COBS: every run is preceded by its length and one, which also stands for the zero behind it, so that a zero can end the frame. */
function encode(source: usize, length: u32): u32 {
  const end = source + length;
  let at = source;
  let out = outgoing;
  let more = true;
  while (more) {
    // Where zeros follow one another there is nothing to copy.
    const run = at < end && load<u8>(at) ? copyRun(out + 1, at, min(FULL - 1, <u32>(end - at))) : 0;
    store<u8>(out, <u8>(run + 1));
    out += 1 + run;
    at += run;
    // A full group at the very end needs no empty one behind it.
    more = at < end;
    if (run < FULL - 1) at++;
  }
  store<u8>(out++, 0);
  return <u32>(out - outgoing);
}
