/** Vectors of kind box: one box, sealed and opened, or refused (docs/SPEC.md section 2). */
import * as box from "../box.ts";
import { type Bytes, bytesOf, hex, type Seeded } from "../bytes.ts";
import { refusal, type Vector } from "./vector.ts";

const PAD: Seeded = { seed: "pad of boxes", length: 16384 };
/** Up base and down end of PAD in a pair: two slots on each side. */
const BASE = 384;
const END = 16000;
const PAD_ID = "000102030405060708090a0b0c0d0e0f";

interface Input {
  pad: Seeded;
  padId: string;
  direction: box.Direction;
  offset: number;
  burnUnit: number;
  /** Instead of the pad's bytes from offset on: what no device can come to. */
  slice?: Bytes;
}

interface Sealing extends Partial<Input> {
  kind?: number;
  text: Bytes;
}

const LENGTHS = [0, 1, 15, 16, 17, 31, 32, 33, 115, 4095, 4096];

export function boxVectors(): Vector[] {
  return [
    ...LENGTHS.map((length) => {
      const text = { seed: "text", length };
      return sealed(`length-${length}`, `A box of ${length} bytes of text.`, { text });
    }),
    sealed("data", "DATA differs from LAST in its header and in its tag.", { kind: box.DATA, text: { text: "Hello" } }),
    sealed("last", "The same text as box-data at the same offset, as LAST.", { text: { text: "Hello" } }),
    sealed("data-empty", "DATA may be empty.", { kind: box.DATA, text: "" }),
    sealed("utf8", "Text is bytes; UTF-8 has no say in its length.", { text: { text: "Grüße, 世界" } }),
    sealed("text-of-zeros", "Text of zeros shows the key, which is then of no use to anyone.", { text: { zeros: 40 } }),
    down("down", "The first down box ends where the high slots begin.", 5, 0, 1),
    down("down-later", "A down box at mark 1,000 lies 1,000 bytes lower.", 70, 1000, 1),
    down("down-burn-unit-64", "With burn unit 64 a down box of 5 bytes lies 128 bytes below the end.", 5, 0, 64),
    sealed("up-later", "An up box at mark 4,500, which goes into the tag as an offset.", {
      offset: BASE + 4500,
      text: { text: "The offset is in the tag and not on the wire." },
    }),
    ...[2, 4, 8, 16, 32, 64].map((burnUnit) => {
      const shows = `With burn unit ${burnUnit} the box is the same, but more of the pad is used.`;
      return sealed(`burn-unit-${burnUnit}`, shows, { burnUnit, text: { text: "Hello" } });
    }),
    sealed("burn-unit-exact", "Nothing is rounded up when 32 + n is a multiple of the burn unit.", {
      burnUnit: 64,
      text: { seed: "text", length: 32 },
    }),
    sealed(
      "opening",
      "An OPENING lies under the ready key of a slot: slot 0 of low, first 0, run 0, number 0, split 8,192.",
      {
        kind: box.OPENING,
        offset: 96,
        text: [{ u32: 0 }, { u32: 0 }, { u32: 0 }, { u32: 8192 }],
      },
    ),
    sealed("other-pad-id", "The pad id is in the tag and not on the wire.", {
      padId: "ffffffffffffffffffffffffffffffff",
      text: { text: "Hello" },
    }),
    sealed("eight-equal", "Eight equal bytes in a row are not suspicious.", {
      slice: [{ seed: "slice", length: 34 }, "5555555555555555", { seed: "slice", length: 8, from: 34 }],
      text: { seed: "text", length: 16 },
    }),
    sealed("nine-equal-behind", "Nine equal bytes behind the last byte of the key are never looked at.", {
      burnUnit: 64,
      slice: [{ seed: "slice", length: 37 }, "555555555555555555", { seed: "slice", length: 18, from: 37 }],
      text: { text: "Hello" },
    }),
    ...refused(),
  ];
}

