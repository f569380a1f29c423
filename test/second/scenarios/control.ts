/** Vectors of kind control: boxes that the cores alone make and read, their texts, and the receipt's MAC (docs/SPEC.md sections 2, 13 and 14). */
import * as box from "../box.ts";
import { u32 } from "../box.ts";
import { bytesOf, hex, type Seeded } from "../bytes.ts";
import * as link from "../link.ts";
import type { Vector } from "./vector.ts";

const PAD: Seeded = { seed: "pad of controls", length: 16384 };
const PAD_ID = "404142434445464748494a4b4c4d4e4f";
const KEY: Seeded = { seed: "key of receipts", length: 32 };
const MAC = "606162636465666768696a6b6c6d6e6f";
const HIGHEST = 2n ** 64n - 1n;

/** Where a box of each kind lies: in slot 1, or at a mark of its direction. */
const PLACES: Record<number, { direction: box.Direction; offset: number }> = {
  [box.WELCOME]: { direction: "down", offset: 192 + 16 },
  [box.READY]: { direction: "up", offset: 192 + 96 },
  [box.RECEIPT]: { direction: "down", offset: 16384 - 80 },
  [box.GRANT]: { direction: "down", offset: 16384 - 80 - 36 },
  [box.ADDRESSES]: { direction: "down", offset: 12000 },
  [box.STATE]: { direction: "up", offset: 384 },
};

/** A text in the words of SPEC: numbers, amounts in decimal, bytes in hexadecimal. */
type Fields = Record<string, unknown>;

export function controlVectors(): Vector[] {
  return [...welcomes(), ...readies(), ...receipts(), ...grants(), ...addresses(), ...states(), ...macs()];
}

function control(name: string, shows: string, kind: number, fields: Fields, text: Uint8Array): Vector {
  const { direction, offset } = PLACES[kind] as { direction: box.Direction; offset: number };
  const slice = bytesOf({ ...PAD, from: offset, length: 32 + text.length });
  const facts = { padId: bytesOf(PAD_ID), direction, offset };
  const item = box.seal(slice, facts, kind, text);
  if (!box.equal(box.open(slice, facts, item).text, text)) throw new Error(`${name} does not open.`);
  const place = { pad: PAD, padId: PAD_ID, direction, offset };
  const expect = { text: hex(text), item: hex(item) };
  return { name: `control-${name}`, kind: "control", shows, section: "13", boxKind: kind, ...place, fields, expect };
}

/** A text that is none of its kind. */
function unreadable(name: string, shows: string, kind: number, text: Uint8Array): Vector {
  return {
    name: `control-${name}`,
    kind: "control",
    shows,
    section: "13",
    boxKind: kind,
    text: hex(text),
    fields: null,
  };
}

function welcomes(): Vector[] {
  const of = (name: string, shows: string, welcome: link.Welcome): Vector => {
    const { notes, ...marks } = welcome;
    const words = { heardAgain: (notes & 1) !== 0, inDoubt: (notes & 2) !== 0, nothingLeft: (notes & 4) !== 0 };
    const text = link.welcomeText(welcome);
    if (JSON.stringify(link.readWelcome(text)) !== JSON.stringify(welcome)) throw new Error(`${name} reads otherwise.`);
    return control(`welcome-${name}`, shows, box.WELCOME, { notes: words, ...marks }, text);
  };
  const none = { unfinished: 0, lost: 0 };
  const first = { notes: 0, up: 0, down: 0, released: 0, split: 1384, lastCall: 0, receiptSequence: 1, ...none };
  const behind = { unfinished: 3, lost: 190 };
  const later = { up: 101, down: 202, released: 162, split: 5000, lastCall: 6, receiptSequence: 70_000, ...behind };
  const all = 0xffffffff;
  const rest = { lastCall: all, receiptSequence: all, unfinished: all, lost: all };
  const most = { up: all, down: all, released: all, split: all, ...rest };
  return [
    of("first", "The welcome to a first call.", first),
    of("later", "A later one, each field of its own.", { notes: 0, ...later }),
    of("heard-again", "Note bit 0: an earlier call was heard again.", { ...first, notes: 1 }),
    of("in-doubt", "Note bit 1: the books are in doubt.", { ...first, notes: 2 }),
    of("nothing-left", "Note bit 2: nothing is left.", { ...first, notes: 4 }),
    of("highest", "Every field at its highest.", { notes: 7, ...most }),
    unreadable("welcome-short", "A welcome of 47 bytes.", box.WELCOME, new Uint8Array(47)),
    unreadable("welcome-long", "A welcome of 49 bytes.", box.WELCOME, new Uint8Array(49)),
  ];
}

