// How many files and sockets this process may have open. Where a system says so: Linux, in /proc. When they run out a system drops
// new connections without a word to the process, so there must never be that many.

import { readFileSync } from "node:fs";

/** Infinite where the system does not tell, or sets no bound. */
export function descriptors(): number {
  try {
    const [, allowed] = /^Max open files +(\d+) /m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return allowed === undefined ? Number.POSITIVE_INFINITY : Number(allowed);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
