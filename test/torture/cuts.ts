// Every cut of every operation, once and twice: before, in the middle of and behind each HAL call, by loss of power with every tear and by a reset of the
// controller. After each the device boots and is held against the ideal.

import { type Cut, type HalCallName, type Random, TEARS } from "../../simulator/index.ts";
import { type Findings, type Ideal, noFindings } from "./ideal.ts";
import type { Rig, RigSnapshot } from "./rig.ts";
import { aftermath, type LateScenario, type Scenario } from "./scenarios.ts";

export interface Tally {
  /** Cuts that came, each held against the ideal behind it. */
  cuts: number;
  bytesReused: number;
  messagesLost: number;
  /** The first findings, each with the position that replays it. */
  failures: string[];
}

export function newTally(): Tally {
  return { cuts: 0, bytesReused: 0, messagesLost: 0, failures: [] };
}

const FAILURES_KEPT = 20;

function count(tally: Tally, findings: Findings, where: string): void {
  tally.cuts++;
  note(tally, findings, where);
}

function note(tally: Tally, findings: Findings, where: string): void {
  tally.bytesReused += findings.reused;
  tally.messagesLost += findings.lost;
  if (!findings.reused && !findings.lost && !findings.wrong.length) return;
  if (tally.failures.length < FAILURES_KEPT) {
    const what = [...findings.wrong];
    if (findings.reused) what.push(`${findings.reused} pad bytes used twice`);
    if (findings.lost) what.push(`${findings.lost} boxes or slots lost`);
    tally.failures.push(`${where}: ${what.join("; ")}`);
  }
}

/** The HAL calls that an action makes when nothing is cut. */
function callsOf(rig: Rig, action: () => void): HalCallName[] {
  const names: HalCallName[] = [];
  rig.machine.observe = (call) => names.push(call.name);
  action();
  rig.machine.observe = null;
  return names;
}

/** All ways to cut at the calls of an action. */
function positions(calls: readonly HalCallName[]): Cut[] {
  const list: Cut[] = [];
  for (const [i, name] of calls.entries()) {
    const call = i + 1;
    const writes = name === "norProgram" || name === "norErase";
    for (const kind of ["power", "reset"] as const) {
      list.push({ call, when: "before", kind });
      if (writes && kind === "power") for (const tear of TEARS) list.push({ call, when: "during", kind, tear });
      else if (writes || name === "transmit") list.push({ call, when: "during", kind });
      list.push({ call, when: "after", kind });
    }
  }
  return list;
}

/** A cut at one of the next `callsMax` HAL calls, of any kind. */
export function drawCut(random: Random, callsMax: number): Cut {
  return {
    call: 1 + random.below(callsMax),
    when: (["before", "during", "after"] as const)[random.below(3)]!,
    kind: random.below(3) ? "power" : "reset",
    tear: TEARS[random.below(TEARS.length)]!,
  };
}

export function nameOf(cut: Cut): string {
  return `${cut.kind} ${cut.when} call ${cut.call}${cut.tear ? ` (${cut.tear})` : ""}`;
}

interface Start {
  readonly rig: Rig;
  readonly snapshot: RigSnapshot;
  readonly ideal: Ideal;
}

function goTo(start: Start, salt: number): Ideal {
  start.rig.restore(start.snapshot);
  start.rig.flash.random.seed(salt);
  return start.ideal.clone();
}

/** Cuts a scenario once at each position and hands the state behind the cut, without power, to `then`. */
function cutOnce(
  scenario: Scenario,
  salt: number,
  then: (cut: Cut, ideal: Ideal, findings: Findings) => boolean,
): void {
  const { rig } = scenario;
  const idle = goTo(scenario, salt);
  const calls = callsOf(rig, () => scenario.run(rig, idle, noFindings()));
  for (const cut of positions(calls)) {
    const ideal = goTo(scenario, salt + cut.call);
    const findings = noFindings();
    rig.machine.cutAt(cut);
    scenario.run(rig, ideal, findings);
    if (rig.machine.disarm()) throw new Error(`${scenario.name}: ${nameOf(cut)} did not come`);
    if (!then(cut, ideal, findings)) return;
  }
}

/** The positions of a scenario at which one cut is made, and those of a second one in the boot behind each of them. */
export interface Positions {
  readonly single: number;
  readonly double: number;
}

/** Every single cut of a scenario; returns how many came. `goOn` is asked after each. */
export function singleCuts(scenario: Scenario, salt: number, tally: Tally, goOn: () => boolean = () => true): number {
  const { rig } = scenario;
  let came = 0;
  cutOnce(scenario, salt, (cut, ideal, findings) => {
    came++;
    rig.machine.powerOn();
    aftermath(rig, ideal, findings);
    count(tally, findings, `${scenario.name}; ${nameOf(cut)}; salt ${salt}`);
    return goOn();
  });
  return came;
}

/** All positions of a scenario, in a pass that checks nothing: what the cuts that are made are held against. */
export function countPositions(scenario: Scenario, salt: number): Positions {
  const { rig } = scenario;
  const idle = goTo(scenario, salt);
  const single = positions(callsOf(rig, () => scenario.run(rig, idle, noFindings()))).length;
  let double = 0;
  cutOnce(scenario, salt, () => {
    double += positions(callsOf(rig, () => rig.machine.powerOn())).length;
    return true;
  });
  return { single, double };
}

