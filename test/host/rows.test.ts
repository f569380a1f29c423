// What the pad promises, row by row, through the driver alone, on two simulated devices.

import { randomBytes } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { type Device, isDeviceError, openBundle, runCost, sealRun } from "../../host/driver/index.ts";
import { makePair, type Pair, SECTORS_BEFORE_PAD, scratchOutbox, talkTo } from "./pair.ts";

const PAD_BASE = SECTORS_BEFORE_PAD * 4096;
const pair: Pair = await makePair(4);
let low: Device;
let high: Device;

beforeEach(async () => {
  pair.restore();
  low = await talkTo(pair.low);
  high = await talkTo(pair.high);
});

async function code(failing: Promise<unknown>): Promise<string> {
  return failing.then(
    () => "nothing failed",
    (error: { code: string }) => error.code,
  );
}

/** One box from low, with what the other end needs to open it. */
async function box(text: Uint8Array): Promise<{ mark: number; offset: number; item: Uint8Array }> {
  const { mark, offset, box: item } = await low.seal("last", text);
  return { mark, offset, item };
}

const chip = (offset: number, length: number): Uint8Array => pair.low.flash.content(PAD_BASE + offset, length);

describe("T-02 one-time pad", () => {
  it("T-02 ciphertext XOR text is the pad at the offset, the mark moves by 32 + n, and the slice reads zero", async () => {
    for (const length of [0, 1, 115, 700]) {
      const text = randomBytes(length);
      const before = await low.info();
      const { mark, offset, item } = await box(text);
      const after = await low.info();
      const cipher = item.subarray(4, 4 + length);
      expect(mark).toBe(before.up.used);
      expect(after.up.used - before.up.used).toBe(32 + length);
      expect(Buffer.from(cipher.map((byte, i) => byte ^ text[i]!))).toEqual(
        Buffer.from(pair.pad.subarray(offset + 32, offset + 32 + length)),
      );
      expect(chip(offset, 32 + length)).toEqual(new Uint8Array(32 + length));
    }
  });

  it("T-02 a replayed and a misplaced ciphertext are refused, and no mark moves", async () => {
    const first = await box(randomBytes(50));
    const second = await box(randomBytes(50));
    await high.open(first.offset, first.item);
    await high.release(first.offset, 82);
    const before = await high.info();
    expect(await code(high.open(first.offset, first.item))).toBe("BOX_USED");
    expect(await code(high.open(second.offset, first.item))).toBe("AUTH_FAILED");
    expect(await code(high.open(second.offset + 1, second.item))).toBe("AUTH_FAILED");
    expect({ ...(await high.info()), failedTags: 0 }).toEqual({ ...before, failedTags: 0 });
    expect((await high.open(second.offset, second.item)).kind).toBe("last");
  });
});

describe("T-04 no second use", () => {
  it("T-04 no command seals at an offset, and an old one can be neither opened, released nor sent again", async () => {
    const old = await box(randomBytes(20));
    // Sealing takes a kind and a text; the device alone chooses where.
    const next = await box(randomBytes(20));
    expect(next.offset).toBe(old.offset + 52);
    // One's own boxes are no boxes to open: their bytes are in the wrong direction and gone.
    expect(await code(low.open(old.offset, old.item))).toBe("BAD_ARGUMENT");
    expect(await code(low.release(old.offset, 52))).toBe("NOT_VERIFIED");
  });

  it("T-04 a split below what high has given, or a grant by low, is refused or changes nothing", async () => {
    const { split } = await high.info();
    expect(await high.raise(split + 100)).toBe(split + 100);
    expect(await high.raise(split)).toBe(split + 100);
    expect(await code(low.raise(split + 100))).toBe("WRONG_SIDE");
  });

  it("T-04 after a power cut between reservation and output the slice is skipped", async () => {
    const text = randomBytes(60);
    pair.low.cutAt({ call: 1, name: "transmit", when: "before", kind: "power" });
    expect(await code(low.seal("last", text))).toMatch(/TIMEOUT|NO_SESSION|DEVICE_LOST/);
    pair.low.powerOn();
    low = await talkTo(pair.low);
    expect((await low.info()).up.used).toBe(92);
    expect((await box(text)).mark).toBe(92);
  });
});

