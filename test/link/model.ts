// The server's end of a link as SPEC sections 13 to 15 have it, in memory: an ideal to hold the client against, and one that
// can be made to do what the real server never would. It knows no file, no price but one unit a request, and no clock.

import { createHmac, randomBytes } from "node:crypto";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import type { Transport } from "../../host/driver/index.ts";
import type { Line } from "../../host/link/index.ts";
import {
  boxCost,
  boxOffset,
  decodeReady,
  decodeState,
  downEnd,
  encodeGrant,
  encodeReceipt,
  encodeWelcome,
  type ItemKind,
  ItemReader,
  KIND_NUMBER,
  type LinkItem,
  type PadShape,
  Poly1305,
  READY_AT,
  type Receipt,
  SLOT_BYTES,
  slotOffset,
  TEXT_MAX_BYTES,
  upBase,
  WELCOME_AT,
} from "../../host/protocol/index.ts";

/** Both ends of one token as they were issued. */
export interface Issue {
  readonly pad: Uint8Array;
  readonly padId: Uint8Array;
  readonly shape: PadShape;
  readonly firstSplit: number;
  readonly balance: bigint;
}

interface Kept {
  readonly mark: number;
  readonly end: number;
  readonly item: Uint8Array;
}

const HEADER_BYTES = 4;
const TAG_BYTES = 16;
const WINDOW_SLOTS = 16;

/** What a service of the model does with a body. Thrown errors become errors of the answer. */
export type Serve = (service: string, body: unknown) => unknown;

export class ModelServer {
  readonly issue: Issue;
  serve: Serve = (_service, body) => body;
  up = 0;
  down = 0;
  released = 0;
  /** Down below this mark went with a database. */
  lost = 0;
  split: number;
  balance: bigint;
  lastCall = 0;
  receiptSequence = 1;
  /** Ids in the order in which they were charged. */
  readonly charged: string[] = [];
  /** Caps that READY and STATE allowed, link by link. */
  readonly caps: bigint[] = [];
  /** Calls that were welcomed. */
  calls = 0;
  /** Boxes opened, again or for the first time. */
  boxes = 0;
  /** Grants are given when the room up is less than this. */
  grantBelow = 0;
  grantStep = 0;
  /** How often a grant was asked for. */
  asked = 0;
  /** The text of a list of addresses that READY is answered with. */
  addressText: Uint8Array | null = null;
  /** Calls are refused; the value is closed; answers are no CBOR. */
  refuse = false;
  closed = false;
  garble = false;
  /** Boxes down of this kind have one bit changed on their way. */
  forge: ItemKind | null = null;
  #parts: Uint8Array[] = [];
  #kept: Kept[] = [];
  readonly #answers: Map<string, Uint8Array> = new Map();
  #call: { readonly slot: number; readonly welcome: Uint8Array; opened: boolean } | null = null;
  #highest = -1;
  #link: ModelLink | null = null;

  constructor(issue: Issue) {
    this.issue = issue;
    this.split = issue.firstSplit;
    this.balance = issue.balance;
  }

  /** Ends the link that is open. */
  endLink(): void {
    this.#link?.end();
  }

  /** Neither hears nor says anything more on the link that is open, after so many items. */
  mute(after = 0): void {
    this.#link?.mute(after);
  }

  /** Each link falls silent after so many items up, its tag and READY counted; one number for each link to come. */
  readonly patience: number[] = [];

  /** A line to this server. */
  connect(): Line {
    return new ModelLink(this).line;
  }

  /** What down boxes are kept. */
  get unreleased(): number {
    return this.#kept.length;
  }

