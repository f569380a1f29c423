// `npm run simulate -- [--seeds N] [--seed S] [--json FILE] [--kills K] [--trace]`: the simulation of the test suite, longer. N worlds,
// then every planted defect, then, when asked, K kills of real server processes. Ends with a table, and with 1 when anything
// was reused, lost, charged twice or not found. A failure prints the seed that replays it.

import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { killServers } from "../server/kill/kills.ts";
import { atOnce, type Catch, hunt, send, type Told } from "./crew.ts";
import { DEFECTS } from "./defects.ts";
import { FAULTS, newTally } from "./faults.ts";

const WORKERS = 2;
const PROGRESS_MS = 10_000;
const HUNT_SEEDS = 150;
/** In so many seeds each kind of fault must come. */
const SEEDS_FOR_ALL = 300;
/** Of the kills of servers at least this share must come between the first write and the answer, and with so much in flight. */
const LEAST_BETWEEN = 0.3;
const LEAST_IN_FLIGHT = 8;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "300" },
    seed: { type: "string", default: "1" },
    json: { type: "string" },
    kills: { type: "string", default: "0" },
    trace: { type: "boolean", default: false },
    "no-defects": { type: "boolean", default: false },
  },
});
const [seeds, seed, kills] = [Number(values.seeds), Number(values.seed), Number(values.kills)];
if (![seeds, seed, kills].every(Number.isSafeInteger) || seeds < 0 || kills < 0) {
  console.error("usage: npm run simulate -- [--seeds N] [--seed S] [--json FILE] [--kills K] [--no-defects] [--trace]");
  process.exit(2);
}

const begun = performance.now();
const seconds = (): number => (performance.now() - begun) / 1000;
const faultsFired = newTally();
const failures: string[] = [];
const total = {
  lives: 0,
  steps: 0,
  requests: 0,
  answers: 0,
  bytesUsed: 0,
  bytesReused: 0,
  valueLost: 0n,
  doubleDebits: 0,
};
let told = 0;

function take(life: Told): void {
  total.lives++;
  total.steps += life.steps;
  total.requests += life.requests;
  total.answers += life.answers;
  total.bytesUsed += life.bytesUsed;
  total.bytesReused += life.bytesReused;
  total.valueLost += BigInt(life.valueLost);
  total.doubleDebits += life.doubleDebits;
  for (const fault of FAULTS) faultsFired[fault] += life.faults[fault];
  const [finding] = life.findings;
  if (finding !== undefined) {
    failures.push(`seed ${life.seed}: ${finding}`);
    console.log(
      `FAILS ${failures.at(-1)}\n  replay: npm run simulate -- --seed ${life.seed} --seeds 1 --trace --no-defects`,
    );
  }
  if (performance.now() - told < PROGRESS_MS && total.lives < seeds) return;
  told = performance.now();
  console.log(
    `${seconds().toFixed(0)} s: ${total.lives} of ${seeds} seeds, ${total.steps} steps, ${failures.length} failures`,
  );
}

const shares = Array.from({ length: Math.min(WORKERS, seeds) }, (_, i) => i);
await atOnce(shares, WORKERS, async (i) => {
  const count = Math.ceil((seeds - i) / WORKERS);
  for (let done = 0; done < count; ) {
    try {
      done += (
        await send({ seed: seed + i + done * WORKERS, seeds: count - done, step: WORKERS, trace: values.trace }, take)
      ).length;
    } catch (error) {
      failures.push((error as Error).message);
      console.log(`FAILS ${failures.at(-1)}`);
      break;
    }
  }
});
const stepsPerSecond = Math.round(total.steps / seconds());
const silent = FAULTS.filter((fault) => faultsFired[fault] === 0);
if (seeds >= SEEDS_FOR_ALL) for (const fault of silent) failures.push(`"${fault}" never came`);
else if (silent.length > 0)
  console.log(`warning: in so few seeds ${silent.length} of the faults never came: ${silent.join(", ")}`);

const catches: Catch[] = values["no-defects"]
  ? []
  : await atOnce(DEFECTS, WORKERS, async (defect) => {
      const caught = await hunt(defect, seed, HUNT_SEEDS);
      console.log(
        `${caught.found ? `found after ${String(caught.seeds).padStart(3)} seeds` : "NOT FOUND            "}  ${caught.name}`,
      );
      return caught;
    });
const killed = kills === 0 ? null : await killServers(kills, seed, (line) => console.log(line));
if (killed !== null) {
  const { betweenWriteAndAnswer: between, leastInFlight } = killed;
  failures.push(...killed.failures);
  if (between < LEAST_BETWEEN * kills)
    failures.push(`${between} of ${kills} kills came between the first write and the answer`);
  if (leastInFlight < LEAST_IN_FLIGHT) failures.push(`a kill came with ${leastInFlight} requests in flight`);
}

const found = catches.filter((one) => one.found).length;
const report = {
  seeds,
  seed,
  steps: total.steps,
  requests: total.requests,
  answers: total.answers,
  bytesUsed: total.bytesUsed,
  bytesReused: total.bytesReused,
  valueLost: Number(total.valueLost),
  doubleDebits: total.doubleDebits,
  faultsFired,
  defectsPlanted: catches.length,
  defectsFound: found,
  defects: catches,
  stepsPerSecond,
  ...(killed === null ? {} : { kills: killed }),
  failures,
};
console.log(
  `${total.lives} seeds, ${total.steps} steps (${stepsPerSecond} a second), ${total.requests} requests, ${total.answers} answers; ` +
    `${total.bytesReused} of ${total.bytesUsed} pad bytes reused, ${total.valueLost} minor units lost, ${total.doubleDebits} double debits; ` +
    `${found} of ${catches.length} planted defects found`,
);
for (const fault of FAULTS) console.log(`  ${String(faultsFired[fault]).padStart(6)}  ${fault}`);
for (const failure of failures) console.log(`FAILS ${failure}`);
if (values.json) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
process.exit(failures.length > 0 || found < catches.length ? 1 : 0);
