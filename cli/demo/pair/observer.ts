// The observer: it stands outside the core and outside the driver, and believes neither. It sees only what passed on the
// lines of both devices, and has a third copy of the pad, as it was made: kept for this demonstration alone, since nobody
// could check the claim without it. Two people with a real pair must never keep one.
//
// Of every box that left a device it takes ciphertext XOR text, looks for these bytes in its copy, checks the tag, and books
// the bytes as used for that text. Of every box that was opened it checks the same, and what was destroyed for it. So it
// counts bytes that ever hid two texts from what was sent, not from what anyone says about marks; what they say is then
// compared. With the driver it shares the arithmetic of SPEC section 1 and the reading of frames, nothing else.

import { createHash } from "node:crypto";
import {
  boxCost,
  boxOffset,
  CONTROL_RESERVE_BYTES,
  commands,
  type DeviceError,
  type Direction,
  decodeError,
  downEnd,
  type Frame,
  FrameDecoder,
  type Info,
  isDeviceError,
  type PadShape,
  READY_AT,
  type Side,
  SLOT_BYTES,
  sealingDirection,
  slotOffset,
  upBase,
} from "../../../host/protocol/index.ts";
import { HEADER_BYTES, KEY_BYTES, type OriginalPad, padBytes, TAG_BYTES, tagOf, textUnder } from "../original.ts";
import { countUses, type Use } from "../uses.ts";
import { type EndLedger, exactly, type Ledger, otherSide, type Range } from "./ledger.ts";
import type { Chunk } from "./trace.ts";

/** What the observer can say. */
export interface Verdict {
  /** Pad bytes that hid exactly one text. */
  readonly bytesUsed: number;
  /** Pad bytes that hid two different texts: must be 0. */
  readonly bytesReused: number;
  /** Pad bytes that were reserved for boxes that never left, because a cut came. */
  readonly bytesSkipped: number;
  /** Boxes and openings that left a device. */
  readonly boxes: number;
  /** Everything that does not agree, in sentences: must be empty. */
  readonly disagreements: readonly string[];
}

const OPENING_TEXT_BYTES = 16;
/** Fewer key bytes than these could be in a pad twice by chance. */
const UNIQUE_BYTES = 16;
const REPLY_BIT = 0x80;
const ERROR_TYPE = 0xff;
const OPENING_KIND = 3;
const NAMES: Readonly<Record<Side, string>> = { low: "A", high: "B" };
/** After these a command may have been executed in part. */
const IN_DOUBT: readonly string[] = ["NO_SESSION", "WRONG_SEQUENCE", "FLASH_FAULT", "SUPPLY_LOW", "FAULTY"];

export class Observer {
  readonly ledger: Ledger;
  readonly #pad: OriginalPad;
  readonly #sealed: Set<string>;
  readonly #opened: Map<string, string> = new Map();

  /** @param ledger what was seen before; it is written into */
  constructor(pad: OriginalPad, ledger: Ledger) {
    this.#pad = pad;
    this.ledger = ledger;
    this.#sealed = new Set(ledger.uses.map(nameOf));
  }

