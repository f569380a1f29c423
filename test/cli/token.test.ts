// A token on the command line, as its owner and its operator have it: sold, called, used and looked at, each command a process
// of its own.

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { HELP } from "../../cli/help.ts";
import { Desk } from "./shell.ts";
import { type Called, Shop, type Sold, sum, type Token } from "./shop.ts";

const desk = new Desk();
let shop: Shop;
let token: Sold;

beforeAll(async () => {
  mkdirSync(desk.path("shelf"));
  writeFileSync(desk.path("shelf", "note.txt"), "software");
  const goods = [{ item: "coffee", asset: "TPD", price: 7 }];
  shop = await Shop.open(desk, "srv", { services: { goods, software: desk.path("shelf") } });
  token = await shop.sell("t.tearpad", 10_000);
});

/** Both counters, of the device and of the server, and that they agree. */
async function bothEnds(sold: Sold): Promise<{ balance: string; up: number; down: number }> {
  const [device, server] = await Promise.all([shop.balance(sold), shop.show(sold)]);
  const { receipt, pad, atLeast } = device;
  const { balance, up, down, split } = server;
  expect([atLeast, receipt.balance]).toEqual([balance, balance]);
  expect([pad.up.used, pad.down.used, pad.split]).toEqual([up, down, split]);
  return { balance, up, down };
}

const ask = (
  service: string,
  body: object | string,
  sold = token,
): Promise<Called & { answer: Record<string, unknown> }> =>
  shop.json(["request", service, JSON.stringify(body), "--device", sold.image]);

describe("what is sold", () => {
  test("T-12 a sale at a price is worth price times rate, and device and server both say so", async () => {
    const sold = await shop.sell("thrice.tearpad", 250, "--tariff", "thrice");
    expect(sold).toMatchObject({ state: "active", balance: "750", up: 0, calls: 0 });
    expect(await bothEnds(sold)).toEqual({ balance: "750", up: 0, down: 0 });
    expect(await shop.statement(sold)).toMatchObject({ balance: "750", entries: [{ amount: "750", reason: "issue" }] });
  });

  test("T-12 a price that is none is refused: no token, no account, and the device is blank as before", async () => {
    const { tokens } = await shop.json<{ tokens: Token[] }>(["token", "list", "srv"]);
    const image = shop.blank("unsold.tearpad");
    const sell = (...more: string[]) => ["issue", "srv", image, ...more];
    const wrong = ["--price=-5", "--price=NaN", "--price=0.5"];
    await Promise.all(wrong.map((price) => desk.fails(2, "USAGE", sell(price))));
    await desk.fails(25, "BAD_PRICE", sell("--price", "0"));
    await desk.fails(25, "TARIFF_UNKNOWN", sell("--price", "5", "--tariff", "none"));
    await desk.fails(25, "TOKEN_UNKNOWN", sell("--price", "5", "--account", "none"));
    expect((await desk.info(image)).state).toBe("blank");
    expect(await shop.json(["token", "list", "srv"])).toEqual({ tokens });
    await shop.audit();
  });
});

