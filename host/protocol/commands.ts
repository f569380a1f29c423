// The commands of a device and their replies, byte for byte (SPEC sections 8 and 10). Each command knows how to write its
// request and how to read its reply; a reply of another length than it must have reads as null.

import { type DeviceErrorCode, errorCode, type Section, type State, sectionName, stateName } from "./errors.ts";
import { type ItemKind, kindOf } from "./item.ts";
import { type AddressList, decodeNotes, type Notes, packAddresses, type Receipt, stateFlags } from "./link.ts";
import type { PadShape, Side } from "./pad.ts";

/** The commands by their names, as frames name them. */
export const COMMAND_TYPES = {
  HELLO: 0x01,
  INFO: 0x02,
  PAGE: 0x03,
  VALUE: 0x04,
  FILL: 0x10,
  WRITE: 0x11,
  COMMIT: 0x12,
  BEGIN: 0x20,
  SEAL: 0x21,
  RAISE: 0x22,
  FIND: 0x30,
  OPEN: 0x31,
  RELEASE: 0x32,
  RELEASE_SLOT: 0x33,
  CALL: 0x40,
  READY: 0x41,
  STATE: 0x42,
  SELFTEST: 0x50,
} as const;
export type CommandName = keyof typeof COMMAND_TYPES;

/** Commands that are answered at any session and sequence, change nothing, and whose replies are not kept. */
const ASIDE: readonly CommandName[] = ["HELLO", "INFO", "PAGE", "VALUE"];

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
const WELCOME_ITEM_BYTES = 68;
const READY_ITEM_BYTES = 84;
const STATE_ITEM_BYTES = 40;
const SECTOR_BYTES = 4096;

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
  /** For a token, and only for one: its money and where its server is. */
  readonly token?: TokenParameters;
}

/** What a fill lays down about the value of a token. Money in minor units. */
export interface TokenParameters {
  /** 1 to 8 characters of A-Z and 0-9. */
  readonly asset: string;
  /** What a link may cost without a press of the button. */
  readonly limit: bigint;
  /** The first receipt. */
  readonly receipt: Pick<Receipt, "sequence" | "balance" | "mac">;
  readonly addresses: AddressList;
}

/** The money that a device knows of (SPEC section 14), in minor units. What a pad of two people has none of is 0. */
export interface Value {
  /** `sequence` is 0 while there is no receipt. */
  readonly receipt: Pick<Receipt, "sequence" | "call" | "balance" | "up">;
  /** What the server may still have debited or debit beyond the receipt. */
  readonly openCaps: bigint;
  /** The number of the last call that the server welcomed, 0 for none. */
  readonly answered: number;
  /** What a link may cost without a press of the button. */
  readonly limit: bigint;
  readonly asset: string;
  readonly link: LinkStatus;
  /** Those of the link's welcome; none without a link. */
  readonly notes: Notes;
  /** The mark below which boxes of down do not come any more, as the link's welcome said; 0: none, or no link. */
  readonly lost: number;
}

/** How a device stands to its server: its ready left, and then it opened a receipt of this call. */
export type LinkStatus = "none" | "ready" | "linked";
const LINK_STATUSES: readonly LinkStatus[] = ["none", "ready", "linked"];

/** A call: its slot, and the item that names it. */
export interface Call {
  readonly slot: number;
  readonly slotItem: Uint8Array;
}

/** What a device answers to a welcome. */
export interface ReadyRequest {
  readonly welcomeItem: Uint8Array;
  /** The boxes from the welcome's up mark to this mark are sent again. */
  readonly again: number;
  /** The number in its run of the next box; 0 for a new run. */
  readonly number: number;
  /** What the server may debit in this link, in minor units. */
  readonly cap: bigint;
}

/** What a device says within a link, beside what it has. */
export interface StateRequest {
  /** What the server may debit in this link on top, in minor units. */
  readonly cap: bigint;
  /** The link ends. */
  readonly ends?: boolean;
  /** A grant is asked for. */
  readonly wantsRoom?: boolean;
}