  /** What takes the bytes of one line in order, from the moment on when its device was started. */
  line(side: Side): (chunk: Chunk) => void {
    const line = new Line(side, this.#pad, this.ledger, (use, left) => this.#book(side, use, left));
    return (chunk) => line.see(chunk);
  }

  /** The verdict when nothing is under way on either line. */
  verdict(): Verdict {
    const { low, high, uses, bytesSkipped, disagreements } = this.ledger;
    const found = [...disagreements];
    for (const [use, sentence] of this.#opened) if (!this.#sealed.has(use)) found.push(sentence);
    if (low.split.least > high.split.most) found.push("device A holds a split that device B never granted");
    if (high.opened.least > low.sealed.most || low.opened.least > high.sealed.most) {
      found.push("a device opened more than the other ever sealed");
    }
    const { once, reused } = countUses(uses);
    return { bytesUsed: once, bytesReused: reused, bytesSkipped, boxes: this.#sealed.size, disagreements: found };
  }

  /** Compares the pad as it lies on a chip with what was seen: what was used is zero, everything else as it was made. */
  examine(side: Side, chipPad: Uint8Array): void {
    const { bytes, shape } = this.#pad;
    const state = stateOf(side, shape, this.ledger[side]);
    const wrong = { used: 0, unused: 0 };
    for (let i = 0; i < state.length; i++) {
      if (state[i] === DESTROYED && chipPad[i] !== 0) wrong.used++;
      if (state[i] === KEPT && chipPad[i] !== bytes[i]) wrong.unused++;
    }
    if (wrong.used > 0) note(this.ledger, `${wrong.used} used bytes are not destroyed on device ${NAMES[side]}`);
    if (wrong.unused > 0) note(this.ledger, `${wrong.unused} bytes of device ${NAMES[side]} changed without any use`);
  }

  /** One text under one slice counts once, however often its box is sent or opened. */
  #book(side: Side, use: Use, left: boolean): void {
    const name = nameOf(use);
    if (!left) {
      this.#opened.set(name, `device ${NAMES[side]} opened a box at offset ${use.offset} that the other never sealed`);
    } else if (!this.#sealed.has(name)) {
      this.#sealed.add(name);
      this.ledger.uses.push(use);
    }
  }
}

const KEPT = 0;
const DESTROYED = 1;
const EITHER = 2;

/** What each byte of one end's pad has to be. */
function stateOf(side: Side, shape: PadShape, end: EndLedger): Uint8Array {
  const state = new Uint8Array(shape.padLength).fill(KEPT);
  const set = ([offset, length]: Range, value: number): void => {
    state.fill(value, offset, offset + length);
  };
  const { sealed, nextSlot } = end;
  const direction = sealingDirection(side);
  for (const range of end.maybeReleased) set(range, EITHER);
  set(marksRange(shape, direction, 0, sealed.most), EITHER);
  set(marksRange(shape, direction, 0, sealed.least), DESTROYED);
  for (let slot = 0; slot < nextSlot.most; slot++) {
    set(slotRange(shape, side, slot), slot < nextSlot.least ? DESTROYED : EITHER);
  }
  for (const range of end.released) set(range, DESTROYED);
  return state;
}

/** One line and what its device was last asked. */
class Line {
  readonly #side: Side;
  readonly #pad: OriginalPad;
  readonly #ledger: Ledger;
  readonly #book: (use: Use, left: boolean) => void;
  readonly #toDevice = new FrameDecoder();
  readonly #toHost = new FrameDecoder();
  /** Cost of the boxes that were opened since the device was started, by their offset. */
  readonly #opened: Map<number, number> = new Map();
  #asked: Frame | null = null;
  /** What it answered. */
  #reply: Uint8Array | null = null;
  /** Where the end stood when it was asked, to go back to when it refuses. */
  #before: EndLedger | null = null;

  constructor(side: Side, pad: OriginalPad, ledger: Ledger, book: (use: Use, left: boolean) => void) {
    this.#side = side;
    this.#pad = pad;
    this.#ledger = ledger;
    this.#book = book;
  }

  see({ to, bytes }: Chunk): void {
    const decoder = to === "device" ? this.#toDevice : this.#toHost;
    for (const frame of decoder.push(bytes)) {
      if ("fault" in frame) continue; // Nobody acts on it, and what matters is sent again.
      if (to === "device") this.#ask(frame);
      else this.#hear(frame);
    }
  }

  get #end(): EndLedger {
    return this.#ledger[this.#side];
  }

  /** From here on the command may count, whether it is answered or not. */
  #ask(frame: Frame): void {
    const { type, payload } = frame;
    if (isAside(type) || (this.#asked !== null && isSame(frame, this.#asked))) return;
    this.#asked = frame;
    this.#reply = null;
    const end = this.#end;
    this.#before = { ...end };
    const { sealed, opened, nextSlot, split, maybeReleased } = end;
    const { shape } = this.#pad;
    switch (type) {
      case commands.begin.type:
        end.nextSlot = { ...nextSlot, most: nextSlot.most + 1 };
        break;
      case commands.seal.type:
        end.sealed = { ...sealed, most: sealed.most + boxCost(payload.length - 4, shape.burnUnit) };
        break;
      case commands.raise.type:
        end.split = { ...split, most: Math.max(split.most, u32(payload, 0)) };
        break;
      case commands.find.type:
        if (this.#side === "low") end.split = { ...split, most: downEnd(shape) - CONTROL_RESERVE_BYTES };
        break;
      case commands.release.type: {
        const range: Range = [u32(payload, 0), u32(payload, 4)];
        end.opened = { ...opened, most: Math.max(opened.most, this.#markBehind(range)) };
        end.maybeReleased = [...maybeReleased, range];
        break;
      }
      case commands.releaseSlot.type:
        end.maybeReleased = [...maybeReleased, slotRange(shape, otherSide(this.#side), u32(payload, 0))];
        break;
    }
  }

  #hear(frame: Frame): void {
    if (frame.type === commands.info.type + REPLY_BIT) this.#stands(commands.info.decode(frame.payload));
    if (isAside(frame.type - REPLY_BIT)) return;
    const asked = this.#asked;
    if (asked === null || frame.sequence !== asked.sequence || frame.session !== asked.session) {
      if (frame.type !== ERROR_TYPE) this.#disagree("answered what it was not asked");
      return;
    }
    if (frame.type === ERROR_TYPE) {
      this.#fails(decodeError(frame.payload));
    } else if (frame.type !== asked.type + REPLY_BIT) {
      this.#disagree("answered what it was not asked");
    } else {
      const repeated = this.#reply !== null;
      if (this.#reply !== null && !isEqual(this.#reply, frame.payload)) {
        this.#disagree("answered one command in two ways");
      }
      this.#reply = frame.payload;
      this.#succeeds(asked, frame.payload, repeated);
    }
  }

  #fails(error: DeviceError | null): void {
    if (isDeviceError(error, "NO_SESSION")) {
      const { upUsed, downUsed, split, nextSlot } = error.facts;
      this.#is("sealed", this.#side === "low" ? upUsed : downUsed);
      this.#is("opened", this.#side === "low" ? downUsed : upUsed);
      this.#is("split", split);
      this.#is("nextSlot", nextSlot);
    } else if (error !== null && !IN_DOUBT.includes(error.code) && this.#before !== null) {
      Object.assign(this.#end, this.#before);
    }
  }

  /** A reply that came before is a repetition, and moves nothing; what it carries is looked at all the same. */
  #succeeds(asked: Frame, reply: Uint8Array, repeated: boolean): void {
    switch (asked.type) {
      case commands.begin.type:
        this.#begun(asked.payload, reply, repeated);
        break;
      case commands.seal.type:
        this.#boxLeft(asked.payload, reply, repeated);
        break;
      case commands.raise.type:
        this.#is("split", u32(reply, 0));
        break;
      case commands.find.type:
        this.#found(asked.payload, reply);
        break;
      case commands.open.type:
        this.#boxOpened(asked.payload, reply);
        break;
      case commands.release.type:
        this.#released([u32(asked.payload, 0), u32(asked.payload, 4)], u32(reply, 0));
        break;
      case commands.releaseSlot.type:
        this.#destroyed(slotRange(this.#pad.shape, otherSide(this.#side), u32(asked.payload, 0)));
        break;
    }
  }

  /** A segment was begun: its slot is used, and the opening left under the slot's key. */
  #begun(asked: Uint8Array, reply: Uint8Array, repeated: boolean): void {
    const begun = commands.begin.decode(reply);
    if (begun === null) {
      this.#disagree("answered BEGIN with something else");
      return;
    }
    const { slot, first, slotItem, openingItem } = begun;
    const [offset] = slotRange(this.#pad.shape, this.#side, slot);
    if (!isEqual(slotItem.subarray(HEADER_BYTES), padBytes(this.#pad, offset, TAG_BYTES))) {
      this.#disagree(`showed a tag that is not that of slot ${slot}`);
    }
    const text = this.#opening(sealingDirection(this.#side), offset, openingItem, true);
    const starts = u32(asked, 0) === 0xffffffff;
    const run = starts ? first : u32(asked, 0);
    const says = [0, 4, 8, 12].map((at) => u32(text, at));
    const { least, most } = this.#end.split;
    const split = says[3] as number;
    if (says[0] !== first || says[1] !== run || says[2] !== u32(asked, 4) || split < least || split > most) {
      this.#disagree(`sealed an opening that says something else than where its segment begins`);
    }
    if (repeated) return;
    if (slot < this.#end.nextSlot.least || slot + 1 > this.#end.nextSlot.most) {
      this.#disagree(`took slot ${slot} where ${this.#end.nextSlot.least} was next`);
    }
    this.#end.nextSlot = exactly(slot + 1);
    this.#is("sealed", first);
  }

  /** A box left: the whole point of it all. */
  #boxLeft(asked: Uint8Array, reply: Uint8Array, repeated: boolean): void {
    const sealed = commands.seal.decode(reply);
    if (sealed === null) {
      this.#disagree("answered SEAL with something else");
      return;
    }
    const { mark, offset, box } = sealed;
    const text = asked.subarray(4);
    const direction = sealingDirection(this.#side);
    this.#check({ direction, offset, kind: u32(asked, 0), text, box, left: true });

    const { shape } = this.#pad;
    const cost = boxCost(text.length, shape.burnUnit);
    if (offset !== boxOffset(shape, direction, mark, cost)) {
      this.#disagree(`sealed a box of mark ${mark} at offset ${offset}, which is not where it belongs`);
    }
    const { least, most } = this.#end.split;
    if (direction === "up" ? offset + cost > most : offset < least + CONTROL_RESERVE_BYTES) {
      this.#disagree(`sealed a box at offset ${offset}, across the split`);
    }
    if (repeated) return;
    this.#end.sealed = { ...this.#end.sealed, most: this.#end.sealed.most - cost };
    this.#is("sealed", mark);
    this.#end.sealed = exactly(mark + cost);
  }

  #found(asked: Uint8Array, reply: Uint8Array): void {
    const opening = commands.find.decode(reply);
    if (opening === null) {
      this.#disagree("answered FIND with something else");
      return;
    }
    const from = otherSide(this.#side);
    const [offset] = slotRange(this.#pad.shape, from, opening.slot);
    if (!isEqual(asked.subarray(0, TAG_BYTES), padBytes(this.#pad, offset, TAG_BYTES))) {
      this.#disagree(`found slot ${opening.slot} under a tag that is not its own`);
    }
    const text = this.#opening(sealingDirection(from), offset, asked.subarray(TAG_BYTES), false);
    const { first, run, number } = opening;
    if (u32(text, 0) !== first || u32(text, 4) !== run || u32(text, 8) !== number) {
      this.#disagree(`read another opening than the one that it was given`);
    }
    this.#is("split", opening.split);
  }

  /** The core composes the text of an opening itself: only the copy of the pad shows it to an observer. */
  #opening(direction: Direction, slotOffset: number, item: Uint8Array, left: boolean): Uint8Array {
    const offset = slotOffset + READY_AT;
    const cipher = item.subarray(HEADER_BYTES, HEADER_BYTES + OPENING_TEXT_BYTES);
    const text = textUnder(this.#pad, offset, cipher);
    this.#check({ direction, offset, kind: OPENING_KIND, text, box: item, left });
    return text;
  }

  #boxOpened(asked: Uint8Array, reply: Uint8Array): void {
    const offset = u32(asked, 0);
    const box = asked.subarray(4);
    const text = reply.subarray(4);
    const direction = sealingDirection(otherSide(this.#side));
    this.#check({ direction, offset, kind: u32(reply, 0), text, box, left: false });
    this.#opened.set(offset, boxCost(text.length, this.#pad.shape.burnUnit));
  }

  /** What is destroyed must be whole boxes that were opened here, and move the mark to their furthest end. */
  #released(range: Range, used: number): void {
    const [offset, length] = range;
    let at = offset;
    while (at < offset + length && this.#opened.has(at)) at += this.#opened.get(at) as number;
    if (at !== offset + length) this.#disagree(`destroyed bytes at offset ${at} that belong to no box that it opened`);
    const { opened } = this.#end;
    const end = this.#markBehind(range);
    this.#end.opened = { least: Math.max(opened.least, end), most: Math.max(opened.most, end) };
    this.#is("opened", used);
    this.#destroyed(range);
  }

  #destroyed(range: Range): void {
    const end = this.#end;
    end.maybeReleased = end.maybeReleased.filter(([offset, length]) => offset !== range[0] || length !== range[1]);
    end.released = [...end.released, range];
  }

  /** One box, from the bytes alone: which part of the pad hid it, whether its tag fits, and for which text that part was used. */
  #check(box: {
    readonly direction: Direction;
    readonly offset: number;
    readonly kind: number;
    readonly text: Uint8Array;
    readonly box: Uint8Array;
    readonly left: boolean;
  }): void {
    const { direction, kind, text, left } = box;
    const n = text.length;
    if (u32(box.box, 0) !== (n | (kind << 16)) || box.box.length !== HEADER_BYTES + n + TAG_BYTES) {
      this.#disagree(`handled a box at offset ${box.offset} whose header is not that of its text`);
      return;
    }
    const offset = this.#locate(xor(box.box.subarray(HEADER_BYTES, HEADER_BYTES + n), text), box.offset);
    const tag = tagOf(this.#pad, direction, kind, offset, text);
    if (!isEqual(tag, box.box.subarray(HEADER_BYTES + n))) {
      this.#disagree(`handled a box at offset ${offset} whose tag does not fit`);
    }
    const digest = createHash("sha256").update(`${direction} ${kind} `).update(text).digest("hex").slice(0, 32);
    this.#book({ offset, length: KEY_BYTES + n, text: digest }, left);
  }

  /** The offset of the slice whose key this is, wherever it is said to lie. */
  #locate(key: Uint8Array, said: number): number {
    if (isEqual(key, padBytes(this.#pad, said + KEY_BYTES, key.length))) return said;
    const found = key.length < UNIQUE_BYTES ? -1 : this.#pad.bytes.indexOf(key);
    if (found < KEY_BYTES) {
      this.#disagree(`hid a text at offset ${said} under bytes that are nowhere in the pad`);
      return said;
    }
    this.#disagree(`hid a text under the bytes at offset ${found - KEY_BYTES} and said ${said}`);
    return found - KEY_BYTES;
  }

  /** What a device says of itself, against what was seen. */
  #stands(info: Info | null): void {
    if (info?.state !== "active") return;
    if (info.side !== this.#side || info.padId !== this.#pad.padId) {
      this.#disagree("holds another pad than the one that was made");
      return;
    }
    const sealing = sealingDirection(this.#side);
    this.#is("sealed", info[sealing].used);
    this.#is("opened", info[sealing === "up" ? "down" : "up"].used);
    this.#is("split", info.split);
    this.#is("nextSlot", info.nextSlot);
    if (info[sealing].burned !== info[sealing].used) this.#disagree("serves with used bytes that it has not destroyed");
  }

  /** A number is known for certain: it must be one that what was seen allows. */
  #is(name: "sealed" | "opened" | "nextSlot" | "split", value: number): void {
    const { least, most } = this.#end[name];
    if (value < least || value > most) {
      const allowed = least === most ? `${least}` : `${least} to ${most}`;
      this.#disagree(`says ${WORDS[name]} ${value}, where what passed on its line makes it ${allowed}`);
    }
    if (name === "sealed" && value > least) this.#ledger.bytesSkipped += value - least;
    this.#end[name] = exactly(value);
  }

  #disagree(what: string): void {
    note(this.#ledger, `device ${NAMES[this.#side]} ${what}`);
  }

  /** How far the direction that this end opens reaches, in its marks, with this range. */
  #markBehind([offset, length]: Range): number {
    const { shape } = this.#pad;
    return this.#side === "low" ? downEnd(shape) - offset : offset + length - upBase(shape);
  }
}

function note({ disagreements }: Ledger, sentence: string): void {
  if (!disagreements.includes(sentence)) disagreements.push(sentence);
}

const WORDS = {
  sealed: "its sealing mark is",
  opened: "its opening mark is",
  nextSlot: "its next slot is",
  split: "the split is",
} as const;

function nameOf({ offset, length, text }: Use): string {
  return `${offset}+${length}=${text}`;
}

/** SPEC section 1: slots lie at their own side's end. */
function slotRange(shape: PadShape, side: Side, slot: number): Range {
  return [slotOffset(shape, side, slot), SLOT_BYTES];
}

/** The pad bytes between two marks of a direction. */
function marksRange(shape: PadShape, direction: Direction, from: number, to: number): Range {
  return [boxOffset(shape, direction, from, to - from), to - from];
}

/** Answered at any sequence, changing nothing. */
const ASIDE: readonly number[] = Object.values(commands).flatMap(({ aside, type }) => (aside ? [type] : []));

function isAside(type: number): boolean {
  return ASIDE.includes(type);
}

function isSame(one: Frame, other: Frame): boolean {
  return (
    one.type === other.type &&
    one.sequence === other.sequence &&
    one.session === other.session &&
    isEqual(one.payload, other.payload)
  );
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

function xor(one: Uint8Array, other: Uint8Array): Uint8Array {
  return one.map((byte, i) => byte ^ (other[i] as number));
}

/** Little endian; what is not there reads as zero. */
function u32(bytes: Uint8Array, at: number): number {
  return bytes.length < at + 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}
