// The observer: it has a copy of a pad as it was made, sees what leaves either end of every line, and believes nobody's marks.
// It finds the slot by its tag, opens welcome and ready, follows the marks, checks every tag with a Poly1305 that is none of
// the project's, and books which pad bytes hid which text. An item that fits nowhere, or a byte that hides a second text,
// is a finding at once.

import { createHash } from "node:crypto";
import { poly1305 } from "@noble/ciphers/_poly1305.js";
import { decode } from "cborg";
import {
  boxCost,
  boxOffset,
  type Direction,
  decodeReady,
  decodeReceipt,
  decodeState,
  decodeWelcome,
  ItemReader,
  KIND_NUMBER,
  type LinkItem,
  type PadShape,
  READY_AT,
  type Ready,
  slotOffset,
  WELCOME_AT,
  type Welcome,
} from "../../host/protocol/index.ts";

/** A pad as it was made. */
export interface Original {
  readonly bytes: Uint8Array;
  readonly padId: Uint8Array;
  readonly shape: PadShape;
}

/** What sees the bytes of one connection as they leave each end. */
export interface Tap {
  up(bytes: Uint8Array): void;
  down(bytes: Uint8Array): void;
}

const HEADER = 4;
const TAG = 16;
const KEY = 32;

export class Observer {
  readonly original: Original;
  readonly find: (sentence: string) => void;
  readonly slots: ReadonlyMap<string, number>;
  /** Marks at which boxes were seen: one that is sent again lies where it lay. */
  readonly marks: Readonly<Record<Direction, Set<number>>> = { up: new Set(), down: new Set() };
  /** Which service a request asks, by its id. */
  serviceOf: (id: string) => string | undefined = () => undefined;
  bytesUsed = 0;
  bytesReused = 0;
  boxes = 0;
  readonly #uses: Map<string, number> = new Map();
  /** For each pad byte the text that it hid. A copy of a device is another hand: nobody can keep it from using bytes again. */
  readonly #hid: Map<string, Uint32Array> = new Map();

  /** @param find told of what must not be */
  constructor(original: Original, find: (sentence: string) => void) {
    this.original = original;
    this.find = find;
    const { bytes, shape } = original;
    this.slots = new Map(
      Array.from({ length: shape.slots.low }, (_, slot) => {
        const offset = slotOffset(shape, "low", slot);
        return [hex(bytes.subarray(offset, offset + TAG)), slot] as const;
      }),
    );
    this.#hid.set("the server", new Uint32Array(bytes.length));
    this.#hid.set("the device", new Uint32Array(bytes.length));
  }

  /** From now on there is a second device with these bytes. */
  copied(): void {
    this.#hid.set("the copy", this.#hid.get("the device")!.slice());
  }

  /** The text of a box down that lies at a mark; null when its tag does not fit. */
  openDown(mark: number, box: Uint8Array): Uint8Array | null {
    const { bytes, padId, shape } = this.original;
    const n = box.length - HEADER - TAG;
    const offset = boxOffset(shape, "down", mark, boxCost(n, shape.burnUnit));
    const key = bytes.subarray(offset, offset + KEY + n);
    const text = box.slice(HEADER, HEADER + n).map((byte, i) => byte ^ key[KEY + i]!);
    const tag = tagOf(padId, "down", box[2]!, offset, key.subarray(0, KEY), text);
    return Buffer.compare(tag, box.subarray(HEADER + n)) === 0 ? text : null;
  }

  tap(hand: "the device" | "the copy"): Tap {
    const connection = new Connection(this, hand);
    return { up: (bytes) => connection.up(bytes), down: (bytes) => connection.down(bytes) };
  }

  book(hand: string, kind: string, offset: number, length: number, text: Uint8Array): void {
    const digest = createHash("sha256").update(`${kind} `).update(text).digest("base64");
    const name = `${offset}+${length} ${digest}`;
    let use = this.#uses.get(name);
    if (use === undefined) {
      use = this.#uses.size + 1;
      this.#uses.set(name, use);
      if (kind !== "slot") this.boxes++;
    }
    for (const [whose, hid] of this.#hid) {
      const own = whose === hand;
      // What the server and the device hide may never overlap; two copies of a device may.
      if (!own && hand !== "the server" && whose !== "the server") continue;
      for (let at = offset; at < offset + length; at++) {
        if (hid[at] === use) continue;
        if (hid[at] === 0) {
          if (!own) continue;
          hid[at] = use;
          this.bytesUsed++;
          continue;
        }
        this.bytesReused++;
        this.find(`pad byte ${at} hides a second text: a ${kind} of ${hand}`);
        return;
      }
    }
  }
}

class Connection {
  readonly #observer: Observer;
  readonly #hand: string;
  readonly #readers: Readonly<Record<Direction, ItemReader>> = { up: new ItemReader(), down: new ItemReader() };
  #slot = -1;
  #welcome: Welcome | null = null;
  #ready: Ready | null = null;
  readonly #marks: { up: number; down: number } = { up: 0, down: 0 };
  #foreign = false;
  /** What this link allows, and what answers that were sealed in it have charged. */
  #cap = 0n;
  #begun = false;
  #charged = 0n;
  #run: Uint8Array[] = [];

  constructor(observer: Observer, hand: string) {
    this.#observer = observer;
    this.#hand = hand;
  }

  up(bytes: Uint8Array): void {
    for (const item of this.#items("up", bytes)) {
      if (item.kind === "slot") this.#called(item);
      else if (item.kind === "ready") this.#answered(item);
      else this.#box("up", item);
    }
  }

