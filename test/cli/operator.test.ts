// Operators at work beside a running server, and tokens whose commands end in the middle: what the other end makes of it.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { openAddress } from "../../cli/address.ts";
import { openLink } from "../../host/link/index.ts";
import { Desk, errorIn } from "./shell.ts";
import { type Called, Shop, type Sold, sum, type Token } from "./shop.ts";

const desk = new Desk();
let shop: Shop;

beforeAll(async () => {
  shop = await Shop.open(desk, "srv");
});

const echo = (sold: Sold): string[] => ["request", "echo", '"hex:00"', "--device", sold.image];

/** Ends the process at its so many-th write to a socket, in the way that is said. */
const endsAtWrite = (count: number, end: string): string => `
  import { Socket } from "node:net";
  const { write } = Socket.prototype;
  let writes = 0;
  Socket.prototype.write = function (...args) {
    if (this.remotePort && ++writes === ${count}) ${end};
    return write.apply(this, args);
  };`;

describe("value that comes to its end", () => {
  let one: Sold;
  let other: Sold;

  test("T-15 a token that is bought into the account of another has one value with it", async () => {
    one = await shop.sell("one.tearpad", 1);
    other = await shop.sell("other.tearpad", 1, "--account", one.name);
    expect(other).toMatchObject({ account: one.account, balance: "2" });
    const { balance } = (await shop.json<Called & { balance: string }>(echo(one))) as { balance: string };
    expect(balance).toBe("1");
    expect((await shop.show(other)).balance).toBe("1");
  });

  test("T-14 two requests race for the last unit: one is served, the other is told EXHAUSTED, and nothing goes below zero", async () => {
    const both = await Promise.all([one, other].map((sold) => desk.run([...echo(sold), "--json"])));
    expect(both.map(({ status }) => status).sort()).toEqual([0, 21]);
    const refused = both.find(({ status }) => status !== 0)!;
    expect(errorIn(refused.stderr)).toMatchObject({
      code: "SERVICE_ERROR",
      facts: { error: "EXHAUSTED", charged: "0", balance: "0" },
    });
    expect(await shop.show(one)).toMatchObject({ balance: "0", held: "0" });
  });

  test("T-14 without value no service of any kind is given, and nothing is charged", async () => {
    const entries = (await shop.statement(one)).entries.length;
    const commands = [
      ["send", "-", "--as", "x"],
      ["run", "sum", "1..3", "--fee", "5"],
      ["request", "catalogue"],
    ];
    for (const command of commands) {
      const { facts } = await desk.fails(21, "SERVICE_ERROR", [...command, "--device", one.image], { input: "text" });
      expect(facts.error).toBe("EXHAUSTED");
    }
    expect((await shop.statement(one)).entries.length).toBe(entries);
    await shop.audit();
  });

  test("T-15 a credit revives it at once, beside the process that serves; the same key pays once, and never another sum", async () => {
    const credit = (price: string) => ["token", "credit", "srv", one.name, "--price", price, "--key", "may"];
    await desk.ok(credit("20"));
    expect(await shop.json(credit("20"))).toMatchObject({ balance: "20" });
    await desk.fails(25, "KEY_REUSED", credit("21"));
    const { charged } = await shop.json<Called>(echo(other));
    expect((await shop.show(one)).balance).toBe(String(20n - BigInt(charged)));
    await shop.audit();
  });

  test("T-15 the value of a token that is tied to its pad takes no credit", async () => {
    const tied = await shop.sell("tied.tearpad", 1000, "--tariff", "tied");
    await desk.fails(25, "TOKEN_TIED", ["token", "credit", "srv", tied.name, "--price", "5", "--key", "tied"]);
    await desk.ok(echo(tied));
    const { balance } = await shop.show(tied);
    expect(Number(balance)).toBeLessThan(1000);
    expect(sum((await shop.statement(tied)).entries.map(({ amount }) => amount))).toBe(BigInt(balance));
  });
});

