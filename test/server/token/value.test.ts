// Value: what is debited, when it ends, and that the books balance whatever is asked.

import { randomBytes, randomInt } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import * as z from "zod";
import { boxCost, runCost, upBase } from "../../../host/protocol/index.ts";
import { cancelToken, creditToken, type Server, showToken } from "../../../server/index.ts";
import { type PromptService, ServiceError, type SlowService } from "../../../server/service/index.ts";
import {
  Caller,
  expectBalanced,
  FREE,
  issue,
  linked,
  MONEY,
  newId,
  newServer,
  PAD,
  request,
  TIED,
  until,
} from "./world.ts";

const PAGE = 4096;
const noBody = z.strictObject({});
let served = 0;
/** Fails after it has moved money and written. */
const failing: PromptService<object> = {
  name: "failing",
  class: "information",
  schema: noBody,
  serve: ({ ledger, token, requestKey, store }) => {
    const to = ledger.named("seller", token.asset, "seller");
    ledger.transfer({ key: `${requestKey} failing`, from: token.account, to, amount: 1n, reason: "failing" });
    store.db.prepare("UPDATE pad SET split = split + 1 WHERE pad = ?").run(token.pad);
    throw new ServiceError("REFUSED", { reason: "it always does" });
  },
};
/** Pays somebody, and asks it of whoever called. */
const dear: PromptService<object> = {
  name: "dear",
  class: "goods",
  schema: noBody,
  serve: ({ ledger, token, requestKey }) => {
    const from = ledger.named("issue", token.asset, "issue");
    const to = ledger.named("seller", token.asset, "dear");
    ledger.transfer({ key: `${requestKey} dear`, from, to, amount: 9n, reason: "dear" });
    return { body: null, fee: 9n, provider: from };
  },
};
const broken: PromptService<object> = {
  name: "broken",
  class: "information",
  schema: noBody,
  serve: () => {
    throw new TypeError("a mistake in a service");
  },
};
const slow: SlowService<{ fee: number; ms: number; fails: boolean }> = {
  name: "slow",
  class: "calculation",
  schema: z.strictObject({ fee: z.number(), ms: z.number(), fails: z.boolean() }),
  mostFee: (body) => BigInt(body.fee),
  work: async (body) => {
    served++;
    await new Promise((resolve) => setTimeout(resolve, body.ms));
    if (body.fails) throw new ServiceError("REFUSED", { reason: "as asked" });
    return { body: "done", fee: BigInt(body.fee) };
  },
};
const services = [failing, broken, dear, slow] as unknown as NonNullable<Parameters<typeof newServer>[1]>["services"] &
  object;
const tariffs = {
  money: { ...MONEY, services: { ...MONEY.services, failing: 7, broken: 7, slow: 3 } },
  free: { ...FREE, services: { ...FREE.services, slow: 3 } },
  tied: { ...TIED, services: { ...TIED.services, dear: 0, slow: 0 } },
  index: { ...TIED, exhaustion: "index" },
  minutes: { asset: "MIN", rate: 3, perBox: 1, services: { echo: 0 } },
};
const assets = { TPD: { decimals: 2 }, MIN: { decimals: 0 } };
const start = (): Promise<Server> => newServer({ tariffs, assets }, { services });

beforeEach(() => {
  served = 0;
});

test("T-12 a sale at a price gives its value in the unit of the tariff; prices that are none are refused and open nothing", async () => {
  const server = await start();
  const money = await issue(server, { price: 250n });
  const minutes = await issue(server, { price: 20n, tariff: "minutes" });
  expect(showToken(server.token, money.name)).toMatchObject({ balance: 250n, asset: "TPD" });
  expect(showToken(server.token, minutes.name)).toMatchObject({ balance: 60n, asset: "MIN" });
  const before = server.token.store.transact(() => server.token.ledger.audit());
  for (const price of [0n, -1n, Number.NaN, Number.POSITIVE_INFINITY, 1.5]) {
    await expect(issue(server, { price: price as bigint })).rejects.toMatchObject({ code: "BAD_PRICE" });
  }
  expect(server.token.store.transact(() => server.token.ledger.audit())).toEqual(before);
  expectBalanced(server);
});

