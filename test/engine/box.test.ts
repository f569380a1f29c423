// The box in every body, against the second implementation: what goes out, what comes in, and what is refused.

import { describe, expect, test } from "vitest";
import { Random } from "../../simulator/index.ts";
import * as second from "../second/box.ts";
import { type Associated, BODIES, type Primitives, primitives } from "./primitives.ts";

const LENGTHS = [0, 1, 2, 3, 4, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 1023, 1024, 1056, 1087, 1088, 4095, 4096];

describe.each(BODIES)("the box of the %s", (body) => {
  const loaded: Promise<Primitives> = primitives(body);

  test("is, byte for byte, the second implementation's, and opens to its text, in place too", async () => {
    const core = await loaded;
    const random = new Random(1);
    for (const length of LENGTHS) {
      const { slice, facts, text } = box(random, length);
      const item = core.seal(slice, facts, text);
      expect(item).toEqual(Uint8Array.from(second.seal(slice, facts, facts.kind, text)));
      expect(core.seal(slice, facts, text, true)).toEqual(item);
      expect(core.open(slice, facts, item).text).toEqual(text);
      expect(core.open(slice, facts, item, true).text).toEqual(text);
    }
  });

  test("does not open with any one bit flipped, and leaves no text", async () => {
    const core = await loaded;
    const { slice, facts, text } = box(new Random(2), 37);
    const item = core.seal(slice, facts, text);
    for (let bit = 0; bit < item.length * 8; bit++) {
      const forged = Uint8Array.from(item);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      expect(core.open(slice, facts, forged), `bit ${bit}`).toEqual({ text: null, rest: new Uint8Array(37) });
    }
  });

  test("does not open with a decayed bit of the pad, but for the bits that RFC 8439 clamps", async () => {
    const core = await loaded;
    const { slice, facts, text } = box(new Random(3), 21);
    const item = core.seal(slice, facts, text);
    const clamped = new Set([3, 7, 11, 15].flatMap((byte) => [4, 5, 6, 7].map((bit) => byte * 8 + bit)));
    for (const byte of [4, 8, 12]) clamped.add(byte * 8).add(byte * 8 + 1);
    for (let bit = 0; bit < slice.length * 8; bit++) {
      const decayed = Uint8Array.from(slice);
      decayed[bit >> 3]! ^= 1 << (bit & 7);
      expect(core.open(decayed, facts, item).text !== null, `bit ${bit}`).toBe(clamped.has(bit));
    }
  });

  test("does not open as a box of another place, direction, kind or pad", async () => {
    const core = await loaded;
    const { slice, facts, text } = box(new Random(4), 100);
    const item = core.seal(slice, facts, text);
    const other: Partial<Associated>[] = [
      { offset: facts.offset + 1 },
      { offset: (facts.offset ^ 0x8000_0000) >>> 0 },
      { direction: facts.direction === "up" ? "down" : "up" },
      { kind: 3 - facts.kind },
      { padId: facts.padId.map((byte, i) => (i === 15 ? byte ^ 1 : byte)) },
    ];
    for (const change of other) expect(core.open(slice, { ...facts, ...change }, item).text).toBeNull();
  });

  test("finds nine equal bytes wherever they stand in a slice, and lets eight pass", async () => {
    const core = await loaded;
    const random = new Random(5);
    for (const length of [32, 33, 36, 95, 96, 97, 98, 160, 161]) {
      for (let at = 0; at + 9 <= length; at++) {
        const slice = Uint8Array.from({ length }, (_, i) => i & 0x7f);
        const value = 0x80 + random.below(128);
        slice.fill(value, at, at + 8);
        expect(core.suspicious(slice), `eight at ${at} of ${length}`).toBe(false);
        slice[at + 8] = value;
        expect(core.suspicious(slice), `nine at ${at} of ${length}`).toBe(true);
      }
    }
  });

  test("hides a text with XOR at any length", async () => {
    const core = await loaded;
    const random = new Random(6);
    for (let length = 0; length <= 200; length++) {
      const [source, key] = [randomBytes(random, length), randomBytes(random, length)];
      expect(core.xor(source, key)).toEqual(source.map((byte, i) => byte ^ key[i]!));
    }
  });
});

function box(random: Random, length: number): { slice: Uint8Array; facts: Associated; text: Uint8Array } {
  return {
    slice: randomBytes(random, 32 + length),
    facts: {
      direction: random.below(2) === 0 ? "up" : "down",
      kind: 1 + random.below(2),
      offset: random.u32(),
      padId: randomBytes(random, 16),
    },
    text: randomBytes(random, length),
  };
}

function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  random.fill(bytes);
  return bytes;
}
