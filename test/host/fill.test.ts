// Filling through the driver, on the real core: one power session, and a device that proves what it holds.

import { randomBytes } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { type DriverError, type FillProgress, fillDevice, openDevice } from "../../host/driver/index.ts";
import { builtCore, Flash, Machine } from "../../simulator/index.ts";
import { fastClock, inOnePiece, padParameters, plugRestarting, SECTORS_BEFORE_PAD, talkTo } from "./pair.ts";

const SECTORS = 16;
const pad = randomBytes(SECTORS * 4096);
const parameters = padParameters("high", pad.length, randomBytes(16));
let machine: Machine;

beforeEach(() => {
  machine = blankMachine();
});

function blankMachine(): Machine {
  const flash = new Flash({ sectors: SECTORS + SECTORS_BEFORE_PAD, seed: 1 });
  const blank = new Machine({ core: builtCore(), flash, entropy: 1 });
  blank.powerOn();
  return blank;
}

async function failure(promise: Promise<unknown>): Promise<DriverError> {
  return promise.then(
    () => expect.fail("it succeeded"),
    (error: DriverError) => error,
  );
}

/** A chip that has a part of the cells that it says, a half or a quarter: its addresses begin again at 0 where those end. */
class Wrapping extends Flash {
  readonly #real: number;

  constructor(sectors: number, realSectors: number) {
    super({ sectors, seed: 1 });
    this.#real = realSectors * 4096;
  }

  override read(address: number, into: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length; ) {
      const from = (address + done) % this.#real;
      const piece = Math.min(length - done, this.#real - from);
      super.read(from, into, at + done, piece);
      done += piece;
    }
  }

