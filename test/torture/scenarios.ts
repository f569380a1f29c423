// The states from which the torture starts, and what it does there: every command that writes flash, on both sides, with the journal in the middle of a sector,
// at its last record, full, and full at the end of the ring.

import type { Core } from "../../simulator/index.ts";
import type { LateCut } from "./cuts.ts";
import { type Findings, Ideal, noFindings } from "./ideal.ts";
import { begin, find, open, type Plan, perform, raise, release, releaseSlot, seal } from "./operations.ts";
import {
  COMMAND,
  concat,
  FIRST_SPLIT,
  fillSteps,
  HIGH,
  LOW,
  Rig,
  type RigSnapshot,
  readU32,
  type Side,
  SLOT_SIZE,
  slotAt,
} from "./rig.ts";
import { probe, TokenIdeal } from "./token.ts";

export interface Scenario {
  readonly name: string;
  readonly rig: Rig;
  readonly snapshot: RigSnapshot;
  readonly ideal: Ideal;
  /** Runs the operation; the power may go at any time in it. */
  readonly run: (rig: Rig, ideal: Ideal, findings: Findings) => void;
}

/** A box that the twin sealed. */
export interface Box {
  readonly offset: number;
  readonly item: Uint8Array;
  readonly text: Uint8Array;
}

/** A segment that the twin sealed: tag and opening for FIND, and boxes. */
export interface Segment {
  readonly slot: number;
  readonly tagAndOpening: Uint8Array;
  readonly split: number;
  readonly boxes: Box[];
}

export function text(length: number, salt: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + salt * 31 + 1) & 255);
}

/** A filled device that has opened three boxes of its twin and released none, and the ideal that knows so. */
export interface Bench {
  readonly rig: Rig;
  readonly ideal: Ideal;
  readonly segment: Segment;
  /** A second segment, not yet seen: on low it brings a grant. */
  readonly granting: Segment;
}

const GRANT = 512;
const BOX_SIZES = [40, 700, 3000];

function sealSegment(twin: Rig, ideal: Ideal, sizes: readonly number[]): Segment {
  const findings = noFindings();
  const slot = ideal.floor.next;
  const opened = perform(twin, ideal, begin(ideal), findings)!;
  const boxes = sizes.map((size, i) => {
    const plain = text(size, i + slot * 8);
    const reply = perform(twin, ideal, seal(ideal, plain, i === sizes.length - 1 ? 2 : 1), findings)!;
    return { offset: readU32(reply.payload, 4), item: reply.payload.slice(8), text: plain };
  });
  const tagAndOpening = concat(opened.payload.subarray(12, 28), opened.payload.subarray(28));
  return { slot, tagAndOpening, split: ideal.floor.split, boxes };
}

export function makeBench(core: Core, side: Side, seed: number): Bench {
  const twinSide: Side = side === LOW ? HIGH : LOW;
  const twin = new Rig(core, seed + 1);
  twin.fill(twinSide);
  const twinIdeal = idealOf(twin, twinSide);
  const segment = sealSegment(twin, twinIdeal, BOX_SIZES);
  if (twinSide === HIGH) perform(twin, twinIdeal, raise(twinIdeal, GRANT), noFindings());
  const granting = sealSegment(twin, twinIdeal, [100]);

  const rig = new Rig(core, seed);
  rig.fill(side);
  const ideal = idealOf(rig, side);
  receive(rig, ideal, segment);
  return { rig, ideal, segment, granting };
}

export function idealOf(rig: Rig, side: Side): Ideal {
  const { state, generation, next, up, down, split } = rig.info();
  return new Ideal(side, { state, generation, next, up, down, split });
}

