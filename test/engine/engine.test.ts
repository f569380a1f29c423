// The engine as its users have it: single boxes, runs in pieces, what it refuses, and what it costs in memory.

import { readFile } from "node:fs/promises";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { type Engine, type EngineError, type EnginePad, loadEngine, type RunPlace } from "../../host/engine/index.ts";
import { boxCost, boxOffset, type Direction, runCost, TEXT_MAX_BYTES } from "../../host/protocol/index.ts";
import { Random } from "../../simulator/index.ts";
import { wasmFacts } from "../package/wasm-sections.ts";
import * as second from "../second/box.ts";

const WASM = new URL("../../build/engine.wasm", import.meta.url);
const FRAME = 20;
const MIB = 2 ** 20;

const loaded: Promise<Engine> = loadEngine();

test("the engine is one small module that needs nothing and keeps nothing outside its memory", async () => {
  const binary = await readFile(WASM);
  expect(wasmFacts(binary)).toMatchObject({ imports: [], memories: [{ minimum: 4, maximum: 4 }], mutableGlobals: 0 });
  expect(binary.length).toBeLessThan(8192);
});

test("the engine loads from bytes, from a module and from a response", async () => {
  const bytes = await readFile(WASM);
  const response = new Response(bytes, { headers: { "content-type": "application/wasm" } });
  const world = newWorld(1, 1);
  for (const source of [bytes, await WebAssembly.compile(bytes), response, Promise.resolve(response.clone())]) {
    const engine = await loadEngine(source);
    const place = { padId: world.pad.padId, direction: "up", offset: 0 } as const;
    const slice = world.bytes.subarray(0, 37);
    expect(engine.open(place, slice, engine.seal(place, "data", slice, new Uint8Array(5))).text).toEqual(
      new Uint8Array(5),
    );
  }
});

describe("a single box", () => {
  const place = {
    padId: Uint8Array.from({ length: 16 }, (_, i) => i),
    direction: "down",
    offset: 4_000_000_000,
  } as const;
  const slice = randomBytes(new Random(1), 32 + TEXT_MAX_BYTES);
  const text = randomBytes(new Random(2), TEXT_MAX_BYTES);

  test("is the second implementation's, and opens to its kind and text", async () => {
    const engine = await loaded;
    for (const length of [0, 1, 77, 1023, 1024, 1101, TEXT_MAX_BYTES]) {
      for (const kind of ["data", "last"] as const) {
        const item = engine.seal(place, kind, slice, text.subarray(0, length));
        const number = kind === "data" ? second.DATA : second.LAST;
        expect(item).toEqual(Uint8Array.from(second.seal(slice, place, number, text.subarray(0, length))));
        expect(engine.open(place, slice, item)).toEqual({ kind, text: text.slice(0, length) });
      }
    }
  });

  test("that was changed is AUTH_FAILED, with the box's offset", async () => {
    const engine = await loaded;
    const item = engine.seal(place, "data", slice, text);
    item[2000]! ^= 1;
    expect(() => engine.open(place, slice, item)).toThrow(failure("AUTH_FAILED", { box: 0, offset: place.offset }));
  });

  test("over destroyed pad bytes is BOX_USED, sealed or opened", async () => {
    const engine = await loaded;
    const item = engine.seal(place, "data", slice, text);
    const used = failure("BOX_USED", { box: 0, offset: place.offset });
    for (const destroyed of [new Uint8Array(slice.length), Uint8Array.from(slice).fill(0, 0, 32)]) {
      expect(() => engine.seal(place, "data", destroyed, text)).toThrow(used);
      expect(() => engine.open(place, destroyed, item)).toThrow(used);
    }
  });

  test("over nine equal pad bytes is FLASH_FAULT, sealed or opened, unless they lie behind its text", async () => {
    const engine = await loaded;
    const dead = Uint8Array.from(slice).fill(0xff, 60, 69);
    const fault = failure("FLASH_FAULT", { box: 0, offset: place.offset });
    expect(() => engine.seal(place, "data", dead, text.subarray(0, 37))).toThrow(fault);
    expect(() => engine.open(place, dead, engine.seal(place, "data", slice, text))).toThrow(fault);
    expect(engine.seal(place, "data", dead, text.subarray(0, 36))).toHaveLength(36 + FRAME);
  });

  test("over nine equal pad bytes is FLASH_FAULT wherever they lie", async () => {
    const engine = await loaded;
    const item = engine.seal(place, "data", slice, text);
    const fault = failure("FLASH_FAULT", { box: 0, offset: place.offset });
    for (let at = 0; at <= slice.length - 9; at += 5) {
      const dead = Uint8Array.from(slice).fill(0xff, at, at + 9);
      expect(() => engine.seal(place, "data", dead, text), `sealed, at ${at}`).toThrow(fault);
      expect(() => engine.open(place, dead, item), `opened, at ${at}`).toThrow(fault);
    }
  });

  test("of another shape is BAD_BOX", async () => {
    const engine = await loaded;
    const item = engine.seal(place, "last", slice, text.subarray(0, 10));
    const shapes = [
      item.subarray(0, 3),
      item.subarray(0, -1),
      Uint8Array.of(...item, 0),
      changed(item, 2, 0),
      changed(item, 2, 3),
      changed(item, 3, 1),
      changed(new Uint8Array(FRAME + 4097), 0, 1, 16, 1),
    ];
    for (const shape of shapes) expect(() => engine.open(place, slice, shape)).toThrow(failure("BAD_BOX", { box: 0 }));
  });
});

