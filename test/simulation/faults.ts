// What can go wrong, by name. A seed chooses some of these; how often each came is counted, and over a whole run each must.

import type { Random } from "../../simulator/index.ts";

export const FAULTS = [
  "message lost",
  "message repeated",
  "messages reordered",
  "message delayed",
  "connection cut",
  "server killed before a commit",
  "server killed in a commit",
  "server killed after a commit",
  "server killed at a limits write",
  "server killed at a vault write",
  "server killed between writes",
  "server lost its power",
  "server's disk full",
  "database restored",
  "device's power cut",
  "device reset",
  "device image restored",
  "second copy of the device",
  "clock stepped forwards",
  "clock stepped back",
  "client killed",
  "client lost its power",
  "client's disk full",
] as const;

export type Fault = (typeof FAULTS)[number];

/** How often each came. */
export type Tally = Record<Fault, number>;

export function newTally(): Tally {
  return Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Tally;
}

/** At most so many faults of a seed. */
const MOST = 6;

/** The faults of a seed: none in one of eight, otherwise a few. */
export function chooseFaults(random: Random): ReadonlySet<Fault> {
  if (random.below(8) === 0) return new Set();
  const count = 1 + random.below(MOST);
  return new Set(Array.from({ length: count }, () => FAULTS[random.below(FAULTS.length)]!));
}