/** FIND and OPEN of a whole segment; what it lies under is `kept` from now on. */
function receive(rig: Rig, ideal: Ideal, segment: Segment): void {
  const findings = noFindings();
  const twinSide: Side = ideal.side === LOW ? HIGH : LOW;
  perform(rig, ideal, find(ideal, segment.tagAndOpening, segment.split), findings);
  for (const box of segment.boxes) {
    perform(rig, ideal, open(box.offset, box.item), findings);
    ideal.incoming.push({ start: box.offset, end: box.offset + 32 + box.text.length, status: "kept" });
  }
  const at = slotAt(twinSide, segment.slot);
  ideal.incoming.push({ start: at, end: at + SLOT_SIZE, status: "kept" });
}

type JournalPlace = "middle" | "last record" | "full" | "full ring" | "full, next sector worn";

/** Writes records until the journal stands where it shall, by releasing the first box again and again. Returns the sector that it writes. */
export function turnJournal(rig: Rig, ideal: Ideal, place: JournalPlace): number {
  if (place === "middle") return 0;
  const again = release(ideal, ideal.incoming[0]!);
  let sector = -1;
  rig.machine.observe = (call) => {
    if (call.name === "norErase") sector = call.address / 4096;
  };
  const turn = (): void => {
    const before = rig.machine.calls.norErase;
    for (let i = 0; i < 64 && rig.machine.calls.norErase === before; i++) perform(rig, ideal, again, noFindings());
    if (sector < 0) throw new Error("the journal did not turn");
  };
  do turn();
  while (place === "full ring" && sector !== 3);
  // The turn has written the first record of the sector's 32.
  for (let i = 0; i < (place === "last record" ? 30 : 31); i++) perform(rig, ideal, again, noFindings());
  rig.machine.observe = null;
  if (place === "full, next sector worn") rig.flash.faults = { sectors: new Map([[(sector + 1) % 4, "worn"]]) };
  return sector;
}

/**
 * A device whose journal is full and whose other journal sectors refuse: there is no place left for a record, and the newest ones must not go. Only the last of them knows of a
 * grant, of which, other than of a box, the pad itself shows nothing.
 */
export function starvedScenario(core: Core): Scenario {
  const bench = makeBench(core, HIGH, 51);
  const { rig, ideal } = bench;
  const newest = turnJournal(rig, ideal, "last record");
  perform(rig, ideal, raise(ideal, 800), noFindings());
  const others = [0, 1, 2, 3].filter((sector) => sector !== newest);
  rig.flash.faults = { sectors: new Map(others.map((sector) => [sector, "protected"])) };
  const run: Run = (device, model, findings) => void perform(device, model, seal(model, text(10, 93)), findings);
  return { name: "high: no other journal sector takes an erase", rig, snapshot: rig.snapshot(), ideal, run };
}

/** All scenarios of a core. */
export function scenarios(core: Core): Scenario[] {
  const list: Scenario[] = [];
  for (const side of [LOW, HIGH] as const) {
    const name = side === LOW ? "low" : "high";
    for (const place of ["middle", "last record", "full", "full ring", "full, next sector worn"] as const) {
      const bench = makeBench(core, side, 40 + side);
      turnJournal(bench.rig, bench.ideal, place);
      const snapshot = bench.rig.snapshot();
      for (const [operation, run] of operationsOn(bench)) {
        list.push({
          name: `${name}, journal ${place}: ${operation}`,
          rig: bench.rig,
          snapshot,
          ideal: bench.ideal,
          run,
        });
      }
    }
    list.push(...fillScenarios(core, side, name));
  }
  return list;
}

type Run = Scenario["run"];

/** Two operations of which the first leaves a torn record: see lateRecords in cuts.ts. */
export interface LateScenario extends Scenario {
  readonly next: Run;
  /** Which program of the first is its record, when not the first one. */
  readonly program?: number;
  /** Where the second one is cut. */
  readonly nextCut?: LateCut;
}

