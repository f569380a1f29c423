// The commands of a device and their replies, byte for byte (SPEC sections 8 and 10). Each command knows how to write its
// request and how to read its reply; a reply of another length than it must have reads as null.

import { type DeviceErrorCode, errorCode, type Section, type State, sectionName, stateName } from "./errors.ts";
import type { PadShape, Side } from "./pad.ts";

export interface Command<Request, Reply> {
  readonly name: string;
  readonly type: number;
  /** Answered at any session and sequence, changes nothing, and its reply is not kept. */
  readonly aside: boolean;
  encode(request: Request): Uint8Array;
  decode(reply: Uint8Array): Reply | null;
}

/** The version of the protocol that this host speaks. */
export const PROTOCOL = 1;
const SUITE = 1;
const NEW_RUN = 0xffffffff;
const SLOT_ITEM_BYTES = 20;
const OPENING_ITEM_BYTES = 36;

export interface Hello {
  readonly nonce: number;
  readonly protocol: number;
  readonly largestPayload: number;
  readonly session: number;
  readonly firmware: string;
}

/** Where a device's pad came from: a generator, or a physical source that an operator declared. */
export type Provenance = "csprng" | "physical";
const PROVENANCES: readonly Provenance[] = ["csprng", "physical"];

/** Work that a device does on its own after a command. */
export type Work = "none" | "erasing" | "filling" | "verifying";
const WORKS: readonly Work[] = ["none", "erasing", "filling", "verifying"];

/** Everything that a device says about itself. Sizes, marks and offsets are in bytes; what there is no pad for is 0. */
export interface Info {
  readonly state: State;
  /** null while there is no pad. */
  readonly side: Side | null;
  readonly suite: number;
  readonly faultySection: Section;
  readonly work: { readonly kind: Work; readonly done: number; readonly total: number };
  /** The error that ended the last work. */
  readonly workError: DeviceErrorCode | null;
  /** Traps since power-on, and the reason of the last. */
  readonly traps: number;
  readonly trapReason: number;
  readonly provenance: Provenance | null;
  readonly bootEpoch: number;
  readonly generation: number;
  readonly journalSequence: number;
  /** Hexadecimal; never on the wire between the two ends. */
  readonly padId: string;
  /** Hexadecimal; new at every fill. */
  readonly serial: string;
  readonly padLength: number;
  readonly slots: { readonly low: number; readonly high: number };
  readonly nextSlot: number;
  readonly up: { readonly used: number; readonly burned: number };
  readonly down: { readonly used: number; readonly burned: number };
  readonly split: number;
  /** Pad bytes that this side can use now. */
  readonly room: number;
  readonly burnUnit: number;
  readonly failedTags: number;
  readonly chipSize: number;
}

/** What a fill lays down about a pad. */
export interface FillParameters extends Omit<PadShape, "slots"> {
  readonly side: Side;
  /** Which sides have slots. */
  readonly slots: { readonly low: boolean; readonly high: boolean };
  readonly firstSplit: number;
  /** 16 random bytes, the same at both ends. */
  readonly padId: Uint8Array;
  readonly provenance: Provenance;
  /** Claimed min-entropy of the source in bits per byte, 0 to 8. */
  readonly claimedMinEntropy: number;
  /** Counters of the health tests. */
  readonly samplesTested: number;
  readonly longestRepetition: number;
  readonly highestProportion: number;
  /** At most 64 bytes of UTF-8; what is longer is cut. */
  readonly sourceName: string;
}

/** A segment as its first two items on the wire, and where its boxes begin. */
export interface Begun {
  readonly slot: number;
  readonly first: number;
  readonly slotItem: Uint8Array;
  readonly openingItem: Uint8Array;
}

export interface SealedBox {
  readonly mark: number;
  readonly offset: number;
  readonly box: Uint8Array;
}

/** What an opening says, once its device has found and verified it (SPEC section 3). */
export interface Opening {
  readonly slot: number;
  readonly first: number;
  readonly run: number;
  readonly number: number;
  /** The split that this device holds now. */
  readonly split: number;
}

/** A box of a run: DATA, or LAST for the one that ends it. */
export type BoxKind = "data" | "last";
const BOX_KINDS: readonly BoxKind[] = ["data", "last"];

