// Money behind a restore: what a device's receipt says of the value, what it cannot say of earnings, and what moved since.

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import * as z from "zod";
import { cancelToken, createServer, creditToken, resolveDoubt, type Server, showToken } from "../../../server/index.ts";
import type { SlowService } from "../../../server/service/index.ts";
import {
  type Answer,
  type Caller,
  config,
  crashed,
  expectBalanced,
  issue,
  linked,
  MONEY,
  request,
  restore,
  scratch,
  startServer,
  stop,
  type Token,
  until,
} from "./world.ts";

const GOODS = new TextEncoder().encode("what is sold");
const DIGEST = new Uint8Array(createHash("sha256").update(GOODS).digest());
const BUY = { action: "buy", name: "goods", price: 100, digest: DIGEST };

let release: (() => void) | null = null;
/** Works until it is told to be done. */
const slow: SlowService<object> = {
  name: "slow",
  class: "calculation",
  schema: z.strictObject({}),
  mostFee: () => 50n,
  work: (_body, signal) =>
    new Promise((resolve, reject) => {
      release = () => resolve({ body: "done", fee: 50n });
      signal.addEventListener("abort", () => reject(new Error("stopped")));
    }),
};
const OPTIONS = { services: [slow] as unknown as [] };
const TARIFFS = { money: { ...MONEY, services: { ...MONEY.services, market: 0, slow: 0 } } };

/** A server, a seller who offers goods, and a buyer who has done nothing yet. */
async function market(into: "value" | "earnings"): Promise<{
  directory: string;
  server: Server;
  seller: Token;
  buyer: Token;
  third: Token;
}> {
  const directory = scratch();
  createServer(directory, config({ tariffs: TARIFFS }));
  const server = await startServer(directory, OPTIONS);
  const [seller, buyer, third] = [await issue(server), await issue(server), await issue(server)];
  await inALink(server, seller, "market", {
    action: "offer",
    name: "goods",
    price: 100,
    digest: DIGEST,
    bytes: GOODS,
    into,
  });
  return { directory, server, seller, buyer, third };
}

/** One request in a link of its own, which ends in order. */
async function inALink(server: Server, { low }: Token, service: string, body: unknown): Promise<Answer> {
  const caller = await linked(server, low);
  const answer = await caller.ask(service, body);
  await caller.end();
  caller.drop();
  return answer!;
}

const echo = (server: Server, token: Token): Promise<Answer> => inALink(server, token, "echo", new Uint8Array(9));
const view = (server: Server, { name }: Token) => showToken(server.token, name);

async function putBack(server: Server, backup: string, directory: string): Promise<Server> {
  await stop(server);
  restore(backup, directory);
  return startServer(directory, OPTIONS);
}

test("T-51 what a token sells into its value behind a restore, and before its first call, stays its own", async () => {
  const { directory, server, seller, buyer } = await market("value");
  const backup = crashed(directory);
  for (let i = 0; i < 3; i++) await echo(server, seller);
  const { balance } = view(server, seller);
  const other = await putBack(server, backup, directory);
  expect(await inALink(other, buyer, "market", BUY)).toMatchObject({ ok: true });
  const { charged } = await echo(other, seller);
  expect(view(other, seller)).toMatchObject({ inDoubt: false, balance: balance + 100n - BigInt(charged) });
  expectBalanced(other);
});

test("T-51 while a token is in doubt no credit is taken for it: nobody knows whether its receipt has it; afterwards it is", async () => {
  const { directory, server, seller, buyer } = await market("value");
  const backup = crashed(directory);
  creditToken(server.token, seller.name, 1000n, "order 1");
  await echo(server, seller);
  const { balance } = view(server, seller);
  const other = await putBack(server, backup, directory);
  expect(() => creditToken(other.token, seller.name, 1000n, "order 1")).toThrow(
    expect.objectContaining({ code: "TOKEN_IN_DOUBT" }),
  );
  const { account } = view(other, seller);
  await expect(issue(other, { account })).rejects.toMatchObject({ code: "TOKEN_IN_DOUBT" });
  creditToken(other.token, buyer.name, 7n, "order 2");
  const { charged } = await echo(other, seller);
  expect(view(other, seller)).toMatchObject({ inDoubt: false, balance: balance - BigInt(charged) });
  creditToken(other.token, seller.name, 1000n, "order 3");
  expect(view(other, seller).balance).toBe(balance - BigInt(charged) + 1000n);
  expectBalanced(other);
});