  down(bytes: Uint8Array): void {
    for (const item of this.#items("down", bytes)) {
      if (item.kind === "welcome") this.#welcomed(item);
      else this.#box("down", item);
    }
  }

  #items(direction: Direction, bytes: Uint8Array): LinkItem[] {
    if (this.#foreign) return [];
    try {
      return this.#readers[direction].push(bytes);
    } catch {
      this.#observer.find(`what goes ${direction} is no item`);
      this.#foreign = true;
      return [];
    }
  }

  #called(item: LinkItem): void {
    const tag = item.bytes.subarray(HEADER);
    const slot = this.#observer.slots.get(hex(tag));
    if (slot === undefined) {
      this.#observer.find("a tag of no slot");
      this.#foreign = true;
      return;
    }
    this.#slot = slot;
    this.#observer.book(this.#hand, "slot", this.#slotOffset, TAG, tag);
  }

  #welcomed(item: LinkItem): void {
    const text = this.#open("down", item, this.#slotOffset + WELCOME_AT);
    if (text !== null) this.#welcome = decodeWelcome(text);
  }

  #answered(item: LinkItem): void {
    const text = this.#open("up", item, this.#slotOffset + READY_AT);
    this.#ready = text === null ? null : decodeReady(text);
    if (this.#ready === null || this.#welcome === null) {
      this.#observer.find(`the ready of slot ${this.#slot} does not fit its tag`);
      this.#foreign = true;
      return;
    }
    this.#cap = this.#ready.cap;
    this.#marks.up = this.#welcome.up;
    this.#marks.down = this.#ready.down;
  }

  #box(direction: Direction, item: LinkItem): void {
    if (this.#foreign) return;
    const ready = this.#ready;
    if (ready === null) {
      this.#observer.find(`a ${item.kind} went ${direction} before ready`);
      return;
    }
    const { shape } = this.#observer.original;
    const cost = boxCost(item.textLength, shape.burnUnit);
    const expected = this.#marks[direction];
    const jumps = direction === "up" ? (expected === ready.again ? [ready.next] : []) : [this.#welcome!.lost];
    const known = this.#observer.marks[direction];
    for (const mark of [expected, ...jumps, ...known]) {
      const text = this.#open(direction, item, boxOffset(shape, direction, mark, cost));
      if (text === null) continue;
      known.add(mark);
      this.#marks[direction] = mark + cost;
      this.#watchCap(direction, item.kind, mark, text);
      return;
    }
    this.#observer.find(`a ${item.kind} ${direction}, expected at mark ${expected}, lies nowhere`);
    this.#foreign = true;
  }

  /**
   * In one link no more is charged than it allows: by the answers behind its first receipt, since what comes before is of
   * earlier ones. A slow service was held what it costs in the link that asked.
   */
  #watchCap(direction: Direction, kind: LinkItem["kind"], mark: number, text: Uint8Array): void {
    // A STATE that is sent again was sealed before READY, and tells the cap of an earlier link.
    if (kind === "state" && mark >= this.#ready!.next) this.#cap = decodeState(text)?.cap ?? this.#cap;
    if (kind === "receipt") this.#begun ||= decodeReceipt(text)?.call === this.#slot + 1;
    if (direction === "up" || (kind !== "data" && kind !== "last") || !this.#begun) return;
    this.#run.push(text);
    if (kind === "data") return;
    const { id, charged } = decode(Buffer.concat(this.#run.splice(0))) as { id: Uint8Array; charged: number };
    if (this.#observer.serviceOf(hex(id)) === "dig") return;
    this.#charged += BigInt(charged);
    if (this.#charged > this.#cap) this.#observer.find(`a link that allows ${this.#cap} was charged ${this.#charged}`);
  }

  /** The text of an item that lies here, booked; null when its tag does not fit. */
  #open(direction: Direction, { kind, bytes, textLength }: LinkItem, offset: number): Uint8Array | null {
    const { original } = this.#observer;
    if (offset < 0 || offset + KEY + textLength > original.bytes.length) return null;
    const key = original.bytes.subarray(offset, offset + KEY + textLength);
    const text = new Uint8Array(textLength);
    for (let i = 0; i < textLength; i++) text[i] = bytes[HEADER + i]! ^ key[KEY + i]!;
    const tag = tagOf(original.padId, direction, KIND_NUMBER[kind], offset, key.subarray(0, KEY), text);
    if (Buffer.compare(tag, bytes.subarray(HEADER + textLength)) !== 0) return null;
    const hand = direction === "up" ? this.#hand : "the server";
    this.#observer.book(hand, `${direction} ${kind}`, offset, KEY + textLength, text);
    return text;
  }

  get #slotOffset(): number {
    return slotOffset(this.#observer.original.shape, "low", this.#slot);
  }
}

/** The tag that a box with this text must have (SPEC section 2). */
function tagOf(
  padId: Uint8Array,
  direction: Direction,
  kind: number,
  offset: number,
  key: Uint8Array,
  text: Uint8Array,
): Uint8Array {
  const n = text.length;
  const message = Buffer.alloc(32 + Math.ceil(n / 16) * 16 + 16);
  message[0] = 1;
  message[1] = direction === "up" ? 0 : 1;
  message[2] = kind;
  message.writeUInt16LE(n, 4);
  message.writeUInt32LE(offset, 8);
  message.set(padId, 16);
  message.set(text, 32);
  message.writeUInt32LE(32, message.length - 16);
  message.writeUInt32LE(n, message.length - 8);
  return poly1305(message, key.slice());
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
