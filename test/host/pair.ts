// Two devices in this process that hold one pad: the world of the driver's tests. The machines are the simulator's, the
// core is the one that is built, and time passes a thousand times as fast for the driver.

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import {
  type Clock,
  type Device,
  type FillParameters,
  fillDevice,
  firstSplitOfPair,
  type Outbox,
  openDevice,
  openOutbox,
  slotsAtIssue,
  type Transport,
} from "../../host/driver/index.ts";
import { builtCore, Flash, lineTo, Machine } from "../../simulator/index.ts";

/** What a small chip keeps before its pad: 4 sectors of journal and 2 of identity. */
export const SECTORS_BEFORE_PAD = 6;

/** How often whoever is about to answer has its turn before a short wait is over. */
const TURNS = 50;

/**
 * A reply that does not come is missed after 3 ms instead of 3 s, and only when the event loop has turned often enough
 * since then: on a busy computer a wait that is over would else come before an answer that is there.
 */
export const fastClock: Clock = {
  after: (milliseconds, callback) => {
    let waiting = true;
    const turn = (left: number) => {
      if (!waiting) return;
      if (left === 0) callback();
      else setImmediate(turn, left - 1);
    };
    setTimeout(turn, milliseconds / 1000, TURNS);
    return () => {
      waiting = false;
    };
  },
};

/** A line to a machine that boots again at once whenever its power goes. */
export function plugRestarting(machine: Machine): Transport {
  const line = lineTo(machine);
  return {
    ...line,
    write: async (bytes) => {
      await line.write(bytes);
      if (machine.state === "off" || machine.state === "held") machine.powerOn();
    },
  };
}

/** A device that vanishes from the bus when its power goes, and is there again when it is reached for. */
export function plugVanishing(machine: Machine): () => Promise<Transport> {
  return async () => {
    if (machine.state === "off" || machine.state === "held") machine.powerOn();
    let tell = (_reason?: Error) => {};
    const line = lineTo(machine);
    return {
      ...line,
      write: async (bytes) => {
        await line.write(bytes);
        if (machine.state !== "on") tell(new Error("unplugged"));
      },
      onClose: (listener) => {
        tell = listener;
      },
    };
  };
}

export interface Pair {
  readonly low: Machine;
  readonly high: Machine;
  /** The pad that both hold. */
  readonly pad: Uint8Array;
  /** Both back to the moment after they were filled. */
  restore(): void;
}

/** What the fill of one end of a pair lays down. */
export function padParameters(side: "low" | "high", padLength: number, padId: Uint8Array): FillParameters {
  const slots = slotsAtIssue(padLength);
  return {
    side,
    padLength,
    padId,
    burnUnit: 1,
    slots: { low: true, high: true },
    firstSplit: firstSplitOfPair({ padLength, slots: { low: slots, high: slots }, burnUnit: 1 }),
    provenance: "csprng",
    claimedMinEntropy: 8,
    samplesTested: 0,
    longestRepetition: 0,
    highestProportion: 0,
    sourceName: "test",
  };
}

/** Two machines filled with one pad of so many sectors of 4 KiB. */
export async function makePair(padSectors: number): Promise<Pair> {
  const pad = randomBytes(padSectors * 4096);
  const padId = randomBytes(16);
  const fill = async (side: "low" | "high") => {
    const flash = new Flash({ sectors: padSectors + SECTORS_BEFORE_PAD, seed: 1 });
    const machine = new Machine({ core: builtCore(), flash, entropy: 1 });
    machine.powerOn();
    const device = await talkTo(machine);
    await fillDevice(device, padParameters(side, pad.length, padId), inOnePiece(pad));
    await device.close();
    return machine;
  };
  const low = await fill("low");
  const high = await fill("high");
  const filled = { low: low.snapshot(), high: high.snapshot() };
  return {
    low,
    high,
    pad,
    restore: () => {
      low.restore(filled.low);
      high.restore(filled.high);
    },
  };
}

/** Bytes as a stream. */
export async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A session with a machine that stays powered. */
export function talkTo(machine: Machine): Promise<Device> {
  return openDevice(lineTo(machine), { clock: fastClock });
}

const directories: string[] = [];
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

/** A directory that is gone after the tests of this file. */
export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "tearpad-test-"));
  directories.push(directory);
  return directory;
}

/** An empty outbox. */
export async function scratchOutbox(): Promise<Outbox> {
  return openOutbox(await scratchDirectory());
}