  /** @returns the welcome, or null when the tag is of no slot that may call */
  welcome(link: ModelLink, tag: Uint8Array): { slot: number; welcome: Uint8Array } | null {
    if (this.refuse) return null;
    const { shape, pad } = this.issue;
    const same = this.#call !== null && !this.#call.opened ? this.#call : null;
    if (same !== null && equal(tag, this.#tag(same.slot))) {
      this.#take(link);
      return same;
    }
    for (let slot = this.#highest + 1; slot < Math.min(shape.slots.low, this.#highest + 1 + WINDOW_SLOTS); slot++) {
      if (!equal(tag, this.#tag(slot))) continue;
      if (this.#link?.live && this.#link.opened) return null;
      this.#highest = slot;
      const text = encodeWelcome({
        notes: { heardAgain: false, inDoubt: false, nothingLeft: false },
        up: this.up,
        down: this.down,
        released: this.released,
        split: this.split,
        lastCall: this.lastCall,
        receiptSequence: this.receiptSequence,
        unfinished: this.#parts.length,
        lost: this.lost,
      });
      const offset = slotOffset(shape, "low", slot) + WELCOME_AT;
      const welcome = sealItem(this.issue, "down", offset, "welcome", pad.subarray(offset, offset + 80), text);
      this.#call = { slot, welcome, opened: false };
      this.#take(link);
      this.calls++;
      return this.#call;
    }
    return null;
  }

  #take(link: ModelLink): void {
    if (this.#link !== link) this.#link?.end();
    this.#link = link;
  }

  #tag(slot: number): Uint8Array {
    return this.issue.pad.subarray(SLOT_BYTES * slot, SLOT_BYTES * slot + TAG_BYTES);
  }

  /** Opens READY and answers it with what is not released and a new receipt; false when it is not right. */
  ready(link: ModelLink, slot: number, item: LinkItem): boolean {
    const { shape, pad } = this.issue;
    const offset = slotOffset(shape, "low", slot) + READY_AT;
    const text = openItem(this.issue, "up", offset, pad.subarray(offset, offset + 96), item.bytes);
    const ready = text === null ? null : decodeReady(text);
    if (ready === null) return false;
    const inOrder = this.up <= ready.again && ready.again <= ready.next && ready.next <= this.split;
    if (!inOrder || ready.down < this.released || ready.down > this.down) return false;
    this.lastCall = slot + 1;
    this.#release(ready.down);
    link.again = ready.again;
    link.next = ready.next;
    link.number = ready.number;
    link.open = ready.cap;
    this.caps.push(ready.cap);
    this.#jump(link);
    for (const { item } of this.#kept) link.send(item);
    this.#grant(link);
    if (this.addressText !== null) this.#sealDown(link, "addresses", this.addressText);
    this.receipt(link, this.closed, this.closed);
    return true;
  }

  /** Takes the box that comes next; false when it is not that. */
  box(link: ModelLink, item: LinkItem): boolean {
    const { shape, pad } = this.issue;
    const cost = boxCost(item.textLength, shape.burnUnit);
    const offset = boxOffset(shape, "up", this.up, cost);
    const text = openItem(this.issue, "up", offset, pad.subarray(offset, offset + 32 + item.textLength), item.bytes);
    if (text === null) return false;
    this.up += cost;
    this.boxes++;
    link.opened = true;
    if (this.#call !== null) this.#call.opened = true;
    if (item.kind === "state") {
      const state = decodeState(text);
      if (state === null) return false;
      this.#release(state.down);
      if (state.wantsRoom) this.asked++;
      const raised = state.cap - (this.caps.at(-1) as bigint);
      link.open += raised;
      this.caps[this.caps.length - 1] = state.cap;
      this.#grant(link);
      this.receipt(link, state.ends);
      if (state.ends) link.end();
    } else {
      this.#parts.push(text);
      if (item.kind === "last") this.#request(link);
      this.#grant(link);
    }
    this.#jump(link);
    return true;
  }

  /** Behind the boxes that are sent again the first new one lies at `next`, and begins a run or goes on with one. */
  #jump(link: ModelLink): void {
    if (link.again === null || this.up < link.again) return;
    this.up = link.next;
    link.again = null;
    if (link.number === 0) this.#parts = [];
    else if (link.number !== this.#parts.length) throw new Error(`box ${link.number} and ${this.#parts.length} parts`);
  }

  #request(link: ModelLink): void {
    const text = Buffer.concat(this.#parts);
    this.#parts = [];
    const { id, service, body } = decode(text) as { id: Uint8Array; service: string; body: unknown };
    const key = Buffer.from(id).toString("hex");
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      answer = this.#answer(link, id, key, service, body);
      this.#answers.set(key, answer);
    }
    if (this.garble) answer = Uint8Array.of(255, 255);
    for (let at = 0; at < answer.length; at += TEXT_MAX_BYTES) {
      const piece = answer.subarray(at, at + TEXT_MAX_BYTES);
      this.#sealDown(link, at + piece.length === answer.length ? "last" : "data", piece);
    }
  }

  #answer(link: ModelLink, id: Uint8Array, key: string, service: string, body: unknown): Uint8Array {
    try {
      if (link.open < 1n) throw new Error("CAP_EXCEEDED");
      const served = this.serve(service, body);
      this.balance -= 1n;
      link.open -= 1n;
      this.charged.push(key);
      return encode({ id, ok: true, charged: 1, balance: this.balance, body: served }, rfc8949EncodeOptions);
    } catch (error) {
      const code = (error as Error).message;
      const failed = {
        id,
        ok: false,
        charged: 0,
        balance: this.balance,
        error: { code, message: "as the test has it" },
      };
      return encode(failed, rfc8949EncodeOptions);
    }
  }

  receipt(link: ModelLink, ends: boolean, closed = false): void {
    this.receiptSequence++;
    const receipt: Receipt = {
      sequence: this.receiptSequence,
      call: this.lastCall,
      balance: this.balance,
      open: link.open,
      up: this.up,
      ends,
      closed,
      mac: new Uint8Array(createHmac("sha256", "model").update(String(this.receiptSequence)).digest().subarray(0, 16)),
    };
    this.#sealDown(link, "receipt", encodeReceipt(receipt));
  }

  #grant(link: ModelLink): void {
    const { shape } = this.issue;
    if (this.split - upBase(shape) - this.up >= this.grantBelow) return;
    const split = Math.min(this.split + this.grantStep, downEnd(shape) - this.down - 2048);
    if (split <= this.split) return;
    this.split = split;
    this.#sealDown(link, "grant", encodeGrant(split));
  }

  #sealDown(link: ModelLink, kind: ItemKind, text: Uint8Array): void {
    const { shape, pad } = this.issue;
    const cost = boxCost(text.length, shape.burnUnit);
    const offset = boxOffset(shape, "down", this.down, cost);
    const item = sealItem(this.issue, "down", offset, kind, pad.subarray(offset, offset + 32 + text.length), text);
    this.#kept.push({ mark: this.down, end: this.down + cost, item });
    this.down += cost;
    link.send(item);
  }

  #release(down: number): void {
    this.released = Math.max(this.released, down);
    this.#kept = this.#kept.filter(({ end }) => end > down);
  }
}