function receiptFields({ sequence, balance, call, up, mac }: link.HeldReceipt): Fields {
  return { sequence, balance: `${balance}`, call, up, mac: hex(mac) };
}

function readies(): Vector[] {
  const of = (name: string, shows: string, ready: link.Ready): Vector => {
    const { cap, receipt, ...marks } = ready;
    const text = link.readyText(ready);
    if (!box.equal(link.readyText(link.readReady(text)), text)) throw new Error(`${name} reads otherwise.`);
    const fields = { ...marks, cap: `${cap}`, receipt: receiptFields(receipt) };
    return control(`ready-${name}`, shows, box.READY, fields, text);
  };
  const held = { sequence: 5, balance: 0x0102030405060708n, call: 4, up: 99, mac: bytesOf(MAC) };
  const marks = { again: 11, next: 22, number: 33, down: 44, split: 55 };
  const most = { again: 0xffffffff, next: 0xffffffff, number: 0xffffffff, down: 0xffffffff, split: 0xffffffff };
  return [
    of("first", "READY of a token without a receipt, which allows nothing.", {
      ...{ again: 0, next: 0, number: 0, down: 0, split: 1384, cap: 0n, receipt: link.NO_RECEIPT },
    }),
    of("later", "A later one, each field of its own.", { ...marks, cap: 0x1112131415161718n, receipt: held }),
    of("highest", "Every field at its highest.", {
      ...{ ...most, cap: HIGHEST },
      receipt: { sequence: 0xffffffff, balance: HIGHEST, call: 0xffffffff, up: 0xffffffff, mac: bytesOf(MAC) },
    }),
    unreadable("ready-short", "A READY of 63 bytes.", box.READY, new Uint8Array(63)),
  ];
}

function receipts(): Vector[] {
  const of = (name: string, shows: string, receipt: link.Receipt): Vector => {
    const { flags, open, ...held } = receipt;
    const text = link.receiptText(receipt);
    if (!box.equal(link.receiptText(link.readReceipt(text)), text)) throw new Error(`${name} reads otherwise.`);
    const words = { ends: (flags & 1) !== 0, closed: (flags & 2) !== 0 };
    return control(`receipt-${name}`, shows, box.RECEIPT, { ...receiptFields(held), open: `${open}`, ...words }, text);
  };
  const plain = { sequence: 2, call: 1, balance: 4990n, open: 90n, up: 37, flags: 0, mac: bytesOf(MAC) };
  return [
    of("plain", "A receipt of an open link.", plain),
    of("ends", "The link ends with it.", { ...plain, open: 0n, flags: 1 }),
    of("closed", "The link ends and the value is closed.", { ...plain, balance: 0n, open: 0n, flags: 3 }),
    of("highest", "Every field at its highest.", {
      ...{ sequence: 0xffffffff, call: 0xffffffff, balance: HIGHEST, open: HIGHEST, up: 0xffffffff, flags: 3 },
      mac: bytesOf(MAC),
    }),
    unreadable("receipt-long", "A receipt of 49 bytes.", box.RECEIPT, new Uint8Array(49)),
  ];
}

function grants(): Vector[] {
  const of = (name: string, split: number): Vector => {
    return control(`grant-${name}`, `A grant of ${split}.`, box.GRANT, { split }, u32(split));
  };
  return [
    of("small", 1500),
    of("highest", 0xffffffff),
    unreadable("grant-short", "A grant of 3 bytes.", box.GRANT, new Uint8Array(3)),
  ];
}