/** A box as its device opened it. `refused`: a control box that the device did not take; nothing changed then. */
export interface OpenedBox {
  readonly kind: ItemKind;
  readonly refused: boolean;
  readonly text: Uint8Array;
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

/** What carries the core (SPEC section 12). */
export type DeviceBody = "simulator" | "pico" | "pico-bare" | "native" | "unknown";
const BODIES: readonly DeviceBody[] = ["simulator", "pico", "pico-bare", "native"];

/** What a body says of itself and its chip. */
export interface BodyFacts {
  /** In bytes. */
  readonly chipSize: number;
  /** Whether used bytes may be programmed to zero. */
  readonly overprogram: boolean;
  readonly burnUnit: number;
  readonly erase64: boolean;
  /** Six hexadecimal digits, as the chip answers the JEDEC command: manufacturer, type, capacity. null: there is no chip to ask. */
  readonly chipId: string | null;
  readonly body: DeviceBody;
  readonly supplyOk: boolean;
}

/** The steps of a self test that try the chip, in the order in which they make sense. */
export type ChipStep = "erase" | "program" | "zero";
const CHIP_STEPS: readonly ChipStep[] = ["erase", "program", "zero"];

/** What such a step found. Times in microseconds. */
export interface ChipFindings {
  readonly operations: number;
  /** What the body returned for the last operation: 0 done, anything else refused or timed out, and then it was the last. */
  readonly status: number;
  /** The shortest and the longest operation, and all together. */
  readonly leastUs: number;
  readonly mostUs: number;
  readonly sumUs: number;
  /** Of the 32,768 bits of the sector, those that do not read as they should. */
  readonly wrongBits: number;
  /** To read 4,096 bytes. */
  readonly readUs: number;
}

/** What a look at the button finds; "refused" too where a body has none. */
export type Button = "none" | "pressed" | "refused";
const BUTTONS: readonly Button[] = ["none", "pressed", "refused"];

/** A box of a run: DATA, or LAST for the one that ends it. */
export type BoxKind = "data" | "last";
const BOX_KINDS: readonly BoxKind[] = ["data", "last"];

const hello: Command<{ nonce: number }, Hello> = {
  ...named("HELLO"),
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
  ...named("INFO"),
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
  ...named("PAGE"),
  encode: ({ page }) => payload(page),
  decode: (reply) => (reply.length === 256 ? reply : null),
};

const fill: Command<FillParameters, void> = {
  ...named("FILL"),
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
    return parameters.token === undefined ? bytes : payload(bytes, tokenBytes(parameters.token));
  },
  decode: nothing,
};

function tokenBytes({ asset, limit, receipt, addresses: { number, addresses } }: TokenParameters): Uint8Array {
  if (!/^[A-Z0-9]{1,8}$/.test(asset)) throw new RangeError(`"${asset}" as an asset`);
  const code = new Uint8Array(8);
  new TextEncoder().encodeInto(asset, code);
  return payload(
    ...[code, u64(limit), receipt.sequence, 0, u64(receipt.balance), exactly(receipt.mac, 16)],
    ...[addresses.length, number, packAddresses(addresses)],
  );
}

const write: Command<{ offset: number; bytes: Uint8Array }, { next: number }> = {
  ...named("WRITE"),
  encode: ({ offset, bytes }) => payload(offset, bytes),
  decode: (reply) => (reply.length === 4 ? { next: viewOf(reply).getUint32(0, true) } : null),
};

const commit: Command<{ key: Uint8Array; tag: Uint8Array }, void> = {
  ...named("COMMIT"),
  encode: ({ key, tag }) => payload(exactly(key, 32), exactly(tag, 16)),
  decode: nothing,
};

const begin: Command<{ run: number | null; number: number }, Begun> = {
  ...named("BEGIN"),
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
  ...named("SEAL"),
  encode: ({ kind, text }) => payload(BOX_KINDS.indexOf(kind) + 1, text),
  decode: (reply) => {
    if (reply.length < 8 + 20) return null;
    const view = viewOf(reply);
    return { mark: view.getUint32(0, true), offset: view.getUint32(4, true), box: reply.subarray(8) };
  },
};

const raise: Command<{ split: number }, { split: number }> = {
  ...named("RAISE"),
  encode: ({ split }) => payload(split),
  decode: (reply) => (reply.length === 4 ? { split: viewOf(reply).getUint32(0, true) } : null),
};

const find: Command<{ tag: Uint8Array; openingItem: Uint8Array }, Opening> = {
  ...named("FIND"),
  encode: ({ tag, openingItem }) => payload(exactly(tag, 16), exactly(openingItem, OPENING_ITEM_BYTES)),
  decode: (reply) => {
    if (reply.length !== 20) return null;
    const view = viewOf(reply);
    const [slot, first, run, number, split] = [0, 4, 8, 12, 16].map((offset) => view.getUint32(offset, true));
    return { slot, first, run, number, split } as Opening;
  },
};

const open: Command<{ offset: number; box: Uint8Array }, OpenedBox> = {
  ...named("OPEN"),
  encode: ({ offset, box }) => payload(offset, box),
  decode: (reply) => {
    const kind = reply.length < 4 ? null : kindOf(reply[0]!);
    return kind === null ? null : { kind, refused: reply[1] === 1, text: reply.subarray(4) };
  },
};

const release: Command<{ offset: number; length: number }, { used: number }> = {
  ...named("RELEASE"),
  encode: ({ offset, length }) => payload(offset, length),
  decode: (reply) => (reply.length === 4 ? { used: viewOf(reply).getUint32(0, true) } : null),
};

