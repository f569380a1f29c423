// A device on the bench: a machine on a small chip, filled with a pad that the bench knows, and the bare commands of SPEC section 8. Only the torture uses it:
// whatever it asserts it sees from outside, through frames, INFO, and a look at the chip.

import { createHash } from "node:crypto";
import { cobsEncode } from "../../host/protocol/cobs.ts";
import { COMMAND_TYPES as COMMAND } from "../../host/protocol/commands.ts";
import { crc32 } from "../../host/protocol/crc32.ts";
import { type Core, Flash, Machine, type MachineSnapshot } from "../../simulator/index.ts";
import { poly1305 } from "../second/box.ts";

export { COMMAND };

export const LOW = 0;
export const HIGH = 1;
export type Side = typeof LOW | typeof HIGH;

/** Four journal sectors, two identity copies, and five sectors of pad: the smallest chip on which a journal turns and boxes cross sectors. */
const SECTORS = 11;
export const PAD_BASE: number = 6 * 4096;
const PAD_LENGTH: number = (SECTORS - 6) * 4096;
export const SLOTS = 2;
export const SLOT_SIZE = 192;
export const UP_BASE: number = SLOTS * SLOT_SIZE;
export const DOWN_END: number = PAD_LENGTH - SLOTS * SLOT_SIZE;
export const FIRST_SPLIT: number = UP_BASE + Math.floor((DOWN_END - UP_BASE) / 2);
export const CONTROL_RESERVE = 1024;

export const PAD_ID: Uint8Array = digest("pad id").subarray(0, 16);
/** The pad of every rig: a stream of SHA-256, so that the same seed gives the same bytes everywhere. */
export const PAD: Uint8Array = concat(
  ...Array.from({ length: PAD_LENGTH / 32 }, (_, counter) => digest(`pad ${counter}`)),
);

/** A pad and how it is divided: what the ideal device knows of it. */
export interface Ground {
  readonly pad: Uint8Array;
  readonly upBase: number;
  readonly downEnd: number;
  /** Of each side that has some. */
  readonly slots: number;
}

/** That of two people. */
export const PAIR: Ground = { pad: PAD, upBase: UP_BASE, downEnd: DOWN_END, slots: SLOTS };

export function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