describe("a run", () => {
  const lengths = [0, 1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 131_072, 200_001];

  test.each(["up", "down"] as const)(
    "%s is the second implementation's boxes in order, in every burn unit",
    async (direction) => {
      const engine = await loaded;
      for (const burnUnit of [1, 2, 16, 64, 256]) {
        const world = newWorld(burnUnit, burnUnit);
        for (const length of lengths) {
          const place = { pad: world.pad, direction, mark: burnUnit * 7 };
          const text = randomBytes(new Random(length), length);
          const items = sealRun(engine, world, place, text);
          if (burnUnit !== 2 || length < 5000) expect(items).toEqual(slowRun(world, place, text));
          expect(openRun(engine, world, place, items, () => 65_536)).toEqual(text);
        }
      }
    },
  );

  test("opens however it is cut into parts, and whatever lengths its boxes have", async () => {
    const engine = await loaded;
    const seed = (Math.random() * 2 ** 32) >>> 0;
    const random = new Random(seed);
    for (let round = 0; round < 40; round++) {
      const world = newWorld(2 ** random.below(9), random.u32());
      const place: RunPlace = { pad: world.pad, direction: random.below(2) ? "up" : "down", mark: 0 };
      const texts = Array.from({ length: 1 + random.below(60) }, () => randomBytes(random, shortOften(random)));
      const items = slowBoxes(world, place, texts);
      const part = 1 + random.below(round % 2 ? 100 : 70_000);
      const text = openRun(engine, world, place, items, () => 1 + random.below(part));
      expect(same(text, Buffer.concat(texts)), `seed ${seed}, round ${round}`).toBe(true);
    }
  });

  test("gives out the text of all boxes before one that fails, and names that one", async () => {
    const engine = await loaded;
    const world = newWorld(4, 4);
    const place: RunPlace = { pad: world.pad, direction: "down", mark: 400 };
    const text = randomBytes(new Random(5), 100_000);
    const items = sealRun(engine, world, place, text);
    const cost = boxCost(TEXT_MAX_BYTES, 4);
    for (const box of [0, 1, 15, 16, 20]) {
      const at = box * (TEXT_MAX_BYTES + FRAME);
      const before = text.subarray(0, box * TEXT_MAX_BYTES);
      const offset = boxOffset(world.pad, "down", 400 + box * cost, cost);
      const fails = (change: (items: Uint8Array, pad: Uint8Array) => void) => {
        const forged = Uint8Array.from(items);
        const bytes = Uint8Array.from(world.bytes);
        change(forged, bytes);
        const out: Uint8Array[] = [];
        let caught: unknown;
        try {
          openRun(engine, { ...world, bytes }, place, forged, () => 65_856, out);
        } catch (error) {
          caught = error;
        }
        expect(same(Buffer.concat(out), before)).toBe(true);
        return expect(caught);
      };
      fails((forged) => (forged[at + 100]! ^= 1)).toMatchObject(failure("AUTH_FAILED", { box, offset }));
      fails((_, pad) => pad.fill(0, offset, offset + cost)).toMatchObject(failure("BOX_USED", { box, offset }));
      fails((_, pad) => pad.fill(7, offset + 50, offset + 59)).toMatchObject(failure("FLASH_FAULT", { box, offset }));
      fails((forged) => (forged[at + 2] = 3)).toMatchObject(failure("BAD_BOX", { box }));
    }
  });

  test("leaves no text of a box that fails, nor of those behind it", async () => {
    const engine = await loaded;
    const world = newWorld(1, 9);
    const place: RunPlace = { pad: world.pad, direction: "up", mark: 0 };
    const items = sealRun(engine, world, place, randomBytes(new Random(9), 8 * TEXT_MAX_BYTES));
    for (let box = 1; box < 8; box++) {
      const at = box * (TEXT_MAX_BYTES + FRAME) + 4000;
      for (const piece of engine.openRun(place)) {
        piece.items.set(changed(items, at, items[at]! ^ 1));
        const { slices, offset } = piece.take(items.length);
        slices.set(world.bytes.subarray(offset, offset + slices.length));
        const text = piece.open();
        expect(text).toHaveLength(box * TEXT_MAX_BYTES);
        const behind = new Uint8Array(text.buffer, text.byteOffset + text.length, (16 - box) * TEXT_MAX_BYTES);
        expect(behind.every((byte) => byte === 0)).toBe(true);
        break;
      }
    }
  });

  test("is the second implementation's over extreme keys and texts, and opens", async () => {
    const engine = await loaded;
    const seed = (Math.random() * 2 ** 32) >>> 0;
    const random = new Random(seed);
    for (let round = 0; round < 30; round++) {
      const world = newWorld(1, random.u32());
      world.bytes.set(extreme(random, 40_000, 4), world.pad.padLength / 2);
      const mark = world.pad.padLength / 2 - boxOffset(world.pad, "up", 0, 0);
      const place: RunPlace = { pad: world.pad, direction: "up", mark };
      const text = extreme(random, TEXT_MAX_BYTES * (4 + random.below(5)), 200);
      const items = sealRun(engine, world, place, text);
      expect(same(items, slowRun(world, place, text)), `sealed, seed ${seed}, round ${round}`).toBe(true);
      const opened = openRun(engine, world, place, items, () => 65_856);
      expect(same(opened, text), `opened, seed ${seed}, round ${round}`).toBe(true);
    }
  });

  test("that ends before LAST is TRUNCATED, that goes on behind it BAD_BOX, that leaves its pad BAD_BOX", async () => {
    const engine = await loaded;
    const world = newWorld(1, 1);
    const place: RunPlace = { pad: world.pad, direction: "up", mark: 0 };
    const items = sealRun(engine, world, place, randomBytes(new Random(6), 10_000));
    const open =
      (bytes: Uint8Array, at = place) =>
      () =>
        openRun(engine, world, at, bytes, () => 65_856);
    expect(open(items.subarray(0, -1))).toThrow(failure("TRUNCATED", { boxes: 2 }));
    expect(open(items.subarray(0, 2 * 4116))).toThrow(failure("TRUNCATED", { boxes: 2 }));
    expect(open(new Uint8Array(0))).toThrow(failure("TRUNCATED", { boxes: 0 }));
    expect(open(Uint8Array.of(...items, 1))).toThrow(failure("BAD_BOX", { box: 3 }));
    const end = { ...place, mark: world.pad.padLength - 2 * 192 - 4127 };
    expect(open(items, end)).toThrow(failure("BAD_BOX", { box: 0 }));
  });

  test("over a bad pad seals no piece, and names the box", async () => {
    const engine = await loaded;
    for (const box of [0, 3, 4, 14, 17, 24]) {
      const world = newWorld(1, 1);
      const place: RunPlace = { pad: world.pad, direction: "up", mark: 0 };
      const offset = boxOffset(world.pad, "up", box * 4128, 4128);
      const seal = () => sealRun(engine, world, place, new Uint8Array(100_000));
      for (const at of [0, 20, 28, 1000, 1001, 1002, 1003, 1700]) {
        const was = world.bytes.slice(offset, offset + 4128);
        world.bytes.fill(7, offset + at, offset + at + 9);
        expect(seal, `box ${box}, at ${at}`).toThrow(failure("FLASH_FAULT", { box, offset }));
        world.bytes.set(was, offset);
      }
      world.bytes.fill(0, offset, offset + 32);
      expect(seal).toThrow(failure("BOX_USED", { box, offset }));
    }
  });

  test("may be left early or interleaved with another: each has windows of its own, and they come back clean", async () => {
    const engine = await loadEngine();
    const world = newWorld(1, 1);
    const place = (mark: number): RunPlace => ({ pad: world.pad, direction: "up", mark });
    const text = randomBytes(new Random(7), 150_000);
    const outer: Uint8Array[] = [];
    for (const piece of engine.sealRun(place(0), text.length)) {
      fillSealing(piece, world, text, outer.length * 65_536);
      const inner = sealRun(engine, world, place(200_000), text.subarray(5));
      expect(same(inner, slowRun(world, place(200_000), text.subarray(5)))).toBe(true);
      outer.push(piece.seal().slice());
    }
    expect(same(Buffer.concat(outer), slowRun(world, place(0), text))).toBe(true);
    for (const piece of engine.sealRun(place(0), 10)) {
      expect(piece.slices.every((byte) => byte === 0) && piece.text.every((byte) => byte === 0)).toBe(true);
      break;
    }
  });

  test("of 1 GiB needs no more memory than one of 1 MiB", async () => {
    const engine = await loaded;
    const pad = { ...newWorld(1, 1).pad, padLength: 1.25 * 2 ** 30, slots: { low: 0, high: 0 } };
    const rssAfter = (length: number) => {
      let fresh = true;
      for (const piece of engine.sealRun({ pad, direction: "up", mark: 0 }, length)) {
        if (fresh) randomBytes(new Random(8), 0, piece.slices);
        fresh = false;
        piece.seal();
      }
      return process.memoryUsage.rss();
    };
    expect(rssAfter(2 ** 30) - rssAfter(MIB)).toBeLessThan(32 * MIB);
  });
});