describe("a token that is held or cancelled", () => {
  let token: Sold;
  const call = (sold: Sold): string[] => ["call", "--device", sold.image];

  test("the link that it has ends at once, and its calls are refused until it is activated again", async () => {
    token = await shop.sell("held.tearpad", 1000, "--limit", "900");
    const device = await openAddress(desk.path(token.image));
    const lost = Promise.withResolvers<void>();
    const link = await openLink(device, {
      directory: desk.path("held.link"),
      onEvent: ({ kind }) => kind === "lost" && lost.resolve(),
    });
    await link.request("echo", new Uint8Array(9));
    const { balance } = await shop.json<Token>(["token", "hold", "srv", token.name]);
    await lost.promise;
    await link.abandon();
    await device.close();
    await desk.fails(18, "CALL_REFUSED", call(token));
    await desk.fails(25, "TOKEN_STATE", ["token", "hold", "srv", token.name]);
    expect(await shop.json(["token", "activate", "srv", token.name])).toMatchObject({ state: "active", balance });
    await desk.ok(call(token));
  });

  test("to cancel is asked for, and nobody to ask means no; then it is for good, and its value stays in its account", async () => {
    const before = await shop.show(token);
    await desk.fails(2, "USAGE", ["token", "cancel", "srv", token.name]);
    expect(await shop.show(token)).toEqual(before);
    const cancelled = await shop.json<Token>(["token", "cancel", "srv", token.name, "--yes"]);
    expect(cancelled).toMatchObject({ state: "cancelled", balance: before.balance });
    await desk.fails(25, "TOKEN_STATE", ["token", "activate", "srv", token.name]);
    const heir = await shop.sell("heir.tearpad", 1, "--account", token.name);
    expect(heir.balance).toBe(String(BigInt(before.balance) + 1n));
    await shop.audit();
  });

  test("cancelled, held, not active yet, and unknown to the server: each is refused in the same words, and uses nothing", async () => {
    const inactive = await shop.sell("inactive.tearpad", 1, "--inactive");
    const held = await shop.sell("held2.tearpad", 1);
    await desk.ok(["token", "hold", "srv", held.name]);
    const elsewhere = await Shop.open(desk, "elsewhere");
    const unknown = await elsewhere.sell("unknown.tearpad", 5);
    const words = new Set<string>();
    for (const sold of [token, inactive, held, unknown]) {
      const before = await shop.balance(sold);
      const failure = await desk.fails(18, "CALL_REFUSED", [...call(sold), "--server", shop.address]);
      words.add(failure.message.replace(/\d+/, ""));
      expect(await shop.balance(sold)).toEqual(before);
    }
    expect(words.size).toBe(1);
    await elsewhere.stop();
  });
});

describe("a command that ends in the middle", () => {
  let token: Sold;
  const content = randomBytes(30_000);

  test("send is killed between two boxes: call finishes it, the file is there, and it was charged once", async () => {
    token = await shop.sell("killed.tearpad", 1000, "--limit", "400");
    writeFileSync(desk.path("cut"), content);
    const send = ["send", "cut", "--device", token.image];
    const killed = await desk.run(send, { preload: endsAtWrite(5, 'process.kill(process.pid, "SIGKILL")') });
    expect([killed.status, String(killed.stdout)]).toEqual([null, ""]);
    expect((await shop.statement(token)).entries.length).toBe(1);

    const { finished } = await shop.json<Called>(["call", "--device", token.image]);
    expect(finished).toEqual([
      {
        service: "store",
        charged: expect.stringMatching(/^[1-9]\d*$/),
        body: { size: 30_000 },
        file: { name: "cut", bytes: 30_000, whole: true },
      },
    ]);
    const { entries, balance } = await shop.statement(token);
    expect(entries.filter(({ reason }) => reason === "service").length).toBe(1);
    expect(1000n - BigInt(balance)).toBe(BigInt(finished[0]!.charged));
    expect((await desk.ok(["fetch", "cut", "--device", token.image])).equals(content)).toBe(true);
    await shop.audit();
  });

  test("send and fetch that are interrupted say what became of it, and the next command goes on", async () => {
    const interrupt = endsAtWrite(5, 'process.emit("SIGINT")');
    const before = BigInt((await shop.show(token)).balance);
    writeFileSync(desk.path("cut"), content.subarray(1));
    const call = { preload: interrupt };
    const stopped = await desk.fails(130, "INTERRUPTED", ["send", "cut", "--device", token.image], call);
    expect(stopped.pad).toMatch(/sent again as it is/);
    const first = endsAtWrite(3, 'process.emit("SIGINT")');
    const fetch = ["fetch", "cut", "--device", token.image, "--out", "part"];
    await desk.fails(130, "INTERRUPTED", fetch, { preload: first });
    expect(readdirSync(desk.directory).filter((name) => name.includes("part"))).toEqual([]);
    const { charged, finished } = await shop.json<Called>(fetch);
    expect(desk.read("part").equals(content.subarray(1))).toBe(true);
    const { balance, entries } = await shop.statement(token);
    expect(sum(entries.map(({ amount }) => amount))).toBe(BigInt(balance));
    expect(before - BigInt(balance)).toBeGreaterThanOrEqual(BigInt(charged) + sum(finished.map((it) => it.charged)));
    await shop.audit();
  });
});

describe("a sale that ends in the middle", () => {
  /** Ends the process in the middle of the fill, when the image has been synced so many times. */
  const endsAtSync = (count: number, end: string): string => `
    import fs from "node:fs";
    import { syncBuiltinESMExports } from "node:module";
    const { fdatasyncSync } = fs;
    let syncs = 0;
    fs.fdatasyncSync = (file) => {
      if (++syncs === ${count}) ${end};
      fdatasyncSync(file);
    };
    syncBuiltinESMExports();`;

  test("interrupted or killed, there is no token and no value, and the same device can be sold again", async () => {
    const tokens = async (): Promise<unknown> => shop.json(["token", "list", "srv"]);
    const before = await tokens();
    const issue = ["issue", "srv", shop.blank("unfinished.tearpad"), "--price", "77"];
    const interrupt = endsAtSync(40, 'process.emit("SIGINT")');
    await desk.fails(130, "INTERRUPTED", issue, { preload: interrupt });
    const kill = endsAtSync(40, 'process.kill(process.pid, "SIGKILL")');
    expect((await desk.run(issue, { preload: kill })).status).toBe(null);
    expect(readdirSync(desk.path("srv", "vault")).filter((name) => name.includes(".new")).length).toBe(1);
    expect(await tokens()).toEqual(before);
    expect((await desk.info("unfinished.tearpad")).state).toBe("filling");
    const sold = await shop.json<Token>(issue);
    expect(sold).toMatchObject({ state: "active", balance: "77" });
    expect(readdirSync(desk.path("srv", "vault")).filter((name) => name.includes(".new"))).toEqual([]);
    expect(readdirSync(desk.path("srv", "vault", "making"))).toEqual([]);
    await shop.audit();
  });
});

