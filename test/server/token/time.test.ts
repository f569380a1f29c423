// Value that is time: each second of a link that has begun is debited with what is said in it, and when there is none left,
// nothing is served.

import { afterEach, expect, test } from "vitest";
import { createServer, type Server, showToken } from "../../../server/index.ts";
import {
  Caller,
  config,
  expectBalanced,
  issue,
  linked,
  newServer,
  StoppedClock,
  scratch,
  startServer,
} from "./world.ts";

/** 60 seconds for one unit of price. */
const TIME = { asset: "SEC", rate: 60, perSecond: 1, services: { echo: 0, statement: 0 } };
const CHANGES = { tariffs: { time: TIME }, assets: { SEC: {} } };
const NOTHING = new Uint8Array(1);

let clock: StoppedClock;
let moving: NodeJS.Timeout | undefined;
afterEach(() => clearInterval(moving));

/** A server whose clock stands still but for what a call and a group of commits wait for. */
async function start(changes: object = {}): Promise<Server> {
  clock = new StoppedClock();
  return newServer({ ...CHANGES, ...changes }, { clock });
}

/** Called while time passes a little, less than a second in all; then it stands. */
async function call(server: Server, low: Caller["low"], o: { cap?: bigint } = {}): Promise<Caller> {
  moving = setInterval(() => clock.pass(0), 1);
  return linked(server, low, o);
}

test("T-12 a sale at a price is so many seconds, and each second of a link that has begun is debited once", async () => {
  const server = await start();
  const { low, name } = await issue(server, { tariff: "time", price: 2n });
  expect(showToken(server.token, name)).toMatchObject({ balance: 120n, asset: "SEC" });
  const caller = await call(server, low);
  const left = async (): Promise<bigint> => {
    expect(await caller.ask("echo", NOTHING)).toMatchObject({ ok: true, charged: 0 });
    return showToken(server.token, name).balance;
  };
  expect(await left()).toBe(119n);
  expect(await left()).toBe(119n);
  clock.pass(999);
  expect(await left()).toBe(119n);
  clock.pass(1);
  expect(await left()).toBe(118n);
  clock.pass(10_500);
  expect(await left()).toBe(108n);
  clock.pass(20_000);
  expect(await caller.end()).toMatchObject({ balance: 88n, ends: true });
  // Between links no time is debited, and a new one begins with a second of its own.
  clock.pass(3_600_000);
  const second = await call(server, low);
  await second.ask("echo", NOTHING);
  const { balance, account } = showToken(server.token, name);
  expect(balance).toBe(87n);
  const items = server.token.ledger.statement(account, 0, 100);
  expect(items.map(({ reason, amount }) => [reason, amount])).toEqual([
    ["issue", 120n],
    ["time", -1n],
    ["time", -1n],
    ["time", -10n],
    ["time", -20n],
    ["time", -1n],
  ]);
  expectBalanced(server);
});

test("T-12 T-14 when the seconds are over the service ends with EXHAUSTED, and no time is owed", async () => {
  const server = await start();
  const { low, name } = await issue(server, { tariff: "time", price: 1n });
  const caller = await call(server, low);
  await caller.ask("echo", NOTHING);
  clock.pass(300_000);
  expect(await caller.ask("echo", NOTHING)).toMatchObject({ ok: true });
  expect(showToken(server.token, name).balance).toBe(0n);
  expect(await caller.ask("echo", NOTHING)).toMatchObject({ ok: false, charged: 0, error: { code: "EXHAUSTED" } });
  expect(await caller.receipt()).toMatchObject({ balance: 0n, ends: true });
  const again = new Caller(server, low);
  again.wire.send(low.call());
  expect(low.welcome((await again.wire.next())!.bytes)).toMatchObject({ notes: { nothingLeft: true } });
  expectBalanced(server);
});

test("T-12 a cap bounds the seconds of a link, and a clock that steps takes no more than a link may be silent", async () => {
  const server = await start({ limits: { idleMs: 5000 } });
  const { low, name } = await issue(server, { tariff: "time", price: 10n });
  const capped = await call(server, low, { cap: 3n });
  await capped.ask("echo", NOTHING);
  clock.pass(4000);
  expect(await capped.ask("echo", NOTHING)).toMatchObject({ ok: true });
  expect(await capped.ask("echo", NOTHING)).toMatchObject({ ok: false, error: { code: "CAP_EXCEEDED" } });
  expect(showToken(server.token, name).balance).toBe(597n);
  await capped.end();

  const caller = await call(server, low);
  await caller.ask("echo", NOTHING);
  const before = clock.now();
  clock.now = () => before + 86_400_000;
  await caller.ask("echo", NOTHING);
  expect(showToken(server.token, name).balance).toBeGreaterThanOrEqual(597n - 8n);
  clock.now = () => before - 86_400_000;
  const { balance } = showToken(server.token, name);
  await caller.ask("echo", NOTHING);
  expect(balance - showToken(server.token, name).balance).toBeLessThanOrEqual(1n);
  expectBalanced(server);
});

test("T-12 an unknown token opens no account, and a tariff of the pad has no price for time", async () => {
  const server = await start();
  const before = server.token.store.transact(() => server.token.ledger.audit());
  const stranger = await issue(await newServer({ ...CHANGES }), { tariff: "time", price: 1n });
  const wire = new Caller(server, stranger.low);
  moving = setInterval(() => clock.pass(0), 1);
  expect(await wire.connect()).toBe(null);
  expect(server.token.store.transact(() => server.token.ledger.audit())).toEqual(before);

  const directory = scratch();
  const tied = { ...TIME, exhaustion: "erasing" };
  createServer(directory, config({ ...CHANGES, tariffs: { tied } }));
  await expect(startServer(directory)).rejects.toMatchObject({ code: "CONFIG_INVALID", facts: { at: "tariffs.tied" } });
});
