// A pair that is used up: both ends say so, and a text that does not fit is refused whole.

import { beforeEach, describe, expect, it } from "vitest";
import { type Device, sealRun } from "../../host/driver/index.ts";
import { makePair, type Pair, scratchOutbox, talkTo } from "./pair.ts";

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

describe("T-34 a pair that runs out", () => {
  it("T-34 T-03 is refused for both holders, whole texts only, and nothing is used by it", async () => {
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