describe("room for a file", () => {
  test("a file that is larger than what is granted at first goes through, and comes back the same", async () => {
    const token = await shop.sell("wide.tearpad", 5000, "--limit", "5000");
    const { pad } = await shop.balance(token);
    const content = randomBytes(50_000);
    expect(content.length).toBeGreaterThan(2 * pad.split);
    writeFileSync(desk.path("wide"), content);
    await desk.ok(["send", "wide", "--device", token.image]);
    await desk.ok(["fetch", "wide", "--device", token.image, "--out", "wide.back"]);
    expect(desk.read("wide.back").equals(content)).toBe(true);
    const after = await shop.balance(token);
    expect(after.pad.split).toBeGreaterThan(pad.split);
    expect((await shop.show(token)).split).toBe(after.pad.split);
  });

  test("a file that the pad cannot carry is refused whole, before its first part", async () => {
    shop.blank("small.tearpad", 65_536);
    await desk.ok(["issue", "srv", "small.tearpad", "--price", "50", "--limit", "50"]);
    const send = (name: string) => ["send", name, "--device", "small.tearpad"];
    writeFileSync(desk.path("fits"), randomBytes(9000));
    await desk.ok(send("fits"));
    expect((await desk.ok(["fetch", "fits", "--device", "small.tearpad"])).equals(desk.read("fits"))).toBe(true);
    const { up } = await desk.info("small.tearpad");
    writeFileSync(desk.path("large"), randomBytes(40_000));
    const { facts } = await desk.fails(6, "PAD_EXHAUSTED", send("large"));
    expect(facts.needed).toBeGreaterThan(Number(facts.room));
    expect((await desk.info("small.tearpad")).up.used - up.used).toBeLessThan(200);
  });
});

describe("the owner's word", () => {
  test("above the limit the device wants its button, and without it or above the cap nothing is charged", async () => {
    const token = await shop.sell("asked.tearpad", 1000, "--limit", "3");
    const simulator = await desk.simulator([token.image, "--tcp", "127.0.0.1:0", "--control", desk.path("asked.sock")]);
    const device = ["--device", simulator.address];
    const over = await desk.fails(20, "CAP_EXCEEDED", ["send", "-", "--as", "x", ...device], {
      input: randomBytes(9000),
    });
    expect(over.facts.charged).toBe("0");
    await desk.ok(["control", desk.path("asked.sock"), '{"do":"button","presence":"reject"}']);
    await desk.fails(20, "PRESENCE_REFUSED", ["call", "--cap", "500", ...device]);
    expect((await shop.show(token)).balance).toBe("1000");
    await desk.ok(["control", desk.path("asked.sock"), '{"do":"button","presence":"accept"}']);
    await desk.ok(["send", "-", "--as", "x", "--cap", "500", ...device], { input: randomBytes(9000) });
    expect(Number((await shop.show(token)).balance)).toBeLessThan(997);
    await simulator.stop();
    await shop.audit();
  });

  test("at a terminal the simulator asks who sits there: what is refused is not spent, and Enter presses", async () => {
    const token = await shop.sell("terminal.tearpad", 1000, "--limit", "3");
    const person = "process.stdin.isTTY = process.stderr.isTTY = true;";
    const simulator = desk.start(["sim", token.image, "--tcp", "127.0.0.1:0", "--json"], { preload: person });
    const told = String((await once(simulator.stdout!, "data"))[0]);
    const { address } = JSON.parse(told) as { address: string };
    const answering = async (line: string) => {
      for (let said = ""; !said.includes("wants its button"); ) said += (await once(simulator.stderr!, "data"))[0];
      simulator.stdin!.write(line);
    };
    simulator.stdin!.write("\n\n"); // Said before anybody asked: it counts for nothing.
    const call = ["call", "--cap", "500", "--device", address];
    const refused = answering("n\n");
    expect((await desk.fails(20, "PRESENCE_REFUSED", call)).facts.refused).toBe(true);
    await refused;
    const pressed = answering("\n");
    await desk.ok(call);
    await pressed;
    expect((await shop.show(token)).calls).toBe(1);
    const ended = once(simulator, "exit");
    simulator.kill("SIGINT");
    await ended;
    await desk.fails(2, "USAGE", ["sim", token.image, "--presence", "perhaps"]);
  });
});
