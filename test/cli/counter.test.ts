// An operator at the counter: goods for their codes, and tokens by the numbers that their owners chose.

import { beforeAll, expect, test } from "vitest";
import { FIRST_CONFIG } from "../../server/index.ts";
import { Desk } from "./shell.ts";
import { Shop, type Sold, type Statement, type Token } from "./shop.ts";

const desk = new Desk();
let shop: Shop;
let token: Sold;

/** A person at a terminal. */
const AT_TERMINAL = "process.stdin.isTTY = process.stderr.isTTY = true;";
const NUMBER = "20260017";

beforeAll(async () => {
  const goods = [{ item: "coffee", asset: "TPD", price: 250 }];
  shop = await Shop.open(desk, "srv", { assets: FIRST_CONFIG.assets, services: { goods } });
  token = await shop.sell("token.tearpad", 5000);
});

const ask = async <Body>(service: string, body: object): Promise<Body> => {
  const words = ["request", service, JSON.stringify(body), "--device", token.image];
  return (await shop.json<{ answer: Body }>(words)).answer;
};

test("T-26 an order's code is good for the goods once: asked for by what they are, and never without an answer", async () => {
  const { code } = await ask<{ code: string }>("goods", { action: "order", item: "coffee", count: 2 });
  const handOver = (...more: string[]) => ["goods", "hand-over", "srv", ...more];
  const order = { item: "coffee", count: 2 };
  const spoken = `${code.slice(0, 4)}-${code.slice(4)}`.toLowerCase();
  expect(await shop.json(["goods", "show", "srv", spoken])).toEqual({ ...order, handedOver: false });
  await desk.fails(2, "USAGE", handOver(code));
  await desk.fails(2, "USAGE", handOver(code), { preload: AT_TERMINAL, input: "yes\n" });
  const asked = await desk.run(handOver(code), { preload: AT_TERMINAL, input: "2 coffee\n" });
  expect([asked.status, String(asked.stdout)]).toEqual([0, "order      2 coffee, handed over\n"]);
  expect(asked.stderr).toContain("type: 2 coffee");
  expect(await shop.json(["goods", "show", "srv", code])).toEqual({ ...order, handedOver: true });
  const again = await desk.fails(25, "HANDED_OVER", handOver(code, "--yes"));
  expect(again.facts).toEqual(order);
  const unknown = await desk.fails(25, "ORDER_UNKNOWN", handOver("0000-1111-2222-3333", "--yes"));
  expect(JSON.stringify(unknown)).not.toContain("1111");
});

test("T-46 from its first use on a token is found by the number that its owner chose, which nobody else can have", async () => {
  const named = (number: string) => ["token", "show", "srv", `number:${number}`];
  expect(await shop.json<Token>(["token", "show", "srv", token.name])).toMatchObject({ number: null });
  await desk.fails(25, "TOKEN_UNKNOWN", named(NUMBER));
  await ask("register", { number: NUMBER });
  const shown = await shop.json<Token>(named(NUMBER));
  expect(shown).toMatchObject({ name: token.name, number: NUMBER, account: token.account });
  const statement = await shop.json<Statement & { token: string }>(["statement", "srv", `number:${NUMBER}`]);
  expect(statement).toMatchObject({ token: token.name, balance: shown.balance });
  expect(await shop.json(["token", "hold", "srv", `number:${NUMBER}`])).toMatchObject({ state: "held" });
  await desk.ok(["token", "activate", "srv", `number:${NUMBER}`]);

  const other = await shop.sell("other.tearpad", 100, "--account", `number:${NUMBER}`);
  expect(other.account).toBe(token.account);
  const taken = ["request", "register", JSON.stringify({ number: NUMBER }), "--device", other.image];
  expect((await desk.fails(22, "SERVICE_ERROR", taken)).facts.error).toBe("TAKEN");
  const second = ["request", "register", JSON.stringify({ number: "20260018" }), "--device", token.image];
  expect((await desk.fails(22, "SERVICE_ERROR", second)).facts.error).toBe("REFUSED");
  for (const wrong of ["", NUMBER.slice(1), `${NUMBER} `]) await desk.fails(25, "TOKEN_UNKNOWN", named(wrong));
});

test("to cancel for good wants the token's name typed at a terminal", async () => {
  const cancel = ["token", "cancel", "srv", `number:${NUMBER}`];
  await desk.fails(2, "USAGE", cancel, { preload: AT_TERMINAL, input: "y\n" });
  await desk.ok(cancel, { preload: AT_TERMINAL, input: `${token.name}\n` });
  expect((await shop.show(token)).state).toBe("cancelled");
});
