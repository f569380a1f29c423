// A token in a machine, and the model of its server: the world of the link's tests. Nothing waits for real time: pauses
// and time-outs of the client pass faster.

import { randomBytes } from "node:crypto";
import {
  type Clock,
  type Device,
  fillDevice,
  firstSplitOfToken,
  openDevice,
  slotsAtIssue,
} from "../../host/driver/index.ts";
import { builtCore, Flash, lineTo, Machine } from "../../simulator/index.ts";
import { inOnePiece, plugVanishing, SECTORS_BEFORE_PAD } from "../host/pair.ts";
import type { Issue } from "./model.ts";

/** A wait is over when this process has had its turn so often since it began, and no sooner for a while without one. */
const TICKS = 50;

/** A hundred times as fast, or twenty times where a server is waited for; but only as fast as this process gets on. */
export const quickClock: Clock = {
  after: (milliseconds, callback) => {
    const whole = milliseconds / (milliseconds < 10_000 ? 100 : 20);
    const ticks = Math.max(1, Math.min(TICKS, Math.floor(whole)));
    let timer: NodeJS.Timeout;
    const tick = (left: number): void => {
      if (left === 0) callback();
      else timer = setTimeout(tick, whole / ticks, left - 1);
    };
    tick(ticks);
    return () => clearTimeout(timer);
  },
};

export interface Token extends Issue {
  readonly machine: Machine;
}

export interface TokenOptions {
  readonly padSectors?: number;
  readonly firstSplit?: number;
  readonly balance?: bigint;
  readonly limit?: bigint;
  readonly addresses?: readonly string[];
  readonly burnUnit?: number;
}

/** From here on a chip keeps as much before its pad as the reference chip does. */
const LARGE_SECTORS = 224;
const SECTORS_BEFORE_LARGE_PAD = 32;

/** A machine with room for a pad of so many sectors of 4 KiB, switched on. */
export function blankMachine(padSectors: number): Machine {
  const before = padSectors < LARGE_SECTORS ? SECTORS_BEFORE_PAD : SECTORS_BEFORE_LARGE_PAD;
  const flash = new Flash({ sectors: padSectors + before, seed: 1 });
  const machine = new Machine({ core: builtCore(), flash, entropy: 1 });
  machine.powerOn();
  return machine;
}

/** A machine that was filled as a token, and what its server has of it. */
export async function makeToken(options: TokenOptions = {}): Promise<Token> {
  const { padSectors = 64, balance = 1000n, limit = 500n, addresses = ["tcp://token.test:1"], burnUnit = 1 } = options;
  const pad = new Uint8Array(randomBytes(padSectors * 4096));
  const padId = new Uint8Array(randomBytes(16));
  const shape = { padLength: pad.length, slots: { low: slotsAtIssue(pad.length), high: 0 }, burnUnit };
  const firstSplit = options.firstSplit ?? firstSplitOfToken(shape);
  const machine = blankMachine(padSectors);
  const device = await openDevice(lineTo(machine), { clock: quickClock });
  const parameters = {
    side: "low" as const,
    padLength: pad.length,
    padId,
    burnUnit,
    slots: { low: true, high: false },
    firstSplit,
    provenance: "csprng" as const,
    claimedMinEntropy: 8,
    samplesTested: 0,
    longestRepetition: 0,
    highestProportion: 0,
    sourceName: "test",
    token: {
      asset: "EUR",
      limit,
      receipt: { sequence: 1, balance, mac: new Uint8Array(16) },
      addresses: { number: 1, addresses },
    },
  };
  await fillDevice(device, parameters, inOnePiece(pad));
  await device.close();
  return { machine, pad, padId, shape, firstSplit, balance };
}

/** A session with the machine of a token, which is switched on again when it lost its power. */
export function deviceOf(machine: Machine): Promise<Device> {
  return openDevice(plugVanishing(machine), { clock: quickClock });
}