const releaseSlot: Command<{ slot: number }, void> = {
  ...named("RELEASE_SLOT"),
  encode: ({ slot }) => payload(slot),
  decode: nothing,
};

const value: Command<void, Value> = {
  ...named("VALUE"),
  encode: () => payload(),
  decode: (reply) => {
    if (reply.length !== 56) return null;
    const view = viewOf(reply);
    const u32At = (offset: number) => view.getUint32(offset, true);
    const u64At = (offset: number) => view.getBigUint64(offset, true);
    const asset = reply.subarray(40, 48);
    return {
      receipt: { sequence: u32At(0), call: u32At(4), balance: u64At(8), up: u32At(24) },
      openCaps: u64At(16),
      answered: u32At(28),
      limit: u64At(32),
      asset: String.fromCharCode(...asset.filter((byte) => byte !== 0)),
      link: LINK_STATUSES[reply[48]!] ?? "none",
      notes: decodeNotes(reply[49]!),
      lost: u32At(52),
    };
  },
};

const call: Command<{ skip: boolean }, Call> = {
  ...named("CALL"),
  encode: ({ skip }) => payload(skip ? 1 : 0),
  decode: (reply) =>
    reply.length === 4 + SLOT_ITEM_BYTES
      ? { slot: viewOf(reply).getUint32(0, true), slotItem: reply.subarray(4) }
      : null,
};

const ready: Command<ReadyRequest, Uint8Array> = {
  ...named("READY"),
  encode: ({ welcomeItem, again, number, cap }) =>
    payload(exactly(welcomeItem, WELCOME_ITEM_BYTES), again, number, u64(cap)),
  decode: (reply) => (reply.length === READY_ITEM_BYTES ? reply : null),
};

const state: Command<StateRequest, SealedBox> = {
  ...named("STATE"),
  encode: ({ cap, ends = false, wantsRoom = false }) => payload(u64(cap), stateFlags({ ends, wantsRoom })),
  decode: (reply) => {
    if (reply.length !== 8 + STATE_ITEM_BYTES) return null;
    const view = viewOf(reply);
    return { mark: view.getUint32(0, true), offset: view.getUint32(4, true), box: reply.subarray(8) };
  },
};

const selftestBody: Command<void, BodyFacts> = {
  ...named("SELFTEST"),
  encode: () => payload(0),
  decode: (reply) => {
    if (reply.length !== 28) return null;
    const u32At = (offset: number) => viewOf(reply).getUint32(offset, true);
    const id = u32At(16);
    return {
      chipSize: u32At(0) * SECTOR_BYTES,
      overprogram: u32At(4) === 1,
      burnUnit: u32At(8),
      erase64: u32At(12) === 1,
      chipId: id === 0 ? null : hex(Uint8Array.of(id >>> 16, id >>> 8, id)),
      body: BODIES[u32At(20)] ?? "unknown",
      supplyOk: u32At(24) === 1,
    };
  },
};

const selftestChip: Command<{ step: ChipStep }, ChipFindings> = {
  ...named("SELFTEST"),
  encode: ({ step }) => payload(CHIP_STEPS.indexOf(step) + 1),
  decode: (reply) => {
    if (reply.length !== 28) return null;
    const u32At = (offset: number) => viewOf(reply).getUint32(offset, true);
    return {
      operations: u32At(0),
      status: u32At(4),
      leastUs: u32At(8),
      mostUs: u32At(12),
      sumUs: u32At(16),
      wrongBits: u32At(20),
      readUs: u32At(24),
    };
  },
};

const selftestButton: Command<void, Button> = {
  ...named("SELFTEST"),
  encode: () => payload(CHIP_STEPS.length + 1),
  decode: (reply) => (reply.length === 4 ? (BUTTONS[viewOf(reply).getUint32(0, true)] ?? null) : null),
};

/** The commands of SPEC section 8. SELFTEST is three of them: what its steps ask and answer differs. */
export const commands: {
  readonly hello: typeof hello;
  readonly info: typeof info;
  readonly page: typeof page;
  readonly value: typeof value;
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
  readonly call: typeof call;
  readonly ready: typeof ready;
  readonly state: typeof state;
  readonly selftestBody: typeof selftestBody;
  readonly selftestChip: typeof selftestChip;
  readonly selftestButton: typeof selftestButton;
} = {
  ...{ hello, info, page, value, fill, write, commit, begin, seal, raise, find, open, release, releaseSlot },
  ...{ call, ready, state, selftestBody, selftestChip, selftestButton },
};

function named<Name extends CommandName>(name: Name): { name: Name; type: number; aside: boolean } {
  return { name, type: COMMAND_TYPES[name], aside: ASIDE.includes(name) };
}

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

function u64(value: bigint): Uint8Array {
  if (value !== BigInt.asUintN(64, value)) throw new RangeError(`${value} is not an unsigned 64-bit number`);
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, value, true);
  return bytes;
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