  override program(address: number, from: Uint8Array, at: number, length: number): void {
    super.program(address % this.#real, from, at, length);
  }

  override erase(address: number, size: number): void {
    super.erase(address % this.#real, size);
  }
}

describe("a fill", () => {
  it("of a chip that is smaller than it says fails where its addresses wrap, and leaves no pad", async () => {
    const sectors = SECTORS + SECTORS_BEFORE_PAD;
    for (const part of [2, 4]) {
      const flash = new Wrapping(sectors, Math.ceil(sectors / part));
      const fake = new Machine({ core: builtCore(), flash, entropy: 1 });
      fake.powerOn();
      const error = await failure(fillDevice(await talkTo(fake), parameters, inOnePiece(pad)));
      expect(error).toMatchObject({ code: "FLASH_FAULT" });
      fake.powerCut();
      fake.powerOn();
      expect((await (await talkTo(fake)).info()).state).not.toBe("active");
    }
  });

  it("erases, writes, verifies, and leaves an active device that says what was laid down", async () => {
    const device = await talkTo(machine);
    const progress: FillProgress[] = [];
    const info = await fillDevice(
      device,
      { ...parameters, provenance: "physical", claimedMinEntropy: 7.5 },
      inOnePiece(pad),
      (each) => progress.push(each),
    );
    expect(info).toMatchObject({
      state: "active",
      side: "high",
      provenance: "physical",
      padLength: pad.length,
      padId: Buffer.from(parameters.padId).toString("hex"),
      slots: { low: 8, high: 8 },
      split: parameters.firstSplit,
      generation: 1,
      nextSlot: 0,
      up: { used: 0, burned: 0 },
      down: { used: 0, burned: 0 },
    });
    const held = new Uint8Array(pad.length);
    machine.flash.read(SECTORS_BEFORE_PAD * 4096, held, 0, held.length);
    expect(Buffer.compare(held, pad)).toBe(0);
    expect(progress.filter(({ phase }) => phase === "writing").at(-1)).toEqual({
      phase: "writing",
      done: pad.length,
      total: pad.length,
    });
    const page = Buffer.from(await device.page(0));
    expect(page.toString("latin1", 0, 4)).toBe("TPID");
    expect(page.readUInt16LE(14)).toBe(7500);
    expect(page.toString("utf8", 64, 68)).toBe("test");
  });

  it("takes what it needs of a source in pieces of any size, and lets the source go", async () => {
    let gone = false;
    async function* source() {
      try {
        for (let at = 0; ; at += 999) yield at < pad.length ? pad.subarray(at, at + 999) : randomBytes(999);
      } finally {
        gone = true;
      }
    }
    expect(await fillDevice(await talkTo(machine), parameters, source())).toMatchObject({ state: "active" });
    expect(gone).toBe(true);
  });

  it("of a device that is active is WRONG_STATE, and its pad stays", async () => {
    const device = await talkTo(machine);
    const { serial } = await fillDevice(device, parameters, inOnePiece(pad));
    expect(await failure(fillDevice(device, parameters, inOnePiece(pad)))).toMatchObject({
      code: "WRONG_STATE",
      facts: { state: "active" },
    });
    expect(await device.info()).toMatchObject({ state: "active", serial, generation: 1 });
  });

  it("from a source that ends early is SOURCE_SHORT", async () => {
    const device = await talkTo(machine);
    expect(await failure(fillDevice(device, parameters, inOnePiece(pad.subarray(5000))))).toMatchObject({
      code: "SOURCE_SHORT",
      facts: { needed: pad.length, found: 57_344 },
    });
    expect(await device.info()).toMatchObject({ state: "filling" });
  });

  it("with nine equal bytes in a row, also across two writes, is FILL_REFUSED where they are", async () => {
    const device = await talkTo(machine);
    for (const at of [0, 4092, 30_000]) {
      const bad = Uint8Array.from(pad);
      bad.fill((bad[at + 9]! + 1) & 255, at, at + 9);
      if (bad[at - 1] === bad[at]) bad[at - 1]! ^= 1;
      expect(await failure(fillDevice(device, parameters, inOnePiece(bad)))).toMatchObject({
        code: "FILL_REFUSED",
        facts: { offset: at },
      });
    }
  });

  it("that cannot be is BAD_ARGUMENT at the byte of the wrong parameter", async () => {
    const device = await talkTo(machine);
    const wrong = { ...parameters, padLength: pad.length + 4096 };
    expect(await failure(fillDevice(device, wrong, inOnePiece(pad)))).toMatchObject({
      code: "BAD_ARGUMENT",
      facts: { argumentOffset: 4 },
    });
    expect(await device.info()).toMatchObject({ state: "blank", generation: 0 });
  });

  it("interrupted by a restart fails by name, and starts over in the next generation", async () => {
    const device = await openDevice(plugRestarting(machine), { clock: fastClock });
    const interrupted = fillDevice(device, parameters, inOnePiece(pad), ({ phase, done }) => {
      if (phase === "writing" && done === 4096) machine.cutAt({ call: 3, when: "during", kind: "power" });
    });
    expect(await failure(interrupted)).toMatchObject({ code: "NO_SESSION" });
    expect(await device.info()).toMatchObject({ state: "filling" });
    expect(await failure(device.write(4096, pad.subarray(4096, 8192)))).toMatchObject({ code: "WRONG_STATE" });
    expect(await fillDevice(device, parameters, inOnePiece(pad))).toMatchObject({ state: "active", generation: 2 });
  });

  it("that the chip did not keep is FILL_MISMATCH", async () => {
    const device = await talkTo(machine);
    const address = SECTORS_BEFORE_PAD * 4096 + 20_000;
    const filling = fillDevice(device, parameters, inOnePiece(pad), ({ phase, done }) => {
      if (phase !== "writing" || done !== pad.length) return;
      machine.flash.faults = { stuck: new Map([[address, { mask: 1, value: ~pad[20_000]! & 1 }]]) };
    });
    expect(await failure(filling)).toMatchObject({ code: "FILL_MISMATCH" });
    expect(await device.info()).toMatchObject({ state: "filling", workError: "FILL_MISMATCH" });
  });

  it("on a chip that cannot be erased is FILL_FAILED, and on a supply that fails for good FILL_STALLED", async () => {
    machine.flash.faults = { sectors: new Map([[SECTORS_BEFORE_PAD + 3, "protected"]]) };
    const error = await failure(fillDevice(await talkTo(machine), parameters, inOnePiece(pad)));
    expect(error).toMatchObject({ code: "FILL_FAILED", facts: { reason: "FLASH_FAULT" } });

    const weak = blankMachine();
    const device = await talkTo(weak);
    weak.observe = (call) => {
      if (call.name === "norErase") weak.supplyLow = true;
    };
    expect(await failure(fillDevice(device, parameters, inOnePiece(pad)))).toMatchObject({ code: "FILL_STALLED" });
  });
});
