// The link of a token and its server (SPEC sections 13 and 14): the items of a stream, and the texts of those that only
// the cores make and read. A text of the wrong length, or with what no core writes, decodes as null; reserved bytes are zero
// when written and ignored when read.

import { TearpadError } from "./errors.ts";
import { ADDRESSES_MAX_BYTES, HEADER_BYTES, type ItemKind, itemShape } from "./item.ts";
import { type PadShape, type Side, SLOT_BYTES } from "./pad.ts";

/** Where the keys of a welcome and of its ready lie in their slot. */
export const WELCOME_AT = 16;
export const READY_AT = 96;
const ADDRESSES_MAX = 16;
const ADDRESS_MAX_BYTES = 200;
const ADDRESS = /^[\x21-\x7e]+$/;
const LIST_HEAD_BYTES = 8;

/** One whole item of a stream. */
export interface LinkItem {
  readonly kind: ItemKind;
  /** Header and tag included. */
  readonly bytes: Uint8Array;
  readonly textLength: number;
}

/** The stream of a link has something in it that is no item. `position` is in bytes from its start. */
export class LinkError extends TearpadError<"BAD_ITEM", { position: number }> {
  constructor(position: number) {
    super(
      "BAD_ITEM",
      { position },
      {
        message: `The link brought something that is no item (at byte ${position}).`,
        pad: "Nothing of it was opened: no pad bytes were used by it, and no value has moved.",
        advice: "End this link and call again; if it stays, look at the address and at what stands between.",
      },
    );
    this.name = "LinkError";
  }
}

const NOTHING = new Uint8Array(0);

/** Splits a stream that arrives in pieces of any size into items. Holds at most one item. */
export class ItemReader {
  #held: Uint8Array = NOTHING;
  /** Where `#held` begins in the stream. */
  #position = 0;

