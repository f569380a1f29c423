// Odd corners that the cuts of single operations do not reach: a fill whose first record turns up behind another fill, a record of a fill that decays, and which
// operations a dip of the supply is tried on.

import type { Core } from "../../simulator/index.ts";
import type { Tally } from "./cuts.ts";
import { COMMAND, CONTROL_RESERVE, DOWN_END, FIRST_SPLIT, fillSteps, LOW, Rig, UP_BASE, u32 } from "./rig.ts";
import type { Scenario } from "./scenarios.ts";

/** A dip is tried on commands; a boot has a section of its own for it, and a fill goes on by itself. One place of the journal in each sector will do. */
export function dippable(list: readonly Scenario[]): Scenario[] {
  return list.filter(({ name }) => /journal (middle|full):/.test(name) && !name.endsWith("boot"));
}

const FILL_SEEDS = 24;

/** A fill is cut in its first record; another fill with another split takes the same generation; the first one's record turns up. */
export function lateFill(core: Core, tally: Tally): void {
  for (let seed = 1; seed <= FILL_SEEDS; seed++) {
    const rig = new Rig(core, seed);
    rig.hello();
    const steps = fillSteps(LOW);
    const greedy = steps[0]![1].slice();
    greedy.set(u32(DOWN_END - CONTROL_RESERVE), 8);
    rig.machine.cutAt({ call: 1, name: "norProgram", when: "during", kind: "power", tear: "unstable" });
    rig.command(COMMAND.FILL, greedy);
    rig.machine.powerOn();
    rig.hello();
    const modest = UP_BASE + 2048;
    steps[0]![1].set(u32(modest), 8);
    for (const [type, payload] of steps) rig.command(type, payload);
    for (let boot = 0; boot < 3; boot++) {
      rig.machine.powerCut();
      rig.machine.powerOn();
      tally.cuts++;
      const { split, state } = rig.info();
      if (state === 3 && split !== modest)
        tally.failures.push(`a torn fill speaks again; seed ${seed}: split ${split} instead of ${modest}`);
    }
  }
}

const JOURNAL_BYTES = 4 * 4096;
const RECORD_BYTES = 128;
const ACTIVE = 3;

/** Of a device that was filled and not booted since any one record decays: it holds its pad as before. */
export function decayedFill(core: Core, tally: Tally): void {
  const rig = new Rig(core, 7);
  rig.fill(LOW);
  rig.machine.powerCut();
  const filled = rig.snapshot();
  for (let at = 0; at < JOURNAL_BYTES; at += RECORD_BYTES) {
    rig.restore(filled);
    rig.flash.flip(at, 1);
    rig.machine.powerOn();
    tally.cuts++;
    const { state, split } = rig.info();
    if (state !== ACTIVE || split !== FIRST_SPLIT)
      tally.failures.push(`the record at ${at} decayed behind a fill: state ${state}, split ${split}`);
  }
}