function refused(): Vector[] {
  const item = itemOf({ text: { text: "Hello" } });
  const [header, rest] = [item.subarray(0, 4), item.subarray(4)];
  const withHeader = (length: number, kind: number, top = 0): Uint8Array => {
    return box.concat(Uint8Array.of(length & 255, length >>> 8, kind, top), rest);
  };
  return [
    forged("ciphertext-first", "A flipped bit in the first byte of the ciphertext.", flipped(item, 4)),
    forged("ciphertext-last", "A flipped bit in the last byte of the ciphertext.", flipped(item, 8, 0x80)),
    forged("tag-first", "A flipped bit in the first byte of the tag.", flipped(item, 9)),
    forged("tag-last", "A flipped bit in the last byte of the tag.", flipped(item, 24, 0x80)),
    forged("tag-zero", "A tag of zeros.", box.concat(item.subarray(0, 9), new Uint8Array(16))),
    forged(
      "tag-of-other-text",
      "The tag of another text.",
      box.concat(item.subarray(0, 9), itemOf({ text: { text: "HELLO" } }).subarray(9)),
    ),
    forged(
      "kind-up",
      "A box of a run made its last.",
      withKind(itemOf({ kind: box.DATA, text: { text: "Hello" } }), box.LAST),
    ),
    forged("kind-down", "The last box of a run made one of many.", withHeader(5, box.DATA)),
    forged(
      "shortened",
      "A byte of the text taken away, and the length made to fit.",
      box.concat(withHeader(4, 2).subarray(0, 8), item.subarray(9)),
    ),
    forged(
      "lengthened",
      "A byte put before the tag, and the length made to fit.",
      box.concat(withHeader(6, 2).subarray(0, 9), Uint8Array.of(0), item.subarray(9)),
    ),
    forged("emptied", "The text taken away altogether.", box.concat(withHeader(0, 2).subarray(0, 4), item.subarray(9))),
    forged("offset", "A box opened at the offset behind its own, under the key of its own.", item, {
      offset: BASE + 1,
      slice: { ...PAD, from: BASE, length: 37 },
    }),
    forged("elsewhere", "A box opened at another offset of the same pad.", item, { offset: BASE + 37 }),
    forged("direction", "An up box opened as a down box.", item, { direction: "down" }),
    forged("pad-id", "A box of a pad with the same bytes and another id.", item, {
      padId: "000102030405060708090a0b0c0d0e0e",
    }),
    forged("other-pad", "A box of another pad.", item, { pad: { seed: "another pad", length: 16384 } }),
    forged("decayed-r", "A bit of r differs between the twins.", item, { slice: sliceWithFlip(0) }),
    forged("decayed-s", "A bit of s differs between the twins.", item, { slice: sliceWithFlip(16) }),
    forged("decayed-key", "A bit of the key differs between the twins: wrong text does not verify.", item, {
      slice: sliceWithFlip(36),
    }),
    misshapen("kind-0", "A SLOT is not opened.", withHeader(5, 0)),
    misshapen("kind-4", "A WELCOME has 48 bytes, not 5.", withHeader(5, 4)),
    misshapen("top-byte", "The top byte of the header is 0.", withHeader(5, 2, 1)),
    misshapen("length-short", "The header says less than there is.", withHeader(4, 2)),
    misshapen("length-long", "The header says more than there is.", withHeader(6, 2)),
    misshapen(
      "length-4097",
      "No box holds more than 4,096 bytes of text.",
      box.concat(Uint8Array.of(1, 16, 2, 0), bytesOf({ seed: "text", length: 4097 + 16 })),
    ),
    misshapen("cut", "The last byte of the tag is missing.", item.subarray(0, 24)),
    misshapen("header-only", "A header and nothing behind it.", header),
    misshapen("extended", "A byte behind the tag.", box.concat(item, Uint8Array.of(0))),
    faulty("nine-equal", "Nine equal bytes across r and s: nothing is given out.", item, 12),
    faulty("erased-flash", "Erased flash instead of a pad: nothing is given out.", item, 0, 37),
    refuses("burned", "Pad bytes that were used are zero.", item, { slice: { zeros: 37 } }, "BOX_USED"),
    refuses("begun-to-burn", "The first 32 bytes burned are enough.", item, { slice: halfBurned(32) }, "BOX_USED"),
    refuses("burned-31", "31 of them are suspicious.", item, { slice: halfBurned(31) }, "FLASH_FAULT"),
  ];
}

