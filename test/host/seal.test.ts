// Sealing through the driver, on the real core: what is refused before it begins, and what a restart costs.

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type Device,
  type DriverError,
  fileSink,
  type Outbox,
  openBundle,
  openDevice,
  readBundle,
  runCost,
  type SealedRun,
  sealRun,
} from "../../host/driver/index.ts";
import { lineTo, type Machine } from "../../simulator/index.ts";
import { limitFileSize } from "./file-limit.ts";
import {
  fastClock,
  makePair,
  type Pair,
  plugRestarting,
  plugVanishing,
  scratchDirectory,
  scratchOutbox,
  talkTo,
} from "./pair.ts";

let pair: Pair;
let outbox: Outbox;
let directory: string;

beforeAll(async () => {
  pair = await makePair(64);
  outbox = await scratchOutbox();
  directory = await scratchDirectory();
});

beforeEach(() => pair.restore());

async function failure(promise: Promise<unknown>): Promise<DriverError> {
  return promise.then(
    () => expect.fail("it succeeded"),
    (error: DriverError) => error,
  );
}

/** What the other end reads out of a bundle in the outbox. */
async function textOf(machine: Machine, sealed: SealedRun): Promise<Buffer> {
  const device = await talkTo(machine);
  const path = join(directory, "text");
  await openBundle(device, outbox.read(sealed.id), fileSink(path));
  await outbox.remove(sealed.id);
  return readFile(path);
}

async function marksOf(device: Device) {
  const { up, down, split, nextSlot } = await device.info();
  return { up: up.used, down: down.used, split, nextSlot };
}

describe("two people", () => {
  it("T-21 send each other texts of any size, and both ends count the same", async () => {
    const marks = { up: 0, down: 0 };
    for (const [round, size] of [0, 1, 4095, 4096, 4097, 12_288, 20_000].entries()) {
      const text = randomBytes(size);
      const up = round % 2 === 0;
      const sealed = await sealRun(await talkTo(up ? pair.low : pair.high), text, outbox);
      const { boxes, padBytes } = runCost(size, 1);
      expect(sealed).toMatchObject({ textBytes: size, boxes, segments: 1, bytesSkipped: 0 });
      expect(sealed.markAfter - sealed.markBefore).toBe(padBytes);
      expect(await textOf(up ? pair.high : pair.low, sealed)).toEqual(text);
      marks[up ? "up" : "down"] += padBytes;
    }
    for (const machine of [pair.low, pair.high]) {
      expect(await marksOf(await talkTo(machine))).toMatchObject(marks);
    }
  });

  it("give each other room: what low cannot seal it can after a grant", async () => {
    const low = await talkTo(pair.low);
    const { room } = await low.info();
    const text = randomBytes(room);
    expect(await failure(sealRun(low, text, outbox))).toMatchObject({
      code: "NEED_GRANT",
      facts: { needed: runCost(room, 1).padBytes, room },
    });
    const granted = await sealRun(await talkTo(pair.high), Buffer.from("take it"), outbox, { grant: 10_000 });
    expect((await textOf(pair.low, granted)).toString()).toBe("take it");
    const again = await talkTo(pair.low);
    expect(await again.info()).toMatchObject({ room: room + 10_000, split: granted.split });
    expect(await textOf(pair.high, await sealRun(again, text, outbox))).toEqual(text);
  });
});

describe("a text that does not fit", () => {
  it("is refused whole before its first box: NEED_GRANT, EXHAUSTED, SLOTS_EXHAUSTED, and nothing is consumed", async () => {
    const low = await talkTo(pair.low);
    const high = await talkTo(pair.high);
    const before = [await marksOf(low), await marksOf(high)];
    const { room, padLength } = await low.info();
    expect(await failure(sealRun(low, new Uint8Array(room), outbox))).toMatchObject({ code: "NEED_GRANT" });
    expect(await failure(sealRun(low, new Uint8Array(padLength), outbox))).toMatchObject({ code: "EXHAUSTED" });
    expect(await failure(sealRun(high, new Uint8Array(room), outbox))).toMatchObject({ code: "EXHAUSTED" });
    const grant = { grant: padLength };
    expect(await failure(sealRun(high, new Uint8Array(1), outbox, grant))).toMatchObject({ code: "EXHAUSTED" });
    expect(await failure(sealRun(low, new Uint8Array(1), outbox, { grant: 1 }))).toMatchObject({ code: "WRONG_SIDE" });
    expect([await marksOf(low), await marksOf(high)]).toEqual(before);

    const { slots } = await low.info();
    for (let slot = 0; slot < slots.low; slot++) await low.begin(null, 0);
    expect(await failure(sealRun(low, new Uint8Array(1), outbox))).toMatchObject({
      code: "SLOTS_EXHAUSTED",
      facts: { slots: slots.low },
    });
    expect((await marksOf(low)).up).toBe(0);
    expect(await outbox.list()).toEqual([]);
  });

  it("may use the room to its last byte, but not one more", async () => {
    const low = await talkTo(pair.low);
    const { room } = await low.info();
    let size = room - 32;
    while (runCost(size, 1).padBytes > room) size--;
    expect(runCost(size, 1).padBytes).toBe(room);
    expect(await failure(sealRun(low, new Uint8Array(size + 1), outbox))).toMatchObject({ code: "NEED_GRANT" });
    const sealed = await sealRun(low, randomBytes(size), outbox);
    expect((await low.info()).room).toBe(0);
    await outbox.remove(sealed.id);
  });

  it("for a disk is refused before its first box, too", async () => {
    const low = await talkTo(pair.low);
    expect(await failure(outbox.begin(2 ** 60))).toMatchObject({ code: "DISK_FULL", facts: { needed: 2 ** 60 } });
    expect(await outbox.list()).toEqual([]);
    expect((await marksOf(low)).up).toBe(0);
  });
});