const hello: Command<{ nonce: number }, Hello> = {
  name: "HELLO",
  type: 0x01,
  aside: true,
  encode: ({ nonce }) => payload(nonce),
  decode: (reply) => {
    if (reply.length !== 16) return null;
    const view = viewOf(reply);
    return {
      nonce: view.getUint32(0, true),
      protocol: view.getUint16(4, true),
      largestPayload: view.getUint16(6, true),
      session: view.getUint32(8, true),
      firmware: `${reply[12]}.${reply[13]}.${reply[14]}`,
    };
  },
};

const info: Command<void, Info> = {
  name: "INFO",
  type: 0x02,
  aside: true,
  encode: () => payload(),
  decode: (reply) => {
    if (reply.length !== 112) return null;
    const view = viewOf(reply);
    const u8 = (offset: number) => view.getUint8(offset);
    const u32 = (offset: number) => view.getUint32(offset, true);
    return {
      state: stateName(u8(0)),
      side: u8(1) === 0 ? "low" : u8(1) === 1 ? "high" : null,
      suite: u8(2),
      faultySection: sectionName(u8(3)),
      work: { kind: WORKS[u8(4)] ?? "none", done: u32(12), total: u32(16) },
      workError: errorCode(u8(5)),
      traps: u8(6),
      trapReason: u32(8),
      provenance: PROVENANCES[u8(7) - 1] ?? null,
      bootEpoch: u32(20),
      generation: u32(24),
      journalSequence: u32(28),
      padId: hex(reply.subarray(32, 48)),
      serial: hex(reply.subarray(48, 56)),
      padLength: u32(56),
      slots: { low: u32(60), high: u32(64) },
      nextSlot: u32(68),
      up: { used: u32(72), burned: u32(76) },
      down: { used: u32(80), burned: u32(84) },
      split: u32(88),
      room: u32(92),
      burnUnit: u32(96),
      failedTags: u32(100),
      chipSize: u32(104),
    };
  },
};

const page: Command<{ page: number }, Uint8Array> = {
  name: "PAGE",
  type: 0x03,
  aside: true,
  encode: ({ page }) => payload(page),
  decode: (reply) => (reply.length === 256 ? reply : null),
};

const fill: Command<FillParameters, void> = {
  name: "FILL",
  type: 0x10,
  aside: false,
  encode: (parameters) => {
    const bytes = new Uint8Array(112);
    const view = viewOf(bytes);
    bytes[0] = parameters.side === "low" ? 0 : 1;
    bytes[1] = SUITE;
    bytes[2] = (parameters.slots.low ? 1 : 0) | (parameters.slots.high ? 2 : 0);
    bytes[3] = PROVENANCES.indexOf(parameters.provenance) + 1;
    view.setUint32(4, parameters.padLength, true);
    view.setUint32(8, parameters.firstSplit, true);
    view.setUint16(12, Math.round(parameters.claimedMinEntropy * 1000), true);
    view.setUint16(14, parameters.burnUnit, true);
    bytes.set(exactly(parameters.padId, 16), 16);
    view.setBigUint64(32, BigInt(parameters.samplesTested), true);
    view.setUint32(40, parameters.longestRepetition, true);
    view.setUint32(44, parameters.highestProportion, true);
    new TextEncoder().encodeInto(parameters.sourceName, bytes.subarray(48));
    return bytes;
  },
  decode: nothing,
};

const write: Command<{ offset: number; bytes: Uint8Array }, { next: number }> = {
  name: "WRITE",
  type: 0x11,
  aside: false,
  encode: ({ offset, bytes }) => payload(offset, bytes),
  decode: (reply) => (reply.length === 4 ? { next: viewOf(reply).getUint32(0, true) } : null),
};

const commit: Command<{ key: Uint8Array; tag: Uint8Array }, void> = {
  name: "COMMIT",
  type: 0x12,
  aside: false,
  encode: ({ key, tag }) => payload(exactly(key, 32), exactly(tag, 16)),
  decode: nothing,
};