test("T-51 earnings that were collected before a restore are not collected again: they are in doubt until the operator says what is right", async () => {
  const { directory, server, seller, buyer, third } = await market("earnings");
  for (let i = 0; i < 2; i++) await inALink(server, buyer, "market", BUY);
  const backup = crashed(directory);
  expect(await inALink(server, seller, "market", { action: "collect" })).toMatchObject({ body: { collected: 200 } });
  const { balance } = view(server, seller);
  const other = await putBack(server, backup, directory);
  expect(view(other, seller)).toMatchObject({ earningsInDoubt: 200n });
  // What is sold since is beyond doubt.
  await inALink(other, third, "market", BUY);
  const again = await inALink(other, seller, "market", { action: "collect" });
  expect(again).toMatchObject({ ok: true, body: { collected: 100 } });
  expect(view(other, seller)).toMatchObject({ inDoubt: false, earningsInDoubt: 200n });
  expect(view(other, seller).balance).toBe(balance + 100n - BigInt(again.charged));
  expectBalanced(other);

  resolveDoubt(other.token, seller.name, { earnings: 50n });
  expect(view(other, seller).earningsInDoubt).toBe(0n);
  expect(await inALink(other, seller, "market", { action: "collect" })).toMatchObject({ body: { collected: 50 } });
  expectBalanced(other);
});

test("T-51 earnings in doubt pay for no traffic, and are the token's again when the operator says that they are right", async () => {
  const { directory, server, seller, buyer } = await market("earnings");
  await inALink(server, buyer, "market", BUY);
  const backup = crashed(directory);
  await echo(server, seller);
  const other = await putBack(server, backup, directory);
  expect(await echo(other, seller)).toMatchObject({ charged: 4 });
  resolveDoubt(other.token, seller.name);
  expect(await echo(other, seller)).toMatchObject({ charged: 2 });
  expect(view(other, seller)).toMatchObject({ inDoubt: false, earningsInDoubt: 0n });
  expectBalanced(other);
});

test("T-51 what was debited behind the newest receipt is not forgotten with the books: its token stays in doubt until the operator says what it has", async () => {
  const { directory, server, seller } = await market("value");
  const backup = crashed(directory);
  const caller = await linked(server, seller.low);
  for (let i = 0; i < 3; i++) await caller.ask("echo", new Uint8Array(9));
  const { balance } = view(server, seller);
  const other = await putBack(server, backup, directory);
  await echo(other, seller);
  expect(view(other, seller)).toMatchObject({ inDoubt: true });
  resolveDoubt(other.token, seller.name, { balance });
  expect(view(other, seller)).toMatchObject({ inDoubt: false, balance });
  expectBalanced(other);
});

test("T-51 a slow service that is paid behind a receipt is followed by another one", async () => {
  const { directory, server, seller } = await market("value");
  const backup = crashed(directory);
  const first = await linked(server, seller.low);
  first.wire.send(...seller.low.sealRun(request("slow", {})));
  await until(() => release !== null);
  first.drop();
  seller.low.release();
  const second: Caller = await linked(server, seller.low);
  // It was sealed while the service worked.
  expect(second.receipts[0]).toMatchObject({ up: seller.low.up });
  release?.();
  expect(await second.answer()).toMatchObject({ ok: true });
  expect(await second.receipt()).toMatchObject({ balance: view(server, seller).balance });
  const { balance } = view(server, seller);
  const other = await putBack(server, backup, directory);
  const { charged } = await echo(other, seller);
  expect(view(other, seller)).toMatchObject({ inDoubt: false, balance: balance - BigInt(charged) });
});

test("T-51 a token that shares the account of one in doubt is in doubt as well; one that was cancelled shares nothing", async () => {
  const { directory, server, seller } = await market("value");
  const { account } = view(server, seller);
  const idle = await issue(server, { account });
  const gone = await issue(server);
  const heir = await issue(server, { account: view(server, gone).account });
  cancelToken(server.token, gone.name);
  const backup = crashed(directory);
  await echo(server, seller);
  await echo(server, heir);
  const other = await putBack(server, backup, directory);
  expect(await inALink(other, idle, "store", { action: "list" })).toMatchObject({ error: { code: "IN_DOUBT" } });
  expect(await inALink(other, heir, "store", { action: "list" })).toMatchObject({ ok: true });
  expectBalanced(other);
});

test("T-51 a second restore, to books that were in doubt, takes nothing away that came between the two", async () => {
  const { directory, server, seller, buyer } = await market("value");
  const backup = crashed(directory);
  await echo(server, seller);
  const { balance } = view(server, seller);
  const second = await putBack(server, backup, directory);
  await inALink(second, buyer, "market", BUY);
  const inDoubt = crashed(directory);
  await echo(second, seller);
  const third = await putBack(second, inDoubt, directory);
  const { charged } = await echo(third, seller);
  expect(view(third, seller)).toMatchObject({ inDoubt: false, balance: balance + 100n - 4n - BigInt(charged) });
  expectBalanced(third);
});

test("twins that books know nothing of, since they were issued behind the backup, are counted at the start", async () => {
  const { directory, server } = await market("value");
  const backup = crashed(directory);
  const { low } = await issue(server);
  const other = await putBack(server, backup, directory);
  expect(other.recovery).toMatchObject({ restored: 0, unknown: 1 });
  await expect(linked(other, low)).rejects.toThrow("refused");
});
