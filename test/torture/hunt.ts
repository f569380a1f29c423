// The hunt: how many cuts it takes until a planted defect shows. First every single cut of every operation, then random lives, then double cuts.

import type { Core } from "../../simulator/index.ts";
import { doubleCuts, lateRecords, newTally, singleCuts, starvedJournal, supplyDips } from "./cuts.ts";
import { Pair } from "./histories.ts";
import { dippable, lateFill, padInMemory } from "./oddities.ts";
import { lateScenarios, scenarios, starvedScenario } from "./scenarios.ts";
import { ListLife } from "./token-lists.ts";
import { TokenLife } from "./token-lives.ts";
import { lateTokenScenarios, tokenScenarios } from "./token-scenarios.ts";

export interface Catch {
  readonly found: boolean;
  readonly cuts: number;
  /** The first sign of it. */
  readonly sign: string;
}

const LIVES_FIRST = 150;
const LIVES_MAX = 20_000;
const LIST_LIVES = 2_500;

/** Hunts in this core until something is found or `goOn` says no. */
export function hunt(core: Core, seed: number, goOn: () => boolean): Catch {
  const tally = newTally();
  const clean = (): boolean => tally.failures.length === 0;
  const onward = (): boolean => clean() && goOn();
  try {
    const pair = new Pair(core);
    const token = new TokenLife(core);
    for (let life = 0; life < LIVES_FIRST && onward(); life++) pair.live(seed * 100_000 + life, tally);
    for (let life = 0; life < LIVES_FIRST && onward(); life++) token.live(seed * 100_000 + life, tally);
    for (const scenario of [...lateScenarios(core), ...lateTokenScenarios(core)])
      if (onward()) lateRecords(scenario, tally);
    const lists = new ListLife(core);
    for (let life = 0; life < LIST_LIVES && onward(); life++) lists.live(seed * 100_000 + life, tally);
    if (onward()) starvedJournal(starvedScenario(core), tally);
    if (onward()) lateFill(core, tally);
    if (onward()) padInMemory(core, tally);
    const list = [...scenarios(core), ...tokenScenarios(core)];
    for (const scenario of list) if (onward()) singleCuts(scenario, seed, tally, onward);
    for (const scenario of dippable(list)) if (onward()) supplyDips(scenario, seed, tally);
    for (let life = LIVES_FIRST; life < LIVES_MAX && onward(); life++) {
      pair.live(seed * 100_000 + life, tally);
      token.live(seed * 100_000 + life, tally);
    }
    for (const scenario of list) if (onward()) doubleCuts(scenario, seed, tally, (n) => n % 101 === 0, onward);
  } catch (thrown) {
    // A core so broken that the bench cannot even be set up, or one that the strict chip stops.
    return { found: true, cuts: tally.cuts, sign: thrown instanceof Error ? thrown.message : String(thrown) };
  }
  return { found: !clean(), cuts: tally.cuts, sign: tally.failures[0] ?? "" };
}