interface World {
  readonly pad: EnginePad;
  readonly bytes: Uint8Array;
}

function newWorld(burnUnit: number, seed: number): World {
  const bytes = randomBytes(new Random(seed), MIB);
  const pad = { padLength: MIB, slots: { low: 1, high: 1 }, burnUnit, padId: bytes.slice(0, 16) };
  return { pad, bytes };
}

function sealRun(engine: Engine, world: World, place: RunPlace, text: Uint8Array): Uint8Array {
  const out: Uint8Array[] = [];
  let at = 0;
  let { mark } = place;
  for (const piece of engine.sealRun(place, text.length)) {
    fillSealing(piece, world, text, at);
    at += piece.text.length;
    expect(piece.mark).toBe(mark + piece.slices.length);
    mark = piece.mark;
    out.push(piece.seal().slice());
  }
  expect(mark - place.mark).toBe(runCost(text.length, place.pad.burnUnit).padBytes);
  return Uint8Array.from(Buffer.concat(out));
}

type Fillable = { readonly text: Uint8Array; readonly slices: Uint8Array; readonly offset: number };

function fillSealing({ text, slices, offset }: Fillable, world: World, from: Uint8Array, at: number): void {
  text.set(from.subarray(at, at + text.length));
  slices.set(world.bytes.subarray(offset, offset + slices.length));
}

