// What a running server does by itself: the log of limits stays small, epochs end, and what another process left to do is done.

import { appendFileSync, existsSync, readFileSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { cancelToken, openOffice, type Server } from "../../server/index.ts";
import {
  issue,
  linked,
  newServer,
  StoppedClock,
  settled,
  silent,
  startServer,
  stop,
  type Token,
  until,
} from "./token/world.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const MIB = 1024 * 1024;
const ENTRY = 40;

type Place = Server & { directory: string };
const keyOf = ({ directory }: Place) => join(directory, "keys", "epoch.key");
const logOf = ({ directory }: Place) => join(directory, "limits.log");

let moving: NodeJS.Timeout | undefined;
afterEach(() => clearInterval(moving));
/** Lets time pass as it does, from now on. */
function move(clock: StoppedClock): void {
  moving = setInterval(() => clock.pass(1), 1);
}

/** Sets when the epoch began, by the clock of the test. */
function beginEpoch(server: Place, at: number): void {
  utimesSync(keyOf(server), at / 1000, at / 1000);
}

test("a log of limits that is mostly history is compacted at the start and while the server runs; a small one is left alone", async () => {
  const clock = new StoppedClock();
  const server = await newServer({}, { clock });
  const { low, name } = await issue(server);
  move(clock);
  await (await linked(server, low)).ask("echo", new Uint8Array(1));
  const before = new Map(server.token.limits.latest());
  const log = logOf(server);
  const grow = (bytes: number) => {
    const entry = readFileSync(log).subarray(-ENTRY);
    appendFileSync(log, Buffer.concat(Array.from({ length: bytes / ENTRY }, () => entry)));
  };
  grow(MIB / 2 - ((MIB / 2) % ENTRY));
  const size = statSync(log).size;
  clock.pass(MINUTE);
  expect(statSync(log).size).toBe(size);
  grow(MIB - (MIB % ENTRY));
  clock.pass(MINUTE);
  expect(statSync(log).size).toBeLessThan(1000);
  expect(new Map(server.token.limits.latest())).toEqual(before);
  expect(before.get(name)).toMatchObject({ up: low.up, down: low.down });
  await stop(server);

  grow(2 * MIB - ((2 * MIB) % ENTRY));
  const again = await startServer(server.directory, { clock });
  expect(statSync(log).size).toBeLessThan(1000);
  expect(again.token.limits.latest().get(name)).toMatchObject({ up: low.up, down: low.down });
});

test("the epoch of the vault ends after its days, whether the server ran or not meanwhile, and tokens go on", async () => {
  const clock = new StoppedClock();
  const server = await newServer({ vault: { epochDays: 3 } }, { clock });
  const { low } = await issue(server);
  beginEpoch(server, clock.now() - 3 * DAY + MINUTE);
  const first = readFileSync(keyOf(server));
  clock.pass(MINUTE - 1);
  expect(readFileSync(keyOf(server))).toEqual(first);
  clock.pass(1);
  const second = readFileSync(keyOf(server));
  expect(second).not.toEqual(first);
  // Its file says now when it began: by the clock of the disk, which is ahead of that of the test.
  clock.pass(DAY);
  expect(readFileSync(keyOf(server))).toEqual(second);
  await stop(server);

  beginEpoch(server, clock.now() - 4 * DAY);
  const again = await startServer(server.directory, { clock });
  expect(readFileSync(keyOf(server))).not.toEqual(second);
  move(clock);
  expect(await (await linked(again, low)).ask("echo", new Uint8Array(1))).toMatchObject({ ok: true });
});

test("of many pads the epoch ends step by step: links go on in between, and a restart goes on with it", async () => {
  const clock = new StoppedClock();
  const server = await newServer({}, { clock });
  const order = { padLength: 32 * 1024 };
  const tokens: Token[] = [];
  for (let i = 0; i < 140; i++) tokens.push(await issue(server, order));
  beginEpoch(server, clock.now() - 7 * DAY);
  clock.pass(MINUTE);
  const { vault } = server.token;
  expect(vault.rotating).toBe(true);
  const answerOf = async (on: Server, low: Token["low"]) => {
    const caller = await linked(on, low);
    return caller.ask("echo", new Uint8Array(1));
  };
  await stop(server);
  const again = await startServer(server.directory, { clock });
  expect(again.token.vault.rotating).toBe(true);
  move(clock);
  expect(await answerOf(again, tokens[0]!.low)).toMatchObject({ ok: true });
  expect(await answerOf(again, tokens[139]!.low)).toMatchObject({ ok: true });
  await until(() => !again.token.vault.rotating);
  expect(existsSync(`${keyOf(server)}.next`)).toBe(false);
  expect(await answerOf(again, tokens[70]!.low)).toMatchObject({ ok: true });
});

test("T-01 the twin of a token that another process cancels is destroyed in a moment, though nobody calls", async () => {
  const clock = new StoppedClock();
  const server = await newServer({}, { clock });
  const { name } = await issue(server);
  server.token.vault.flush(); // From here on this process alone destroys.
  const office = await openOffice(server.directory, { log: silent });
  cancelToken(office.token, name);
  await office.close();
  const keys = join(server.directory, "vault", `${name}.keys`);
  expect(existsSync(keys)).toBe(true);
  clock.pass(1000);
  await settled(server);
  clock.pass(1000);
  expect(existsSync(keys)).toBe(false);
});