function addresses(): Vector[] {
  const of = (name: string, shows: string, number: number, list: string[]): Vector => {
    const text = link.addressesText({ number, addresses: list });
    if (link.readAddresses(text)?.addresses.join() !== list.join()) throw new Error(`${name} reads otherwise.`);
    return control(`addresses-${name}`, shows, box.ADDRESSES, { number, addresses: list }, text);
  };
  const wrong = (name: string, shows: string, count: number, bytes: string): Vector => {
    const text = bytesOf([{ u32: 2 }, { u32: count }, bytes]);
    if (link.readAddresses(text)) throw new Error(`${name} is right.`);
    return unreadable(`addresses-${name}`, shows, box.ADDRESSES, text);
  };
  return [
    of("two", "Two addresses.", 7, ["tcp://token.example:7300", "wss://token.example/link"]),
    of("shortest", "One address of one byte.", 1, ["!"]),
    of("longest", "An address of 200 bytes and one of 18: 228 bytes.", 0xffffffff, ["~".repeat(200), "x".repeat(18)]),
    of(
      "sixteen",
      "Sixteen addresses.",
      2,
      Array.from({ length: 16 }, (_, i) => `tcp://h${i}`),
    ),
    wrong("seventeen", "Seventeen addresses.", 17, "0161".repeat(17)),
    wrong("empty-one", "An address of no bytes.", 2, "016100"),
    wrong("201", "An address of 201 bytes.", 1, `c9${"61".repeat(201)}`),
    wrong("missing", "One address fewer than it says.", 2, "0161"),
    wrong("more", "One address more than it says.", 1, "01610162"),
    wrong("cut", "An address that is cut off.", 1, "0561626364"),
    wrong("space", "A space in an address.", 1, "03612061"),
    wrong("delete", "A control character in an address.", 1, "03617f61"),
    wrong("beyond-ascii", "A byte above 7E in an address.", 1, "0361c361"),
  ];
}

function states(): Vector[] {
  const of = (name: string, shows: string, state: link.State): Vector => {
    const { flags, cap, ...rest } = state;
    const text = link.stateText(state);
    if (!box.equal(link.stateText(link.readState(text)), text)) throw new Error(`${name} reads otherwise.`);
    return control(
      `state-${name}`,
      shows,
      box.STATE,
      { ...rest, cap: `${cap}`, ends: (flags & 1) !== 0, wantsRoom: (flags & 2) !== 0 },
      text,
    );
  };
  return [
    of("plain", "What is released and held.", { down: 160, receiptSequence: 3, cap: 100n, flags: 0 }),
    of("ends", "The link ends.", { down: 0, receiptSequence: 0, cap: 0n, flags: 1 }),
    of("wants-room", "A grant is asked for.", { down: 7, receiptSequence: 1, cap: 50n, flags: 2 }),
    of("highest", "Every field at its highest.", {
      down: 0xffffffff,
      receiptSequence: 0xffffffff,
      cap: HIGHEST,
      flags: 3,
    }),
    unreadable("state-short", "A STATE of 19 bytes.", box.STATE, new Uint8Array(19)),
  ];
}

function macs(): Vector[] {
  const of = (name: string, shows: string, asset: string, receipt: Omit<link.HeldReceipt, "mac">): Vector => {
    const { balance, ...rest } = receipt;
    const mac = link.receiptMac(
      bytesOf(KEY),
      bytesOf(PAD_ID),
      bytesOf([{ text: asset }, { zeros: 8 - asset.length }]),
      receipt,
    );
    const fields = { ...rest, balance: `${balance}` };
    return {
      name: `mac-${name}`,
      kind: "mac",
      shows,
      section: "14",
      key: KEY,
      padId: PAD_ID,
      asset,
      ...fields,
      expect: { mac: hex(mac) },
    };
  };
  const plain = { sequence: 2, call: 1, balance: 4990n, up: 37 };
  return [
    of("plain", "The MAC of a receipt.", "EUR", plain),
    of("sequence", "Another sequence.", "EUR", { ...plain, sequence: 3 }),
    of("call", "Another call.", "EUR", { ...plain, call: 2 }),
    of("balance", "Another balance.", "EUR", { ...plain, balance: 4991n }),
    of("up", "Another up mark.", "EUR", { ...plain, up: 38 }),
    of("asset", "Another asset, of eight letters.", "POINTS24", plain),
    of("first", "The receipt of a fill.", "EUR", { sequence: 1, call: 0, balance: 5000n, up: 0 }),
    of("highest", "Every field at its highest.", "ZZZZZZZZ", {
      ...{ sequence: 0xffffffff, call: 0xffffffff, balance: HIGHEST, up: 0xffffffff },
    }),
  ];
}