describe("T-34 a pair that runs out", () => {
  it("T-34 is refused for both holders, whole texts only, and nothing is used by it", async () => {
    const outbox = await scratchOutbox();
    for (const [device, needs] of [
      [low, "NEED_GRANT"],
      [high, "EXHAUSTED"],
    ] as const) {
      const before = await device.info();
      const { room } = before;
      expect(await code(sealRun(device, new Uint8Array(room), outbox))).toBe(needs);
      expect(await device.info()).toEqual(before);
      const boxes = Math.ceil(room / (4096 + 32));
      await sealRun(device, new Uint8Array(room - 32 * boxes), outbox);
      expect((await device.info()).room).toBe(0);
      expect(await code(sealRun(device, new Uint8Array(0), outbox))).toMatch(/EXHAUSTED|NEED_GRANT/);
    }
    // High has used all that it could: there is nothing left to grant.
    expect(await code(high.raise((await high.info()).split + 1))).toBe("EXHAUSTED");
  });
});

describe("TG-1 two directions on one pad", () => {
  it("TG-1 both ends seal until nothing is left, and no byte of the pad served both", async () => {
    const owner = new Uint8Array(pair.pad.length);
    const take = (end: 1 | 2, offset: number, length: number): void => {
      for (let at = offset; at < offset + length; at++) {
        expect(owner[at], `pad byte ${at}`).toBe(0);
        owner[at] = end;
      }
    };
    let ended = 0;
    for (let turn = 0; ended < 2; turn++) {
      const [device, end] = turn % 2 ? ([high, 2] as const) : ([low, 1] as const);
      const length = 200 + ((turn * 97) % 400);
      try {
        const { offset } = await device.seal("last", randomBytes(length));
        take(end, offset, 32 + length);
        ended = 0;
      } catch (error) {
        expect(isDeviceError(error, "NEED_GRANT") || isDeviceError(error, "EXHAUSTED")).toBe(true);
        ended++;
      }
    }
    const [atLow, atHigh] = [await low.info(), await high.info()];
    expect(owner.filter((end) => end === 1).length).toBe(atLow.up.used);
    expect(owner.filter((end) => end === 2).length).toBe(atHigh.down.used);
  });
});

describe("TG-2 a tag from pad bytes", () => {
  it("TG-2 every box costs 32 bytes of pad for its tag, which the arithmetic of the driver says beforehand", async () => {
    expect(runCost(115, 1)).toMatchObject({ padBytes: 147, boxes: 1 });
    expect(115 / 147).toBeGreaterThan(0.78);
    const outbox = await scratchOutbox();
    for (const length of [115, 4500]) {
      const before = (await low.info()).up.used;
      await sealRun(low, randomBytes(length), outbox);
      expect((await low.info()).up.used - before).toBe(length + 32 * Math.ceil(length / 4096));
      expect(runCost(length, 1).padBytes).toBe(length + 32 * Math.ceil(length / 4096));
    }
  });

  it("TG-2 a changed bit anywhere in a box is AUTH_FAILED and gives out nothing, and the true box still opens", async () => {
    const text = randomBytes(33);
    const { offset, item } = await box(text);
    for (let at = 4; at < item.length; at++) {
      const forged = item.map((byte, i) => (i === at ? byte ^ 0x10 : byte));
      expect(await code(high.open(offset, forged))).toBe("AUTH_FAILED");
    }
    expect(Buffer.from((await high.open(offset, item)).text)).toEqual(text);
  });

  it("TG-2 a bundle that was forged at any box delivers no text to a file", async () => {
    const outbox = await scratchOutbox();
    const run = await sealRun(low, randomBytes(300), outbox);
    const parts: Uint8Array[] = [];
    for await (const part of outbox.read(run.id)) parts.push(part);
    const bundle = Buffer.concat(parts);
    bundle[bundle.length - 1]! ^= 1;
    let finished = false;
    const sink = {
      write: async () => {},
      finish: async () => {
        finished = true;
      },
      abort: async () => {},
    };
    async function* source(): AsyncGenerator<Uint8Array> {
      yield bundle;
    }
    expect(await code(openBundle(high, source(), sink))).toBe("AUTH_FAILED");
    expect(finished).toBe(false);
  });
});