describe("what it is used for", () => {
  test("T-20 TG-3 pad and money fall apart from each other, and after each link device and server show the same of both", async () => {
    const before = await bothEnds(token);
    await desk.ok(["call", "--device", token.image]);
    const called = await bothEnds(token);
    expect(called.balance).toBe(before.balance);
    expect(called.up).toBeGreaterThan(before.up);

    const { charged } = await ask("echo", "hex:010203");
    const echoed = await bothEnds(token);
    expect(BigInt(called.balance) - BigInt(echoed.balance)).toBe(BigInt(charged));

    const credit = ["token", "credit", "srv", token.name, "--price", "40", "--key", "a gift"];
    expect(await shop.json(credit)).toMatchObject({ repeated: false });
    expect(await shop.json(credit)).toMatchObject({ repeated: true });
    await desk.ok(["call", "--device", token.image]);
    const credited = await bothEnds(token);
    expect(BigInt(credited.balance) - BigInt(echoed.balance)).toBe(40n);
  });

  test("a file goes up and comes back the same, also an empty one and one from a pipe", async () => {
    const content = randomBytes(60_000);
    writeFileSync(desk.path("file"), content);
    const sent = await shop.json<Called & { bytes: number }>(["send", "file", "--device", token.image]);
    expect(sent).toMatchObject({ name: "file", bytes: 60_000, finished: [], address: shop.address });
    const got = await shop.json<Called>(["fetch", "file", "--device", token.image, "--out", "back"]);
    expect(desk.read("back").equals(content)).toBe(true);
    expect(got).toMatchObject({ name: "file", bytes: 60_000 });
    await desk.ok(["send", "--as", "empty", "--device", token.image]);
    expect((await desk.ok(["fetch", "empty", "--device", token.image])).length).toBe(0);
    await desk.ok(["send", "-", "--as", "file", "--device", token.image], { input: "another" });
    expect(String(await desk.ok(["fetch", "file", "--device", token.image]))).toBe("another");
  });

  test("T-25 the sum of 1 to 100 costs its fee and its traffic, and the result comes back", async () => {
    const { stdout, stderr } = await desk.run([
      "run",
      "sum",
      "1..100",
      "--fee",
      "10",
      "--device",
      token.image,
      "--json",
    ]);
    expect(String(stdout)).toBe("5050");
    const { fee, charged, outputBytes } = JSON.parse(stderr);
    expect(outputBytes).toBe(4);
    expect(fee).toBeGreaterThan(0);
    const { entries } = await shop.statement(token);
    const traffic = BigInt(charged) - BigInt(fee);
    expect(traffic).toBeGreaterThanOrEqual(0n);
    expect(BigInt(entries.at(-1)!.amount) + BigInt(entries.at(-2)!.amount)).toBeLessThanOrEqual(-BigInt(charged));
  });

  test("T-25 a fee above what was offered, a program that nobody knows, and one that is none: no result, and no debit", async () => {
    const before = await shop.statement(token);
    writeFileSync(desk.path("broken.wasm"), "no program");
    const run = (...args: string[]) => ["run", ...args, "--device", token.image];
    const failures = [
      await desk.fails(22, "SERVICE_ERROR", run("sum", "1..100", "--fee", "0")),
      await desk.fails(22, "SERVICE_ERROR", run("nothing", "1", "--fee", "5")),
      await desk.fails(22, "SERVICE_ERROR", run("broken.wasm", "1", "--fee", "5", "--out", "never")),
    ];
    expect(failures.map(({ facts }) => facts.error)).toEqual(["FEE_TOO_HIGH", "NOT_FOUND", "PROGRAM_FAILED"]);
    expect(desk.exists("never")).toBe(false);
    expect(failures.map(({ facts }) => facts.charged)).toEqual(["0", "0", "0"]);
    expect(await shop.statement(token)).toEqual(before);
  });

  test("T-26 T-21 a program without a person at it buys of each class, and gets its answer sealed", async () => {
    const { answer } = await ask("catalogue", {});
    const classes = (answer.services as { class: string }[]).map((service) => service.class);
    expect(new Set(classes)).toEqual(new Set(["information", "software", "goods", "communication", "calculation"]));

    const order = await ask("goods", { action: "order", item: "coffee", count: 2 });
    expect(BigInt(order.charged)).toBeGreaterThanOrEqual(14n);
    expect(order.answer).toMatchObject({
      item: "coffee",
      count: 2,
      price: 14,
      code: expect.stringMatching(/^\w{16}$/),
    });
    const software = await ask("software", { action: "get", name: "note.txt", offset: 0, length: 100 });
    expect(software.answer.bytes).toBe(`hex:${Buffer.from("software").toString("hex")}`);
    expect((await ask("store", { action: "list" })).answer).toMatchObject({ files: expect.any(Array) });
    expect((await ask("echo", "hex:00ff")).answer).toBe("hex:00ff");
  });

  test("T-26 a service that does not exist is refused, and not debited", async () => {
    const before = await shop.statement(token);
    const { facts } = await desk.fails(22, "SERVICE_ERROR", ["request", "teleport", "--device", token.image]);
    expect(facts).toMatchObject({ error: "SERVICE_UNKNOWN", charged: "0" });
    expect(await shop.statement(token)).toEqual(before);
  });

  test("T-13 the statement names every debit, and they add up to what is gone", async () => {
    const { balance, entries } = await shop.statement(token);
    expect(sum(entries.map(({ amount }) => amount))).toBe(BigInt(balance));
    expect(new Set(entries.map(({ reason }) => reason))).toEqual(
      new Set(["issue", "credit", "traffic", "service", "compute"]),
    );
    expect(await bothEnds(token)).toMatchObject({ balance });
    expect(String(await desk.ok(["statement", "srv", token.name]))).toMatch(/ issue$/m);
    await shop.audit();
  });
});

