// Who watches the line while a device is under attack. Knows the rules of SPEC sections 7 and 8 in a few lines each and holds every answer against them: one
// answer to each frame, the right one of those that there can be; an error changes nothing; what was answered is what changed; only what the twin sealed is
// opened, only what was opened is released; and no pad bytes come out.

import { errorCode } from "../../host/protocol/errors.ts";
import { type Command, commands, type Frame, FrameDecoder, type FrameFault } from "../../host/protocol/index.ts";
import { COMMAND, CONTROL_RESERVE, type Ground, LOW, PAD, type Rig, readU32, SLOT_SIZE } from "../torture/rig.ts";
import type { Box, Segment } from "../torture/scenarios.ts";
import { TOKEN } from "../torture/token.ts";
import type { Attacked } from "./states.ts";

const ERROR_TYPE = 0xff;
const GRANT_KIND = 7;
const STATE_SIZE = 52;
const BAD_FRAME = 1;
const NO_SESSION = 2;
const WRONG_SEQUENCE = 3;
const OF_THE_LINE: readonly number[] = [BAD_FRAME, NO_SESSION, WRONG_SEQUENCE];
/** SELFTEST is several: its steps differ in what they answer. */
const BY_TYPE: ReadonlyMap<number, readonly Command<never, unknown>[]> = Map.groupBy(
  Object.values(commands),
  ({ type }) => type,
);

/** What INFO must say. */
interface Marks {
  next: number;
  up: number;
  down: number;
  split: number;
}

type Range = readonly [start: number, end: number];

export class LineWatch {
  /** What is not as it must be; the first things only. */
  readonly findings: string[] = [];
  answers = 0;
  /** How often each answer came: `0x21` for the reply to SEAL, or the code of an error. */
  readonly seen: Map<string, number> = new Map();
  session: number;
  /** The sequence that is executed next. */
  sequence: number;
  readonly #rig: Rig;
  readonly #side: number;
  readonly #ground: Ground;
  readonly #segments: readonly Segment[];
  readonly #told: readonly Box[];
  readonly #asking = new FrameDecoder();
  readonly #answering = new FrameDecoder();
  readonly #asked: (Frame | FrameFault)[] = [];
  #kept: { readonly asked: Frame; readonly answer: Uint8Array } | null = null;
  #calls = 0;
  #marks: Marks | null = null;
  /** What was verified since boot. */
  readonly #opened: Range[];
  #found: number | null = null;

  /** Watches a device from the moment at which it was put into this state. */
  constructor({ rig, snapshot, side, ground, segments, told = [], opened, found }: Attacked) {
    this.#rig = rig;
    this.#side = side;
    this.#ground = ground;
    this.#segments = segments;
    this.#told = told;
    this.#opened = [...opened];
    this.#found = found;
    this.session = snapshot.session;
    this.sequence = snapshot.sequence;
    this.settle();
  }

  /** Whether every frame that was sent is answered. */
  get quiet(): boolean {
    return this.#asked.length === 0;
  }

  /** What was written so far was written in the background. */
  settle(): void {
    const { norProgram, norErase } = this.#rig.machine.calls;
    this.#calls = norProgram + norErase;
  }

  /** What is about to go to the device. */
  send(bytes: Uint8Array): void {
    this.#asked.push(...this.#asking.push(bytes));
  }

  /** An answer, as it leaves the device. */
  hear(bytes: Uint8Array): void {
    const before = this.#calls;
    this.settle();
    const wrote = this.#calls - before;
    this.answers++;
    const asked = this.#asked.shift();
    const [answer, ...more] = this.#answering.push(bytes);
    if (asked === undefined) this.#find("an answer that nobody asked for");
    else if (answer === undefined || "fault" in answer || more.length > 0)
      this.#find("an answer is not one whole frame");
    else {
      this.#judge(asked, answer, wrote, bytes);
      if (showsPad(hiddenPart(answer))) this.#find(`pad bytes in an answer of type ${answer.type}`);
    }
  }

