// `npm run torture -- --minutes M --seed S --json FILE`: the torture of the test suite, longer. Every single cut, then double cuts and random lives in turn until the
// time is up; the planted defects are hunted in between. Ends with a table, and with 1 when anything was reused, lost, wrong, or not found.
// `npm run torture -- --body pico|pico-bare --seed S`: 1,000 cuts of the firmware on an emulated board, and its planted defects.

import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { builtCore } from "../../simulator/index.ts";
import { countPositions, doubleCuts, lateRecords, newTally, singleCuts } from "./cuts.ts";
import { CORE_DEFECTS, plant } from "./defects.ts";
import { DRIVER_DEFECTS, huntDriver } from "./driver-defects.ts";
import { Pair } from "./histories.ts";
import { type Catch, hunt } from "./hunt.ts";
import { lateScenarios, scenarios } from "./scenarios.ts";
import { ListLife } from "./token-lists.ts";
import { TokenLife } from "./token-lives.ts";
import { lateTokenScenarios, tokenScenarios } from "./token-scenarios.ts";

/** Double cuts are taken in this many passes, each of them spread over all operations. */
const PASSES = 48;
const LIVES_A_TURN = 200;
const HUNT_SECONDS = 60;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    json: { type: "string" },
    body: { type: "string" },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const body = (["pico", "pico-bare"] as const).find((name) => name === values.body);
if (!(minutes > 0) || !Number.isInteger(seed) || (values.body !== undefined && body === undefined)) {
  console.error(
    "usage: npm run torture -- [--minutes M] [--seed S] [--json FILE] [--body pico|pico-bare], M above 0, S a whole number",
  );
  process.exit(2);
}
if (body !== undefined) {
  const { tortureBoard } = await import("./board-defects.ts");
  process.exit((await tortureBoard(body, seed)) ? 0 : 1);
}

const core = builtCore();
const list = [...scenarios(core), ...tokenScenarios(core)];
const total = { single: 0, double: 0 };
for (const scenario of list) {
  const { single, double } = countPositions(scenario, seed);
  total.single += single;
  total.double += double;
}
console.log(
  `seed ${seed}: ${list.length} operations with ${total.single} positions for one cut, and ${total.double} for a second one in the boot behind it`,
);

const begun = performance.now();
const elapsed = (): number => (performance.now() - begun) / 1000;
const timeLeft = (): boolean => elapsed() < minutes * 60;

const tally = newTally();
let singles = 0;
for (const scenario of list) singles += singleCuts(scenario, seed, tally);
for (const scenario of [...lateScenarios(core), ...lateTokenScenarios(core)]) lateRecords(scenario, tally);
const late = tally.cuts - singles;
console.log(
  `single cuts at ${singles} of ${total.single} positions, and ${late} checks of records that turn up late: ${tally.failures.length} failures`,
);

const pair = new Pair(core);
const token = new TokenLife(core);
const lists = new ListLife(core);
let lives = 0;
let doubles = 0;
for (let pass = 0; pass < PASSES && timeLeft(); pass++) {
  for (let turn = 0; turn < LIVES_A_TURN && timeLeft(); turn++) {
    pair.live(seed * 1_000_000 + lives, tally);
    token.live(seed * 1_000_000 + lives, tally);
    lists.live(seed * 1_000_000 + lives++, tally);
  }
  for (const scenario of list) {
    if (!timeLeft()) break;
    doubles += doubleCuts(scenario, seed, tally, (n) => n % PASSES === (pass * 37) % PASSES, timeLeft);
  }
  console.log(
    `${elapsed().toFixed(0)} s: ${tally.cuts} cuts, ${lives} lives, ${tally.bytesReused} bytes reused, ${tally.messagesLost} messages lost`,
  );
}
const cutSeconds = elapsed();

const catches: { name: string; where: string; caught: Catch }[] = [];
for (const [where, defects] of [
  ["core", CORE_DEFECTS],
  ["driver", DRIVER_DEFECTS],
] as const) {
  for (const defect of defects) {
    const until = performance.now() + HUNT_SECONDS * 1000;
    const goOn = (): boolean => performance.now() < until;
    const caught = where === "core" ? hunt(await plant(defect), seed, goOn) : await huntDriver(defect, seed, goOn);
    catches.push({ name: defect.name, where, caught });
    console.log(
      `${caught.found ? `found after ${String(caught.cuts).padStart(6)} cuts` : "NOT FOUND               "}  ${where}: ${defect.name}`,
    );
  }
}

const found = catches.filter(({ caught }) => caught.found).length;
const report = {
  seed,
  minutes,
  cutsDistinct: singles + doubles + pair.distinct.size,
  cutsPerSecond: Math.round(tally.cuts / cutSeconds),
  singleCuts: { covered: singles, total: total.single },
  doubleCuts: { covered: doubles, total: total.double },
  lateChecks: late,
  lives,
  bytesReused: tally.bytesReused,
  messagesLost: tally.messagesLost,
  failures: tally.failures,
  defectsPlanted: catches.length,
  defectsFound: found,
  defects: catches.map(({ name, where, caught }) => ({ name, where, found: caught.found, cuts: caught.cuts })),
};
console.log(
  `${report.cutsDistinct} distinct cuts (single ${singles} of ${total.single}, double ${doubles} of ${total.double}, in ${lives} lives ${pair.distinct.size}), ` +
    `${report.cutsPerSecond} a second; ${report.bytesReused} bytes reused, ${report.messagesLost} messages lost; ${found} of ${catches.length} planted defects found`,
);
for (const failure of tally.failures) console.log(`FAILS ${failure}`);
if (values.json) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
process.exit(tally.failures.length || found < catches.length ? 1 : 0);