/**
 * Every single cut, and behind it every cut of the boot; `take` chooses among the second ones. Returns how many came of those taken: the boot may differ from the
 * one that was counted, since unstable cells are drawn anew, and then is a boot behind one cut and no more.
 */
export function doubleCuts(
  scenario: Scenario,
  salt: number,
  tally: Tally,
  take: (n: number) => boolean,
  goOn: () => boolean = () => true,
): number {
  const { rig } = scenario;
  let n = 0;
  let came = 0;
  cutOnce(scenario, salt, (cut, cutIdeal, cutFindings) => {
    const behind: Start = { rig, snapshot: rig.snapshot(), ideal: cutIdeal };
    const calls = callsOf(rig, () => rig.machine.powerOn());
    for (const second of positions(calls)) {
      if (!take(n++)) continue;
      const ideal = goTo(behind, salt + second.call * 977);
      const findings: Findings = { ...cutFindings, wrong: [...cutFindings.wrong] };
      const where = `${scenario.name}; ${nameOf(cut)}, then ${nameOf(second)}; salt ${salt}`;
      rig.machine.cutAt(second);
      rig.machine.powerOn();
      if (rig.machine.disarm()) {
        aftermath(rig, ideal, findings);
        note(tally, findings, where);
      } else {
        came++;
        rig.machine.powerOn();
        aftermath(rig, ideal, findings);
        count(tally, findings, where);
      }
      if (!goOn()) return false;
    }
    return true;
  });
  return came;
}

/** A cut of the second operation behind a torn record. */
export type LateCut = Cut;

/** Seeds tried for each of the two boots: enough to meet every mood of the unstable cells. */
const DRAWS = 12;

/**
 * Records that one boot cannot read and the next one can: the first operation is cut in its record, the second done after a boot, and then
 * comes another boot, in which the first may turn up.
 */
export function lateRecords(scenario: LateScenario, tally: Tally): void {
  const { rig } = scenario;
  for (let drawn = 0; drawn < DRAWS * DRAWS; drawn++) {
    const ideal = goTo(scenario, 1);
    const findings = noFindings();
    const call = scenario.program ?? 1;
    rig.machine.cutAt({ call, name: "norProgram", when: "during", kind: "power", tear: "unstable" });
    scenario.run(rig, ideal, findings);
    rig.flash.random.seed(1 + Math.floor(drawn / DRAWS));
    rig.machine.powerOn();
    ideal.check(rig, findings);
    rig.hello();
    if (scenario.nextCut) rig.machine.cutAt(scenario.nextCut);
    scenario.next(rig, ideal, findings);
    rig.machine.disarm();
    if (rig.machine.state === "on") rig.machine.powerCut();
    rig.flash.random.seed(1 + (drawn % DRAWS));
    rig.machine.powerOn();
    aftermath(rig, ideal, findings);
    count(tally, findings, `${scenario.name}; boots ${drawn}`);
  }
}

/**
 * A supply that is too low for one moment: at each look that an operation takes at it. The operation is refused or done, and then holds as such: over a loss of power, and
 * when it is asked for again and cut in any of its programs.
 */
export function supplyDips(scenario: Scenario, salt: number, tally: Tally): void {
  const { rig } = scenario;
  const dip = (look: number): { ideal: Ideal; looks: number } => {
    const ideal = goTo(scenario, salt);
    let looks = 0;
    rig.machine.supplyLow = look === 1;
    rig.machine.observe = (call) => {
      if (call.name === "supplyOk") rig.machine.supplyLow = ++looks + 1 === look;
    };
    scenario.run(rig, ideal, noFindings());
    rig.machine.observe = null;
    rig.machine.supplyLow = false;
    return { ideal, looks };
  };
  const { looks } = dip(0);
  for (let look = 1; look <= looks; look++) {
    const where = `${scenario.name}; supply low at look ${look}`;
    const { ideal } = dip(look);
    const findings = noFindings();
    rig.machine.powerCut();
    rig.machine.powerOn();
    aftermath(rig, ideal, findings);
    count(tally, findings, where);
    for (const tear of ["random", "last-bits", "whole"] as const) {
      for (let call = 1, came = true; came; call++) {
        const again = dip(look).ideal;
        const later = noFindings();
        again.believe(rig);
        rig.machine.cutAt({ call, name: "norProgram", when: "during", kind: "power", tear });
        scenario.run(rig, again, noFindings());
        came = !rig.machine.disarm();
        if (!came) continue;
        rig.machine.powerOn();
        aftermath(rig, again, later);
        count(tally, later, `${where}, then power during program ${call} (${tear})`);
      }
    }
  }
}

/** A journal in which nothing more can be written: cut at each erase that is tried, healed, and booted. */
export function starvedJournal(scenario: Scenario, tally: Tally): void {
  const { rig } = scenario;
  for (let erase = 1; erase <= 4; erase++) {
    const ideal = goTo(scenario, erase);
    // The sector of the newest records itself would take an erase.
    const findings = noFindings();
    rig.machine.cutAt({ call: erase, name: "norErase", when: "after", kind: "power" });
    scenario.run(rig, ideal, findings);
    if (rig.machine.disarm()) rig.machine.powerCut();
    rig.flash.faults = {};
    rig.machine.powerOn();
    aftermath(rig, ideal, findings);
    count(tally, findings, `${scenario.name}; cut after erase ${erase}`);
  }
}