test("T-13 what 1,000 random requests cost is itemised, and the items are exactly what the value fell by", async () => {
  const server = await start();
  const { low, name } = await issue(server, { price: 1_000_000n, padLength: 16 * PAD });
  const caller = await linked(server, low);
  const answered: { id: Uint8Array; charged: number }[] = [];
  let sum = 0;
  for (let round = 0; round < 50; round++) {
    const asked = Array.from({ length: 20 }, () => {
      const pick = randomInt(10);
      const old = answered.slice(-100)[randomInt(Math.max(1, Math.min(100, answered.length)))];
      if (pick === 0 && old !== undefined) return { old, text: request("echo", new Uint8Array(1), old.id) };
      if (pick === 1) return { text: request("failing", {}) };
      return { text: request("echo", pick === 2 ? "no bytes" : randomBytes(randomInt(600))) };
    });
    caller.wire.send(...asked.flatMap(({ text }) => low.sealRun(text)));
    for (const { old } of asked) {
      const answer = (await caller.answer())!;
      if (old !== undefined) {
        expect(answer).toMatchObject({ id: old.id, charged: old.charged });
        continue;
      }
      sum += answer.charged;
      answered.push({ id: answer.id, charged: answer.charged });
    }
  }
  const { balance, account } = showToken(server.token, name);
  expect(1_000_000n - balance).toBe(BigInt(sum));
  const items = server.token.ledger.statement(account, 0, 10_000).map(({ amount }) => amount);
  expect(items.reduce((a, b) => a + b, 0n)).toBe(balance);
  expectBalanced(server);
});

test("T-13 a service that fails is not debited, neither fee nor traffic, and what it did is undone", async () => {
  const server = await start();
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  for (const service of ["failing", "broken"]) {
    const { split } = showToken(server.token, name);
    expect(await caller.ask(service, {})).toMatchObject({ ok: false, charged: 0, balance: 10_000 });
    expect(showToken(server.token, name)).toMatchObject({ split, balance: 10_000n });
  }
  const seller = server.token.store.transact(() => server.token.ledger.named("seller", "TPD", "seller"));
  expect(server.token.ledger.balance(seller).balance).toBe(0n);
  expectBalanced(server);
});

test("T-26 T-13 a service that nobody sells is refused and not debited, and the link goes on", async () => {
  const server = await start();
  const { low, name } = await issue(server, { price: 100n });
  const caller = await linked(server, low);
  for (const service of ["nothing-like-it", "compute2", "market", ""]) {
    const answer = await caller.ask(service, {});
    expect(answer).toMatchObject({ ok: false, charged: 0, balance: 100, error: { code: "SERVICE_UNKNOWN" } });
  }
  expect(showToken(server.token, name).balance).toBe(100n);
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ ok: true });
  expectBalanced(server);
});

test("an answer for which the pad has no room is PAD_EXHAUSTED and not charged, and a shorter one is served in the same link", async () => {
  const server = await start();
  const { low, name } = await issue(server, { padLength: 16 * PAGE });
  const caller = await linked(server, low);
  for (let part = 0; part < 8; part++) {
    const put = { action: "put", name: "file", offset: part * PAGE, bytes: new Uint8Array(PAGE), end: part === 7 };
    expect(await caller.ask("store", put)).toMatchObject({ ok: true });
  }
  const short = await caller.ask("store", { action: "get", name: "file", offset: 0, length: 8 * PAGE });
  const { balance } = showToken(server.token, name);
  expect(short).toMatchObject({ ok: false, charged: 0, balance: Number(balance), error: { code: "PAD_EXHAUSTED" } });
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ ok: true });
  expectBalanced(server);
});

test("T-13 a request that comes again under its id, also in another link, is answered as before and charged once", async () => {
  const server = await start();
  const { low, name } = await issue(server);
  const id = newId();
  const first = await linked(server, low);
  const answer = await first.ask("store", { action: "list" }, id);
  first.drop();
  const second = await linked(server, low);
  const { balance } = showToken(server.token, name);
  expect(await second.ask("store", { action: "list" }, id)).toEqual(answer);
  expect(showToken(server.token, name).balance).toBe(balance);
});

test("T-13 a slow service holds, works and is paid; when it fails nothing is", async () => {
  const server = await start();
  const { low, name } = await issue(server, { price: 100n });
  const caller = await linked(server, low);
  expect(await caller.ask("slow", { fee: 50, ms: 5, fails: false })).toMatchObject({
    ok: true,
    body: "done",
    charged: 54,
  });
  expect(await caller.ask("slow", { fee: 30, ms: 5, fails: true })).toMatchObject({ ok: false, charged: 0 });
  expect(await caller.ask("slow", { fee: 50, ms: 5, fails: false })).toMatchObject({
    ok: false,
    error: { code: "EXHAUSTED" },
  });
  expect(served).toBe(2);
  expect(showToken(server.token, name)).toMatchObject({ balance: 46n, held: 0n });
  expectBalanced(server);
});

