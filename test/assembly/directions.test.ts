// One pad and two directions: what one end uses the other never does, up to the last byte.

import { randomBytes } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type Device,
  type DriverError,
  type Outbox,
  openBundle,
  sealRun,
  type TextSink,
} from "../../host/driver/index.ts";
import { makePair, type Pair, scratchOutbox, talkTo } from "../host/pair.ts";
import { PadObserver } from "./pad-observer.ts";

const PAD_SECTORS = 16;
const PAD_LENGTH = PAD_SECTORS * 4096;
const SLOTS = PAD_LENGTH / 8192;
const UP_BASE = 192 * SLOTS;
const DOWN_END = PAD_LENGTH - 192 * SLOTS;
const RESERVE = 1024;
const GRANT = 4000;

let pair: Pair;
let outbox: Outbox;
let low: Device;
let high: Device;

beforeAll(async () => {
  pair = await makePair(PAD_SECTORS);
  outbox = await scratchOutbox();
});
beforeEach(async () => {
  pair.restore();
  low = await talkTo(pair.low);
  high = await talkTo(pair.high);
});

async function failure(promise: Promise<unknown>): Promise<DriverError> {
  return promise.then(
    () => expect.fail("it succeeded"),
    (error: DriverError) => error,
  );
}

function nowhere(): TextSink {
  return { write: async () => {}, finish: async () => {}, abort: async () => {} };
}

/** Seals boxes of all sizes until not even an empty one has room. */
async function useUp(device: Device): Promise<void> {
  for (let size = 4096; ; ) {
    const { room } = await device.info();
    if (room < 32) return;
    // Leaves nothing behind that is smaller than a box.
    size = Math.min(size, room - 32 > 4096 ? room - 64 : room - 32);
    await device.seal("data", randomBytes(size));
    size = size > 200 ? size - 137 : 4096;
  }
}

/** A bundle from high with a grant. */
async function grant(bytes: number): Promise<string> {
  return (await sealRun(high, randomBytes(50), outbox, { grant: bytes })).id;
}

async function split(device: Device): Promise<number> {
  return (await device.info()).split;
}

describe("TG-1 the two directions of a pad", () => {
  it("TG-1 never meet: both ends use up all they have, grant by grant, and no byte serves twice", async () => {
    const observer = new PadObserver();
    observer.watch(pair.low, "low", PAD_LENGTH);
    observer.watch(pair.high, "high", PAD_LENGTH);
    let held = await split(low);
    for (let grants = 0; ; grants++) {
      await useUp(low);
      expect(await failure(low.seal("last", new Uint8Array(0)))).toMatchObject({
        code: "NEED_GRANT",
        facts: { needed: 32 },
      });
      const { room } = await high.info();
      if (grants === SLOTS - 1 || room < GRANT + 200) break;
      await openBundle(low, outbox.read(await grant(GRANT)), nowhere());
      expect(await split(low)).toBe(await split(high));
      expect(await split(low)).toBe(held + GRANT);
      held += GRANT;
    }
    await useUp(high);
    expect(await failure(high.seal("last", new Uint8Array(0)))).toMatchObject({ code: "EXHAUSTED" });
    expect(await failure(high.raise(held + 32))).toMatchObject({ code: "EXHAUSTED" });

    expect(observer.bytesReused).toBe(0);
    const [atLow, atHigh] = [await low.info(), await high.info()];
    expect(UP_BASE + atLow.up.used).toBeLessThanOrEqual(held);
    expect(UP_BASE + atLow.up.used).toBeGreaterThan(held - 32);
    expect(DOWN_END - atHigh.down.used).toBeGreaterThanOrEqual(held + RESERVE);
    expect(DOWN_END - atHigh.down.used).toBeLessThan(held + RESERVE + 32);
    const boxes = observer.emissions.filter(({ start, end }) => start >= UP_BASE && end <= DOWN_END);
    const used = boxes.reduce((sum, { start, end }) => sum + end - start, 0);
    expect(used).toBe(atLow.up.used + atHigh.down.used);
    expect(boxes.some(({ start, end }) => start < held && end > held)).toBe(false);
  });

  it("TG-1 the split never falls: not when it is asked to, not by an older grant, not in a restart", async () => {
    const before = await split(high);
    const [older, newer] = [await grant(1000), await grant(500)];
    expect(await split(high)).toBe(before + 1500);
    expect(await high.raise(before)).toBe(before + 1500);
    await openBundle(low, outbox.read(newer), nowhere());
    expect(await split(low)).toBe(before + 1500);
    await openBundle(low, outbox.read(older), nowhere());
    expect(await split(low)).toBe(before + 1500);
    for (const machine of [pair.low, pair.high]) {
      machine.powerCut();
      machine.powerOn();
      expect(await split(await talkTo(machine))).toBe(before + 1500);
    }
  });

  it("TG-1 only high moves the split: low is refused, and takes none that it was not given in a bundle", async () => {
    const before = await split(low);
    expect(await failure(low.raise(before + 1))).toMatchObject({ code: "WRONG_SIDE" });
    expect(await failure(sealRun(low, randomBytes(10), outbox, { grant: 100 }))).toMatchObject({ code: "WRONG_SIDE" });
    const bundle = Buffer.concat(await Array.fromAsync(outbox.read(await grant(1000))));
    const forged = Uint8Array.from(bundle);
    // The last byte of the text of the opening: the split's.
    forged[20 + 4 + 15]! ^= 1;
    async function* stream(): AsyncGenerator<Uint8Array> {
      yield forged;
    }
    expect(await failure(openBundle(low, stream(), nowhere()))).toMatchObject({ code: "AUTH_FAILED" });
    expect(await split(low)).toBe(before);
  });
});

describe("a text that is longer than what is left", () => {
  it.each([
    ["low, which needs a grant", "low", 1, "NEED_GRANT"],
    ["low, whom no grant could help", "low", PAD_LENGTH, "EXHAUSTED"],
    ["high", "high", 1, "EXHAUSTED"],
  ] as const)(
    "is refused whole by %s: no box, no slot, no byte of the pad is used, and one that just fits is sealed",
    async (_who, side, more, code) => {
      const device = side === "low" ? low : high;
      const observer = new PadObserver();
      observer.watch(pair[side], side, PAD_LENGTH);
      const before = await device.info();
      const fits = before.room - 32 * Math.ceil(before.room / (4096 + 32));
      expect(await failure(sealRun(device, new Uint8Array(fits + more), outbox))).toMatchObject({ code });
      const after = await device.info();
      expect([after.up, after.down, after.nextSlot, after.journalSequence]).toEqual([
        before.up,
        before.down,
        before.nextSlot,
        before.journalSequence,
      ]);
      expect(observer.emissions).toEqual([]);
      expect((await outbox.list()).filter(({ finished }) => !finished)).toEqual([]);
      expect(await sealRun(device, randomBytes(fits), outbox)).toMatchObject({ textBytes: fits, bytesSkipped: 0 });
      expect((await device.info()).room).toBe(0);
    },
  );
});
