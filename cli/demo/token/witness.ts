// The witness: what the observer is for a token. It sits on the wire between a token's host and its server, sees the bytes
// that everyone there could see, and has a copy of the pad as it was made. With it, it reads every item, both ways, from the
// first tag on: finds the slot, opens welcome and ready, follows the marks, checks every tag, and books which pad bytes hid
// which text. It believes nobody's marks: an item that does not lie where the ones before it put it does not fit its tag.

import { createHash } from "node:crypto";
import {
  boxCost,
  boxOffset,
  type Direction,
  decodeReady,
  decodeReceipt,
  decodeWelcome,
  downEnd,
  ItemReader,
  KIND_NUMBER,
  type LinkItem,
  READY_AT,
  type Ready,
  type Receipt,
  slotOffset,
  upBase,
  WELCOME_AT,
  type Welcome,
} from "../../../host/protocol/index.ts";
import { HEADER_BYTES, KEY_BYTES, type OriginalPad, padBytes, TAG_BYTES, tagOf, textUnder } from "../original.ts";
import { countUses, type Use } from "../uses.ts";

/** What the witness can say. */
export interface Testimony {
  /** Calls whose tag is one of the pad's, and how many of them became a link. */
  readonly calls: number;
  readonly links: number;
  /** Boxes of the two streams, each counted once however often it was sent. */
  readonly boxes: { readonly up: number; readonly down: number };
  /** Pad bytes that hid exactly one text, and those that hid two different ones: must be 0. */
  readonly bytesUsed: number;
  readonly bytesReused: number;
  /** The newest receipt. */
  readonly receipt: Receipt | null;
  /** Everything that does not fit, in sentences: must be empty. */
  readonly disagreements: readonly string[];
}

/** One connection, as the wire shows it. */
export interface Wire {
  readonly up: (bytes: Uint8Array) => void;
  readonly down: (bytes: Uint8Array) => void;
}

export class Witness {
  readonly #pad: OriginalPad;
  /** The slots by their tags. */
  readonly #slots: ReadonlyMap<string, number>;
  readonly #uses: Map<string, Use> = new Map();
  /** Those of them that the device sealed. */
  readonly #sealed: Map<string, Use> = new Map();
  readonly #disagreements: string[] = [];
  readonly #calls: Set<number> = new Set();
  readonly #links: Set<number> = new Set();
  readonly #boxes: { up: number; down: number } = { up: 0, down: 0 };
  #receipt: Receipt | null = null;
  #downMark = 0;

  constructor(pad: OriginalPad) {
    this.#pad = pad;
    const tags = Array.from({ length: pad.shape.slots.low }, (_, slot) => {
      const offset = slotOffset(pad.shape, "low", slot);
      return [hex(padBytes(pad, offset, TAG_BYTES)), slot] as const;
    });
    this.#slots = new Map(tags);
  }