test("T-13 the answer of a slow service whose line broke comes with the next link, and the same request waits for it", async () => {
  const server = await start();
  const { low, name } = await issue(server);
  const id = newId();
  const first = await linked(server, low);
  first.wire.send(...low.sealRun(request("slow", { fee: 5, ms: 300, fails: false }, id)));
  await until(() => showToken(server.token, name).held > 0n);
  first.drop();
  const second = await linked(server, low);
  second.wire.send(...low.sealRun(request("slow", { fee: 5, ms: 300, fails: false }, id)));
  expect(await second.answer()).toMatchObject({ id, ok: true, charged: 9 });
  expect(await second.answer()).toMatchObject({ id, ok: true, charged: 9 });
  expect(served).toBe(1);
  expect(showToken(server.token, name)).toMatchObject({ balance: 9991n, held: 0n });
});

test("T-14 at value 0 every service stops with EXHAUSTED, nothing is served, and a receipt says that the link ends", async () => {
  const server = await start();
  const { low, name } = await issue(server, { price: 8n });
  const caller = await linked(server, low);
  await caller.ask("echo", new Uint8Array(1));
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ balance: 0 });
  for (const [service, body] of [
    ["echo", new Uint8Array(1)],
    ["store", { action: "list" }],
    ["slow", { fee: 0, ms: 0, fails: false }],
  ] as const) {
    const again = service === "echo" ? caller : await linked(server, low);
    expect(await again.ask(service, body)).toMatchObject({
      ok: false,
      charged: 0,
      balance: 0,
      error: { code: "EXHAUSTED" },
    });
    expect(await again.receipt()).toMatchObject({ balance: 0n, ends: true });
    expect(await again.answer()).toBe(null);
  }
  expect(served).toBe(0);
  expect(showToken(server.token, name).balance).toBe(0n);
});

test("T-14 of requests that race for the last unit exactly one is served, in one link and across tokens of one account", async () => {
  const server = await start();
  const one = await issue(server, { price: 4n });
  const { account } = showToken(server.token, one.name);
  const callers = [await linked(server, one.low)];
  for (let i = 0; i < 5; i++) {
    const { low } = await issue(server, { price: 1n, account });
    callers.push(await linked(server, low));
  }
  // 9 units for 6 tokens, of which each asks twice at once, at 4 units.
  const answers = await Promise.all(
    callers.map(async (caller) => {
      caller.wire.send(...[1, 2].flatMap(() => caller.low.sealRun(request("echo", new Uint8Array(1)))));
      return [await caller.answer(), await caller.answer()];
    }),
  );
  expect(answers.flat().filter((answer) => answer?.ok).length).toBe(2);
  expect(server.token.ledger.balance(account).balance).toBe(1n);
  expectBalanced(server);
});

test("what a link may cost is bounded by its cap: beyond it nothing is debited, until the device allows more", async () => {
  const server = await start();
  const { low, name } = await issue(server);
  const caller = await linked(server, low, { cap: 5n });
  expect(caller.receipts[0]).toMatchObject({ open: 5n });
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ ok: true, charged: 4 });
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({
    ok: false,
    charged: 0,
    error: { code: "CAP_EXCEEDED" },
  });
  caller.wire.send(low.state({ more: 3n }));
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ ok: true, charged: 4 });
  caller.wire.send(low.state({ more: 100n }));
  // The link is over: nothing more may be debited in it.
  expect(await caller.end()).toMatchObject({ open: 0n, balance: 9992n });
  expect(showToken(server.token, name).balance).toBe(9992n);
});

test("a STATE that is sent again from an earlier link neither raises the cap of this one nor ends it for being behind", async () => {
  const server = await start();
  const { low } = await issue(server);
  const first = await linked(server, low, { cap: 5n });
  await first.ask("echo", new Uint8Array(1));
  // It raises the cap of its link to 1,005, and does not arrive; an answer is released behind it.
  low.released = 0;
  const state = low.state({ more: 1000n });
  low.release();
  const question = low.seal("last", request("echo", new Uint8Array(1)));
  first.drop();

  const second = new Caller(server, low);
  second.wire.send(low.call());
  const welcome = (await second.wire.next())!.bytes;
  second.wire.send(low.ready(welcome, { cap: 5n, again: low.up }), state, question);
  expect(await second.answer()).toMatchObject({ ok: true, charged: 4 });
  expect(await second.ask("echo", new Uint8Array(1))).toMatchObject({ charged: 0, error: { code: "CAP_EXCEEDED" } });
  second.wire.send(low.state({ more: 3n }));
  expect(await second.ask("echo", new Uint8Array(1))).toMatchObject({ ok: true, charged: 4 });
});