/** What the help of a command says that --json prints. */
function documented(command: string): string[] {
  const sentence =
    /--json prints (?:name, bytes, there, charged and what call prints|([^:]*?: )?([\w, ]+?))(?:[.;:]|$)/.exec(
      HELP[command]!.replaceAll("\n", " "),
    );
  return sentence?.[2]?.split(/,\s*/) ?? ["name", "bytes", "there", "charged", ...documented("call")];
}

test("--json prints the keys that --help names, and no others", async () => {
  const keys = async (...args: string[]): Promise<string[]> => Object.keys(await shop.json<object>(args));
  const device = ["--device", token.image];
  writeFileSync(desk.path("keys"), "text");
  for (const [command, args] of [
    ["call", device],
    ["balance", [token.image]],
    ["send", ["keys", ...device]],
    ["token show", ["srv", token.name]],
    ["statement", ["srv", token.name]],
    ["audit", ["srv"]],
  ] as const) {
    expect(await keys(...command.split(" "), ...args), command).toEqual(documented(command));
  }
});

describe("T-19 where its server is", () => {
  test("T-19 dead addresses are passed over in order, and a new list that came within a link counts at the next call", async () => {
    const dead = [1, 2, 3].map((port) => `tcp://127.0.0.1:${port}`);
    const list = [...dead, shop.address, "tcp://127.0.0.1:4"];
    await shop.stop();
    shop.configure((config) => ({ ...config, addresses: { number: 2, list } }));
    await shop.serve();
    const sold = await shop.sell("listed.tearpad", 100);
    const call = () => shop.json<Called>(["call", "--device", sold.image]);
    expect(await call()).toMatchObject({ tried: [...dead, shop.address], address: shop.address });

    await shop.stop();
    shop.configure((config) => ({ ...config, addresses: { number: 3, list: [shop.address] } }));
    await shop.serve();
    expect((await call()).tried).toEqual([...dead, shop.address]);
    expect((await call()).tried).toEqual([shop.address]);
    expect(String(await desk.ok(["image", "inspect", sold.image]))).toContain(`addresses (list 3): ${shop.address}`);
  });

  test("T-19 when all are dead there is one error that names them in order, and nothing of the pad is used", async () => {
    const before = await shop.balance(token);
    const dead = ["tcp://127.0.0.1:1", "ws://127.0.0.1:2", "tcp://no-such-host.invalid:7447"];
    const servers = dead.flatMap((address) => ["--server", address]);
    const { facts } = await desk.fails(18, "NO_ADDRESS_ANSWERED", ["call", "--device", token.image, ...servers]);
    expect((facts.tried as unknown as { address: string }[]).map(({ address }) => address)).toEqual(dead);
    expect(await shop.balance(token)).toEqual(before);
  });
});