/** Opens a run given in parts of the sizes that `part` says; what came out before an error is in `out`. */
function openRun(
  engine: Engine,
  world: World,
  place: RunPlace,
  items: Uint8Array,
  part: () => number,
  out: Uint8Array[] = [],
): Uint8Array {
  let at = 0;
  for (const piece of engine.openRun(place)) {
    const next = items.subarray(at, at + Math.min(part(), piece.items.length));
    piece.items.set(next);
    at += next.length;
    const { slices, offset } = piece.take(next.length);
    slices.set(world.bytes.subarray(offset, offset + slices.length));
    out.push(piece.open().slice());
  }
  return Uint8Array.from(Buffer.concat(out));
}

function slowRun(world: World, place: RunPlace, text: Uint8Array): Uint8Array {
  const { boxes } = runCost(text.length, place.pad.burnUnit);
  return slowBoxes(
    world,
    place,
    Array.from({ length: boxes }, (_, box) => text.subarray(box * TEXT_MAX_BYTES, (box + 1) * TEXT_MAX_BYTES)),
  );
}

/** A run of these texts by the second implementation. */
function slowBoxes({ pad, bytes }: World, { direction, ...place }: RunPlace, texts: readonly Uint8Array[]): Uint8Array {
  let { mark } = place;
  const items = texts.map((text, box) => {
    const cost = second.consumed(text.length, pad.burnUnit);
    const offset = slowOffset(pad, direction, mark, cost);
    mark += cost;
    const kind = box === texts.length - 1 ? second.LAST : second.DATA;
    return second.seal(bytes.subarray(offset, offset + cost), { padId: pad.padId, direction, offset }, kind, text);
  });
  return Uint8Array.from(Buffer.concat(items));
}

/** SPEC section 1. */
function slowOffset(pad: EnginePad, direction: Direction, mark: number, cost: number): number {
  return direction === "up" ? 192 * pad.slots.low + mark : pad.padLength - 192 * pad.slots.high - mark - cost;
}

/** Equality of many bytes; the matchers of the test runner take long over them. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function shortOften(random: Random): number {
  return random.below(3) === 0 ? random.below(TEXT_MAX_BYTES + 1) : random.below(30);
}

function changed(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(values, at);
  return copy;
}

function failure(code: EngineError["code"], facts: object): object {
  return expect.objectContaining({ name: "EngineError", code, facts }) as object;
}

function randomBytes(random: Random, length: number, into: Uint8Array = new Uint8Array(length)): Uint8Array {
  random.fill(into);
  return into;
}

/** Bytes with stretches, up to `most`, of the values at which carries ripple. */
function extreme(random: Random, length: number, most: number): Uint8Array {
  const made = randomBytes(random, length);
  for (let at = 0; at < length; at += 2 * most + random.below(2 * most)) {
    made.fill([0x00, 0xff, 0xfb, 0x01][random.below(4)]!, at, at + 1 + random.below(most));
  }
  return made;
}