  /** The rules of SPEC section 7, in their order. */
  #judge(asked: Frame | FrameFault, answer: Frame, wrote: number, bytes: Uint8Array): void {
    const code = answer.type === ERROR_TYPE ? answer.payload[0]! : 0;
    this.#count(code ? `error ${code}` : `0x${(answer.type & 0x7f).toString(16)}`);
    if (code) this.#judgeError(code, answer, wrote);
    if ("fault" in asked) {
      this.#must(code === BAD_FRAME, "a broken frame was taken for a good one");
      return;
    }
    const { type, sequence, session } = asked;
    this.#must(answer.sequence === sequence && answer.session === session, "an answer is not to the frame before it");
    if (type > 0 && type <= COMMAND.VALUE) {
      this.#judgeAside(asked, answer, code, wrote);
      return;
    }
    if (session === 0 || session !== this.session) {
      this.#must(code === NO_SESSION, "a foreign session was served");
      return;
    }
    if (this.#kept !== null && isSame(this.#kept.asked, asked)) {
      this.#must(
        wrote === 0 && Buffer.compare(this.#kept.answer, bytes) === 0,
        "a repeated frame did not bring its reply again",
      );
      return;
    }
    if (sequence !== this.sequence) {
      this.#must(
        code === WRONG_SEQUENCE && readU32(answer.payload, 4) === this.sequence,
        "a frame out of turn was served",
      );
      return;
    }
    this.#must(!OF_THE_LINE.includes(code), `a right frame was refused with error ${code}`);
    if (code) return;
    this.#must(
      answer.type === (type | 0x80) && hasForm(type, answer.payload),
      `the reply to command ${type} has not its form`,
    );
    this.#kept = { asked, answer: bytes };
    this.sequence++;
    this.#account(type, asked.payload, answer.payload, wrote);
  }

  #judgeError(code: number, answer: Frame, wrote: number): void {
    // What decodeError asks for; an error object for each would cost more than all the rest of a frame.
    this.#must(answer.payload.length === 20 && errorCode(code) !== null, `error ${code} is not one of the list`);
    this.#must(wrote === 0, `error ${code} to command ${answer.payload[1]} came after ${wrote} programs or erases`);
  }

  #judgeAside({ type }: Frame, answer: Frame, code: number, wrote: number): void {
    this.#must(wrote === 0, `command ${type} wrote`);
    if (code) {
      this.#must(!OF_THE_LINE.includes(code), `command ${type} was refused with error ${code}`);
      return;
    }
    this.#must(
      answer.type === (type | 0x80) && hasForm(type, answer.payload),
      `the reply to command ${type} has not its form`,
    );
    if (type === COMMAND.INFO) this.#compare(answer.payload);
    if (type !== COMMAND.HELLO) return;
    this.session = readU32(answer.payload, 8);
    this.sequence = 1;
    this.#kept = null;
  }

  /** Carries a success over to the marks (SPEC section 8). */
  #account(type: number, payload: Uint8Array, reply: Uint8Array, wrote: number): void {
    if (type === COMMAND.FILL) this.#marks = null;
    if (this.#marks === null) return;
    if (type === COMMAND.BEGIN) this.#began(this.#marks, reply);
    else if (type === COMMAND.SEAL) this.#sealed(this.#marks, payload, reply);
    else if (type === COMMAND.RAISE)
      this.#splitIs(this.#marks, readU32(reply, 0), Math.max(readU32(payload, 0), this.#marks.split), wrote);
    else if (type === COMMAND.FIND) this.#foundSlot(this.#marks, payload, reply, wrote);
    else if (type === COMMAND.OPEN) this.#openedBox(this.#marks, payload, reply, wrote);
    else if (type === COMMAND.CALL) this.#called(this.#marks, payload, reply, wrote);
    else if (type === COMMAND.READY) this.#marks.next++;
    else if (type === COMMAND.STATE) this.#stated(this.#marks, reply);
    else if (type === COMMAND.RELEASE) this.#released(this.#marks, payload, reply, wrote);
    else if (type === COMMAND.RELEASE_SLOT)
      this.#must(readU32(payload, 0) === this.#found, "a slot was released that was not found");
  }

  #began(marks: Marks, reply: Uint8Array): void {
    const slot = readU32(reply, 0);
    const { pad, slots } = this.#ground;
    const at = this.#side === LOW ? slot * SLOT_SIZE : pad.length - (slot + 1) * SLOT_SIZE;
    this.#must(slot === marks.next && slot < slots, "BEGIN took another slot than the next");
    this.#must(readU32(reply, 4) === this.#own(marks), "BEGIN told another mark");
    this.#must(
      Buffer.compare(reply.subarray(12, 28), pad.subarray(at, at + 16)) === 0,
      "the tag is not that of the slot",
    );
    marks.next++;
  }

  #called(marks: Marks, payload: Uint8Array, reply: Uint8Array, wrote: number): void {
    const skipped = readU32(payload, 0);
    marks.next += skipped;
    const at = marks.next * SLOT_SIZE;
    this.#must(wrote > 0 === skipped > 0, "a call wrote without giving a slot up, or the other way round");
    this.#must(readU32(reply, 0) === marks.next, "CALL took another slot than the next");
    this.#must(
      Buffer.compare(reply.subarray(8), this.#ground.pad.subarray(at, at + 16)) === 0,
      "the tag is not that of the slot",
    );
  }

  #stated(marks: Marks, reply: Uint8Array): void {
    this.#must(readU32(reply, 0) === marks.up, "a state does not lie at the mark");
    marks.up += STATE_SIZE;
    this.#must(marks.split >= this.#ground.upBase + marks.up, "a state beyond what is left");
  }

  #sealed(marks: Marks, payload: Uint8Array, reply: Uint8Array): void {
    const size = payload.length - 4 + 32;
    const mark = this.#own(marks);
    const offset = this.#side === LOW ? this.#ground.upBase + mark : this.#ground.downEnd - mark - size;
    this.#must(readU32(reply, 0) === mark && readU32(reply, 4) === offset, "a box does not lie at the mark");
    this.#must(reply.length === 8 + 4 + size - 32 + 16, "a box has not the length of its text");
    if (this.#side === LOW) marks.up += size;
    else marks.down += size;
    const room =
      this.#side === LOW
        ? marks.split - this.#ground.upBase - marks.up
        : this.#ground.downEnd - marks.down - CONTROL_RESERVE - marks.split;
    this.#must(room >= 0, "a box beyond what is left");
  }

  #splitIs(marks: Marks, split: number, expected: number, wrote: number): void {
    this.#must(split === expected && wrote > 0 === split > marks.split, `split ${marks.split} became ${split}`);
    marks.split = split;
    this.#must(
      this.#side === LOW || split + CONTROL_RESERVE <= this.#ground.downEnd - marks.down || wrote === 0,
      "more was granted than is left",
    );
  }

  #foundSlot(marks: Marks, payload: Uint8Array, reply: Uint8Array, wrote: number): void {
    const segment = this.#segments.find(({ tagAndOpening }) => Buffer.compare(tagAndOpening, payload) === 0);
    if (segment === undefined) {
      this.#must(false, "an opening was taken that the twin never sealed");
      return;
    }
    this.#found = readU32(reply, 0);
    this.#must(this.#found === segment.slot, "another slot was found");
    this.#splitIs(
      marks,
      readU32(reply, 16),
      this.#side === LOW ? Math.max(marks.split, segment.split) : marks.split,
      wrote,
    );
  }

  #openedBox(marks: Marks, payload: Uint8Array, reply: Uint8Array, wrote: number): void {
    const offset = readU32(payload, 0);
    const box = [...this.#segments.flatMap(({ boxes }) => boxes), ...this.#told].find((one) => one.offset === offset);
    if (box === undefined || Buffer.compare(box.item, payload.subarray(4)) !== 0) {
      this.#must(false, "a box was opened that the twin never sealed");
      return;
    }
    const refused = reply[1] === 1;
    this.#must(Buffer.compare(reply.subarray(4), box.text) === 0, "a box opened to another text");
    this.#must(
      wrote > 0 === (this.#told.includes(box) && !refused),
      "a box wrote that tells nothing, or the other way round",
    );
    if (reply[0] === GRANT_KIND && !refused) marks.split = Math.max(marks.split, readU32(box.text, 0));
    this.#opened.push([offset, offset + 32 + box.text.length]);
  }

  #released(marks: Marks, payload: Uint8Array, reply: Uint8Array, wrote: number): void {
    const start = readU32(payload, 0);
    const end = start + readU32(payload, 4);
    // The boxes of one segment lie side by side, in either direction.
    const covered = this.#opened
      .toSorted(([a], [b]) => a - b)
      .reduce((to, [from, until]) => (from <= to ? Math.max(to, until) : to), start);
    this.#must(wrote > 0 && covered >= end, "pad bytes were released that were not verified");
    const mark =
      this.#side === LOW
        ? Math.max(marks.down, this.#ground.downEnd - start)
        : Math.max(marks.up, end - this.#ground.upBase);
    this.#must(readU32(reply, 0) === mark, "a release moved the mark to another place than its end");
    if (this.#side === LOW) marks.down = mark;
    else marks.up = mark;
  }

  #own(marks: Marks): number {
    return this.#side === LOW ? marks.up : marks.down;
  }

  #compare(info: Uint8Array): void {
    const said: Marks = {
      next: readU32(info, 68),
      up: readU32(info, 72),
      down: readU32(info, 80),
      split: readU32(info, 88),
    };
    this.#must(readU32(info, 76) === said.up && readU32(info, 84) === said.down, "something used is not burned");
    this.#marks ??= said;
    for (const key of ["next", "up", "down", "split"] as const) {
      this.#must(said[key] === this.#marks[key], `${key} is ${said[key]}; by the answers it is ${this.#marks[key]}`);
    }
  }

  #count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  #must(is: boolean, otherwise: string): void {
    if (!is) this.#find(otherwise);
  }

  #find(what: string): void {
    if (this.findings.length < 10) this.findings.push(what);
  }
}

