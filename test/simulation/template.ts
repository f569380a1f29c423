// What every seed begins with: a server's directory with a few issued tokens, and the machines that hold their pads. Made once in a
// process; a seed gets copies.

import { copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { fillDevice, openDevice } from "../../host/driver/index.ts";
import { activateToken, createServer, FIRST_CONFIG, openServer } from "../../server/index.ts";
import { builtCore, Flash, lineTo, Machine, type MachineSnapshot } from "../../simulator/index.ts";
import { DRAWN } from "./drawn.ts";
import type { Original } from "./observer.ts";
import { services } from "./services.ts";
import { settled, Time } from "./time.ts";

/** A token as it was issued. */
export interface Token extends Original {
  readonly name: string;
  readonly tariff: string;
  readonly asset: string;
  readonly issued: bigint;
  readonly machine: Machine;
  readonly filled: MachineSnapshot;
}

export interface Template {
  readonly directory: string;
  readonly tokens: readonly Token[];
}

const silent: Logger = pino({ level: "silent" });
export const ADDRESS = "tcp://server.test:1";

const SECTORS_BEFORE_PAD = 32;
const TEMPLATE_SEED = 7;

/** Thousandths of a price that the market keeps. */
export const COMMISSION = 100;
const SERVICES = { echo: 1, store: 3, dig: 7, fails: 5, catalogue: 0, market: 1 } as const;
const CONFIG = {
  ...FIRST_CONFIG,
  addresses: { number: 1, list: [ADDRESS] },
  tariffs: {
    money: { asset: "TPD", perBox: 1, perKiB: 2, services: SERVICES },
    service: { asset: "TPD", services: SERVICES },
    tied: { asset: "PAD", exhaustion: "erasing", services: { echo: 0, store: 0 } },
  },
  assets: { TPD: { decimals: 2 }, PAD: { decimals: 0 } },
  answerAfterMs: 5,
  services: { commission: COMMISSION },
  limits: { burnLagMs: 50, giveWayMs: 2000, halfOpenMs: 3000, idleMs: 60_000, largestRequest: 20_000 },
};

const ORDERS = [
  { tariff: "money", price: 900n, limit: 400n, sectors: 96 },
  { tariff: "service", price: 400n, limit: 1000n, sectors: 96 },
  { tariff: "money", price: 700n, limit: 400n, sectors: 96 },
  { tariff: "tied", price: 5000n, limit: 10_000n, sectors: 64 },
] as const;

/** Where directories are made: in memory, when the system has such a place, since what is lost with its power is simulated. */
export function scratch(): string {
  const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const directory = mkdtempSync(join(base, "tearpad-simulation-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Makes it, in a time of its own. */
export async function makeTemplate(): Promise<Template> {
  const time = new Time();
  let done = false;
  const making = make(time).finally(() => {
    done = true;
  });
  while (!done) if (!(await time.step())) await settled();
  return making;
}

async function make(time: Time): Promise<Template> {
  DRAWN.seed(TEMPLATE_SEED);
  const directory = join(scratch(), "server");
  mkdirSync(directory);
  createServer(directory, CONFIG);
  const server = await openServer(directory, {
    log: silent,
    clock: { now: () => time.now, after: () => () => {} },
    services,
  });
  const tokens: Token[] = [];
  for (const { sectors, ...order } of ORDERS) {
    const issue = server.issue({ ...order, padLength: sectors * 4096, burnUnit: 1 });
    const { parameters } = issue;
    const bytes = DRAWN.fill(new Uint8Array(parameters.padLength));
    issue.write(bytes.slice());
    const machine = new Machine({
      core: builtCore(),
      flash: new Flash({ sectors: sectors + SECTORS_BEFORE_PAD, seed: 1 }),
      entropy: 1,
    });
    machine.powerOn();
    const device = await openDevice(lineTo(machine), { clock: time });
    const origin = {
      provenance: "csprng",
      claimedMinEntropy: 8,
      samplesTested: 0,
      longestRepetition: 0,
      highestProportion: 0,
      sourceName: "simulation",
    } as const;
    async function* pieces() {
      yield bytes;
    }
    const commit = async () => void issue.finish();
    await fillDevice(device, { side: "low", ...origin, ...parameters }, pieces(), () => {}, commit);
    await device.close();
    activateToken(server.token, issue.name);
    const { padId, padLength, burnUnit } = parameters;
    const shape = { padLength, burnUnit, slots: { low: Math.floor(padLength / 8192), high: 0 } };
    const issued = parameters.token.receipt.balance;
    tokens.push({
      name: issue.name,
      tariff: order.tariff,
      asset: parameters.token.asset,
      issued,
      bytes,
      padId,
      shape,
      machine,
      filled: machine.snapshot(),
    });
  }
  await server.close();
  return { directory, tokens };
}

/** Copies a server's directory as another process finds it when the one that had it is gone. */
export function copyServer(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copyServer(source, target);
    else if (entry.name.endsWith(".pad"))
      linkSync(source, target); // Never changed once it has its name.
    else if (!entry.name.endsWith("-shm") && !entry.name.endsWith("lock")) copyFileSync(source, target);
  }
}