function inputOf(change: Partial<Input>): Input {
  return { pad: PAD, padId: PAD_ID, direction: "up", offset: BASE, burnUnit: 1, ...change };
}

function sliceOf(input: Input, length: number): Uint8Array {
  return bytesOf(input.slice ?? { ...input.pad, from: input.offset, length });
}

function factsOf({ padId, direction, offset }: Input): box.BoxFacts {
  return { padId: bytesOf(padId), direction, offset };
}

function itemOf({ kind = box.LAST, text, ...change }: Sealing): Uint8Array {
  const input = inputOf(change);
  const bytes = bytesOf(text);
  return box.seal(sliceOf(input, 32 + bytes.length), factsOf(input), kind, bytes);
}

/** Sealed it gives the item, opened the item gives it. */
function sealed(name: string, shows: string, sealing: Sealing): Vector {
  const { kind = box.LAST, text, ...change } = sealing;
  const input = inputOf(change);
  const item = itemOf(sealing);
  const length = bytesOf(text).length;
  const opened = box.open(sliceOf(input, 32 + length), factsOf(input), item);
  if (opened.kind !== kind || !box.equal(opened.text, bytesOf(text))) throw new Error(`${name} does not open.`);
  const expect = { item: hex(item), consumes: box.consumed(length, input.burnUnit) };
  return { name: `box-${name}`, kind: "box", shows, section: "2", ...input, boxKind: kind, text, expect };
}

function down(name: string, shows: string, length: number, mark: number, burnUnit: number): Vector {
  const offset = END - mark - box.consumed(length, burnUnit);
  return sealed(name, shows, { direction: "down", offset, burnUnit, text: { seed: "text", length } });
}

function forged(name: string, shows: string, item: Uint8Array, change: Partial<Input> = {}): Vector {
  return refuses(name, shows, item, change, "AUTH_FAILED");
}

function misshapen(name: string, shows: string, item: Uint8Array): Vector {
  return refuses(name, shows, item, {}, "BAD_ARGUMENT");
}

/** `length` bytes of FF in the slice, from `at` on. */
function faulty(name: string, shows: string, item: Uint8Array, at: number, length = 9): Vector {
  const slice = bytesOf({ ...PAD, from: BASE, length: 48 }).fill(255, at, at + length);
  return refuses(name, shows, item, { slice: hex(slice) }, "FLASH_FAULT");
}

function refuses(name: string, shows: string, item: Uint8Array, change: Partial<Input>, code: string): Vector {
  const input = inputOf(change);
  const length = (item[0] as number) + 256 * (item[1] as number);
  const error = refusal(() => box.open(sliceOf(input, 32 + length), factsOf(input), item), code);
  return {
    name: `box-refused-${name}`,
    kind: "box",
    shows,
    section: "2",
    ...input,
    item: hex(item),
    expect: { error },
  };
}

function flipped(bytes: Uint8Array, at: number, bit = 1): Uint8Array {
  return bytes.map((byte, i) => (i === at ? byte ^ bit : byte));
}

function withKind(item: Uint8Array, kind: number): Uint8Array {
  return item.map((byte, i) => (i === 2 ? kind : byte));
}

function sliceWithFlip(at: number): Bytes {
  return hex(flipped(bytesOf({ ...PAD, from: BASE, length: 37 }), at));
}

/** The slice after a cut in the middle of burning it. */
function halfBurned(length: number): Bytes {
  return [{ zeros: length }, { ...PAD, from: BASE + length, length: 48 - length }];
}
