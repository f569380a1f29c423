import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { builtCore } from "../../simulator/index.ts";
import { doubleCuts, lateRecords, newTally, singleCuts, starvedJournal, supplyDips } from "./cuts.ts";
import { CORE_DEFECTS, plant } from "./defects.ts";
import { Pair } from "./histories.ts";
import { hunt } from "./hunt.ts";
import { padInMemory } from "./memory.ts";
import { dippable, lateFill } from "./oddities.ts";
import { lateScenarios, scenarios, starvedScenario } from "./scenarios.ts";
import { ListLife } from "./token-lists.ts";
import { TokenLife } from "./token-lives.ts";
import { lateTokenScenarios, tokenScenarios } from "./token-scenarios.ts";

const seed = Number(process.env.SEED ?? 1);

describe(`power cuts (SEED=${seed})`, () => {
  const core = builtCore();
  const list = [...scenarios(core), ...tokenScenarios(core)];

  it("T-04 after a cut at any HAL call of any operation no pad byte serves twice, nothing is lost, and what is used is gone", () => {
    const tally = newTally();
    for (const scenario of list) singleCuts(scenario, seed, tally);
    console.log(`single cuts: at all ${tally.cuts} positions of ${list.length} operations`);
    expect(tally.failures).toEqual([]);
    expect(tally.cuts).toBeGreaterThan(10_000);
  });

  it("a second cut in the boot behind the first changes nothing of that", () => {
    const tally = newTally();
    let total = 0;
    const take = (n: number): boolean => {
      total++;
      return n % 257 === seed % 257;
    };
    for (const scenario of list) doubleCuts(scenario, seed, tally, take);
    console.log(`double cuts: ${tally.cuts} of ${total}, one in 257`);
    expect(tally.failures).toEqual([]);
  });

  it("a record that one boot cannot read and the next one can gives nobody the other's bytes", () => {
    const tally = newTally();
    for (const scenario of [...lateScenarios(core), ...lateTokenScenarios(core)]) lateRecords(scenario, tally);
    expect(tally.failures).toEqual([]);
  });

  it("a supply that is too low for one moment leaves nothing promised that is not in the journal", () => {
    const tally = newTally();
    for (const scenario of dippable(list)) supplyDips(scenario, seed, tally);
    expect(tally.failures).toEqual([]);
  });

  it("a journal with no room left keeps its newest records and stops the device", () => {
    const tally = newTally();
    starvedJournal(starvedScenario(core), tally);
    expect(tally.failures).toEqual([]);
  });

  it("a torn fill says nothing about the fill behind it", () => {
    const tally = newTally();
    lateFill(core, tally);
    expect(tally.failures).toEqual([]);
  });

  it("no pad byte stays in the core's memory behind a command or a boot", () => {
    const tally = newTally();
    padInMemory(core, tally);
    expect(tally.failures).toEqual([]);
  });

  it("TG-1 through random lives with many cuts the two ends of a pad never use the same byte", () => {
    const tally = newTally();
    const pair = new Pair(core);
    for (let life = 0; life < 250; life++) pair.live(seed * 1000 + life, tally);
    console.log(`lives: 250 with ${tally.cuts} cuts, ${pair.distinct.size} of them distinct`);
    expect(tally.failures).toEqual([]);
  });

  it("T-04 T-51 through random lives with many cuts a token uses no byte twice, and says no more money than its server may leave it", () => {
    const tally = newTally();
    const token = new TokenLife(core);
    for (let life = 0; life < 90; life++) token.live(seed * 1000 + life, tally);
    console.log(`lives of a token: 90 with ${tally.cuts} cuts`);
    expect(tally.failures).toEqual([]);
  });

  it("T-19 a list of addresses that was in force never gives way to an older one, whatever a cut left in either copy", () => {
    const tally = newTally();
    const lists = new ListLife(core);
    for (let life = 0; life < 150; life++) lists.live(seed * 1000 + life, tally);
    expect(tally.failures).toEqual([]);
  });
});

describe("planted defects", () => {
  // The others in turn of the seed; npm run torture hunts them all.
  it.each(CORE_DEFECTS.filter((_, i) => i % 2 === seed % 2))("the torture finds that $name", async (defect) => {
    const until = performance.now() + 200_000;
    const caught = hunt(await plant(defect), seed, () => performance.now() < until);
    console.log(`found after ${caught.cuts} cuts: ${defect.name} (${caught.sign})`);
    expect(caught.found).toBe(true);
  });
});

describe("npm run torture", () => {
  it("refuses a body that there is none of, instead of torturing another", () => {
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    const loader = process.features.typescript ? [] : ["--import", "tsx"];
    const { status, stdout, stderr } = spawnSync(process.execPath, [...loader, main, "--body", "nosuch"]);
    expect([status, stdout.length]).toEqual([2, 0]);
    expect(stderr.toString()).toMatch(/^usage: .*--body pico\|pico-bare/);
  });
});
