// Three odd corners that the cuts of single operations do not reach: a fill whose first record turns up behind another fill, pad bytes that stay in the core's memory, and
// which operations a dip of the supply is tried on.

import type { Core } from "../../simulator/index.ts";
import type { Tally } from "./cuts.ts";
import { noFindings } from "./ideal.ts";
import { begin, find, open, perform, release, releaseSlot, seal } from "./operations.ts";
import {
  COMMAND,
  CONTROL_RESERVE,
  DOWN_END,
  fillSteps,
  HIGH,
  LOW,
  PAD,
  PAD_LENGTH,
  Rig,
  readU32,
  type Side,
  SLOT_SIZE,
  UP_BASE,
  u32,
} from "./rig.ts";
import { makeBench, type Scenario, text } from "./scenarios.ts";

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

/** Runs every command, also into its errors, and looks for pad bytes in the memory of the core behind each. */
export function padInMemory(core: Core, tally: Tally): void {
  const places = new Map<number, number>();
  // A slot's tag is sent in clear, and the zeros in an opening's text show the key under them to whoever has the text: these may stay in the reply.
  const isSent = (at: number): boolean => {
    const within = at < UP_BASE ? at % SLOT_SIZE : at < DOWN_END ? SLOT_SIZE : (at - DOWN_END) % SLOT_SIZE;
    return within < 16 || (within >= 128 && within < 144);
  };
  for (let at = 0; at + 8 <= PAD_LENGTH; at++) if (!isSent(at)) places.set(readU32(PAD, at), at);
  for (const side of [LOW, HIGH] as Side[]) {
    const { rig, ideal, segment, granting } = makeBench(core, side, 95);
    const look = (after: string): void => {
      tally.cuts++;
      const { memory } = rig.machine;
      for (let i = 0; i + 8 <= 24 * 1024; i++) {
        const at = places.get(readU32(memory, i));
        if (at === undefined || readU32(memory, i + 4) !== readU32(PAD, at + 4)) continue;
        tally.failures.push(`${side === LOW ? "low" : "high"}: pad byte ${at} is in memory behind ${after}`);
        return;
      }
    };
    const findings = noFindings();
    const box = segment.boxes[1]!;
    const forged = box.item.map((byte, i) => (i === 5 ? byte ^ 1 : byte));
    rig.machine.powerCut();
    rig.machine.powerOn();
    rig.hello();
    look("a boot");
    const steps = [
      ["begin", () => begin(ideal)],
      ["a seal", () => seal(ideal, text(900, 1))],
      ["a find", () => find(ideal, granting.tagAndOpening, granting.split)],
      ["an open", () => open(box.offset, box.item)],
      ["a forged open", () => open(box.offset, forged)],
      ["a release", () => release(ideal, ideal.incoming[1]!)],
      ["an open of a used box", () => open(box.offset, box.item)],
      ["a release of the slot", () => releaseSlot(granting.slot, { start: 0, end: 0, status: "kept" })],
    ] as const;
    for (const [name, plan] of steps) {
      perform(rig, ideal, plan(), findings);
      look(name);
    }
    let looks = 0;
    rig.machine.observe = (call) => {
      if (call.name === "supplyOk") rig.machine.supplyLow = ++looks === 3;
    };
    perform(rig, ideal, seal(ideal, text(900, 2)), findings);
    rig.machine.observe = null;
    rig.machine.supplyLow = false;
    look("a seal that the supply stopped");
  }
}
