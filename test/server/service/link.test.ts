// Services through a link to a real server: what a token pays, what it reads, and what the line and the disk show of it.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { creditToken, showToken } from "../../../server/index.ts";
import { registeredPad } from "../../../server/service/index.ts";
import { type Caller, config, expectBalanced, issue, linked, newServer, request } from "../token/world.ts";
import { moduleOf, run } from "./module.ts";

const TARIFFS = {
  money: {
    asset: "TPD",
    perBox: 1,
    perKiB: 2,
    services: {
      echo: 0,
      catalogue: 0,
      statement: 0,
      store: 5,
      compute: 1,
      market: 0,
      register: 0,
      goods: 0,
      software: 0,
    },
  },
};
const SERVICES = {
  goods: [{ item: "coffee", asset: "TPD", price: 250 }],
  compute: { fuelPerUnit: 1000, mostFuel: 1_000_000 },
  commission: 200,
};
const CHANGES = { tariffs: TARIFFS, services: SERVICES };

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const sum = (range: string, mostFee: number) => ({ action: "run", program: "sum", input: text(range), mostFee });

async function paid(
  caller: Caller,
  service: string,
  body: unknown,
): Promise<{ charged: number; body: unknown; code?: string }> {
  const answer = await caller.ask(service, body);
  if (answer === null) throw new Error("the link has ended");
  return {
    charged: answer.charged,
    body: answer.body,
    ...(answer.error === undefined ? {} : { code: answer.error.code }),
  };
}