  /** What takes the bytes of one connection, each way in order. */
  connection(): Wire {
    const call = new Connection(this.#pad, this.#slots, (event) => this.#take(event));
    return { up: (bytes) => call.up(bytes), down: (bytes) => call.down(bytes) };
  }

  /** How far the server's boxes reached. */
  get downMark(): number {
    return this.#downMark;
  }

  /** What hid a text that the device sealed: gone from its chip by now. */
  upUses(): Use[] {
    return [...this.#sealed.values()];
  }

  /** Pad bytes of the boxes that went up, below a mark. */
  upBytes(mark: number): number {
    const { shape } = this.#pad;
    const base = upBase(shape);
    return this.upUses()
      .filter(({ offset }) => offset >= base && offset - base < mark)
      .reduce((sum, { length }) => sum + boxCost(length - KEY_BYTES, shape.burnUnit), 0);
  }

  verdict(): Testimony {
    const { once, reused } = countUses([...this.#uses.values()]);
    return {
      calls: this.#calls.size,
      links: this.#links.size,
      boxes: { ...this.#boxes },
      bytesUsed: once,
      bytesReused: reused,
      receipt: this.#receipt,
      disagreements: [...this.#disagreements],
    };
  }

  #take(event: Event): void {
    if ("wrong" in event) {
      this.#disagreements.push(event.wrong);
      return;
    }
    const { item, offset, length, text, slot, direction } = event;
    const digest = createHash("sha256").update(`${direction} ${item} `).update(text).digest("hex").slice(0, 32);
    const use = { offset, length, text: digest };
    const name = `${offset}+${length}=${digest}`;
    if (item === "slot") this.#calls.add(slot);
    if (item === "ready") this.#links.add(slot);
    if (this.#uses.has(name)) return;
    this.#uses.set(name, use);
    if (direction === "down" && item !== "welcome") {
      this.#downMark = Math.max(this.#downMark, downEnd(this.#pad.shape) - offset);
    }
    if (direction === "up" && item !== "slot") this.#sealed.set(name, use);
    if (item === "slot" || item === "welcome" || item === "ready") return;
    this.#boxes[direction]++;
    const receipt = item === "receipt" ? decodeReceipt(text) : null;
    if (receipt !== null && receipt.sequence > (this.#receipt?.sequence ?? 0)) this.#receipt = receipt;
  }
}

/** Something on the wire that used a part of the pad, or that fits nowhere. */
type Event =
  | {
      readonly item: LinkItem["kind"];
      readonly direction: Direction;
      readonly slot: number;
      readonly offset: number;
      readonly length: number;
      readonly text: Uint8Array;
    }
  | { readonly wrong: string };

class Connection {
  readonly #pad: OriginalPad;
  readonly #slots: ReadonlyMap<string, number>;
  readonly #tell: (event: Event) => void;
  readonly #readers: Readonly<Record<Direction, ItemReader>> = { up: new ItemReader(), down: new ItemReader() };
  #slot = -1;
  #welcome: Welcome | null = null;
  #ready: Ready | null = null;
  readonly #marks: { up: number; down: number } = { up: 0, down: 0 };
  /** What came down before ready went up was read: the tap may see the two ways out of step. */
  #early: LinkItem[] = [];
  /** Nothing that a link is made of, or something wrong: what follows says nothing. */
  #foreign = false;

  constructor(pad: OriginalPad, slots: ReadonlyMap<string, number>, tell: (event: Event) => void) {
    this.#pad = pad;
    this.#slots = slots;
    this.#tell = tell;
  }

  up(bytes: Uint8Array): void {
    for (const item of this.#items("up", bytes)) {
      if (this.#foreign) return;
      if (item.kind === "slot") this.#called(item);
      else if (item.kind === "ready") this.#isReady(item);
      else this.#box("up", item);
    }
  }

  down(bytes: Uint8Array): void {
    for (const item of this.#items("down", bytes)) {
      if (this.#foreign) return;
      if (item.kind === "welcome") this.#welcomed(item);
      else if (this.#ready === null) this.#early.push(item);
      else this.#box("down", item);
    }
  }

  #items(direction: Direction, bytes: Uint8Array): LinkItem[] {
    if (this.#foreign) return [];
    try {
      return this.#readers[direction].push(bytes);
    } catch {
      if (this.#slot < 0) this.#foreign = true;
      else this.#wrong(`what went ${direction} in the call of slot ${this.#slot} is no item`);
      return [];
    }
  }

  #called(item: LinkItem): void {
    const slot = this.#slots.get(hex(item.bytes.subarray(HEADER_BYTES)));
    if (slot === undefined) {
      this.#wrong("a call came under a tag that is none of the pad's");
      return;
    }
    this.#slot = slot;
    this.#welcome = null;
    const offset = this.#slotOffset;
    const text = item.bytes.subarray(HEADER_BYTES);
    this.#tell({ item: "slot", direction: "up", slot, offset, length: TAG_BYTES, text });
  }

  #welcomed(item: LinkItem): void {
    // A refusal looks like a welcome, and is none: it does not fit its tag, and nobody answers it.
    const text = this.#open("down", item, this.#slotOffset + WELCOME_AT);
    this.#welcome = text === null ? null : decodeWelcome(text);
  }

  #isReady(item: LinkItem): void {
    const text = this.#open("up", item, this.#slotOffset + READY_AT);
    const ready = text === null ? null : decodeReady(text);
    if (ready === null || this.#welcome === null) {
      this.#wrong(`the ready of slot ${this.#slot} answers no welcome, or does not fit its tag`);
      return;
    }
    this.#ready = ready;
    this.#marks.up = this.#welcome.up;
    this.#marks.down = ready.down;
    for (const early of this.#early.splice(0)) {
      if (!this.#foreign) this.#box("down", early);
    }
  }

  #box(direction: Direction, item: LinkItem): void {
    if (this.#ready === null) {
      this.#wrong(`a ${item.kind} went ${direction} before any ready`);
      return;
    }
    const { shape } = this.#pad;
    if (direction === "up" && this.#marks.up === this.#ready.again) this.#marks.up = this.#ready.next;
    const mark = this.#marks[direction];
    const cost = boxCost(item.textLength, shape.burnUnit);
    if (this.#open(direction, item, boxOffset(shape, direction, mark, cost)) === null) {
      this.#wrong(`a ${item.kind} at mark ${mark} ${direction} does not fit its tag`);
    }
    this.#marks[direction] = mark + cost;
  }

  /** The text of an item that lies here, booked; null when its tag does not fit. */
  #open(direction: Direction, { kind, bytes, textLength }: LinkItem, offset: number): Uint8Array | null {
    const text = textUnder(this.#pad, offset, bytes.subarray(HEADER_BYTES, HEADER_BYTES + textLength));
    const tag = tagOf(this.#pad, direction, KIND_NUMBER[kind], offset, text);
    if (Buffer.compare(tag, bytes.subarray(HEADER_BYTES + textLength)) !== 0) return null;
    this.#tell({ item: kind, direction, slot: this.#slot, offset, length: KEY_BYTES + textLength, text });
    return text;
  }

  get #slotOffset(): number {
    return slotOffset(this.#pad.shape, "low", this.#slot);
  }

  #wrong(wrong: string): void {
    this.#foreign = true;
    this.#tell({ wrong });
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
