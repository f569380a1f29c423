// The hunt: how many cuts it takes until a planted defect shows. What takes least time comes first: some random lives, the odd corners, dips of the supply; then every
// single cut of every operation, many more lives, and double cuts.

import type { Core } from "../../simulator/index.ts";
import { doubleCuts, lateRecords, newTally, singleCuts, starvedJournal, supplyDips } from "./cuts.ts";
import { Pair } from "./histories.ts";
import { padInMemory } from "./memory.ts";
import { decayedFill, dippable, lateFill } from "./oddities.ts";
import { lateScenarios, type Scenario, scenarios, starvedScenario } from "./scenarios.ts";
import { ListLife } from "./token-lists.ts";
import { TokenLife } from "./token-lives.ts";
import { lateTokenScenarios, tokenScenarios } from "./token-scenarios.ts";

export interface Catch {
  readonly found: boolean;
  readonly cuts: number;
  /** The first sign of it. */
  readonly sign: string;
}

const LIVES_FIRST = 25;
const LIVES_SECOND = 150;
const LIVES_MAX = 20_000;
const LIST_LIVES = 600;

/** Hunts in this core until something is found or `goOn` says no. */
export function hunt(core: Core, seed: number, goOn: () => boolean): Catch {
  const tally = newTally();
  const clean = (): boolean => tally.failures.length === 0;
  const onward = (): boolean => clean() && goOn();
  try {
    const pair = new Pair(core);
    const token = new TokenLife(core);
    const live = (from: number, to: number): void => {
      for (let life = from; life < to && onward(); life++) pair.live(seed * 100_000 + life, tally);
      for (let life = from; life < to && onward(); life++) token.live(seed * 100_000 + life, tally);
    };
    live(0, LIVES_FIRST);
    if (onward()) padInMemory(core, tally);
    if (onward()) starvedJournal(starvedScenario(core), tally);
    if (onward()) lateFill(core, tally);
    if (onward()) decayedFill(core, tally);
    for (const scenario of clean() ? [...lateScenarios(core), ...lateTokenScenarios(core)] : [])
      if (onward()) lateRecords(scenario, tally);
    const list = clean() ? [...scenarios(core), ...tokenScenarios(core)] : [];
    for (const scenario of list.filter(isShort)) if (onward()) supplyDips(scenario, seed, tally);
    for (const scenario of list.filter(isShort)) if (onward()) singleCuts(scenario, seed, tally, onward);
    const lists = new ListLife(core);
    for (let life = 0; life < LIST_LIVES && onward(); life++) lists.live(seed * 100_000 + life, tally);
    live(LIVES_FIRST, LIVES_SECOND);
    for (const scenario of dippable(list)) if (onward()) supplyDips(scenario, seed, tally);
    for (const scenario of list) if (onward()) singleCuts(scenario, seed, tally, onward);
    for (let life = LIVES_SECOND; life < LIVES_MAX && onward(); life++) {
      live(life, life + 1);
      for (let turn = 0; turn < 4; turn++) lists.live(seed * 100_000 + life * 4 + turn, tally);
    }
    for (const scenario of list) if (onward()) doubleCuts(scenario, seed, tally, (n) => n % 101 === 0, onward);
  } catch (thrown) {
    // A core so broken that the bench cannot even be set up, or one that the strict chip stops.
    return { found: true, cuts: tally.cuts, sign: thrown instanceof Error ? thrown.message : String(thrown) };
  }
  return { found: !clean(), cuts: tally.cuts, sign: tally.failures[0] ?? "" };
}

/** Operations of a few flash calls, in every place of the journal. */
function isShort({ name }: Scenario): boolean {
  return /: (begin|raise|seal 50 bytes)$/.test(name);
}
