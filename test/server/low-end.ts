// The low end of a token, as the core in a device is one, in plain memory: for tests and measurements that need thousands of
// them, fast. It does what docs/SPEC.md says of CALL, READY, SEAL, STATE and OPEN; it keeps no journal and survives nothing.

import type { Engine } from "../../host/engine/index.ts";
import {
  boxCost,
  boxOffset,
  decodeGrant,
  decodeReceipt,
  decodeWelcome,
  downEnd,
  encodeReady,
  encodeState,
  firstSplitOfToken,
  type ItemKind,
  itemShape,
  type PadShape,
  READY_AT,
  type Receipt,
  runCost,
  slotItem,
  slotOffset,
  slotsAtIssue,
  TEXT_MAX_BYTES,
  upBase,
  WELCOME_AT,
  type Welcome,
} from "../../host/protocol/index.ts";

/** What came down. */
export interface Heard {
  readonly kind: ItemKind;
  readonly text: Uint8Array;
}

export type HeldReceipt = Pick<Receipt, "sequence" | "call" | "balance" | "up" | "mac">;

const NO_RECEIPT: HeldReceipt = { sequence: 0, call: 0, balance: 0n, up: 0, mac: new Uint8Array(16) };

/** See the head of this file. Marks are in bytes. */
export class LowEnd {
  readonly shape: PadShape;
  readonly padId: Uint8Array;
  nextSlot = 0;
  /** Up: used. */
  up = 0;
  /** Down: read, and released. */
  down = 0;
  released = 0;
  split: number;
  receipt: HeldReceipt;
  answered = 0;
  cap = 0n;
  readonly #engine: Engine;
  readonly #pad: Uint8Array;
  #welcome: Welcome | null = null;

  /** @param pad the bytes, a copy that is its own */
  constructor(
    engine: Engine,
    pad: Uint8Array,
    padId: Uint8Array,
    o: { burnUnit?: number; receipt?: HeldReceipt } = {},
  ) {
    this.#engine = engine;
    this.#pad = pad;
    this.padId = padId;
    this.shape = {
      padLength: pad.length,
      burnUnit: o.burnUnit ?? 1,
      slots: { low: slotsAtIssue(pad.length), high: 0 },
    };
    this.split = firstSplitOfToken(this.shape);
    this.receipt = o.receipt ?? NO_RECEIPT;
  }