export function u32(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(i * 4, value >>> 0, true);
  return bytes;
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** The offset of a slot of one side. */
export function slotAt(side: Side, slot: number): number {
  return side === LOW ? slot * SLOT_SIZE : PAD_LENGTH - (slot + 1) * SLOT_SIZE;
}

/** What INFO says that a cut must not falsify. */
export interface Truth {
  readonly state: number;
  readonly generation: number;
  readonly next: number;
  readonly up: number;
  readonly down: number;
  readonly split: number;
}

export interface Reply {
  /** 0, or the code of the error. */
  readonly error: number;
  readonly payload: Uint8Array;
}

export interface RigSnapshot {
  readonly machine: MachineSnapshot;
  readonly session: number;
  readonly sequence: number;
}

function encode(type: number, payload: Uint8Array, sequence: number, session: number): Uint8Array {
  const plain = concat(
    Uint8Array.of(type, 0, payload.length & 255, payload.length >> 8),
    u32(sequence, session),
    payload,
  );
  return concat(cobsEncode(concat(plain, u32(crc32(plain)))), Uint8Array.of(0));
}

// These are answered at any sequence and session.
const HELLO_FRAME = encode(COMMAND.HELLO, u32(1), 0, 0);
const INFO_FRAME = encode(COMMAND.INFO, new Uint8Array(0), 0, 0);
const VALUE_FRAME = encode(COMMAND.VALUE, new Uint8Array(0), 0, 0);
const CONNECTION_FRAME = encode(COMMAND.PAGE, u32(1), 0, 0);

export class Rig {
  readonly machine: Machine;
  readonly flash: Flash;
  /** Everything that left the device since `clearLine`. */
  line: Uint8Array[] = [];
  session = 0;
  sequence = 1;
  /** The last command that was answered without an error and is kept, to be sent again. */
  lastFrame: Uint8Array | null = null;

  constructor(core: Core, seed: number, sectors: number = SECTORS) {
    this.flash = new Flash({ sectors, seed });
    this.machine = new Machine({ core, flash: this.flash, entropy: seed });
    this.machine.onTransmit = (bytes) => this.line.push(bytes);
    this.machine.powerOn();
  }

  snapshot(): RigSnapshot {
    return { machine: this.machine.snapshot(), session: this.session, sequence: this.sequence };
  }

  restore(snapshot: RigSnapshot): void {
    this.machine.restore(snapshot.machine);
    this.session = snapshot.session;
    this.sequence = snapshot.sequence;
    this.line.length = 0;
  }

  frame(type: number, payload: Uint8Array): Uint8Array {
    return encode(type, payload, this.sequence, this.session);
  }

  /** Sends a command and does the work that it starts. Null when no whole answer came: the power went. */
  command(type: number, payload: Uint8Array): Reply | null {
    return this.send(type, this.frame(type, payload));
  }

  send(type: number, frame: Uint8Array): Reply | null {
    return this.exchange(type, frame, () => {
      this.machine.feed(frame);
      while (this.machine.pump(64));
    });
  }

  /** What the device answers to a frame while `pass` hands it over. */
  protected exchange(type: number, frame: Uint8Array, pass: () => void): Reply | null {
    this.line.length = 0;
    this.lastFrame = null;
    pass();
    const plain = decodePrefix(this.line);
    if (!plain.whole) return null;
    const payload = plain.bytes.subarray(12, plain.bytes.length - 4);
    if (plain.bytes[0] === 0xff) return { error: payload[0]!, payload };
    if (type >= COMMAND.FILL) {
      this.sequence++;
      this.lastFrame = frame;
    }
    return { error: 0, payload };
  }

  hello(): void {
    const reply = this.send(COMMAND.HELLO, HELLO_FRAME);
    if (reply === null || reply.error) throw new Error("no answer to HELLO");
    this.session = readU32(reply.payload, 8);
    this.sequence = 1;
  }

  info(): Truth & { fault: number; burned: readonly [number, number]; work: number; error: number } {
    const answer = this.#ask(COMMAND.INFO, INFO_FRAME);
    const at = (offset: number): number => readU32(answer, offset);
    return {
      state: answer[0]!,
      fault: answer[3]!,
      work: answer[4]!,
      error: answer[5]!,
      generation: at(24),
      next: at(68),
      up: at(72),
      down: at(80),
      burned: [at(76), at(84)],
      split: at(88),
    };
  }

  /** What VALUE says. */
  value(): Uint8Array {
    return this.#ask(COMMAND.VALUE, VALUE_FRAME);
  }

  /** The identity page in force that says how it is connected. */
  connection(): Uint8Array {
    return this.#ask(COMMAND.PAGE, CONNECTION_FRAME);
  }

  /** The reply to a question that is answered at any time. */
  #ask(type: number, frame: Uint8Array): Uint8Array {
    const reply = this.send(type, frame);
    if (reply === null || reply.error) throw new Error(`no answer to question ${type}`);
    return reply.payload;
  }

  /** How many bytes of a frame came over the line since the last command, whole or not. */
  get heard(): number {
    return decodePrefix(this.line).bytes.length;
  }

  /** Fills the device, by default with the pad of all pairs. */
  fill(side: Side, steps: readonly [number, Uint8Array][] = fillSteps(side)): void {
    this.hello();
    for (const [type, payload] of steps) {
      const reply = this.command(type, payload);
      if (reply === null || reply.error) throw new Error(`fill: command ${type} gave ${reply?.error}`);
    }
    if (this.info().state !== 3) throw new Error("the fill did not end in active");
  }
}

/** The commands of a whole fill. */
export function fillSteps(side: Side): [number, Uint8Array][] {
  const parameters = new Uint8Array(112);
  parameters.set([side, 1, 3, 1]);
  parameters.set(u32(PAD_LENGTH, FIRST_SPLIT), 4);
  parameters.set([1, 0], 14);
  parameters.set(PAD_ID, 16);
  return writeSteps(parameters, PAD);
}

/** FILL with these parameters, and all that follows it. */
export function writeSteps(parameters: Uint8Array, pad: Uint8Array): [number, Uint8Array][] {
  const steps: [number, Uint8Array][] = [[COMMAND.FILL, parameters]];
  for (let offset = 0; offset < pad.length; offset += 4096) {
    steps.push([COMMAND.WRITE, concat(u32(offset), pad.subarray(offset, offset + 4096))]);
  }
  const key = concat(digest("fill key"));
  steps.push([COMMAND.COMMIT, concat(key, poly1305(key, pad))]);
  return steps;
}

/** What a line that may have broken off says: the frame's bytes as far as they can be known, and whether it is whole. */
export function decodePrefix(parts: readonly Uint8Array[]): { bytes: Uint8Array; whole: boolean } {
  const stuffed = parts.length === 1 ? parts[0]! : concat(...parts);
  const bytes = new Uint8Array(stuffed.length);
  let length = 0;
  let at = 0;
  while (at < stuffed.length) {
    const code = stuffed[at]!;
    if (code === 0) break;
    const end = Math.min(at + code, stuffed.length);
    for (at++; at < end; at++) bytes[length++] = stuffed[at]!;
    if (code < 255 && stuffed.length > end && stuffed[end] !== 0) length++;
  }
  return { bytes: bytes.subarray(0, length), whole: at < stuffed.length && length >= 16 };
}
