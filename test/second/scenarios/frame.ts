/** Vectors of kind frame: bytes into the line of a blank device in its first boot, and the frames that come back (docs/SPEC.md section 7). */
import { concat, u16, u32 } from "../box.ts";
import { bytesOf, hex } from "../bytes.ts";
import { COMMANDS } from "../commands.ts";
import { Device } from "../device.ts";
import { cobs, crc32, encodeFrame, type Frame, plainFrame } from "../frame.ts";
import { Line } from "../line.ts";
import type { Vector } from "./vector.ts";
import { CHIP, fillOf, fillPayload } from "./world.ts";

const SESSION = 0x00010001;
const ZERO = Uint8Array.of(0);
const HELLO = frameOf(COMMANDS.HELLO, u32(0xa1b2c3d4), 0, 0);
const FILL = bytesOf(fillPayload(fillOf("low", { padLength: 8192, split: 2048 })));
const WRITE = (from: number): Uint8Array => concat(u32(from), bytesOf({ seed: "pad of frames", from, length: 256 }));

export function frameVectors(): Vector[] {
  const info = frameOf(COMMANDS.INFO);
  const fill = frameOf(COMMANDS.FILL, FILL);
  return [
    vector("hello", "HELLO opens the first session of the first boot; three bytes of version are left open.", [
      encodeFrame(HELLO),
    ]),
    vector("hello-twice", "Each HELLO opens a new session, and its sequence begins at 1.", [
      encodeFrame(HELLO),
      encodeFrame(HELLO),
      encodeFrame(fill),
      encodeFrame({ ...fill, session: SESSION + 1 }),
    ]),
    vector("hello-anywhere", "HELLO is answered at any session and sequence, and echoes them.", [
      encodeFrame({ ...HELLO, session: 0xdeadbeef, sequence: 77 }),
    ]),
    vector("info", "INFO is answered without a session.", [encodeFrame({ ...info, session: 0, sequence: 9 })]),
    vector("page", "PAGE is answered without a session; a blank device has no page.", [
      encodeFrame({ ...frameOf(COMMANDS.PAGE, u32(0)), session: 5, sequence: 6 }),
    ]),
    vector("value", "VALUE is answered without a session; a blank device has none.", [
      encodeFrame({ ...frameOf(COMMANDS.VALUE), session: 5, sequence: 6 }),
      encodeFrame(frameOf(COMMANDS.VALUE, ZERO)),
    ]),
    vector("token-commands", "A blank device knows the commands of a link, but not in this state.", [
      encodeFrame(HELLO),
      ...[COMMANDS.CALL, COMMANDS.READY, COMMANDS.STATE].map((type) => encodeFrame(frameOf(type))),
    ]),
    vector("empty-frames", "Empty frames are ignored.", [
      concat(ZERO, ZERO, ZERO),
      concat(ZERO, encodeFrame(info), ZERO, ZERO),
    ]),
    vector("noise-before", "What stood on the line before the first 00 is a frame of its own.", [
      concat(Uint8Array.of(3, 7, 7), ZERO, encodeFrame(info)),
    ]),
    vector(
      "byte-by-byte",
      "A frame may come in pieces.",
      [...encodeFrame(info)].map((byte) => Uint8Array.of(byte)),
    ),
    vector("two-at-once", "Two frames in one go are two replies.", [concat(encodeFrame(info), encodeFrame(info))]),
    vector("bad-crc", "A flipped bit in the CRC-32.", [damaged(info, 15)]),
    vector("bad-crc-header", "A flipped bit in the sequence: nothing of the frame is believed.", [
      damaged(frameOf(COMMANDS.INFO, ZERO.subarray(1), 7), 4),
    ]),
    vector("bad-crc-payload", "A flipped bit in the payload of a command.", [
      encodeFrame(HELLO),
      damaged(fill, 20),
      encodeFrame(fill),
    ]),
    vector("bad-length", "A frame that says that it is one byte longer than it is.", [raw(withLength(info, 1))]),
    vector("bad-length-of-all", "A length of 65,535 is only a wrong length.", [raw(withLength(info, 65535))]),
    vector("too-short", "15 bytes are no frame, with a CRC-32 or without.", [raw(withCrc(new Uint8Array(11).fill(1)))]),
    vector("one-byte", "One byte is no frame.", [concat(Uint8Array.of(2, 7), ZERO)]),
    vector("nothing-encoded", "COBS of nothing is a frame of no bytes.", [concat(Uint8Array.of(1), ZERO)]),
    vector("too-long", "4,145 bytes are more than any frame has.", [raw(withCrc(new Uint8Array(4141).fill(1)))]),
    vector("much-too-long", "Ten thousand bytes without an end, then a good frame.", [
      new Uint8Array(10_000).fill(7),
      concat(ZERO, encodeFrame(info)),
    ]),
    vector("longest", "4,144 bytes are a frame; a payload of that length is not what FILL wants.", [
      encodeFrame(HELLO),
      encodeFrame(frameOf(COMMANDS.FILL, bytesOf({ seed: "payload", length: 4128 }))),
    ]),
    vector("cobs-broken", "A group that ends before its time.", [concat(encodeFrame(info).subarray(0, -2), ZERO)]),
    vector("cobs-254", "An encoder of the host may end a last group of 254 with an empty one or not.", [
      encodeFrame(HELLO),
      ...endings(),
    ]),
    vector(
      "flags",
      "Flags are 0; the frame is otherwise right, so that the error carries its sequence, session and command.",
      [
        encodeFrame({ ...frameOf(COMMANDS.INFO, ZERO.subarray(1), 3), flags: 1 }),
        encodeFrame({ ...HELLO, flags: 128 }),
      ],
    ),
    vector("no-session", "A command before HELLO.", [encodeFrame(fill)]),
    vector("other-session", "A command in a session of before.", [
      encodeFrame(HELLO),
      encodeFrame({ ...fill, session: 0x00010002 }),
    ]),
    vector("session-zero", "Session 0 is no session, before HELLO and after it.", [
      encodeFrame({ ...fill, session: 0 }),
      encodeFrame(HELLO),
      encodeFrame({ ...fill, session: 0 }),
    ]),
    vector("wrong-sequence", "The next sequence is 1 after HELLO.", [
      encodeFrame(HELLO),
      encodeFrame({ ...fill, sequence: 0 }),
      encodeFrame({ ...fill, sequence: 2 }),
      encodeFrame(fill),
      encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 3)),
      encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 2)),
    ]),
    vector(
      "retry",
      "The same frame again gets the same bytes and is executed once: the WRITE after it goes on from 256.",
      [
        encodeFrame(HELLO),
        encodeFrame(fill),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 2)),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 2)),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 2)),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(256), 3)),
      ],
    ),
    vector("retry-of-other", "The same sequence with another payload is not a retry.", [
      encodeFrame(HELLO),
      encodeFrame(fill),
      encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 1)),
    ]),
    vector("retry-of-older", "Only the last executed command is kept.", [
      encodeFrame(HELLO),
      encodeFrame(fill),
      encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 2)),
      encodeFrame(fill),
    ]),
    vector(
      "retry-after-errors",
      "Errors, PAGE and damaged frames in between change neither the kept reply nor the sequence.",
      [
        encodeFrame(HELLO),
        encodeFrame(fill),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 2)),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 3)),
        encodeFrame({ ...frameOf(COMMANDS.PAGE, u32(0)), sequence: 99 }),
        damaged(fill, 30),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 2)),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(256), 3)),
      ],
    ),
    vector(
      "failed-again",
      "A command that failed is executed when it comes again: its sequence is still the next one.",
      [
        encodeFrame(HELLO),
        encodeFrame(fill),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(256), 2)),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(256), 2)),
        encodeFrame(frameOf(COMMANDS.WRITE, WRITE(0), 2)),
      ],
    ),
    vector("hello-forgets", "A HELLO between a command and its retry ends the session.", [
      encodeFrame(HELLO),
      encodeFrame(fill),
      encodeFrame(HELLO),
      encodeFrame(fill),
    ]),
    vector("unknown-command", "Commands that there are not, a reply and an error sent to the device.", [
      encodeFrame(HELLO),
      ...[0x00, 0x05, 0x13, 0x34, 0x81, 0xff].map((type) => encodeFrame(frameOf(type))),
    ]),
    vector("unknown-command-no-session", "The session is looked at first.", [encodeFrame(frameOf(0x55))]),
    vector("wrong-state", "State is looked at before arguments.", [
      encodeFrame(HELLO),
      encodeFrame(frameOf(COMMANDS.WRITE)),
    ]),
    vector("hello-arguments", "HELLO and INFO of another length.", [
      encodeFrame(frameOf(COMMANDS.HELLO)),
      encodeFrame(frameOf(COMMANDS.HELLO, new Uint8Array(5), 2)),
      encodeFrame(frameOf(COMMANDS.INFO, ZERO, 3)),
    ]),
  ];
}