  /**
   * The items that end within `bytes`, in order; they are parts of it where they can be, so the caller leaves it as it is.
   * @throws LinkError BAD_ITEM for a header that cannot be, once the items before it were given out: the stream ends there
   */
  push(bytes: Uint8Array): LinkItem[] {
    let stream = joined(this.#held, bytes);
    const items: LinkItem[] = [];
    let at = 0;
    while (stream.length - at >= HEADER_BYTES) {
      const shape = itemShape(stream.subarray(at, at + HEADER_BYTES));
      if (shape === null) {
        if (items.length === 0) throw new LinkError(this.#position + at);
        stream = stream.subarray(0, at + HEADER_BYTES);
        break;
      }
      if (stream.length - at < shape.length) break;
      const { kind, textLength, length } = shape;
      items.push({ kind, textLength, bytes: stream.subarray(at, at + length) });
      at += length;
    }
    this.#held = at === stream.length ? NOTHING : stream.slice(at);
    this.#position += at;
    return items;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  // Nearly always items come whole. (What comes may be of a subclass, whose parts are not like those of an array.)
  if (first.length === 0) return new Uint8Array(second.buffer, second.byteOffset, second.length);
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** The offset of a slot of one side. */
export function slotOffset(shape: PadShape, side: Side, slot: number): number {
  return side === "low" ? SLOT_BYTES * slot : shape.padLength - SLOT_BYTES * (slot + 1);
}

/** What a server has to say to the owner of a token beside its answer. */
export interface Notes {
  /** An earlier call was heard again: somebody repeats what was recorded, or there is a copy of the device. */
  readonly heardAgain: boolean;
  /** The books are in doubt. */
  readonly inDoubt: boolean;
  readonly nothingLeft: boolean;
}

/** The server's answer to a call. Marks are in bytes. */
export interface Welcome {
  readonly notes: Notes;
  /** The mark up to which the server has opened. */
  readonly up: number;
  /** The mark of down that is used. */
  readonly down: number;
  /** What of down the device was known to have released. */
  readonly released: number;
  readonly split: number;
  /** The last call that became a link, 0 for none. */
  readonly lastCall: number;
  readonly receiptSequence: number;
  /** Boxes of the run that the server has not whole. */
  readonly unfinished: number;
  /** Boxes of down below this mark do not come any more: the server lost some of them with its database. 0: none. */
  readonly lost: number;
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  const { heardAgain, inDoubt, nothingLeft } = welcome.notes;
  const [bytes, view] = blank(48);
  view.setUint8(0, (heardAgain ? 1 : 0) | (inDoubt ? 2 : 0) | (nothingLeft ? 4 : 0));
  setU32(view, 4, [welcome.up, welcome.down, welcome.released, welcome.split, welcome.lastCall]);
  setU32(view, 24, [welcome.receiptSequence, welcome.unfinished, welcome.lost]);
  return bytes;
}

export function decodeNotes(notes: number): Notes {
  return { heardAgain: (notes & 1) !== 0, inDoubt: (notes & 2) !== 0, nothingLeft: (notes & 4) !== 0 };
}

export function decodeWelcome(bytes: Uint8Array): Welcome | null {
  if (bytes.length !== 48) return null;
  const view = viewOf(bytes);
  return {
    notes: decodeNotes(view.getUint8(0)),
    up: view.getUint32(4, true),
    down: view.getUint32(8, true),
    released: view.getUint32(12, true),
    split: view.getUint32(16, true),
    lastCall: view.getUint32(20, true),
    receiptSequence: view.getUint32(24, true),
    unfinished: view.getUint32(28, true),
    lost: view.getUint32(32, true),
  };
}

/** The device's answer to a welcome. */
export interface Ready {
  /** The boxes from the welcome's up mark to here are sent again. */
  readonly again: number;
  /** The mark of the first new box. */
  readonly next: number;
  /** The number of that box in its run; 0 begins a new run. */
  readonly number: number;
  /** What of down is released. */
  readonly down: number;
  readonly split: number;
  /** What the server may debit in this link, in minor units. */
  readonly cap: bigint;
  readonly receipt: {
    readonly sequence: number;
    readonly balance: bigint;
    readonly call: number;
    readonly up: number;
    /** 16 bytes. */
    readonly mac: Uint8Array;
  };
}

export function encodeReady(ready: Ready): Uint8Array {
  const { sequence, balance, call, up, mac } = ready.receipt;
  const [bytes, view] = blank(64);
  setU32(view, 0, [ready.again, ready.next, ready.number, ready.down, ready.split, sequence]);
  view.setBigUint64(24, u64(ready.cap), true);
  view.setBigUint64(32, u64(balance), true);
  setU32(view, 40, [call, up]);
  bytes.set(exactly(mac, 16), 48);
  return bytes;
}

export function decodeReady(bytes: Uint8Array): Ready | null {
  if (bytes.length !== 64) return null;
  const view = viewOf(bytes);
  return {
    again: view.getUint32(0, true),
    next: view.getUint32(4, true),
    number: view.getUint32(8, true),
    down: view.getUint32(12, true),
    split: view.getUint32(16, true),
    cap: view.getBigUint64(24, true),
    receipt: {
      sequence: view.getUint32(20, true),
      balance: view.getBigUint64(32, true),
      call: view.getUint32(40, true),
      up: view.getUint32(44, true),
      mac: bytes.slice(48),
    },
  };
}

/** The server's statement of the balance. Money in minor units. */
export interface Receipt {
  readonly sequence: number;
  readonly call: number;
  readonly balance: bigint;
  /** What may still be debited in this link. */
  readonly open: bigint;
  readonly up: number;
  /** The link ends with it. */
  readonly ends: boolean;
  /** The value is closed. */
  readonly closed: boolean;
  /** 16 bytes, the server's own. */
  readonly mac: Uint8Array;
}

export function encodeReceipt(receipt: Receipt): Uint8Array {
  const [bytes, view] = blank(48);
  setU32(view, 0, [receipt.sequence, receipt.call]);
  view.setBigUint64(8, u64(receipt.balance), true);
  view.setBigUint64(16, u64(receipt.open), true);
  setU32(view, 24, [receipt.up, (receipt.ends ? 1 : 0) | (receipt.closed ? 2 : 0)]);
  bytes.set(exactly(receipt.mac, 16), 32);
  return bytes;
}

export function decodeReceipt(bytes: Uint8Array): Receipt | null {
  if (bytes.length !== 48) return null;
  const view = viewOf(bytes);
  const flags = view.getUint32(28, true);
  return {
    sequence: view.getUint32(0, true),
    call: view.getUint32(4, true),
    balance: view.getBigUint64(8, true),
    open: view.getBigUint64(16, true),
    up: view.getUint32(24, true),
    ends: (flags & 1) !== 0,
    closed: (flags & 2) !== 0,
    mac: bytes.slice(32),
  };
}

/** What the device has and allows. */
export interface StateText {
  /** What of down is released. */
  readonly down: number;
  readonly receiptSequence: number;
  /** All that READY and every STATE of this link allowed together, in minor units. */
  readonly cap: bigint;
  /** The link ends. */
  readonly ends: boolean;
  /** A grant is asked for. */
  readonly wantsRoom: boolean;
}

export function encodeState(state: StateText): Uint8Array {
  const [bytes, view] = blank(20);
  setU32(view, 0, [state.down, state.receiptSequence]);
  view.setBigUint64(8, u64(state.cap), true);
  setU32(view, 16, [stateFlags(state)]);
  return bytes;
}

/** The flags of a STATE, in its text and in the command that makes it. */
export function stateFlags({ ends, wantsRoom }: Pick<StateText, "ends" | "wantsRoom">): number {
  return (ends ? 1 : 0) | (wantsRoom ? 2 : 0);
}

export function decodeState(bytes: Uint8Array): StateText | null {
  if (bytes.length !== 20) return null;
  const view = viewOf(bytes);
  const flags = view.getUint32(16, true);
  return {
    down: view.getUint32(0, true),
    receiptSequence: view.getUint32(4, true),
    cap: view.getBigUint64(8, true),
    ends: (flags & 1) !== 0,
    wantsRoom: (flags & 2) !== 0,
  };
}

/** Where the server is found, in the order in which to try. */
export interface AddressList {
  /** Of two lists the one with the higher number is newer. */
  readonly number: number;
  /** At most 16, each 1 to 200 bytes from `21` to `7E`, and 220 bytes in all with one more for each. */
  readonly addresses: readonly string[];
}

/** @throws RangeError for a list that a device would not take, an empty one aside */
export function encodeAddresses({ number, addresses }: AddressList): Uint8Array {
  const list = packAddresses(addresses);
  const [bytes, view] = blank(LIST_HEAD_BYTES + list.length);
  setU32(view, 0, [number, addresses.length]);
  bytes.set(list, LIST_HEAD_BYTES);
  return bytes;
}

export function decodeAddresses(bytes: Uint8Array): AddressList | null {
  if (bytes.length < LIST_HEAD_BYTES) return null;
  const view = viewOf(bytes);
  const addresses = unpackAddresses(bytes.subarray(LIST_HEAD_BYTES), view.getUint32(4, true));
  return addresses === null ? null : { number: view.getUint32(0, true), addresses };
}

/**
 * Addresses as they lie in an item, in FILL and on the chip: a length byte and the bytes, one behind the other.
 * @throws RangeError for what a device would not take
 */
export function packAddresses(addresses: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(addresses.reduce((sum, { length }) => sum + 1 + length, 0));
  if (addresses.length > ADDRESSES_MAX || bytes.length > ADDRESSES_MAX_BYTES - LIST_HEAD_BYTES) {
    throw new RangeError(`${addresses.length} addresses of ${bytes.length} bytes`);
  }
  let at = 0;
  for (const address of addresses) {
    if (address.length > ADDRESS_MAX_BYTES || !ADDRESS.test(address))
      throw new RangeError(`"${address}" as an address`);
    bytes[at] = address.length;
    new TextEncoder().encodeInto(address, bytes.subarray(at + 1));
    at += 1 + address.length;
  }
  return bytes;
}

/** So many addresses, which fill these bytes exactly, or null when they are not right. */
export function unpackAddresses(bytes: Uint8Array, count: number): string[] | null {
  if (count > ADDRESSES_MAX || bytes.length > ADDRESSES_MAX_BYTES - LIST_HEAD_BYTES) return null;
  const addresses: string[] = [];
  let at = 0;
  for (; addresses.length < count; at += 1 + bytes[at]!) {
    const length = bytes[at] ?? 0;
    const address = String.fromCharCode(...bytes.subarray(at + 1, at + 1 + length));
    if (address.length !== length || length > ADDRESS_MAX_BYTES || !ADDRESS.test(address)) return null;
    addresses.push(address);
  }
  return at === bytes.length ? addresses : null;
}

/** The text of a GRANT: the split that the device may use up to. */
export function encodeGrant(split: number): Uint8Array {
  const [bytes, view] = blank(4);
  setU32(view, 0, [split]);
  return bytes;
}

export function decodeGrant(bytes: Uint8Array): number | null {
  return bytes.length === 4 ? viewOf(bytes).getUint32(0, true) : null;
}

function blank(length: number): [Uint8Array, DataView] {
  const bytes = new Uint8Array(length);
  return [bytes, viewOf(bytes)];
}

function setU32(view: DataView, at: number, values: readonly number[]): void {
  for (const [i, value] of values.entries()) {
    if (value !== value >>> 0) throw new RangeError(`${value} is not an unsigned 32-bit number`);
    view.setUint32(at + 4 * i, value, true);
  }
}

function u64(value: bigint): bigint {
  if (value !== BigInt.asUintN(64, value)) throw new RangeError(`${value} is not an unsigned 64-bit number`);
  return value;
}

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes where ${length} belong`);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