describe("a restart in the middle of a run", () => {
  const text = randomBytes(9000);
  const cost = runCost(9000, 1).padBytes;
  const whens = ["before", "during", "after"] as const;

  async function callsOfARun(): Promise<number> {
    const before = pair.low.callsInAll;
    const device = await talkTo(pair.low);
    await outbox.remove((await sealRun(device, text, outbox)).id);
    const calls = pair.low.callsInAll - before;
    pair.restore();
    return calls;
  }

  function mustAddUp(sealed: SealedRun, name: string) {
    expect(sealed.boxes, name).toBe(3);
    expect(sealed.markAfter - sealed.markBefore, name).toBe(cost + sealed.bytesSkipped);
    // A cut wastes one box at the most.
    expect([0, 32 + 4096, 32 + 808], name).toContain(sealed.bytesSkipped);
    expect(sealed.segments, name).toBeLessThanOrEqual(2);
  }

  it("T-21 at any HAL call: the other end reads the whole text, and each lost box is accounted for", async () => {
    const calls = await callsOfARun();
    let skipped = 0;
    for (let call = 1; call <= calls; call++) {
      pair.restore();
      const when = whens[call % 3]!;
      const kind = call % 2 === 0 ? "power" : "reset";
      const name = `call ${call}, ${when}, ${kind}`;
      const device = await openDevice(plugRestarting(pair.low), { clock: fastClock });
      pair.low.cutAt({ call, when, kind, tear: "random" });
      const sealed = await sealRun(device, text, outbox);
      mustAddUp(sealed, name);
      if (sealed.bytesSkipped > 0) skipped++;
      expect((await marksOf(device)).up, name).toBe(sealed.markAfter);
      expect(await textOf(pair.high, sealed), name).toEqual(text);
    }
    expect(skipped).toBeGreaterThan(10);
  });

  it("before the first box arrived leaves no empty segment at the front: a new run begins in its place", async () => {
    const device = await openDevice(plugRestarting(pair.low), { clock: fastClock });
    let segments = 0;
    pair.low.observe = (call) => {
      if (call.name !== "norProgram" || ++segments !== 3) return;
      pair.low.cutAt({ call: 1, when: "before", kind: "power" });
    };
    const sealed = await sealRun(device, text, outbox);
    pair.low.observe = null;
    const kinds: string[] = [];
    for await (const { kind } of readBundle(outbox.read(sealed.id))) kinds.push(kind);
    expect(kinds).toEqual(["slot", "opening", "data", "data", "last"]);
    expect((await marksOf(device)).nextSlot).toBe(2);
    expect(sealed).toMatchObject({ segments: 1, boxes: 3 });
    expect(await textOf(pair.high, sealed)).toEqual(text);
  });

  it("with the device gone from the bus and back again: the same", async () => {
    const calls = await callsOfARun();
    for (let call = 2; call <= calls; call += 5) {
      pair.restore();
      const device = await openDevice(plugVanishing(pair.low), { clock: fastClock });
      pair.low.cutAt({ call, when: "during", kind: "power" });
      const sealed = await sealRun(device, text, outbox);
      mustAddUp(sealed, `call ${call}`);
      expect(await textOf(pair.high, sealed), `call ${call}`).toEqual(text);
    }
  });

  it("again and again ends after a bounded number, with the error named and no part left behind", async () => {
    const device = await openDevice(plugRestarting(pair.low), { clock: fastClock });
    let programs = 0;
    pair.low.observe = (call) => {
      if (call.name === "norProgram" && !call.torn) {
        programs++;
        pair.low.disarm();
        pair.low.cutAt({ call: 1, when: "before", kind: "power" });
      }
    };
    const error = await failure(sealRun(device, text, outbox));
    pair.low.observe = null;
    const { code } = error.code === "SEAL_UNFINISHED" ? (error.cause as DriverError) : error;
    expect(code).toMatch(/NO_SESSION|TIMEOUT/);
    expect(programs).toBeLessThan(200);
    expect(await outbox.list()).toEqual([]);
  });
});

