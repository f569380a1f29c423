// The items of a link and the texts that only cores make: what is written can be read again, and what no core writes is refused.

import { describe, expect, it } from "vitest";
import {
  type AddressList,
  commands,
  decodeAddresses,
  decodeGrant,
  decodeReady,
  decodeReceipt,
  decodeState,
  decodeWelcome,
  encodeAddresses,
  encodeGrant,
  encodeReady,
  encodeReceipt,
  encodeState,
  encodeWelcome,
  firstSplitOfToken,
  ItemReader,
  KIND_NUMBER,
  LinkError,
  slotItem,
  slotOffset,
} from "../../host/protocol/index.ts";
import { Random } from "../../simulator/index.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const mac = Uint8Array.from({ length: 16 }, (_, i) => 200 + i);
const MOST = 2 ** 32 - 1;
const MOST_MONEY = 2n ** 64n - 1n;

describe("the texts of a link", () => {
  const notes = { heardAgain: true, inDoubt: false, nothingLeft: true };
  const marks = { up: 1, down: 2, released: 3, split: MOST, lost: 8 };
  const welcome = { notes, ...marks, lastCall: 5, receiptSequence: 6, unfinished: 7 };
  const held = { sequence: 1, balance: MOST_MONEY, call: 3, up: 4, mac };
  const ready = { again: 1, next: 2, number: 3, down: 4, split: MOST, cap: MOST_MONEY, receipt: held };
  const receipt = { sequence: MOST, call: 2, balance: 3n, open: MOST_MONEY, up: 5, ends: true, closed: false, mac };
  const state = { down: 1, receiptSequence: MOST, cap: 3n, ends: true, wantsRoom: true };
  const list: AddressList = { number: 9, addresses: ["tcp://a.example:1", "x".repeat(200)] };

  it.each<[string, Uint8Array, number, (bytes: Uint8Array) => unknown, unknown]>([
    ["WELCOME", encodeWelcome(welcome), 48, decodeWelcome, welcome],
    ["READY", encodeReady(ready), 64, decodeReady, ready],
    ["RECEIPT", encodeReceipt(receipt), 48, decodeReceipt, receipt],
    ["STATE", encodeState(state), 20, decodeState, state],
    ["GRANT", encodeGrant(MOST), 4, decodeGrant, MOST],
    ["ADDRESSES", encodeAddresses(list), 227, decodeAddresses, list],
  ])("%s reads as it was written, and not with a byte more or less", (_, bytes, length, decode, value) => {
    expect(bytes).toHaveLength(length);
    expect(decode(bytes)).toEqual(value);
    expect(decode(bytes.subarray(1))).toBeNull();
    expect(decode(Uint8Array.from([...bytes, 0]))).toBeNull();
  });

  it("cannot be written with numbers that do not fit, or addresses that no device takes", () => {
    expect(() => encodeGrant(2 ** 32)).toThrow(RangeError);
    expect(() => encodeState({ ...state, cap: -1n })).toThrow(RangeError);
    expect(() => encodeReceipt({ ...receipt, balance: 2n ** 64n })).toThrow(RangeError);
    for (const addresses of [
      [""],
      ["a b"],
      ["ä"],
      ["x".repeat(201)],
      Array(17).fill("x"),
      ["x".repeat(110), "y".repeat(109)],
    ]) {
      expect(() => encodeAddresses({ number: 1, addresses })).toThrow(RangeError);
    }
  });

  it("ADDRESSES with a wrong count, a length beyond the end or a space in it reads as none", () => {
    const bytes = encodeAddresses({ number: 1, addresses: ["ab", "c"] });
    for (const [at, value] of [
      [4, 1],
      [4, 3],
      [4, 17],
      [8, 0],
      [8, 9],
      [9, 0x20],
      [9, 0x7f],
    ] as const) {
      expect(decodeAddresses(bytes.map((byte, i) => (i === at ? value : byte)))).toBeNull();
    }
  });
});