/** One line to the model. Bytes arrive a turn later, as on a network, and in order. */
export class ModelLink {
  readonly line: Transport;
  readonly #server: ModelServer;
  readonly #reader = new ItemReader();
  #state: "call" | "ready" | "linked" = "call";
  #slot = -1;
  again: number | null = null;
  next = 0;
  number = 0;
  open = 0n;
  opened = false;
  live = true;
  /** Items that are still heard. */
  #left: number;
  #hear: (bytes: Uint8Array) => void = () => {};
  #tell: (reason?: Error) => void = () => {};

  constructor(server: ModelServer) {
    this.#server = server;
    this.#left = server.patience.shift() ?? Number.POSITIVE_INFINITY;
    this.line = {
      write: async (bytes) => {
        if (!this.live) throw new Error("the line has ended");
        setImmediate(() => this.#receive(bytes));
      },
      onData: (listener) => {
        this.#hear = listener;
      },
      onClose: (listener) => {
        this.#tell = listener;
      },
      close: async () => {
        this.live = false;
      },
    };
  }

  send(bytes: Uint8Array): void {
    if (this.#left < 0) return;
    const copy = bytes.slice();
    if (this.#server.forge !== null && copy[2] === KIND_NUMBER[this.#server.forge]) copy[4] = (copy[4] as number) ^ 1;
    setImmediate(() => this.#hear(copy));
  }

  mute(after: number): void {
    this.#left = after - 1;
  }

  /** Ends the line, behind what was sent. */
  end(): void {
    if (!this.live) return;
    this.live = false;
    setImmediate(() => this.#tell());
  }

  #receive(bytes: Uint8Array): void {
    if (!this.live) return;
    for (const item of this.#reader.push(bytes)) {
      if (this.#left-- <= 0) return;
      if (!this.#item(item)) {
        this.end();
        return;
      }
    }
  }

  #item(item: LinkItem): boolean {
    if (this.#state === "call") {
      if (item.kind !== "slot") return false;
      const known = this.#server.welcome(this, item.bytes.subarray(HEADER_BYTES));
      this.#slot = known?.slot ?? -1;
      this.#state = "ready";
      this.send(known?.welcome ?? Buffer.concat([Uint8Array.of(48, 0, 4, 0), randomBytes(64)]));
      return true;
    }
    if (this.#state === "ready") {
      this.#state = "linked";
      return this.#slot >= 0 && item.kind === "ready" && this.#server.ready(this, this.#slot, item);
    }
    return ["data", "last", "state"].includes(item.kind) && this.#server.box(this, item);
  }
}

type Direction = "up" | "down";

/** An item as the other end of a pad makes it (SPEC section 2). */
function sealItem(
  { padId }: Pick<Issue, "padId">,
  direction: Direction,
  offset: number,
  kind: ItemKind,
  slice: Uint8Array,
  text: Uint8Array,
): Uint8Array {
  const item = new Uint8Array(HEADER_BYTES + text.length + TAG_BYTES);
  item.set([text.length & 255, text.length >> 8, KIND_NUMBER[kind], 0]);
  for (let i = 0; i < text.length; i++) item[HEADER_BYTES + i] = text[i]! ^ slice[32 + i]!;
  item.set(tagOf(padId, direction, offset, KIND_NUMBER[kind], slice, text), HEADER_BYTES + text.length);
  return item;
}

/** The text of an item, or null when its tag is not right. */
function openItem(
  { padId }: Pick<Issue, "padId">,
  direction: Direction,
  offset: number,
  slice: Uint8Array,
  item: Uint8Array,
): Uint8Array | null {
  const n = item.length - HEADER_BYTES - TAG_BYTES;
  const text = item.slice(HEADER_BYTES, HEADER_BYTES + n).map((byte, i) => byte ^ slice[32 + i]!);
  return equal(tagOf(padId, direction, offset, item[2]!, slice, text), item.subarray(HEADER_BYTES + n)) ? text : null;
}

function tagOf(
  padId: Uint8Array,
  direction: Direction,
  offset: number,
  kind: number,
  slice: Uint8Array,
  text: Uint8Array,
): Uint8Array {
  const n = text.length;
  const padded = Math.ceil(n / 16) * 16;
  const input = new Uint8Array(32 + padded + 16);
  const view = new DataView(input.buffer);
  input.set([1, direction === "up" ? 0 : 1, kind, 0, n & 255, n >> 8]);
  view.setUint32(8, offset, true);
  input.set(padId, 16);
  input.set(text, 32);
  view.setUint32(32 + padded, 32, true);
  view.setUint32(32 + padded + 8, n, true);
  const mac = new Poly1305(slice.subarray(0, 32));
  mac.update(input);
  return mac.digest();
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
