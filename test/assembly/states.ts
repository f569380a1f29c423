// The states that the fuzz attacks: devices with something to lose, each with what a good host could say to it at that moment.

import type { Core } from "../../simulator/index.ts";
import { COMMAND, concat, fillSteps, HIGH, LOW, Rig, type RigSnapshot, type Side, u32 } from "../torture/rig.ts";
import { makeBench, type Segment, text } from "../torture/scenarios.ts";

/** A command that would be right, or was right before. */
export interface Good {
  readonly type: number;
  readonly payload: Uint8Array;
}

export interface Attacked {
  readonly name: string;
  readonly rig: Rig;
  readonly snapshot: RigSnapshot;
  readonly side: Side;
  readonly good: readonly Good[];
  /** What the twin sealed for this device. */
  readonly segments: readonly Segment[];
  /** The pad ranges of what was opened since boot, and the slot found last. */
  readonly opened: readonly (readonly [start: number, end: number])[];
  readonly found: number | null;
}

const IDENTITY_PAGE = 4 * 4096;

/** All of them. What is good for one is thrown at the others, too. */
export function attackedStates(core: Core): Attacked[] {
  return [
    ...[LOW, HIGH].flatMap((side) => unfilled(core, side as Side)),
    ...[LOW, HIGH].flatMap((side) => active(core, side as Side)),
  ];
}

/** Blank, erasing, being written, and written to the end. */
function unfilled(core: Core, side: Side): Attacked[] {
  const rig = new Rig(core, 20 + side);
  rig.hello();
  // Host's counters and the name of a source without a zero: a text of zeros would show the pad in its ciphertext, as it must.
  const steps = fillSteps(side).map(([type, payload]): Good => {
    const bytes = payload.slice();
    if (type === COMMAND.fill)
      bytes.set(
        text(80, 3).map((byte) => byte | 1),
        32,
      );
    return { type, payload: bytes };
  });
  const constant = [0, 2 * 4096].map((offset) => ({
    type: COMMAND.write,
    payload: concat(u32(offset), new Uint8Array(256).fill(0x55)),
  }));
  const good = [...questions, ...steps, ...constant];
  const list: Attacked[] = [];
  const add = (name: string): void => {
    list.push({ name, rig, snapshot: rig.snapshot(), side, good, segments: [], opened: [], found: null });
  };
  const must = (step: Good): void => {
    if (rig.command(step.type, step.payload)?.error !== 0) throw new Error(`the fill refused command ${step.type}`);
  };

  add("blank");
  rig.machine.feed(rig.frame(steps[0]!.type, steps[0]!.payload));
  rig.sequence++;
  add("erasing");
  rig.machine.runUntilIdle();
  for (const step of steps.slice(1, 3)) must(step);
  add("filling");
  for (const step of steps.slice(3, -1)) must(step);
  add("filled but for the commit");
  return list;
}

/** Active with boxes of the twin opened and not released; the same almost used up, just booted, and with a damaged identity. */
function active(core: Core, side: Side): Attacked[] {
  const { rig, ideal, segment, granting } = makeBench(core, side, 30 + side);
  rig.hello();
  const split = ideal.floor.split;
  const good: Good[] = [
    ...questions,
    ...[0, 1, 40, 115].flatMap((size) => [seal(1, size), seal(2, size)]),
    seal(2, 2000),
    { type: COMMAND.begin, payload: u32(0xffffffff, 0) },
    { type: COMMAND.begin, payload: u32(0, 1) },
    { type: COMMAND.raise, payload: u32(split) },
    { type: COMMAND.raise, payload: u32(split + 100) },
    { type: COMMAND.raise, payload: u32(split + 900) },
    ...[segment, granting].flatMap(({ slot, tagAndOpening, boxes }) => [
      { type: COMMAND.find, payload: tagAndOpening },
      { type: COMMAND.releaseSlot, payload: u32(slot) },
      ...boxes.flatMap(({ offset, item, text: plain }) => [
        { type: COMMAND.open, payload: concat(u32(offset), item) },
        { type: COMMAND.release, payload: u32(offset, 32 + plain.length) },
        { type: COMMAND.release, payload: u32(offset, 16) },
      ]),
    ]),
  ];
  const list: Attacked[] = [];
  const segments = [segment, granting];
  let opened = segment.boxes.map(({ offset, text: plain }) => [offset, offset + 32 + plain.length] as const);
  let found: number | null = segment.slot;
  const add = (name: string): void => {
    const where = `${side === LOW ? "low" : "high"}, ${name}`;
    list.push({ name: where, rig, snapshot: rig.snapshot(), side, good, segments, opened, found });
  };

  rig.command(COMMAND.find, segment.tagAndOpening);
  add("with boxes outstanding");
  for (let i = 0; i < 2; i++) rig.command(COMMAND.begin, u32(0xffffffff, 0));
  for (const size of [4096, 1000, 500, 200, 80]) while (rig.command(COMMAND.seal, seal(1, size).payload)?.error === 0);
  add("almost used up");
  rig.machine.powerCut();
  rig.machine.powerOn();
  rig.session = 0;
  opened = [];
  found = null;
  add("just booted");
  rig.machine.powerCut();
  rig.flash.flip(IDENTITY_PAGE + 4096 + 20, 1);
  rig.machine.powerOn();
  rig.hello();
  if (rig.info().state !== 6) throw new Error("the damaged identity was not noticed");
  add("faulty");
  return list;
}

const questions: readonly Good[] = [
  { type: COMMAND.hello, payload: u32(0x12345678) },
  { type: COMMAND.info, payload: new Uint8Array(0) },
  { type: COMMAND.info, payload: new Uint8Array(0) },
  ...[0, 1, 2].map((page) => ({ type: 0x03, payload: u32(page) })),
];

function seal(kind: number, size: number): Good {
  return { type: COMMAND.seal, payload: concat(u32(kind), text(size, 40 + kind)) };
}
