// Two people: a pair of devices, a job between them, and the observer at their lines.

export { freshLedger } from "./ledger.ts";
export { Observer, type Verdict } from "./observer.ts";
export { openPads, type Pads } from "./pads.ts";
export { KEYS, resultOf } from "./result.ts";
export { openSession, type Session } from "./session.ts";
export { type Exchange, play, type Standing, type Story } from "./story.ts";
export type { Chunk } from "./trace.ts";
