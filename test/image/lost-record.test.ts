// A record of the journal that cannot be read: what the inspector makes of a pad that was just filled, and of one whose last word is gone.

import { describe, expect, it } from "vitest";
import { type Inspection, inspectChip } from "../../host/image/index.ts";
import { builtCore } from "../../simulator/index.ts";
import { COMMAND, fillSteps, HIGH, LOW, Rig } from "../torture/rig.ts";

const RECORD = 128;
const ACTIVE = 3;
const JOURNAL = 4 * 4096;

/** The chip of a device that was filled and never booted since. */
function filled(side: typeof LOW | typeof HIGH): Uint8Array {
  const rig = new Rig(builtCore(), 90 + side);
  rig.fill(side);
  return rig.flash.content(0, rig.flash.size).slice();
}

function inspect(chip: Uint8Array): Inspection {
  return inspectChip({ size: chip.length, read: (at, into) => into.set(chip.subarray(at, at + into.length)) });
}

/** Where the records lie that say active. */
function activating(chip: Uint8Array): number[] {
  const all = Array.from({ length: JOURNAL / RECORD }, (_, place) => place * RECORD);
  return all.filter((at) => Buffer.from(chip.subarray(at, at + 4)).toString() === "TPJ1" && chip[at + 16] === ACTIVE);
}

describe.each([
  ["low", LOW],
  ["high", HIGH],
] as const)("T-17 a pad that was just filled, %s side", (_, side) => {
  const chip = filled(side);

  it("T-17 says twice that it is one, and with a flipped bit in any record is still one", () => {
    const records = activating(chip);
    expect(records).toHaveLength(2);
    for (let address = 0; address < records.at(-1)! + RECORD; address += 3) {
      const flipped = chip.slice();
      flipped[address]! ^= 1 << (address & 7);
      const { state, fault, lostPad, journal } = inspect(flipped);
      expect([state, fault, lostPad, journal.unreadableRecords], `byte ${address}`).toEqual(["active", null, false, 1]);
    }
  });

  it("T-17 with both of these records lost is not called one that may be filled, and the identity is shown", () => {
    const lost = chip.slice();
    for (const at of activating(chip)) lost[at + 60]! ^= 1;
    const found = inspect(lost);
    expect(found).toMatchObject({ state: "filling", lostPad: true, pad: null });
    expect(found.identity?.content).toEqual(inspect(chip).identity?.content);
  });
});

it("a fill that was interrupted, in a record or between two, is one that may be filled", () => {
  const rig = new Rig(builtCore(), 93);
  rig.hello();
  const [first, ...rest] = fillSteps(LOW);
  const torn = rig.snapshot();
  rig.machine.cutAt({ call: 1, name: "norProgram", when: "during", kind: "power", tear: "random" });
  rig.command(...first!);
  expect(inspect(rig.flash.content(0, rig.flash.size))).toMatchObject({
    state: "blank",
    lostPad: false,
    identity: null,
  });
  rig.restore(torn);
  rig.command(...first!);
  for (const step of rest) if (step[0] !== COMMAND.COMMIT) rig.command(...step);
  expect(inspect(rig.flash.content(0, rig.flash.size))).toMatchObject({
    state: "filling",
    lostPad: false,
    identity: null,
  });
});
