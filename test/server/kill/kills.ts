// Real processes: a server that serves eight tokens over TCP and is killed with SIGKILL while they talk, again and again. Afterwards
// nothing that was acknowledged is missing from its books, nothing was charged twice, and every request has one answer.

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { loadEngine } from "../../../host/engine/index.ts";
import { activateToken, createServer, FIRST_CONFIG, openOffice, showToken } from "../../../server/index.ts";
import { Random } from "../../../simulator/index.ts";
import { LowEnd } from "../low-end.ts";
import { Caller } from "./caller.ts";

/** What came of so many kills. */
export interface Kills {
  readonly kills: number;
  /** Kills after something of what was under way had been written, and before its answer had come. */
  readonly betweenWriteAndAnswer: number;
  /** The fewest requests that were under way at a kill. */
  readonly leastInFlight: number;
  readonly acknowledged: number;
  readonly failures: readonly string[];
}

const CLI = fileURLToPath(new URL("../../../cli/tearpad.ts", import.meta.url));
const LOADER = process.features.typescript ? [] : ["--import", "tsx"];
const TOKENS = 8;
const LEAST_IN_FLIGHT = 8;
const PRICE = 100_000_000n;
const PATIENCE_MS = 120_000;
const MOST_DELAY_MS = 40;
/** A server that has nothing to write does not begin to within this time. */
const WRITE_MS = 400;

const CONFIG = {
  ...FIRST_CONFIG,
  addresses: { number: 0, list: [] },
  tariffs: { kill: { asset: "TPD", perBox: 1, perKiB: 1, services: { echo: 2 } } },
};

/** Kills a server so many times. @param tell gets a line now and then */
export async function killServers(
  kills: number,
  seed: number,
  tell: (line: string) => void = () => {},
): Promise<Kills> {
  const random = new Random(seed);
  const base = mkdtempSync(join(tmpdir(), "tearpad-kill-"));
  const directory = join(base, "server");
  let serving: Serving | null = null;
  try {
    const tokens = await issueTokens(directory, kills);
    const callers = tokens.map(({ low }) => new Caller(low, () => serving?.address ?? null));
    const talking = callers.map((caller) => caller.live());
    const failures: string[] = [];
    let between = 0;
    let cutOff = false;
    let least = Number.POSITIVE_INFINITY;
    for (let kill = 0; kill <= kills && failures.length === 0; kill++) {
      serving = await serve(directory);
      const linked = await until(() => callers.every(({ fresh }) => fresh > 0));
      if (!linked) failures.push(`after kill ${kill} not every token is served again within ${PATIENCE_MS / 1000} s`);
      if (kill > 0 && (cutOff || callers.some(({ takenUnanswered }) => takenUnanswered > 0))) between++;
      if (kill === kills) break;
      await new Promise((resolve) => setTimeout(resolve, random.below(MOST_DELAY_MS)));
      await until(() => inFlight(callers) >= LEAST_IN_FLIGHT);
      // Most of them as soon as the log of the database grows, the others whenever it comes.
      const written = random.below(3) > 0 && awaitWrite(directory);
      serving.child.kill("SIGKILL");
      const unanswered = inFlight(callers);
      least = Math.min(least, unanswered);
      await serving.ended;
      serving = null;
      await until(() => callers.every(({ connected }) => !connected));
      // What had been written was of what was under way, and no answer of that has come.
      cutOff = written && inFlight(callers) === unanswered;
      if (kill % 20 === 19) tell(`${kill + 1} of ${kills} kills, ${between} between the first write and the answer`);
    }
    for (const caller of callers) caller.finish();
    if (!(await until(() => inFlight(callers) === 0)))
      failures.push(`${inFlight(callers)} requests were never answered`);
    for (const caller of callers) caller.end();
    await Promise.all(talking);
    serving?.child.kill("SIGTERM");
    await serving?.ended;
    serving = null;
    failures.push(...callers.flatMap((caller) => caller.failures), ...(await examine(directory, tokens, callers)));
    const acknowledged = callers.reduce((sum, { asked }) => sum + [...asked.values()].filter(Boolean).length, 0);
    return { kills, betweenWriteAndAnswer: between, leastInFlight: least, acknowledged, failures };
  } finally {
    serving?.child.kill("SIGKILL");
    rmSync(base, { recursive: true, force: true });
  }
}

interface Issued {
  readonly name: string;
  readonly low: LowEnd;
}

interface Serving {
  readonly child: ChildProcess;
  readonly address: URL;
  readonly ended: Promise<unknown>;
}

function inFlight(callers: readonly Caller[]): number {
  return callers.reduce((sum, caller) => sum + caller.inFlight, 0);
}

async function until(condition: () => boolean): Promise<boolean> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    if (condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return condition();
}

/** Until the server has begun to write what it was asked: whether it has. Nothing that it answers meanwhile is read. */
function awaitWrite(directory: string): boolean {
  const log = join(directory, "tearpad.db-wal");
  const before = statSync(log).size;
  for (const end = performance.now() + WRITE_MS; performance.now() < end; ) {
    if (statSync(log).size > before) return true;
  }
  return false;
}

/** Each kill costs every token a call. */
async function issueTokens(directory: string, kills: number): Promise<Issued[]> {
  createServer(directory, CONFIG);
  const office = await openOffice(directory);
  const engine = await loadEngine();
  const padLength = (32 + 2 * kills) * 8192;
  const tokens: Issued[] = [];
  for (let i = 0; i < TOKENS; i++) {
    const issue = office.issue({ padLength, burnUnit: 1, tariff: "kill", price: PRICE });
    const { padId, token } = issue.parameters;
    const pad = randomBytes(padLength);
    issue.write(Buffer.from(pad));
    issue.finish();
    activateToken(office.token, issue.name);
    const receipt = { ...token.receipt, call: 0, up: 0 };
    tokens.push({ name: issue.name, low: new LowEnd(engine, new Uint8Array(pad), padId, { receipt }) });
  }
  await office.close();
  return tokens;
}

/** The server as its operator starts it. */
async function serve(directory: string): Promise<Serving> {
  const args = [...LOADER, CLI, "serve", directory, "--listen", "tcp://127.0.0.1:0", "--json"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    const { addresses } = JSON.parse(line) as { addresses: string[] };
    return { child, address: new URL(addresses[0]!), ended };
  }
  throw new Error(`the server ended: ${said}`);
}

/** What the books have, against what the clients were told. */
async function examine(directory: string, tokens: readonly Issued[], callers: readonly Caller[]): Promise<string[]> {
  const failures: string[] = [];
  const office = await openOffice(directory);
  try {
    const { store, ledger } = office.token;
    const report = store.transact(() => ledger.audit());
    for (const { name } of report.disagreements) failures.push(`the audit finds ${name}`);
    for (const { asset, sum } of report.assets) if (sum !== 0n) failures.push(`${asset} sums to ${sum}`);
    for (const [i, { name }] of tokens.entries()) {
      const { balance, held, up } = showToken(office.token, name);
      const { asked } = callers[i]!;
      const told = [...asked.values()].reduce((sum, answer) => sum + (answer?.charged ?? 0n), 0n);
      if (balance !== PRICE - told)
        failures.push(`a token was told that it paid ${told}, and ${PRICE - balance} was taken`);
      if (held !== 0n) failures.push(`${held} stays held`);
      if (up !== tokens[i]!.low.up) failures.push(`up is ${up} at the server and ${tokens[i]!.low.up} at the device`);
    }
  } finally {
    await office.close();
  }
  return failures;
}