function vector(name: string, shows: string, inputs: Uint8Array[]): Vector {
  const line = new Line(new Device(CHIP));
  const exchanges = inputs.map((input) => ({ in: written(input), out: line.feed(input).map(shown) }));
  return { name: `frame-${name}`, kind: "frame", shows, section: "7", chip: CHIP, exchanges };
}

/** Long inputs of one byte over and over are not written out. */
function written(input: Uint8Array): unknown {
  return input.length === 10_000 ? { repeat: hex(input.subarray(0, 1)), times: input.length } : hex(input);
}

/** A frame as its bytes; HELLO's reply, which has the version in it, as its fields. */
function shown(frame: Frame): unknown {
  if (frame.type !== 0x81) return hex(encodeFrame(frame));
  const { type, sequence, session } = frame;
  const payload = hex(frame.payload);
  return { type, sequence, session, payload: `${payload.slice(0, 24)}......${payload.slice(30)}` };
}

function frameOf(type: number, payload: Uint8Array = new Uint8Array(0), sequence = 1, session = SESSION): Frame {
  return { type, sequence, session, payload };
}

function raw(bytes: Uint8Array): Uint8Array {
  return concat(cobs(bytes), ZERO);
}

function withCrc(bytes: Uint8Array): Uint8Array {
  return concat(bytes, u32(crc32(bytes)));
}

/** The frame as if its payload had `length` bytes, with a CRC-32 that is right. */
function withLength(frame: Frame, length: number): Uint8Array {
  const bytes = plainFrame(frame);
  return withCrc(concat(bytes.subarray(0, 2), u16(length), bytes.subarray(4, 12)));
}

function damaged(frame: Frame, at: number): Uint8Array {
  return raw(plainFrame(frame).map((byte, i) => (i === at ? byte ^ 1 : byte)));
}

/** A frame whose last group is one of 254 bytes, with and without the empty group behind it. */
function endings(): Uint8Array[] {
  for (let salt = 1; ; salt++) {
    const payload = concat(ZERO, new Uint8Array(250).fill(salt));
    const encoded = cobs(plainFrame(frameOf(COMMANDS.FILL, payload)));
    if (encoded[encoded.length - 255] === 255) return [concat(encoded, ZERO), concat(encoded, Uint8Array.of(1), ZERO)];
  }
}