/** High's two ways to claim the middle of the pad, a box and a grant of all that is left, in both orders. */
export function lateScenarios(core: Core): LateScenario[] {
  const { rig, ideal } = makeBench(core, HIGH, 90);
  const snapshot = rig.snapshot();
  const box: Run = (device, model, findings) => void perform(device, model, seal(model, text(3000, 92)), findings);
  const grant: Run = (device, model, findings) => void perform(device, model, raise(model, model.room()), findings);
  return [
    { name: "high: a torn box, then a grant", rig, snapshot, ideal, run: box, next: grant },
    { name: "high: a torn grant, then a box", rig, snapshot, ideal, run: grant, next: box },
  ];
}

function operationsOn(bench: Bench): [string, Run][] {
  const { segment, granting } = bench;
  const command =
    (plan: (ideal: Ideal) => Plan): Run =>
    (rig, ideal, findings) => {
      const reply = perform(rig, ideal, plan(ideal), findings);
      if (reply?.error) findings.wrong.push(`command refused with code ${reply.error}`);
    };
  const last = segment.boxes.length;
  const list: [string, Run][] = [
    [
      "boot",
      (rig) => {
        rig.machine.powerCut();
        rig.machine.powerOn();
      },
    ],
    ["begin", command(begin)],
    ["seal 50 bytes", command((ideal) => seal(ideal, text(50, 90)))],
    ["seal 1,100 bytes", command((ideal) => seal(ideal, text(1100, 91)))],
    ["release a box of two pages", command((ideal) => release(ideal, ideal.incoming[1]!))],
    ["release a box across a sector", command((ideal) => release(ideal, ideal.incoming[2]!))],
    ["release the slot", command((ideal) => releaseSlot(segment.slot, ideal.incoming[last]!))],
  ];
  if (bench.ideal.side === LOW) {
    list.push(["find with a grant", command((ideal) => find(ideal, granting.tagAndOpening, granting.split))]);
  } else {
    list.push(["raise", command((ideal) => raise(ideal, 800))]);
  }
  return list;
}

/** A fill from blank, cut in its command, in its erasing, in its first and last write, in its verifying and in its end. */
function fillScenarios(core: Core, side: Side, name: string): Scenario[] {
  const steps = fillSteps(side);
  const list: Scenario[] = [];
  const rig = new Rig(core, 60 + side);
  rig.hello();
  for (const [i, [type, payload]] of steps.entries()) {
    const first = i === 1;
    const lastWrite = i === steps.length - 2;
    if (type !== COMMAND.WRITE || first || lastWrite) {
      const operation =
        type === COMMAND.FILL ? "begin and erase" : type === COMMAND.WRITE ? `write ${i}` : "verify and end";
      const ideal = idealOf(rig, side);
      const change =
        type === COMMAND.FILL
          ? { state: 1, generation: 1, split: FIRST_SPLIT }
          : type === COMMAND.COMMIT
            ? { state: 3, split: FIRST_SPLIT }
            : {};
      list.push({
        name: `${name}: fill, ${operation}`,
        rig,
        snapshot: rig.snapshot(),
        ideal,
        run: (device, model) => {
          model.ask(change);
          const answer = device.command(type, payload);
          if (answer?.error === 0 && type === COMMAND.FILL) model.promise(change);
        },
      });
    }
    const reply = rig.command(type, payload);
    if (reply === null || reply.error) throw new Error(`fill: command ${type} gave ${reply?.error}`);
  }
  return list;
}

const PROBE = 40;

/** What follows every cut, once the device is up: what was promised holds, and the next box and the next text are new. */
export function aftermath(rig: Rig, ideal: Ideal, findings: Findings): void {
  ideal.check(rig, findings);
  if (ideal.floor.state !== 3 || findings.wrong.length > 0) return;
  if (ideal instanceof TokenIdeal) {
    probe(rig, ideal, findings);
    return;
  }
  if (ideal.room() < PROBE + 32) return;
  rig.hello();
  const reply = perform(rig, ideal, seal(ideal, text(PROBE, 99), 2), findings);
  if (reply === null) findings.wrong.push("no answer after the boot");
  else if (reply.error) findings.wrong.push(`a box after the boot was refused with code ${reply.error}`);
}