test("T-25 the user reads 5050, and pays its fee beside the traffic; T-27 neither input nor output is on the line or the disk", async () => {
  const server = await newServer(config(CHANGES));
  const { low } = await issue(server, { price: 10_000n });
  const caller = await linked(server, low);
  const first = await caller.ask("catalogue", {});
  const sent = low.sealRun(request("compute", sum("1..100", 9)));
  caller.wire.send(...sent);
  const answer = await caller.answer();
  expect(answer).toMatchObject({ ok: true, body: { output: text("5050"), fee: 2 } });
  // One box each way of 1 each, less than 1 KiB of pad at 2 each, and the fee.
  expect(answer?.charged).toBe(2 + 2 + 2);
  expect(answer?.balance).toBe((first?.balance ?? 0) - 6);

  const refused = await caller.ask("compute", sum("1..1000000", 3));
  expect(refused).toMatchObject({ ok: false, error: { code: "FEE_TOO_HIGH" } });
  const failed = await caller.ask("compute", sum("no numbers", 3));
  expect(failed).toMatchObject({ ok: false, error: { code: "PROGRAM_FAILED" } });
  for (const { charged } of [refused, failed] as { charged: number }[]) expect(charged).toBe(0);

  const shown = Buffer.concat([...sent, ...caller.wire.seen]);
  const disk = readdirSync(server.directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
  for (const secret of ["1..100", "5050"]) expect(shown.includes(secret)).toBe(false);
  for (const file of disk) expect(file.includes("1..1000000")).toBe(false);
  expectBalanced(server);
});

test("T-13 the owner reads what moved on his account, item by item, and nothing of other tokens", async () => {
  const server = await newServer(config(CHANGES));
  const [{ low, name }, other] = [await issue(server, { price: 1000n }), await issue(server, { price: 77n })];
  const caller = await linked(server, low);
  await (await linked(server, other.low)).ask("echo", new Uint8Array(1));
  const stored = await paid(caller, "store", { action: "list" });
  const echoed = await paid(caller, "echo", new Uint8Array(3000));
  creditToken(server.token, name, 50n, "top-up");
  const { body } = await paid(caller, "statement", { last: 256 });
  const { entries } = body as { entries: { at: number; amount: number; balance: number; reason: string }[] };
  expect(entries.map(({ amount, reason }) => [reason, amount])).toEqual([
    ["issue", 1000],
    ["traffic", 5 - stored.charged],
    ["service", -5],
    ["traffic", -echoed.charged],
    ["credit", 50],
  ]);
  let balance = 0;
  for (const entry of entries) {
    balance += entry.amount;
    expect(entry).toMatchObject({ balance, at: expect.any(Number) });
  }
  // The last ones, with what the statement itself cost.
  const again = (await paid(caller, "statement", { last: 2 })).body as typeof body & { entries: typeof entries };
  expect(again.entries.map(({ reason }) => reason)).toEqual(["credit", "traffic"]);
  for (const wrong of [{}, { last: 0 }, { last: 257 }, { last: 1, account: 1 }]) {
    expect((await paid(caller, "statement", wrong)).code).toBe("BAD_BODY");
  }
});

test("T-27 T-13 a program that loops or traps is an error for the user and no debit, and the next one runs", async () => {
  const compute = { fuelPerUnit: 1000, mostFuel: 2_000_000 };
  const server = await newServer(config({ ...CHANGES, services: { ...SERVICES, compute } }));
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  const loops = moduleOf({ functions: [run([3, 0x40, 0x0c, 0, 0x0b])] });
  const traps = moduleOf({ functions: [run([0])] });
  for (const program of [loops, traps, text("no program")]) {
    const answer = await caller.ask("compute", { action: "run", program, input: text(""), mostFee: 5000 });
    expect(answer).toMatchObject({ ok: false, charged: 0, balance: 10_000, error: { code: "PROGRAM_FAILED" } });
  }
  expect(showToken(server.token, name)).toMatchObject({ balance: 10_000n, held: 0n });
  expect(await caller.ask("compute", sum("1..100", 9))).toMatchObject({ ok: true, charged: 6 });
  expectBalanced(server);
});

test("T-27 hosted programs stop when the value is used up, which is never below zero", async () => {
  const server = await newServer(config(CHANGES));
  const { low } = await issue(server, { price: 100n });
  const caller = await linked(server, low);
  let served = 0;
  for (;;) {
    const answer = await caller.ask("compute", sum("1..100", 2));
    if (answer?.ok !== true) break;
    served += 1;
  }
  expect(served).toBeGreaterThan(5);
  expectBalanced(server);
});

test("T-16 T-52 one token sells to another: the buyer pays price and traffic, the seller's value rises, within one cap", async () => {
  const server = await newServer(config(CHANGES));
  const seller = await linked(server, (await issue(server)).low);
  const buyer = await linked(server, (await issue(server)).low, { cap: 300n });
  const result = text("a result");
  const digest = new Uint8Array(createHash("sha256").update(result).digest());
  const offer = { action: "offer", name: "result", price: 100, digest, bytes: result, into: "value" };
  await paid(seller, "market", offer);
  const before = (await seller.ask("catalogue", {}))?.balance ?? 0;

  const bought = await paid(buyer, "market", { action: "buy", name: "result", price: 100, digest });
  expect(bought).toMatchObject({ charged: 100 + 4, body: { bytes: result } });
  const after = await seller.ask("catalogue", {});
  expect((after?.balance ?? 0) + (after?.charged ?? 0)).toBe(before + 80);

  expect((await paid(seller, "market", { action: "buy", name: "result", price: 100, digest })).code).toBe(
    "SELF_DEALING",
  );
  expect((await paid(buyer, "market", { action: "buy", name: "result", price: 100, digest })).charged).toBe(104);
  // A third one is above the cap of this link: nothing moves.
  expect(await paid(buyer, "market", { action: "buy", name: "result", price: 100, digest })).toMatchObject({
    code: "CAP_EXCEEDED",
    charged: 0,
  });
  const { store } = server.token;
  const clearing = "SELECT balance FROM account JOIN clearing ON account.id = clearing.account";
  expect(store.db.prepare(clearing).pluck().get()).toBe(0);
  expectBalanced(server);
});

test("T-16 what is earned into earnings makes later traffic cheaper by half, until it is used up; what was not delivered, or sold to oneself, does not", async () => {
  const server = await newServer(config({ ...CHANGES, services: { ...SERVICES, commission: 0 } }));
  const seller = await linked(server, (await issue(server)).low);
  const buyer = await linked(server, (await issue(server)).low);
  const [result, other] = [text("a result"), text("something else")];
  const digest = new Uint8Array(createHash("sha256").update(result).digest());
  const offer = { action: "offer", name: "result", price: 5, digest, bytes: result, into: "earnings" };
  const buy = { action: "buy", name: "result", price: 5, digest };
  const usual = (await paid(seller, "echo", new Uint8Array(1))).charged;
  expect(usual).toBe(4);

  expect((await paid(seller, "market", { ...offer, bytes: other })).code).toBe("NOT_VERIFIED");
  expect(await paid(seller, "market", offer)).toMatchObject({ charged: usual });
  expect((await paid(seller, "market", buy)).code).toBe("SELF_DEALING");
  expect((await paid(seller, "echo", new Uint8Array(1))).charged).toBe(usual);

  expect((await paid(buyer, "market", buy)).charged).toBe(5 + usual);
  // 5 were earned: they pay half of two requests, and what is left of them of the third.
  const rates: number[] = [];
  for (let i = 0; i < 4; i++) rates.push((await paid(seller, "echo", new Uint8Array(1))).charged);
  expect(rates).toEqual([usual / 2, usual / 2, usual - 1, usual]);
  expect((await paid(buyer, "echo", new Uint8Array(1))).charged).toBe(usual);
  expectBalanced(server);
});

test("T-26 T-46 an order is confirmed by a code, and the owner's number finds the pad", async () => {
  const server = await newServer(config(CHANGES));
  const { low } = await issue(server);
  const caller = await linked(server, low);
  const order = await paid(caller, "goods", { action: "order", item: "coffee", count: 2 });
  expect(order.charged).toBe(500 + 4);
  expect(order.body).toMatchObject({ code: expect.stringMatching(/^[0-9A-Z]{16}$/) });
  await paid(caller, "register", { number: "20260017" });
  expect(registeredPad(server.token.store, "20260017")).not.toBe(null);
  expect((await paid(caller, "register", { number: "20260018" })).code).toBe("REFUSED");
  expect(
    (await paid(caller, "goods", { action: "order", item: "coffee", count: 1, address: "Main Street" })).code,
  ).toBe("BAD_BODY");
  expectBalanced(server);
});
