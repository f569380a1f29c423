// The crew: processes that simulate, as many at once as there is work for, each with a defect of its own or with none. What they tell
// comes back here, one life after the other.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { SimulatedDefect } from "./defects.ts";
import type { Tally } from "./faults.ts";

/** What became of a seed, as a worker tells it. */
export interface Told {
  readonly seed: number;
  readonly steps: number;
  readonly hash: string;
  readonly faults: Tally;
  readonly requests: number;
  readonly answers: number;
  readonly bytesUsed: number;
  readonly bytesReused: number;
  readonly valueLost: string;
  readonly doubleDebits: number;
  readonly findings: readonly string[];
  readonly milliseconds: number;
}

/** Seeds for one worker. */
export interface Order {
  readonly seed: number;
  readonly seeds: number;
  /** From one seed to the next. */
  readonly step?: number;
  readonly defect?: SimulatedDefect;
  /** Ends with the first seed that finds something. */
  readonly untilFound?: boolean;
  /** Prints every event to stderr. */
  readonly trace?: boolean;
}

/** A worker ended by itself: in a seed, or before the first one. */
class WorkerEnded extends Error {
  readonly seed: number | null;

  constructor(seed: number | null, said: string) {
    super(`a worker ended ${seed === null ? "before it began" : `at seed ${seed}`}: ${said}`);
    this.seed = seed;
  }
}

const WORKER: string = fileURLToPath(new URL("worker.ts", import.meta.url));

/** Has one worker live some seeds. @throws WorkerEnded */
export async function send(order: Order, tell: (life: Told) => void = () => {}): Promise<Told[]> {
  const { seed, seeds, step = 1, defect, untilFound = false, trace = false } = order;
  const args = [WORKER, "--seed", `${seed}`, "--seeds", `${seeds}`, "--step", `${step}`];
  if (defect !== undefined) {
    const { shows, ...planted } = defect;
    args.push("--defect", JSON.stringify(planted));
    if (shows.length > 0) args.push("--faults", shows.join(","));
  }
  if (untilFound) args.push("--until", "found");
  if (trace) args.push("--trace");
  const worker = spawn(process.execPath, args, { stdio: ["ignore", "pipe", trace ? "inherit" : "pipe"] });
  const lives: Told[] = [];
  let ready = false;
  const last: string[] = [];
  worker.stderr?.setEncoding("utf8").on("data", (text: string) => {
    last.push(text);
    if (last.length > 20) last.shift();
  });
  const code = new Promise<number | null>((resolve, reject) => worker.once("error", reject).once("close", resolve));
  for await (const line of createInterface({ input: worker.stdout! })) {
    const life = JSON.parse(line) as Told | { readonly ready: true };
    if ("ready" in life) {
      ready = true;
      continue;
    }
    lives.push(life);
    tell(life);
  }
  if ((await code) !== 0) throw new WorkerEnded(ready ? seed + lives.length * step : null, last.join(""));
  return lives;
}

/** Does so many things at once, in their order. */
export async function atOnce<Job, Result>(
  jobs: readonly Job[],
  count: number,
  work: (job: Job) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const one = async () => {
    while (next < jobs.length) {
      const at = next++;
      results[at] = await work(jobs[at]!);
    }
  };
  await Promise.all(Array.from({ length: count }, one));
  return results;
}

/** Whether a defect was found, after how many seeds, and by what sign. */
export interface Catch {
  readonly name: string;
  readonly found: boolean;
  readonly seeds: number;
  readonly sign: string;
}

/** Hunts for a defect. */
export async function hunt(defect: SimulatedDefect, seed: number, most: number): Promise<Catch> {
  const { name } = defect;
  let lives: Told[] = [];
  try {
    lives = await send({ seed, seeds: most, defect, untilFound: true });
  } catch (error) {
    // A worker that a defect ends has found it, unless it could not even begin.
    if (!(error instanceof WorkerEnded) || error.seed === null) throw error;
    const sign = error.message.split("\n").find((line) => line.includes("Error")) ?? error.message;
    return { name, found: true, seeds: error.seed - seed + 1, sign };
  }
  const sign = lives.at(-1)?.findings[0] ?? "";
  return { name, found: sign !== "", seeds: lives.length, sign };
}