const begin: Command<{ run: number | null; number: number }, Begun> = {
  name: "BEGIN",
  type: 0x20,
  aside: false,
  encode: ({ run, number }) => payload(run ?? NEW_RUN, number),
  decode: (reply) => {
    if (reply.length !== 8 + SLOT_ITEM_BYTES + OPENING_ITEM_BYTES) return null;
    const view = viewOf(reply);
    return {
      slot: view.getUint32(0, true),
      first: view.getUint32(4, true),
      slotItem: reply.subarray(8, 8 + SLOT_ITEM_BYTES),
      openingItem: reply.subarray(8 + SLOT_ITEM_BYTES),
    };
  },
};

const seal: Command<{ kind: BoxKind; text: Uint8Array }, SealedBox> = {
  name: "SEAL",
  type: 0x21,
  aside: false,
  encode: ({ kind, text }) => payload(BOX_KINDS.indexOf(kind) + 1, text),
  decode: (reply) => {
    if (reply.length < 8 + 20) return null;
    const view = viewOf(reply);
    return { mark: view.getUint32(0, true), offset: view.getUint32(4, true), box: reply.subarray(8) };
  },
};

const raise: Command<{ split: number }, { split: number }> = {
  name: "RAISE",
  type: 0x22,
  aside: false,
  encode: ({ split }) => payload(split),
  decode: (reply) => (reply.length === 4 ? { split: viewOf(reply).getUint32(0, true) } : null),
};

const find: Command<{ tag: Uint8Array; openingItem: Uint8Array }, Opening> = {
  name: "FIND",
  type: 0x30,
  aside: false,
  encode: ({ tag, openingItem }) => payload(exactly(tag, 16), exactly(openingItem, OPENING_ITEM_BYTES)),
  decode: (reply) => {
    if (reply.length !== 20) return null;
    const view = viewOf(reply);
    const [slot, first, run, number, split] = [0, 4, 8, 12, 16].map((offset) => view.getUint32(offset, true));
    return { slot, first, run, number, split } as Opening;
  },
};

const open: Command<{ offset: number; box: Uint8Array }, { kind: BoxKind; text: Uint8Array }> = {
  name: "OPEN",
  type: 0x31,
  aside: false,
  encode: ({ offset, box }) => payload(offset, box),
  decode: (reply) => {
    if (reply.length < 4) return null;
    const kind = BOX_KINDS[viewOf(reply).getUint32(0, true) - 1];
    return kind === undefined ? null : { kind, text: reply.subarray(4) };
  },
};

const release: Command<{ offset: number; length: number }, { used: number }> = {
  name: "RELEASE",
  type: 0x32,
  aside: false,
  encode: ({ offset, length }) => payload(offset, length),
  decode: (reply) => (reply.length === 4 ? { used: viewOf(reply).getUint32(0, true) } : null),
};

const releaseSlot: Command<{ slot: number }, void> = {
  name: "RELEASE_SLOT",
  type: 0x33,
  aside: false,
  encode: ({ slot }) => payload(slot),
  decode: nothing,
};

/** The commands of SPEC section 8. */
export const commands: {
  readonly hello: typeof hello;
  readonly info: typeof info;
  readonly page: typeof page;
  readonly fill: typeof fill;
  readonly write: typeof write;
  readonly commit: typeof commit;
  readonly begin: typeof begin;
  readonly seal: typeof seal;
  readonly raise: typeof raise;
  readonly find: typeof find;
  readonly open: typeof open;
  readonly release: typeof release;
  readonly releaseSlot: typeof releaseSlot;
} = { hello, info, page, fill, write, commit, begin, seal, raise, find, open, release, releaseSlot };

/** The parts one after the other; a number is a u32. */
function payload(...parts: (number | Uint8Array)[]): Uint8Array {
  const bytes = new Uint8Array(
    parts.reduce<number>((sum, part) => sum + (typeof part === "number" ? 4 : part.length), 0),
  );
  let end = 0;
  for (const part of parts) {
    if (typeof part === "number") viewOf(bytes).setUint32(end, u32(part), true);
    else bytes.set(part, end);
    end += typeof part === "number" ? 4 : part.length;
  }
  return bytes;
}

function u32(value: number): number {
  if (value !== value >>> 0) throw new RangeError(`${value} is not an unsigned 32-bit number`);
  return value;
}

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes where ${length} belong`);
  return bytes;
}

/** A reply that says only that the command was done. */
function nothing(reply: Uint8Array): undefined | null {
  return reply.length === 0 ? undefined : null;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