  /** The same device as it stands now, as if its flash had been copied. */
  copy(): LowEnd {
    const copy = new LowEnd(this.#engine, this.#pad.slice(), this.padId, {
      burnUnit: this.shape.burnUnit,
      receipt: this.receipt,
    });
    const { nextSlot, up, down, released, split, answered } = this;
    return Object.assign(copy, { nextSlot, up, down, released, split, answered });
  }

  /** The SLOT item of the next slot; with `skip` of the one behind it. */
  call(skip = false): Uint8Array {
    if (skip) this.nextSlot++;
    const at = slotOffset(this.shape, "low", this.nextSlot);
    return slotItem(this.#pad.slice(at, at + 16));
  }

  /** What a welcome says, or null when it is none for the next slot. Changes nothing. */
  welcome(item: Uint8Array): Welcome | null {
    const text = this.#openAt(slotOffset(this.shape, "low", this.nextSlot) + WELCOME_AT, item);
    return text === null ? null : decodeWelcome(text);
  }

  /** The READY item for a welcome. @throws when the welcome is none, or one end is older */
  ready(item: Uint8Array, o: { again?: number; number?: number; cap?: bigint } = {}): Uint8Array {
    const welcome = this.welcome(item);
    if (welcome === null) throw new Error("AUTH_FAILED");
    const pairs = [
      [this.up, welcome.up],
      [this.released, welcome.released],
      [this.nextSlot, welcome.lastCall],
      [welcome.down, this.released],
      [welcome.split, this.split],
      [welcome.receiptSequence, this.receipt.sequence],
    ] as const;
    const wrong = pairs.findIndex(([more, less]) => more < less);
    if (wrong !== -1) throw new Error(`OLDER ${wrong + 1}`);
    this.split = welcome.split;
    this.#welcome = welcome;
    this.cap = o.cap ?? 0n;
    const { up: next, released: down, split, receipt, cap } = this;
    const text = encodeReady({
      again: o.again ?? welcome.up,
      next,
      number: o.number ?? 0,
      down,
      split,
      cap,
      receipt,
    });
    const at = slotOffset(this.shape, "low", this.nextSlot) + READY_AT;
    const ready = this.#sealAt(at, "ready", text);
    this.nextSlot++;
    this.answered = this.nextSlot;
    this.down = this.released;
    return ready;
  }

  /** Pad bytes that may still be sealed without a grant. */
  get room(): number {
    return this.split - upBase(this.shape) - this.up;
  }

  /** One box up. @throws when there is no room */
  seal(kind: "data" | "last" | "state", text: Uint8Array): Uint8Array {
    const cost = boxCost(text.length, this.shape.burnUnit);
    if (cost > this.room) throw new Error("NEED_GRANT");
    const box = this.#sealAt(boxOffset(this.shape, "up", this.up, cost), kind, text);
    this.up += cost;
    return box;
  }

  /** A text as a run. */
  sealRun(text: Uint8Array): Uint8Array[] {
    if (runCost(text.length, this.shape.burnUnit).padBytes > this.room) throw new Error("NEED_GRANT");
    const boxes: Uint8Array[] = [];
    for (let at = 0; at === 0 || at < text.length; at += TEXT_MAX_BYTES) {
      const piece = text.subarray(at, at + TEXT_MAX_BYTES);
      boxes.push(this.seal(at + TEXT_MAX_BYTES >= text.length ? "last" : "data", piece));
    }
    return boxes;
  }

  /** A STATE: what is released, and the cap, raised by `more`. */
  state(o: { more?: bigint; ends?: boolean; wantsRoom?: boolean } = {}): Uint8Array {
    this.cap += o.more ?? 0n;
    const { released: down, cap, receipt } = this;
    const { ends = false, wantsRoom = false } = o;
    return this.seal("state", encodeState({ down, receiptSequence: receipt.sequence, cap, ends, wantsRoom }));
  }

  /** Opens the box that comes next down, or the first one behind a gap that the welcome announced; null: it is neither. */
  open(item: Uint8Array): Heard | null {
    const shape = itemShape(item);
    if (shape === null) return null;
    const cost = boxCost(shape.textLength, this.shape.burnUnit);
    for (const mark of [this.down, this.#welcome?.lost ?? 0]) {
      if (mark < this.down) continue;
      const text = this.#openAt(downEnd(this.shape) - mark - cost, item);
      if (text === null) continue;
      this.down = mark + cost;
      this.#apply(shape.kind, text);
      return { kind: shape.kind, text };
    }
    return null;
  }

  /** Everything that was read is released. */
  release(): void {
    this.released = this.down;
  }

  #apply(kind: ItemKind, text: Uint8Array): void {
    if (kind === "grant") this.split = Math.max(this.split, decodeGrant(text) ?? 0);
    const receipt = kind === "receipt" ? decodeReceipt(text) : null;
    if (receipt !== null && receipt.sequence > this.receipt.sequence) this.receipt = receipt;
  }

  #sealAt(offset: number, kind: ItemKind, text: Uint8Array): Uint8Array {
    const slice = this.#pad.subarray(offset, offset + 32 + text.length);
    return this.#engine.sealItem({ padId: this.padId, direction: "up", offset }, kind, slice, text);
  }

  #openAt(offset: number, item: Uint8Array): Uint8Array | null {
    if (offset < 0) return null;
    try {
      const slice = this.#pad.subarray(offset, offset + 32 + item.length - 20);
      return this.#engine.openItem({ padId: this.padId, direction: "down", offset }, slice, item).text;
    } catch {
      return null;
    }
  }
}
