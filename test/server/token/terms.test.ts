// Terms that a server cannot keep are refused when it starts, and not found by a token in the middle of a request; and what a
// service does to the books that these do not take is a refusal, behind which the link goes on.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as z from "zod";
import { cancelToken, createServer, openOffice } from "../../../server/index.ts";
import type { PromptService } from "../../../server/service/index.ts";
import {
  config,
  expectBalanced,
  FREE,
  issue,
  linked,
  MONEY,
  newServer,
  scratch,
  silent,
  startServer,
  stop,
} from "./world.ts";

function change(directory: string, alter: (config: Record<string, never>) => object): void {
  const path = join(directory, "config.json");
  writeFileSync(path, JSON.stringify(alter(JSON.parse(readFileSync(path, "utf8")))));
}

test("a configuration that sells what there is not, for what there is not, or more than all of a price is refused by its place", async () => {
  const coffee = { item: "coffee", asset: "TPD", price: 2 };
  for (const [changes, at] of [
    [{ tariffs: { a: { asset: "TPD", services: { ecko: 1 } } } }, "tariffs.a.services.ecko"],
    [{ services: { commission: 1001 } }, "services.commission"],
    [{ services: { goods: [{ ...coffee, asset: "EUR" }] } }, "services.goods.0"],
    [{ services: { goods: [coffee, { ...coffee, price: 3 }] } }, "services.goods.1"],
    [{ services: { goods: [{ ...coffee, item: "" }] } }, "services.goods.0.item"],
    [{ services: { goods: [{ ...coffee, item: "Black Coffee" }] } }, "services.goods.0.item"],
  ] as const) {
    const directory = scratch();
    createServer(directory, config(changes));
    await expect(startServer(directory)).rejects.toMatchObject({ code: "CONFIG_INVALID", facts: { at } });
    await expect(openOffice(directory, { log: silent })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      facts: { at },
    });
  }
});

test("a tariff that tokens have stays, and stays in its asset, until the last of them is cancelled", async () => {
  const server = await newServer();
  const { name } = await issue(server);
  const { directory } = server;
  await stop(server);
  change(directory, (old) => ({ ...old, tariffs: { free: FREE } }));
  await expect(startServer(directory)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    facts: { at: "tariffs.money" },
  });
  const assets = { TPD: {}, EUR: {} };
  change(directory, (old) => ({ ...old, assets, tariffs: { money: { ...MONEY, asset: "EUR" } } }));
  const refused = { code: "CONFIG_INVALID", facts: { at: "tariffs.money.asset" } };
  await expect(startServer(directory)).rejects.toMatchObject(refused);
  change(directory, (old) => ({ ...old, tariffs: { money: MONEY } }));
  const again = await startServer(directory);
  cancelToken(again.token, name);
  await stop(again);
  change(directory, (old) => ({ ...old, assets: { EUR: {} }, tariffs: { euro: { asset: "EUR" } } }));
  await startServer(directory);
});

test("what a service asks of the books and they refuse is a refusal, free, and the link goes on", async () => {
  const poison: PromptService<object> = {
    name: "poison",
    class: "goods",
    schema: z.strictObject({}),
    serve: ({ ledger, token }) => ({ body: {}, fee: 1n, provider: ledger.named("provider", `X${token.asset}`, "p") }),
  };
  const tariffs = { money: { ...MONEY, services: { ...MONEY.services, poison: 1, market: 0 } } };
  const server = await newServer({ tariffs, services: { commission: 1000 } }, { services: [poison] as unknown as [] });
  const [one, other] = [
    await linked(server, (await issue(server)).low),
    await linked(server, (await issue(server)).low),
  ];
  expect(await one.ask("poison", {})).toMatchObject({ ok: false, charged: 0, error: { code: "FAILED" } });
  // All of a price is the most that the market keeps.
  const bytes = new TextEncoder().encode("bytes");
  const digest = new Uint8Array(createHash("sha256").update(bytes).digest());
  await one.ask("market", { action: "offer", name: "bytes", price: 9, digest, bytes, into: "value" });
  expect(await other.ask("market", { action: "buy", name: "bytes", price: 9, digest })).toMatchObject({ ok: true });
  expectBalanced(server);
});
