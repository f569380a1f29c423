// One test body for every body of the core: a pad is filled, sealed with, opened and released under, a token calls, the power goes at any moment, and wrong input is refused by
// name. The simulator and the two emulated boards run it here; a real board with a blank chip does when TEARPAD_BODY_PORT names its port.

import { createHash, randomInt } from "node:crypto";
import process from "node:process";
import { afterEach, describe, expect, it } from "vitest";
import { findCompiler } from "../../hardware/native/index.ts";
import {
  type Device,
  type FillParameters,
  fillDevice,
  firstSplitOfPair,
  firstSplitOfToken,
  openDevice,
  slotsAtIssue,
} from "../../host/driver/index.ts";
import { builtCore, Flash, lineTo, Machine, Random } from "../../simulator/index.ts";
import { type Body, boardBody, nativeBody, portBody, simulatorBody } from "../body.ts";
import { fastClock, inOnePiece } from "../host/pair.ts";
import { receiptMac } from "../second/link.ts";
import { Server } from "../second/server.ts";
import { showsBoards } from "./firmware-board.ts";

const shown = showsBoards("the test body on emulated boards");

const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
const PAD_BYTES = 5 * 4096;
const PAD = Uint8Array.from(
  Buffer.concat(Array.from({ length: PAD_BYTES / 32 }, (_, i) => createHash("sha256").update(`pad ${i}`).digest())),
);
const PAD_ID = new Uint8Array(16).fill(7);
const ASSET = new TextEncoder().encode("EUR\0\0\0\0\0");
const MAC_KEY = new Uint8Array(32).fill(9);
const CUTS = 4;
const SLOTS = slotsAtIssue(PAD_BYTES);

const bodies: [string, () => Body][] = [["the simulator", () => simulatorBody(64, (bytes) => bytes.fill(5))]];
if (shown) {
  bodies.push(["an emulated pico", () => boardBody("pico")], ["an emulated pico-bare", () => boardBody("pico-bare")]);
}
if (findCompiler() !== null || process.env.CI) bodies.push(["a native program", () => nativeBody(64)]);
else console.warn("not shown here, because there is no C compiler: the test body on a native program");
const port = portBody();
if (port !== null) bodies.push([`the board on ${port.name}`, () => port]);

/** What a fill of one end of the pair lays down. */
function parameters(side: "low" | "high"): FillParameters {
  return {
    side,
    padLength: PAD_BYTES,
    padId: PAD_ID,
    burnUnit: 1,
    slots: { low: true, high: true },
    firstSplit: firstSplitOfPair({ padLength: PAD_BYTES, slots: { low: SLOTS, high: SLOTS }, burnUnit: 1 }),
    provenance: "csprng",
    claimedMinEntropy: 8,
    samplesTested: 0,
    longestRepetition: 0,
    highestProportion: 0,
    sourceName: "test",
  };
}

/** The other end of the pad, in the simulator. */
async function makeTwin(): Promise<Device> {
  const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors: 16, seed: 2 }), entropy: 1 });
  machine.powerOn();
  const twin = await openDevice(lineTo(machine), { clock: fastClock });
  await fillDevice(twin, parameters("high"), inOnePiece(PAD));
  return twin;
}

function text(length: number, salt: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + salt * 31) & 255);
}

/** Seals texts as one run at one end and opens them at the other, which releases all; returns what was opened. */
async function pass(from: Device, to: Device, words: readonly Uint8Array[]): Promise<Uint8Array> {
  const begun = await from.begin(null, 0);
  const boxes: Awaited<ReturnType<Device["seal"]>>[] = [];
  for (const [i, each] of words.entries()) boxes.push(await from.seal(i < words.length - 1 ? "data" : "last", each));
  const { slot } = await to.find(begun.slotItem.subarray(4), begun.openingItem);
  const opened: Uint8Array[] = [];
  for (const { offset, box } of boxes) {
    opened.push((await to.open(offset, box)).text);
    await to.release(offset, box.length - 20 + 32);
  }
  await to.releaseSlot(slot);
  return Buffer.concat(opened);
}