test("T-26 the catalogue lists what this token is sold, at its own tariff's prices", async () => {
  const server = await start();
  const listed = async (tariff: string) => {
    const { body } = (await (await linked(server, (await issue(server, { tariff })).low)).ask("catalogue", {}))!;
    const { services } = body as { services: { name: string; fee: number }[] };
    return Object.fromEntries(services.map(({ name, fee }) => [name, fee]));
  };
  expect(await listed("free")).toEqual({ ...FREE.services, slow: 3 });
  // Those that a program adds to its server as well.
  expect(await listed("money")).toMatchObject({ store: 5, echo: 0, compute: 0, failing: 7, slow: 3 });
});

test("a token is granted room when it asks, and when it comes to the end of its own, and neither for a call nor for what it releases", async () => {
  const server = await start();
  const { low, name } = await issue(server, { tariff: "free" });
  let caller = await linked(server, low);
  const { split } = low;
  for (let link = 0; link < 3; link++) {
    caller.wire.send(low.state());
    await caller.settle();
    low.release();
    caller.drop();
    caller = await linked(server, low);
  }
  expect(low.split).toBe(split);
  expect(() => low.sealRun(request("echo", new Uint8Array(40_000)))).toThrow("NEED_GRANT");
  caller.wire.send(low.state({ wantsRoom: true }));
  expect(low.open((await caller.wire.next())!.bytes)).toMatchObject({ kind: "grant" });
  expect(await caller.ask("echo", new Uint8Array(40_000))).toMatchObject({ ok: true });
  // Without a word it goes on as well, in small pieces.
  const before = low.split;
  while (low.split === before) {
    caller.wire.send(...low.sealRun(request("echo", new Uint8Array(3000))));
    await caller.settle();
  }
  // Half of what is left is for answers, whatever is asked for.
  for (let i = 0; i < 9; i++) {
    caller.wire.send(low.state({ wantsRoom: true }));
    await caller.settle();
  }
  const { left } = showToken(server.token, name);
  expect(low.room).toBeGreaterThan(left * 0.45);
  expect(low.room).toBeLessThan(left * 0.51);
});

/** How the traffic goes, what is asked for so many bytes of it, and what share of the pad may be left. */
const WAYS: readonly [way: string, ask: (bytes: number) => [service: string, body: unknown], unused: number][] = [
  ["both ways alike", (bytes) => ["echo", new Uint8Array(bytes)], 0.01],
  ["up", (bytes) => ["store", { action: "put", name: "a", offset: 0, bytes: new Uint8Array(bytes), end: true }], 0.01],
  ["down", (bytes) => ["store", { action: "get", name: "file", offset: 0, length: bytes }], 0.04],
];

test.each(WAYS)("a small pad is used to its end when what it carries goes %s", async (_way, ask, unused) => {
  const server = await start();
  const { low, name } = await issue(server, { tariff: "free", padLength: 12 * PAGE });
  const { left: all } = showToken(server.token, name);
  const caller = await linked(server, low);
  const put = { action: "put", name: "file", offset: 0, bytes: new Uint8Array(1000), end: true };
  expect(await caller.ask("store", put)).toMatchObject({ ok: true });
  for (let most = 1000; most >= 1; ) {
    const answer = await caller.ask(...ask(most)).catch(() => null);
    if (answer?.ok !== true) most = Math.floor(most / 2);
    if (caller.wire.ended) break;
  }
  expect(showToken(server.token, name).left).toBeLessThan(all * unused);
});

test("T-15 with money a credit re-enables an empty account within its link, and a second token adds to the same account", async () => {
  const server = await start();
  const { low, name } = await issue(server, { price: 4n });
  const caller = await linked(server, low);
  await caller.ask("echo", new Uint8Array(1));
  const receipt = caller.receipt();
  creditToken(server.token, name, 10n, "top-up 1");
  creditToken(server.token, name, 10n, "top-up 1");
  expect(await receipt).toMatchObject({ balance: 10n, ends: false });
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ ok: true, balance: 6 });
  const { account } = showToken(server.token, name);
  const second = await issue(server, { price: 100n, account });
  expect(second.low.receipt.balance).toBe(106n);
  expect(showToken(server.token, name).balance).toBe(106n);
  expectBalanced(server);
});

