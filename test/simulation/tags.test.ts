// What the wire of 10,000 calls tells about who called. A hundred devices call a hundred times each, all with messages of the same
// lengths; every byte of every connection is written down; then linkers say of two calls whether one device made both. Each
// learns on one half of the pairs and is judged by the other half. They must find what is there to be found, too: the same
// linkers get a wire on which each device leaves four bytes of its own.

import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { loadEngine } from "../../host/engine/index.ts";
import { activateToken, createServer, openServer, type Server } from "../../server/index.ts";
import { Random } from "../../simulator/index.ts";
import { LowEnd } from "../server/low-end.ts";
import { Caller, config, silent } from "../server/token/world.ts";
import { scratch } from "./template.ts";

const DEVICES = 100;
const CALLS = 100;
const PAIRS = 60_000;
const seed = Number(process.env.SEED ?? 1);

/** The bytes of one connection, up and down. */
interface Call {
  readonly device: number;
  readonly wire: Uint8Array;
}

let server: Server | null = null;
afterAll(() => server?.close());

it(`T-23 T-42 who sees the whole wire of ${DEVICES * CALLS} calls cannot tell which of them one device made (SEED=${seed})`, async () => {
  const random = new Random(seed);
  const calls = await allCalls(random);
  expect(calls).toHaveLength(DEVICES * CALLS);
  expect(new Set(calls.map(({ wire }) => wire.length)).size).toBe(1);
  const advantages = LINKERS.map(([name, linker]) => [name, advantage(calls, linker, random)] as const);
  for (const [name, value] of advantages) console.log(`${name}: ${(value * 100).toFixed(2)} %`);
  for (const [, value] of advantages) expect(value).toBeLessThanOrEqual(0.01);

  // On a wire that does give a device away, the same linkers find it.
  const marked = calls.map(({ device, wire }) => {
    const bytes = wire.slice();
    bytes.set([device, device * 7, device * 31, device * 57], 30);
    return { device, wire: bytes };
  });
  expect(Math.max(...LINKERS.map(([, linker]) => advantage(marked, linker, random)))).toBeGreaterThan(0.3);
});

async function allCalls(random: Random): Promise<Call[]> {
  const directory = join(scratch(), "server");
  mkdirSync(directory);
  createServer(directory, config());
  server = await openServer(directory, { log: silent });
  const engine = await loadEngine();
  const padLength = (CALLS + 4) * 8192;
  const lows = Array.from({ length: DEVICES }, () => {
    const issue = server!.issue({ padLength, burnUnit: 1, tariff: "free", price: 1_000_000n });
    const { padId, token } = issue.parameters;
    const pad = randomBytes(padLength);
    issue.write(Buffer.from(pad));
    activateToken(server!.token, issue.finish());
    return new LowEnd(engine, new Uint8Array(pad), padId, { receipt: { ...token.receipt, call: 0, up: 0 } });
  });
  const calls: Call[] = [];
  for (let round = 0; round < CALLS; round++) {
    // All devices call in each round, in an order that says nothing.
    const order = lows.map((low, device) => ({ low, device, at: random.u32() })).sort((a, b) => a.at - b.at);
    const made = await Promise.all(order.map(async ({ low, device }) => ({ device, wire: await oneCall(low) })));
    calls.push(...made);
  }
  return calls;
}

/** A call, one request and its answer, and the end of the link. */
async function oneCall(low: LowEnd): Promise<Uint8Array> {
  const caller = new Caller(server!, low);
  const up: Uint8Array[] = [];
  const send = caller.wire.send.bind(caller.wire);
  caller.wire.send = (...items) => {
    up.push(...items.map((item) => item.slice()));
    send(...items);
  };
  if ((await caller.connect()) === null) throw new Error("refused");
  const answer = await caller.ask("echo", new Uint8Array(randomBytes(40)));
  if (answer?.ok !== true || (await caller.end()) === null) throw new Error("not answered");
  return new Uint8Array(Buffer.concat([...up, ...caller.wire.seen]));
}

/** How much two calls have in common. */
type Linker = (one: Uint8Array, other: Uint8Array) => number;

const LINKERS: readonly (readonly [name: string, linker: Linker])[] = [
  ["equal bytes", (one, other) => count(one, other, 0, (a, b) => a === b)],
  ["equal bits", (one, other) => -count(one, other, 0, (a, b) => BITS[a ^ b]!)],
  ["near numbers", (one, other) => count(one, other, 0, (a, b) => ((a - b + 4) & 255) < 9)],
  ["the tag", (one, other) => count(one.subarray(4, 20), other.subarray(4, 20), 0, (a, b) => a === b)],
  ["bytes that follow", (one, other) => count(one, other, 1, (a, b) => a === b)],
  ["sums of bytes", (one, other) => -Math.abs(sum(one) - sum(other))],
  ["bytes of one anywhere in the other", shared],
];

const BITS = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);

function count(
  one: Uint8Array,
  other: Uint8Array,
  ahead: number,
  score: (a: number, b: number) => number | boolean,
): number {
  let found = 0;
  for (let at = 0; at + ahead < one.length; at++) found += Number(score(one[at]!, other[at + ahead]!));
  return found;
}

function sum(bytes: Uint8Array): number {
  let all = 0;
  for (const byte of bytes) all += byte;
  return all;
}

const stamps = new Uint32Array(65_536);
let stamp = 0;

/** Pairs of bytes that both have, wherever they lie. */
function shared(one: Uint8Array, other: Uint8Array): number {
  stamp++;
  for (let at = 0; at + 1 < one.length; at++) stamps[one[at]! * 256 + one[at + 1]!] = stamp;
  let found = 0;
  for (let at = 0; at + 1 < other.length; at++) if (stamps[other[at]! * 256 + other[at + 1]!] === stamp) found++;
  return found;
}

/** By how much a linker is right more often than a coin, on pairs of which half are of one device. */
function advantage(calls: readonly Call[], linker: Linker, random: Random): number {
  const byDevice: Call[][] = Array.from({ length: DEVICES }, () => []);
  for (const call of calls) byDevice[call.device]!.push(call);
  const pairs = Array.from({ length: 2 * PAIRS }, (_, i) => {
    const one = calls[random.below(calls.length)]!;
    const same = i % 2 === 0;
    for (;;) {
      const own = byDevice[one.device]!;
      const other = same ? own[random.below(own.length)]! : calls[random.below(calls.length)]!;
      if (other !== one && same === (other.device === one.device)) return { same, score: linker(one.wire, other.wire) };
    }
  });
  const threshold = best(pairs.slice(0, PAIRS));
  const right = pairs.slice(PAIRS).filter(({ same, score }) => same === score >= threshold).length;
  return Math.abs(right / PAIRS - 0.5);
}

/** The score from which on "the same" is right most often. */
function best(pairs: readonly { readonly same: boolean; readonly score: number }[]): number {
  const sorted = [...pairs].sort((a, b) => b.score - a.score);
  let right = sorted.filter(({ same }) => !same).length;
  let most = right;
  let threshold = Number.POSITIVE_INFINITY;
  for (const [at, { same, score }] of sorted.entries()) {
    right += same ? 1 : -1;
    if (right > most && sorted[at + 1]?.score !== score) {
      most = right;
      threshold = score;
    }
  }
  return threshold;
}