describe("the reader of items", () => {
  /** Every kind in its shortest and its longest form. */
  const lengths = {
    slot: [0],
    data: [0, 4096],
    last: [0, 1],
    opening: [16],
    welcome: [48],
    ready: [64],
    receipt: [48],
  };
  const rest = { grant: [4], addresses: [10, 228], state: [20] };
  const items = Object.entries({ ...lengths, ...rest }).flatMap(([kind, texts]) =>
    texts.map((length) => {
      if (kind === "slot") return slotItem(mac);
      const item = new Uint8Array(20 + length).fill(0xaa);
      item.set([length & 255, length >> 8, KIND_NUMBER[kind as "data"], 0]);
      return item;
    }),
  );

  it(`finds the same items in pieces of any size (SEED=${seed})`, () => {
    const random = new Random(seed);
    const stream = new Uint8Array(Buffer.concat(items));
    for (let round = 0; round < 50; round++) {
      const reader = new ItemReader();
      const found: Uint8Array[] = [];
      for (let at = 0; at < stream.length; ) {
        const size = 1 + random.below(round < 25 ? 10 : 5000);
        for (const { bytes, kind, textLength } of reader.push(stream.subarray(at, at + size))) {
          expect([KIND_NUMBER[kind], textLength]).toEqual([bytes[2], bytes[0]! + 256 * bytes[1]!]);
          found.push(bytes);
        }
        at += size;
      }
      expect(found).toEqual(items);
    }
  });

  it("stops at a header that cannot be, with what came before it given out", () => {
    for (const header of [
      [0, 0, 10, 0],
      [0, 0, 1, 1],
      [1, 16, 1, 0],
      [15, 0, 0, 0],
      [47, 0, 4, 0],
      [9, 0, 8, 0],
      [229, 0, 8, 0],
    ]) {
      const reader = new ItemReader();
      expect(() => reader.push(Uint8Array.from(header))).toThrow(LinkError);
      const other = new ItemReader();
      expect(other.push(Uint8Array.from([...slotItem(mac), ...header, 1, 2]))).toHaveLength(1);
      expect(() => other.push(new Uint8Array(0))).toThrow(LinkError);
      try {
        other.push(new Uint8Array(9));
      } catch (error) {
        expect(error).toMatchObject({ code: "BAD_ITEM", facts: { position: 20 } });
      }
    }
  });
});

describe("a token's pad", () => {
  const shape = { padLength: 65_536, burnUnit: 16, slots: { low: 8, high: 0 } };

  it("begins with a sixteenth for up, and its slots lie at the start", () => {
    expect(firstSplitOfToken(shape)).toBe(1536 + 4000);
    expect([slotOffset(shape, "low", 2), slotOffset(shape, "high", 0)]).toEqual([384, 65_536 - 192]);
  });

  it("is filled with its money and its addresses behind what every pad has", () => {
    const base = {
      ...({ ...shape, side: "low", slots: { low: true, high: false }, firstSplit: 5536, padId: mac } as const),
      ...({ provenance: "csprng", claimedMinEntropy: 0, samplesTested: 0, longestRepetition: 0 } as const),
      ...{ highestProportion: 0, sourceName: "" },
    };
    expect(commands.fill.encode(base)).toHaveLength(112);
    const token = {
      ...{ asset: "EUR", limit: 5n, receipt: { sequence: 7, balance: 9n, mac } },
      addresses: { number: 3, addresses: ["ab"] },
    };
    const bytes = Buffer.from(commands.fill.encode({ ...base, token }));
    expect(bytes).toHaveLength(171);
    expect(bytes.toString("latin1", 112, 120)).toBe("EUR\0\0\0\0\0");
    expect([bytes.readBigUInt64LE(120), bytes.readUInt32LE(128), bytes.readBigUInt64LE(136)]).toEqual([5n, 7, 9n]);
    expect([...bytes.subarray(144, 160)]).toEqual([...mac]);
    expect([...bytes.subarray(160)]).toEqual([1, 0, 0, 0, 3, 0, 0, 0, 2, 0x61, 0x62]);
    for (const asset of ["", "eur", "TOOLONGXX"]) {
      expect(() => commands.fill.encode({ ...base, token: { ...token, asset } })).toThrow(RangeError);
    }
  });
});