describe.each(bodies)("T-18 the test body on %s", { timeout: 240_000 }, (name, make) => {
  /** A real chip is blank once; nothing but a programmer makes it so again. */
  const fillsOnce = name === `the board on ${port?.name}`;
  const devices: Device[] = [];
  let made: Body | null = null;

  afterEach(async () => {
    for (const device of devices.splice(0)) await device.close();
    await made?.close();
    made = null;
  });

  async function start(): Promise<[Body, Device]> {
    made = make();
    made.power?.powerOn();
    const body = made;
    const device = await openDevice(() => body.open(), { clock: body.clock });
    devices.push(device);
    return [body, device];
  }

  it(`is filled, seals, opens, releases, loses power at any moment and uses no pad byte twice (SEED=${seed})`, async () => {
    const [body, device] = await start();
    const info = await fillDevice(device, parameters("low"), inOnePiece(PAD));
    expect(info).toMatchObject({ state: "active", side: "low", padLength: PAD_BYTES });
    const twin = await makeTwin();
    devices.push(twin);

    for (const [from, to, ...lengths] of [
      [device, twin, 0, 1, 700],
      [twin, device, 500, 3],
    ] as const) {
      const words = lengths.map((length) => text(length, length));
      expect(Buffer.compare(await pass(from, to, words), Buffer.concat(words))).toBe(0);
    }

    const { slotItem, openingItem } = await twin.begin(null, 0);
    const { offset, box } = await twin.seal("last", text(9, 9));
    const forged = box.with(5, box[5]! ^ 1);
    await expect(device.open(offset, forged)).rejects.toMatchObject({ code: "AUTH_FAILED" });
    await expect(device.open(offset + 1, box)).rejects.toMatchObject({ code: "AUTH_FAILED" });
    await expect(device.release(offset, 41)).rejects.toMatchObject({ code: "NOT_VERIFIED" });
    await expect(device.find(slotItem.subarray(4).toReversed(), openingItem)).rejects.toMatchObject({
      code: "SLOT_UNKNOWN",
    });
    await expect(device.raise(PAD_BYTES)).rejects.toMatchObject({ code: "WRONG_SIDE" });
    await expect(device.call(false)).rejects.toMatchObject({ code: "WRONG_SIDE" });

    const { power } = body;
    if (power === null) return;
    const random = new Random(seed);
    let used = (await device.info()).up.used;
    const sealed = new Map<number, number>();
    for (let cut = 0; cut < CUTS; cut++) {
      power.arm(random.below(2) ? "power" : "reset", random);
      await device.seal("data", text(20, cut)).then(
        ({ offset, box }) => note(sealed, offset, box.subarray(4, 24), text(20, cut)),
        () => {},
      );
      power.disarm();
      if (!power.on) power.powerOn();
      await device.hello();
      const after = (await device.info()).up;
      expect(after.used).toBeGreaterThanOrEqual(used);
      expect(after.burned).toBe(after.used);
      const next = await device.seal("data", text(20, 100 + cut));
      expect(next.mark).toBe(after.used);
      note(sealed, next.offset, next.box.subarray(4, 24), text(20, 100 + cut));
      used = after.used + 52;
    }
    const flash = body.flash();
    if (flash === null) return;
    const base = (flash.length >= 1 << 20 ? 32 : 6) * 4096 + 192 * SLOTS;
    expect(flash.subarray(base, base + used).every((byte) => byte === 0)).toBe(true);
    const rest = base + used;
    expect(
      Buffer.compare(flash.subarray(rest, rest + 64), PAD.subarray(192 * SLOTS + used, 192 * SLOTS + used + 64)),
    ).toBe(0);
  });

  it.skipIf(fillsOnce)(
    "is filled as a token, calls, is linked, seals and opens, and seals no more behind a loss of power",
    async () => {
      const [body, device] = await start();
      const shape = { padLength: PAD_BYTES, burnUnit: 1, slots: { low: SLOTS, high: 0 } };
      const split = firstSplitOfToken(shape);
      const first = { sequence: 1, call: 0, balance: 50n, up: 0 };
      const token = {
        asset: "EUR",
        limit: 1000n,
        receipt: { ...first, mac: receiptMac(MAC_KEY, PAD_ID, ASSET, first) },
        addresses: { number: 1, addresses: ["tcp://one.example:7300"] },
      };
      const slots = { low: true, high: false };
      await fillDevice(device, { ...parameters("low"), slots, firstSplit: split, token }, inOnePiece(PAD));
      const server = new Server({ padId: PAD_ID, burnUnit: 1, split }, PAD.slice(), ASSET, MAC_KEY, 1);

      await expect(device.seal("last", text(5, 5))).rejects.toMatchObject({ code: "CALL_FIRST" });
      const { slot, slotItem } = await device.call(false);
      expect(server.hear(slotItem.subarray(4))).toBe(slot);
      const ready = await device.ready({ welcomeItem: server.welcome(slot), again: 0, number: 0, cap: 30n });
      expect(server.ready(slot, ready)).toMatchObject({ again: 0, next: 0, cap: 30n });
      const { offset, item } = server.receipt(40n, 30n);
      expect(await device.open(offset, item)).toMatchObject({ refused: false });
      const { box } = await device.seal("last", text(60, 6));
      expect(Buffer.compare(server.open(box).text, text(60, 6))).toBe(0);
      expect(await device.value()).toMatchObject({ receipt: { balance: 40n }, openCaps: 30n });

      if (body.press !== null) {
        const { slot: next } = await device.call(false);
        const request = { welcomeItem: server.welcome(next), again: 92, number: 0, cap: 2000n };
        await expect(device.ready(request)).rejects.toMatchObject({ code: "PRESENCE" });
        body.press();
        await expect(device.ready(request)).resolves.toHaveLength(84);
      }
      if (body.power === null) return;
      body.power.powerOff();
      body.power.powerOn();
      await device.hello();
      await expect(device.seal("last", text(5, 5))).rejects.toMatchObject({ code: "CALL_FIRST" });
    },
  );
});

/** The pad bytes of a box, each used for the first time, and those of the pad at its place. */
function note(sealed: Map<number, number>, offset: number, hidden: Uint8Array, words: Uint8Array): void {
  for (const [i, byte] of hidden.entries()) {
    const at = offset + 32 + i;
    expect(sealed.has(at)).toBe(false);
    sealed.set(at, byte ^ words[i]!);
    expect(byte ^ words[i]!).toBe(PAD[at]);
  }
}