describe("a device that does not come back", () => {
  const text = randomBytes(9000);

  it("T-21 is DEVICE_LOST: the text is kept by its owner, and no part is left behind", async () => {
    const device = await talkTo(pair.low);
    let boxes = 0;
    const lost = await failure(
      sealRun(device, text, outbox, {
        onProgress: (progress) => {
          boxes = progress.boxes;
          if (boxes === 2) void device.close();
        },
      }),
    );
    expect(lost).toMatchObject({ code: "SEAL_UNFINISHED", facts: { boxes: 2 }, cause: { code: "DEVICE_LOST" } });
    expect(lost.facts).toMatchObject({ bytesUsed: 2 * 4128 });
    expect(lost.pad).not.toMatch(/No pad bytes were used/);
    expect(boxes).toBe(2);
    expect(await outbox.list()).toEqual([]);
  });

  it("may be waited for: when whoever is asked says go on, what arrived is kept", async () => {
    let present = true;
    const connect = async () => {
      if (!present) throw Object.assign(new Error("still away"), { code: "ENOENT" });
      return lineTo(pair.low);
    };
    const device = await openDevice(connect, { clock: fastClock });
    const asked: unknown[] = [];
    const sealed = await sealRun(device, text, outbox, {
      onProgress: ({ boxes }) => {
        if (boxes !== 2 || asked.length > 0) return;
        present = false;
        void device.close();
      },
      onObstacle: async (error) => {
        asked.push(error);
        present = true;
        return asked.length < 3;
      },
    });
    expect(asked).toHaveLength(1);
    expect(sealed).toMatchObject({ boxes: 3, segments: 2, bytesSkipped: 0 });
    expect(await textOf(pair.high, sealed)).toEqual(text);
  });

  it("is not another one that takes its place: OTHER_PAD", async () => {
    const other = await makePair(8);
    const machines = [pair.low, other.low];
    const device = await openDevice(async () => lineTo(machines.shift()!), { clock: fastClock });
    const error = await failure(
      sealRun(device, text, outbox, { onProgress: ({ boxes }) => boxes === 1 && void device.close() }),
    );
    expect(error).toMatchObject({ code: "SEAL_UNFINISHED", facts: { boxes: 1 }, cause: { code: "OTHER_PAD" } });
    expect((await marksOf(await talkTo(other.low))).up).toBe(0);
  });
});

describe("this host's own troubles", () => {
  it("a disk that fills up in the middle is DISK_FULL; when there is room again, what arrived is kept", async () => {
    const device = await talkTo(pair.low);
    const text = randomBytes(20_000);
    let release = limitFileSize(10_000);
    try {
      expect(await failure(sealRun(device, text, outbox))).toMatchObject({
        code: "SEAL_UNFINISHED",
        facts: { boxes: 2, bytesUsed: 8256 },
        cause: { code: "DISK_FULL" },
      });
    } finally {
      release();
    }
    expect(await outbox.list()).toEqual([]);

    release = limitFileSize(10_000);
    const obstacles: DriverError[] = [];
    const sealed = await sealRun(device, text, outbox, {
      onObstacle: async (error) => {
        obstacles.push(error as DriverError);
        release();
        return true;
      },
    });
    expect(obstacles.map((error) => error.code)).toEqual(["DISK_FULL"]);
    expect(sealed).toMatchObject({ segments: 2, boxes: 5, bytesSkipped: 4128 });
    expect(await textOf(pair.high, sealed)).toEqual(text);
  });

  it("a text that becomes shorter while it is sealed is TEXT_CHANGED", async () => {
    const device = await talkTo(pair.low);
    const text = {
      size: 9000,
      read: async (position: number, length: number) => new Uint8Array(position ? 5 : length),
    };
    expect(await failure(sealRun(device, text, outbox))).toMatchObject({
      code: "SEAL_UNFINISHED",
      cause: { code: "TEXT_CHANGED", facts: { position: 4101 } },
    });
    expect(await outbox.list()).toEqual([]);
  });

  it("another program on the same device is noticed by the marks, and its box is in no one's way", async () => {
    const device = await talkTo(pair.low);
    const text = randomBytes(9000);
    let meddled = false;
    const meddle = () => {
      if (meddled) return;
      meddled = true;
      void device.seal("data", Buffer.from("mine"));
    };
    const sealed = await sealRun(device, text, outbox, { onProgress: meddle });
    expect(sealed).toMatchObject({ boxes: 3, segments: 2, bytesSkipped: 36 + 4128 });
    expect(await textOf(pair.high, sealed)).toEqual(text);
  });

  it("a Blob is sealed as well as bytes are", async () => {
    const device = await talkTo(pair.low);
    const text = randomBytes(5000);
    expect(await textOf(pair.high, await sealRun(device, new Blob([text]), outbox))).toEqual(text);
  });
});