test("T-15 a value that is the pad takes no credit, whether its bytes are destroyed or only marked as used", async () => {
  const server = await start();
  for (const tariff of ["tied", "index"]) {
    const { low, name } = await issue(server, { tariff, price: 1000n });
    expect(() => creditToken(server.token, name, 10n, tariff)).toThrow(expect.objectContaining({ code: "TOKEN_TIED" }));
    const caller = await linked(server, low);
    for (let i = 0; i < 4; i++) await caller.ask("echo", randomBytes(3000));
    await caller.end();
    server.token.vault.flush();
    const first = () => server.token.vault.read(name, upBase(low.shape) + 4096, new Uint8Array(16));
    if (tariff === "index") expect(first).not.toThrow();
    else expect(first).toThrow(expect.objectContaining({ code: "PAGE_BURNED" }));
  }
});

test("T-03 T-20 a value of 1,000 units that is the pad: after 400 both ends show 600, after 1,000 both show 0 and nothing more passes", async () => {
  const server = await start();
  const { low, name } = await issue(server, { tariff: "tied", price: 1000n });
  const { left: all } = showToken(server.token, name);
  let caller = await linked(server, low);
  const used = () => all - showToken(server.token, name).left;
  // Boxes of such a size that exactly 400 of 1,000 parts of the pad are used, the last receipt included.
  const goal = Math.ceil(all * 0.4);
  const last = boxCost(48, 1) + boxCost(20, 1);
  while (goal - used() - last > 20_000) {
    await caller.ask("echo", new Uint8Array(4000));
    if (low.room < 9000) caller.wire.send(low.state());
  }
  const spare = goal - used() - last;
  await exactly(caller, spare);
  expect(await caller.end()).toMatchObject({ balance: 600n });
  expect(low.receipt.balance).toBe(600n);
  expect(showToken(server.token, name)).toMatchObject({ balance: 600n });

  // To the end: then both show 0.
  caller = await linked(server, low);
  for (;;) {
    const room = Math.min(low.room, 4000) - runCost(40, 1).padBytes - 100;
    if (room < 1) break;
    const answer = await caller.ask("echo", new Uint8Array(Math.max(1, Math.min(room, 3900))));
    if (answer === null || !answer.ok) break;
    if (caller.receipts.at(-1)?.ends) break;
  }
  if (!caller.wire.ended) caller.drop();
  while (low.receipt.balance !== 0n) {
    const again = await linked(server, low);
    while ((await again.ask("echo", new Uint8Array(1)).catch(() => null))?.ok) {}
    again.drop();
  }
  expect(showToken(server.token, name)).toMatchObject({ balance: 0n, closed: true });
  const spent = await linked(server, low);
  while ((await spent.receipt()) !== null) {}
  expect(spent.receipts.at(-1)).toMatchObject({ balance: 0n, closed: true, ends: true });
  // What could not be used any more, because no box fits into it.
  const tail = server.token.ledger.balance(server.token.account("tail", "TPD")).balance;
  expect(tail).toBeLessThan(20n);
  expectBalanced(server);
}, 30_000);

test("T-03 a tied token that has made all its calls before it used its pad: the operator ends its value with it, or moves it", async () => {
  const server = await start();
  const names: string[] = [];
  for (let i = 0; i < 2; i++) {
    const { low, name } = await issue(server, { tariff: "tied", price: 1000n, padLength: 8 * PAGE });
    names.push(name);
    for (let call = 0; call < low.shape.slots.low; call++) {
      const caller = await linked(server, low);
      await caller.ask("echo", new Uint8Array(100));
      await caller.end();
      caller.drop();
    }
    const { calls, slots, closed } = showToken(server.token, name);
    expect({ calls, closed }).toEqual({ calls: slots, closed: false });
  }
  const [ended, moved] = names as [string, string];
  const { balance, left, padLength } = showToken(server.token, ended);
  expect(balance).toBeGreaterThan(0n);
  expect(left).toBeLessThan(padLength);
  cancelToken(server.token, ended, "ends");
  expect(showToken(server.token, ended)).toMatchObject({ balance: 0n, closed: true, state: "cancelled" });
  const tail = server.token.ledger.balance(server.token.account("tail", "TPD")).balance;
  expect(tail).toBe(balance);
  const { account } = showToken(server.token, moved);
  cancelToken(server.token, moved);
  const heir = await issue(server, { tariff: "money", price: 1n, account });
  expect(showToken(server.token, heir.name).balance).toBe(balance + 1n);
  const money = await issue(server);
  expect(() => cancelToken(server.token, money.name, "ends")).toThrow(
    expect.objectContaining({ code: "TOKEN_NOT_TIED" }),
  );
  expectBalanced(server);
});

