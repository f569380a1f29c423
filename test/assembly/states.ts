// The states that the fuzz attacks: devices with something to lose, each with what a good host could say to it at that moment.

import type { Core } from "../../simulator/index.ts";
import {
  COMMAND,
  concat,
  fillSteps,
  type Ground,
  HIGH,
  LOW,
  PAIR,
  Rig,
  type RigSnapshot,
  type Side,
  u32,
} from "../torture/rig.ts";
import { type Box, makeBench, type Segment, text } from "../torture/scenarios.ts";
import { addresses, grant, ready, receipt, skip, state, TOKEN, type TokenPlan } from "../torture/token.ts";
import { makeTokenBench } from "../torture/token-scenarios.ts";

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
  readonly ground: Ground;
  readonly good: readonly Good[];
  /** What the twin sealed for this device. */
  readonly segments: readonly Segment[];
  /** What a server sealed for this token, and what opening it tells the core. */
  readonly told?: readonly Box[];
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
    ...token(core),
  ];
}

/** Blank, erasing, being written, and written to the end. */
function unfilled(core: Core, side: Side): Attacked[] {
  const rig = new Rig(core, 20 + side);
  rig.hello();
  // Host's counters and the name of a source without a zero: a text of zeros would show the pad in its ciphertext, as it must.
  const steps = fillSteps(side).map(([type, payload]): Good => {
    const bytes = payload.slice();
    if (type === COMMAND.FILL)
      bytes.set(
        text(80, 3).map((byte) => byte | 1),
        32,
      );
    return { type, payload: bytes };
  });
  const constant = [0, 2 * 4096].map((offset) => ({
    type: COMMAND.WRITE,
    payload: concat(u32(offset), new Uint8Array(256).fill(0x55)),
  }));
  const selftests = [0, 1, 2, 3, 4].map((step) => ({ type: COMMAND.SELFTEST, payload: u32(step) }));
  const good = [...questions, ...steps, ...constant, ...selftests];
  const list: Attacked[] = [];
  const add = (name: string): void => {
    list.push({ name, rig, snapshot: rig.snapshot(), side, ground: PAIR, good, segments: [], opened: [], found: null });
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
    { type: COMMAND.BEGIN, payload: u32(0xffffffff, 0) },
    { type: COMMAND.BEGIN, payload: u32(0, 1) },
    { type: COMMAND.RAISE, payload: u32(split) },
    { type: COMMAND.RAISE, payload: u32(split + 100) },
    { type: COMMAND.RAISE, payload: u32(split + 900) },
    ...[segment, granting].flatMap(({ slot, tagAndOpening, boxes }) => [
      { type: COMMAND.FIND, payload: tagAndOpening },
      { type: COMMAND.RELEASE_SLOT, payload: u32(slot) },
      ...boxes.flatMap(({ offset, item, text: plain }) => [
        { type: COMMAND.OPEN, payload: concat(u32(offset), item) },
        { type: COMMAND.RELEASE, payload: u32(offset, 32 + plain.length) },
        { type: COMMAND.RELEASE, payload: u32(offset, 16) },
      ]),
    ]),
  ];
  const list: Attacked[] = [];
  const segments = [segment, granting];
  let opened = segment.boxes.map(({ offset, text: plain }) => [offset, offset + 32 + plain.length] as const);
  let found: number | null = segment.slot;
  const add = (name: string): void => {
    const where = `${side === LOW ? "low" : "high"}, ${name}`;
    list.push({ name: where, rig, snapshot: rig.snapshot(), side, ground: PAIR, good, segments, opened, found });
  };

  rig.command(COMMAND.FIND, segment.tagAndOpening);
  add("with boxes outstanding");
  for (let i = 0; i < 2; i++) rig.command(COMMAND.BEGIN, u32(0xffffffff, 0));
  for (const size of [4096, 1000, 500, 200, 80]) while (rig.command(COMMAND.SEAL, seal(1, size).payload)?.error === 0);
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

/** A token in a link, and the same just booted. */
function token(core: Core): Attacked[] {
  const { rig, ideal } = makeTokenBench(core, 38);
  const told = [receipt(ideal, 50n, 0), grant(ideal, 500), addresses(ideal), grant(ideal, 900)];
  const good: Good[] = [
    ...questions,
    ...[skip(ideal), withoutZeros(ready(ideal, 40n)), withoutZeros(state(ideal, 5n, 5n)), ...told],
    { type: COMMAND.CALL, payload: u32(0) },
    { type: COMMAND.CALL, payload: u32(0) },
    { type: COMMAND.BEGIN, payload: u32(0xffffffff, 0) },
    { type: COMMAND.RAISE, payload: u32(8192) },
    ...ideal.incoming.map(({ start, end }) => ({ type: COMMAND.RELEASE, payload: u32(start, end - start) })),
    ...[0, 40, 115].map((size) => seal(1, size)),
  ];
  const list: Attacked[] = [];
  const add = (name: string, opened: Attacked["opened"]): void => {
    const rest = { side: LOW, ground: TOKEN, segments: [], found: null } as const;
    list.push({ name: `token, ${name}`, rig, snapshot: rig.snapshot(), ...rest, good, told: told.map(boxOf), opened });
  };
  const all = ideal.incoming.map(({ start, end }) => [start, end] as const);
  add("linked", [...all, [ideal.ground.downEnd - ideal.down, ideal.ground.downEnd]]);
  rig.machine.powerCut();
  rig.machine.powerOn();
  rig.session = 0;
  add("just booted", []);
  return list;
}

/** With a cap, and for READY a number, that has no zeros: what is sealed by mistake must not show the pad. */
function withoutZeros({ type, payload }: TokenPlan): Good {
  const [from, to] = type === COMMAND.READY ? [72, 84] : [0, 8];
  return { type, payload: payload.map((byte, i) => (i >= from && i < to ? 1 : byte)) };
}

function boxOf({ payload, hears }: TokenPlan): Box {
  const [offset] = new Uint32Array(payload.slice(0, 4).buffer);
  return { offset: offset!, item: payload.slice(4), text: hears! };
}

const questions: readonly Good[] = [
  { type: COMMAND.VALUE, payload: new Uint8Array(0) },
  { type: COMMAND.HELLO, payload: u32(0x12345678) },
  { type: COMMAND.INFO, payload: new Uint8Array(0) },
  { type: COMMAND.INFO, payload: new Uint8Array(0) },
  ...[0, 1, 2].map((page) => ({ type: 0x03, payload: u32(page) })),
];

function seal(kind: number, size: number): Good {
  return { type: COMMAND.SEAL, payload: concat(u32(kind), text(size, 40 + kind)) };
}