function hasForm(type: number, reply: Uint8Array): boolean {
  return BY_TYPE.get(type)?.some(({ decode }) => decode(reply) !== null) ?? false;
}

function isSame(one: Frame, other: Frame): boolean {
  return one.sequence === other.sequence && one.type === other.type && Buffer.compare(one.payload, other.payload) === 0;
}

/** What of an answer never shows the pad: not the tag of a slot, sent in clear, nor what the core says itself, which may be zeros in a row. */
function hiddenPart(frame: Frame): Uint8Array {
  if ([COMMAND.CALL, COMMAND.READY, COMMAND.STATE].some((type) => frame.type === (type | 0x80)))
    return new Uint8Array(0);
  return frame.type === (COMMAND.BEGIN | 0x80) ? frame.payload.subarray(48) : frame.payload;
}

/** Pad bytes in a row that nothing but the pad can explain. */
const RUN = 8;
const FILTER_BITS = 22;

const filter = new Uint8Array(1 << FILTER_BITS);
const runs: ReadonlySet<string> = new Set(
  [PAD, TOKEN.pad].flatMap((pad) =>
    Array.from({ length: pad.length - RUN + 1 }, (_, at) => {
      filter[hash(pad, at)] = 1;
      return keyOf(pad, at);
    }),
  ),
);

/** Whether these bytes hold eight consecutive ones of the pad. */
export function showsPad(bytes: Uint8Array): boolean {
  for (let at = 0; at + RUN <= bytes.length; at++) {
    if (filter[hash(bytes, at)] && runs.has(keyOf(bytes, at))) return true;
  }
  return false;
}

function hash(bytes: Uint8Array, at: number): number {
  return (Math.imul(readU32(bytes, at), 0x9e3779b1) ^ readU32(bytes, at + 4)) >>> (32 - FILTER_BITS);
}

function keyOf(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + RUN));
}
