// `node --expose-gc bench/opened.ts DIRECTORY`: what a process keeps in memory that has opened a server, in bytes, garbage aside.
// SQLite's own cache is not in it: this is what comes beyond the store. calls.ts runs it.

import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { pino } from "pino";
import { openServer } from "../server/index.ts";

const before = await kept();
const server = await openServer(process.argv[2] ?? "", { log: pino({ level: "silent" }) });
process.stdout.write(`${(await kept()) - before}\n`);
await server.close();

/** What was outgrown is given back a little later. */
async function kept(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 10; i++) {
    globalThis.gc?.();
    await setTimeout(20);
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}
