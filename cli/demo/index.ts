// The demonstration behind `npm start`: two devices, a job, and an observer who checks it.

export { DemoError } from "./errors.ts";
export { freshLedger } from "./ledger.ts";
export { Observer, type OriginalPad, type Verdict } from "./observer.ts";
export { openPads, type Pads } from "./pads.ts";
export { KEYS, resultOf } from "./result.ts";
export { count, Screen } from "./screen.ts";
export { openSession, type Session } from "./session.ts";
export { play, type Story } from "./story.ts";
export type { Chunk } from "./trace.ts";