/** Uses exactly so many pad bytes, both ways together, in requests to echo. */
async function exactly(caller: Caller, bytes: number): Promise<void> {
  const start = caller.low.up + caller.low.down;
  const left = () => bytes - (caller.low.up + caller.low.down - start);
  // Answers carry the body and numbers whose length may differ: what is over is filled up with a text that is no request.
  while (left() > 3 * 4300) await caller.ask("echo", new Uint8Array(Math.min(3500, left() / 4)));
  while (left() > 800) await caller.ask("echo", new Uint8Array(Math.max(1, Math.min(300, Math.floor(left() / 8)))));
  const probe = caller.low.up + caller.low.down;
  caller.wire.send(caller.low.seal("last", new Uint8Array(1)));
  await caller.answer();
  const bad = caller.low.up + caller.low.down - probe;
  const rest = left() - bad;
  if (rest < 0) throw new Error(`${rest} bytes are too few`);
  caller.wire.send(caller.low.seal("last", new Uint8Array(rest + 1)));
  await caller.answer();
  if (left() !== 0) throw new Error(`${left()} bytes are left over`);
}

test("T-20 what the device shows is the server's, after each link", async () => {
  const server = await start();
  const { low, name } = await issue(server);
  for (let link = 0; link < 5; link++) {
    const caller = await linked(server, low);
    for (let i = 0; i < link; i++) await caller.ask("echo", randomBytes(100));
    await caller.end();
    expect(low.receipt.balance).toBe(showToken(server.token, name).balance);
  }
});

test("a service that asks a fee of its own is refused to a token whose value is its pad, and what it did is undone", async () => {
  const server = await start();
  const { low } = await issue(server, { tariff: "tied", price: 1000n });
  const caller = await linked(server, low);
  const seller = () => server.token.store.transact(() => server.token.ledger.named("seller", "TPD", "dear"));
  expect(await caller.ask("dear", {})).toMatchObject({ ok: false, charged: 0, error: { code: "REFUSED" } });
  expect(server.token.ledger.balance(seller()).balance).toBe(0n);
  expect(await caller.ask("slow", { fee: 5, ms: 0, fails: false })).toMatchObject({
    ok: false,
    error: { code: "REFUSED" },
  });
  expect(served).toBe(0);
  expectBalanced(server);
});

test("T-16 what a token earned at the rate of half pays half of its traffic, and its own value the rest", async () => {
  const server = await start();
  const { low, name } = await issue(server);
  const { store, ledger } = server.token;
  const { account } = showToken(server.token, name);
  const pad = server.token.pads.named(name)!.pad;
  const earnings = store.transact(() => {
    const earned = ledger.named("seller", "TPD", `${pad}`);
    ledger.transfer({
      key: "earned",
      from: ledger.named("issue", "TPD", "issue"),
      to: earned,
      amount: 3n,
      reason: "sale",
    });
    store.db.prepare("INSERT INTO earnings (pad, account) VALUES (?, ?)").run(pad, earned);
    return earned;
  });
  const caller = await linked(server, low);
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ charged: 2, balance: 9998 });
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ charged: 3, balance: 9995 });
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ charged: 4, balance: 9991 });
  expect(ledger.balance(earnings).balance).toBe(0n);
  expect(ledger.balance(account).balance).toBe(9991n);
  expectBalanced(server);
});

test("a token that was issued and then given up leaves no value behind, and cannot call", async () => {
  const server = await start();
  const issuing = server.issue({ padLength: PAD, burnUnit: 1, tariff: "money", price: 77n });
  issuing.write(randomBytes(PAD));
  const name = issuing.finish();
  issuing.discard();
  issuing.discard();
  expect(showToken(server.token, name)).toMatchObject({ state: "cancelled", balance: 0n });
  expect(() => server.token.vault.read(name, 0, new Uint8Array(1))).toThrow(
    expect.objectContaining({ code: "PAD_MISSING" }),
  );
  const unfinished = server.issue({ padLength: PAD, burnUnit: 1, tariff: "money", price: 77n });
  unfinished.discard();
  expectBalanced(server);
});
