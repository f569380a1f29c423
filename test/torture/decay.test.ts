import { describe, expect, it } from "vitest";
import { builtCore } from "../../simulator/index.ts";
import { type Ideal, noFindings } from "./ideal.ts";
import { begin, open, perform, seal } from "./operations.ts";
import { FIRST_SPLIT, HIGH, LOW, PAD_BASE, Rig } from "./rig.ts";
import { type Bench, makeBench, text } from "./scenarios.ts";

const IDENTITY_BASE = 4 * 4096;
const FAULTY = 6;
/** The pages of an identity copy, by the number that INFO gives their section. */
const PAGE_SECTIONS = [3, 4, 5];

/** A device that was filled and never booted since, as a new pair leaves the shop; without power. */
function fresh(side: typeof LOW | typeof HIGH): Rig {
  const rig = new Rig(builtCore(), 76 + side);
  rig.fill(side);
  rig.machine.powerCut();
  return rig;
}

/** A device that has sealed, released and been rebooted, so that every kind of record is in its journal; without power. */
function worn(side: typeof LOW | typeof HIGH): Bench {
  const bench = makeBench(builtCore(), side, 70 + side);
  const { rig, ideal } = bench;
  for (let life = 0; life < 2; life++) {
    for (const plan of [begin, (it: Ideal) => seal(it, text(60, life)), (it: Ideal) => seal(it, text(500, life), 2)]) {
      expect(perform(rig, ideal, plan(ideal), noFindings())?.error).toBe(0);
    }
    if (life === 0) {
      rig.machine.powerCut();
      rig.machine.powerOn();
      rig.hello();
    }
  }
  rig.machine.powerCut();
  return bench;
}

describe.each([
  ["low", LOW],
  ["high", HIGH],
] as const)("a flipped bit in the flash of a device, %s side", (_, side) => {
  const bench = worn(side);
  const { rig, ideal } = bench;
  const off = rig.snapshot();

  function bootWith(address: number): Rig {
    rig.restore(off);
    rig.flash.flip(address, 1 << (address & 7));
    rig.machine.powerOn();
    return rig;
  }

  it("T-04 in any byte of the journal, never brings a used pad byte back", () => {
    for (let address = 0; address < IDENTITY_BASE; address++) {
      bootWith(address);
      const model = ideal.clone();
      const { state, generation, next, up, down, split } = rig.info();
      expect([state, generation], `byte ${address}`).toEqual([3, 1]);
      // What the journal forgot the pad still shows: the sealing side's own marks stand where they were.
      model.floor = { state, generation, next, up, down, split };
      const own = model.own;
      expect([next, model.floor[own]], `byte ${address}`).toEqual([ideal.floor.next, ideal.floor[own]]);
      rig.hello();
      const findings = noFindings();
      expect(perform(rig, model, seal(model, text(40, 3), 2), findings)?.error, `byte ${address}`).toBe(0);
      expect(findings, `byte ${address}`).toEqual(noFindings());
    }
  });

  it("T-17 in any byte of the journal of a pad that was just filled, does not turn it into one that waits for a fill", () => {
    const device = fresh(side);
    const filled = device.snapshot();
    for (let address = 0; address < IDENTITY_BASE; address++) {
      device.restore(filled);
      device.flash.flip(address, 1 << (address & 7));
      device.machine.powerOn();
      const { state, generation, next, up, down, split } = device.info();
      expect({ state, generation, next, up, down, split }, `byte ${address}`).toEqual({
        ...{ state: 3, generation: 1, next: 0, up: 0, down: 0 },
        split: FIRST_SPLIT,
      });
    }
  });

  it("T-17 in any byte of the identity in force, puts the device out of service and names the section", () => {
    const first = IDENTITY_BASE + 4096;
    for (let address = first; address < first + 3 * 256; address++) {
      bootWith(address);
      const info = rig.info();
      expect([info.state, info.fault], `byte ${address}`).toEqual([FAULTY, PAGE_SECTIONS[(address - first) >> 8]]);
      rig.hello();
      expect(rig.command(0x21, new Uint8Array([2, 0, 0, 0]))?.error).toBe(7);
      rig.restore(off);
    }
  });

  it("in a pad byte, fails the one box that lies there and no other", () => {
    const boxes = bench.segment.boxes;
    for (const [hit, { offset, text: plain }] of boxes.entries()) {
      for (const within of [0, 15, 16, 31, 32, 32 + plain.length - 1]) {
        bootWith(PAD_BASE + offset + within);
        rig.hello();
        for (const [i, box] of boxes.entries()) {
          // Some bits of r are clamped away and change nothing.
          const reply = perform(rig, ideal.clone(), open(box.offset, box.item), noFindings());
          if (i !== hit) expect(reply?.error).toBe(0);
          else if (within >= 16) expect(reply?.error).toBe(12);
        }
      }
    }
  });
});
