// A one-time pad alone hides a text and protects nothing of it. Each box carries a tag made from 32 pad bytes of its own: what that costs, and what it keeps out.

import { randomBytes } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Device, type DriverError, isDeviceError, runCost } from "../../host/driver/index.ts";
import { makePair, type Pair, talkTo } from "../host/pair.ts";

let pair: Pair;
let low: Device;
let high: Device;

beforeAll(async () => {
  pair = await makePair(8);
});
beforeEach(async () => {
  pair.restore();
  low = await talkTo(pair.low);
  high = await talkTo(pair.high);
});

async function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "none",
    (error: DriverError) => error.code,
  );
}

describe("TG-2 the tag of a box", () => {
  it("TG-2 costs 32 bytes of pad and 20 of wire, whatever the text, and the arithmetic of the driver says so", async () => {
    for (const length of [0, 1, 16, 115, 4096]) {
      const before = (await low.info()).up.used;
      const { box } = await low.seal("last", randomBytes(length));
      expect(box.length).toBe(length + 20);
      expect((await low.info()).up.used - before).toBe(length + 32);
      expect(runCost(length, 1)).toEqual({ boxes: 1, padBytes: length + 32 });
    }
    expect(runCost(3 * 4096 + 1, 1)).toEqual({ boxes: 4, padBytes: 3 * 4096 + 1 + 4 * 32 });
  });

  it("TG-2 leaves room for as many texts of 115 bytes as INFO and the arithmetic promise: 78 % of the pad is text", async () => {
    const { room } = await low.info();
    const { padBytes } = runCost(115, 1);
    let texts = 0;
    while ((await refusal(low.seal("last", randomBytes(115)))) === "none") texts++;
    expect(texts).toBe(Math.floor(room / padBytes));
    expect(115 / padBytes).toBeGreaterThanOrEqual(0.78);
    expect((texts * 115) / room).toBeGreaterThan(0.77);
  });

  it("TG-2 keeps a forged box out: a bit flipped anywhere, a tag of another box, another length, and nothing is used or given out", async () => {
    const text = randomBytes(115);
    const { offset, box } = await low.seal("data", text);
    const other = await low.seal("data", text);
    const before = await high.info();
    let failed = 0;
    const mustRefuse = async (at: number, forged: Uint8Array): Promise<void> => {
      const code = await refusal(high.open(at, forged));
      expect(["AUTH_FAILED", "BAD_ARGUMENT"]).toContain(code);
      if (code === "AUTH_FAILED") failed++;
    };
    for (let bit = 0; bit < box.length * 8; bit++) {
      const forged = box.slice();
      forged[bit >> 3]! ^= 1 << (bit & 7);
      await mustRefuse(offset, forged);
    }
    const tagOfOther = box.slice();
    tagOfOther.set(other.box.subarray(-16), box.length - 16);
    for (const forged of [tagOfOther, other.box, box.subarray(0, -1), Uint8Array.of(...box, 0)])
      await mustRefuse(offset, forged);
    await mustRefuse(offset + 1, box);
    await mustRefuse(other.offset, box);

    const after = await high.info();
    expect(failed).toBeGreaterThan((box.length - 4) * 8);
    expect(after.failedTags).toBe(before.failedTags + failed);
    expect([after.up, after.down, after.split, after.nextSlot]).toEqual([
      before.up,
      before.down,
      before.split,
      before.nextSlot,
    ]);
    const opened = await high.open(offset, box);
    expect(Buffer.compare(opened.text, text)).toBe(0);
  });

  it("TG-2 keeps out what is right at another place: the kind, the direction and the offset are part of it", async () => {
    const { box } = await low.seal("data", randomBytes(115));
    const asLast = box.slice();
    asLast[2] = 2;
    const { split } = await high.info();
    const base = 192 * (pair.pad.length / 8192);
    expect(await refusal(high.open(base, asLast))).toBe("AUTH_FAILED");
    for (const offset of [base + 1, base + 147, split - 147])
      expect(await refusal(high.open(offset, box))).toBe("AUTH_FAILED");
    for (const offset of [0, base - 1, split - 146, split])
      expect(await refusal(high.open(offset, box))).toBe("BAD_ARGUMENT");
    // Reflected to whoever sealed it: nothing of its own direction is ever opened.
    expect(await refusal(low.open(base, box))).toBe("BAD_ARGUMENT");
    for (const offset of [split, split + 1000]) expect(await refusal(low.open(offset, box))).toBe("AUTH_FAILED");
  });

  it("TG-2 a pad byte that decayed at one end costs its own box, which is refused there, and no other", async () => {
    const texts = [randomBytes(300), randomBytes(300), randomBytes(300)];
    const boxes = [];
    for (const text of texts) boxes.push(await low.seal("data", text));
    for (const place of [0, 20, 40, 331]) {
      pair.high.flash.flip(6 * 4096 + boxes[1]!.offset + place, 1);
      const codes = [];
      for (const { offset, box } of boxes) codes.push(await refusal(high.open(offset, box)));
      // Poly1305 ignores four bits of each of four bytes of r; the flipped one is not of those.
      expect(codes).toEqual(["none", "AUTH_FAILED", "none"]);
      pair.high.flash.flip(6 * 4096 + boxes[1]!.offset + place, 1);
    }
    expect(isDeviceError(await high.open(boxes[1]!.offset, boxes[1]!.box).catch((error) => error), "AUTH_FAILED")).toBe(
      false,
    );
  });
});
