// `npm run fuzz -- --minutes M --seed S --json FILE --keep`: finds two planted defects, then fuzzes from the kept corpus until the time is up, and says what of the core the inputs
// reach. With --keep what was new is kept in corpus.hex, in as few inputs as do the same. Ends with 1 when anything was found, or a planted defect was not.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { keepCorpus, pack, readCorpus, unpack } from "./corpus.ts";
import { type Coverage, compilePlain, measureCoverage } from "./coverage.ts";
import { buildFuzzer, fuzz } from "./fuzzer.ts";
import { huntPlanted, PLANTED } from "./planted.ts";

const HUNT_SECONDS = 60;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    json: { type: "string" },
    keep: { type: "boolean", default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0) || !Number.isInteger(seed) || seed < 1) {
  console.error(
    "usage: npm run fuzz -- [--minutes M] [--seed S] [--json FILE] [--keep], M above 0, S a whole number above 0",
  );
  process.exit(2);
}

const planted = [];
for (const defect of PLANTED) {
  const hunt = await huntPlanted(defect, seed, HUNT_SECONDS);
  planted.push(hunt);
  console.log(
    `${hunt.found ? `found in ${hunt.executions} inputs, ${hunt.seconds.toFixed(1)} s` : "NOT FOUND"}: ${hunt.name} (${hunt.what})`,
  );
}

const kept = readCorpus();
const folder = unpack(kept);
const program = buildFuzzer();
const result = await fuzz({ program, folder, seed, seconds: minutes * 60 });
const executionsPerSecond = Math.round(result.executions / result.seconds);
console.log(
  `seed ${seed}: ${result.executions} inputs, ${executionsPerSecond} a second; ${result.edges} edges, ${result.features} features; ${result.findings.length} findings`,
);
for (const { what, input } of result.findings) console.log(`FOUND ${what}\n      ${input}`);

const fewer = mkdtempSync(join(tmpdir(), "tearpad-fewer-"));
if (result.findings.length === 0) {
  await fuzz({ program, folder, seed, into: fewer });
  // The optimiser makes one branch of several conditions: an input for each of these is kept, too.
  await fuzz({ program: buildFuzzer(await compilePlain()), folder, seed, into: fewer });
}
const inputs = pack(fewer);
if (values.keep && result.findings.length === 0) keepCorpus(inputs);
const coverage = result.findings.length === 0 ? await measureCoverage(fewer) : null;
if (coverage !== null) report(coverage);

const found = planted.filter((hunt) => hunt.found).length;
const summary = {
  seed,
  minutes,
  executions: result.executions,
  executionsPerSecond,
  coverage: coverage && {
    edges: result.edges,
    features: result.features,
    branches: { taken: coverage.taken, all: coverage.all },
    functions: coverage.functions,
  },
  corpus: { kept: kept.length, now: inputs.length, bytes: inputs.reduce((sum, input) => sum + input.length, 0) },
  findings: result.findings,
  planted,
};
if (values.json) writeFileSync(values.json, `${JSON.stringify(summary, null, 2)}\n`);
console.log(
  `corpus: ${kept.length} inputs before, ${inputs.length} now${values.keep ? ", kept" : ""}; ${found} of ${PLANTED.length} planted defects found`,
);
for (const done of [folder, fewer]) rmSync(done, { recursive: true });
process.exit(result.findings.length || found < PLANTED.length ? 1 : 0);

/** By file of assembly/, and behind that the functions in which a condition always went the same way. */
function report({ taken, all, functions }: Coverage): void {
  const files = Map.groupBy(functions, ({ name }) => name.split("/").slice(0, -1).join("/") || "device");
  for (const [file, list] of [...files].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    const of = (key: "taken" | "all"): number => list.reduce((sum, one) => sum + one[key], 0);
    if (of("all") === 0) continue;
    console.log(`  ${file.padEnd(24)} ${String(of("taken")).padStart(4)} of ${String(of("all")).padStart(4)} branches`);
    for (const { name, oneWay } of list.filter((one) => one.taken < one.all)) {
      const which = oneWay.map(
        ({ condition, always }) => `${condition}${always === null ? " never" : always ? " true" : " false"}`,
      );
      console.log(`    ${name.split("/").at(-1)}: condition ${which.join(", ")}`);
    }
  }
  console.log(`${taken} of ${all} branches of the core (${((100 * taken) / all).toFixed(1)} %)`);
}
