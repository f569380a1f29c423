// One session of the demonstration: both devices on, the observer at their lines, until the end. Whatever happens, both
// processes end, and what the observer saw is kept; what a session that was killed left unread, the next one reads first.

import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Side } from "../../../host/protocol/index.ts";
import { type Simulated, startSimulated } from "../simulated.ts";
import { Observer, type Verdict } from "./observer.ts";
import { type Pads, padOnChip, saveLedger, sessionsOf, tracesOf } from "./pads.ts";
import { Trace } from "./trace.ts";

export interface Session {
  readonly devices: Readonly<Record<Side, Simulated>>;
  /** Rejects when a device's process ends before the session does. */
  readonly lost: Promise<never>;
  /** What the observer says about everything up to now. */
  observe(): Verdict;
  /** The same, with both chips compared byte for byte: only while nothing is under way. */
  examine(): Promise<Verdict>;
  /** Ends the devices; gives the last verdict, chips included. */
  end(): Promise<Verdict>;
}

const SIDES: readonly Side[] = ["low", "high"];
const NAMES: Readonly<Record<Side, string>> = { low: "A", high: "B" };

/**
 * Starts both devices.
 * @throws DemoError DEVICE_NOT_STARTED, PAIR_IN_USE: then neither runs
 */
export async function openSession(pads: Pads): Promise<Session> {
  const earlier = sessionsOf(pads);
  const number = Math.max(pads.ledger.session, ...earlier) + 1;
  const traces = tracesOf(pads, number);
  mkdirSync(traces, { mode: 0o700 });
  const sockets = mkdtempSync(join(tmpdir(), "tearpad-")); // A socket's path must be short.
  let devices: Record<Side, Simulated>;
  try {
    devices = await startBoth(pads, sockets, traces);
  } catch (error) {
    for (const path of [sockets, traces]) rmSync(path, { recursive: true });
    throw error;
  }

  const observer = new Observer(pads.original, pads.ledger);
  for (const session of earlier) if (session > pads.ledger.session) readTraces(observer, tracesOf(pads, session))();
  saveLedger(pads, number - 1);
  const read = readTraces(observer, traces);
  const observe = (): Verdict => {
    read();
    return observer.verdict();
  };
  const examine = async (): Promise<Verdict> => {
    read();
    for (const side of SIDES) observer.examine(side, await padOnChip(pads, side));
    return observer.verdict();
  };
  return {
    devices,
    lost: Promise.race(SIDES.map((side) => devices[side].lost)),
    observe,
    examine,
    end: async () => {
      await Promise.all(SIDES.map((side) => devices[side].stop()));
      const verdict = await examine();
      pads.ledger.disagreements = [...verdict.disagreements];
      saveLedger(pads, number);
      rmSync(sockets, { recursive: true, force: true });
      return verdict;
    },
  };
}

async function startBoth(pads: Pads, sockets: string, traces: string): Promise<Record<Side, Simulated>> {
  const start = (side: Side): Promise<Simulated> =>
    startSimulated(NAMES[side], pads.images[side], join(sockets, NAMES[side]), "--trace", join(traces, side));
  const [low, high] = await Promise.allSettled([start("low"), start("high")]);
  if (low.status === "fulfilled" && high.status === "fulfilled") return { low: low.value, high: high.value };
  for (const started of [low, high]) if (started.status === "fulfilled") await started.value.stop();
  throw low.status === "rejected" ? low.reason : (high as PromiseRejectedResult).reason;
}

/** Reads on in both traces until neither has more: whatever was opened was sealed before. */
function readTraces(observer: Observer, directory: string): () => void {
  const lines = SIDES.filter((side) => existsSync(join(directory, side))).map((side) => {
    const trace = new Trace(join(directory, side));
    const see = observer.line(side);
    return () => {
      let count = 0;
      for (const chunk of trace.added()) {
        see(chunk);
        count++;
      }
      return count;
    };
  });
  return () => {
    while (lines.reduce((count, read) => count + read(), 0) > 0);
  };
}
