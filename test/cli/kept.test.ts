// What was paid for and did not arrive: a command that is killed, interrupted or whose output is closed loses no answer, and
// nothing is paid for a second time.

import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Desk } from "./shell.ts";
import { type Called, Shop, type Sold, type Token } from "./shop.ts";

const desk = new Desk();
let shop: Shop;
let token: Sold;
/** A disk that is full for whoever writes to it. */
const FULL = "/dev/full";
const fullDisk = { shell: `exec > ${FULL}` };
/** One that gets full with the first byte. */
const fullLater = `
  const { write } = process.stdout;
  process.stdout.write = function (bytes, done) {
    if (bytes.length === 0) return write.call(this, bytes, done);
    done(Object.assign(new Error("no space left on device"), { code: "ENOSPC" }));
    return true;
  };`;

beforeAll(async () => {
  shop = await Shop.open(desk, "srv", { services: { goods: [{ item: "coffee", asset: "TPD", price: 50 }] } });
  token = await shop.sell("t.tearpad", 100_000, "--limit", "100000");
});
afterAll(async () => {
  await shop.audit();
  await shop.stop();
});

const to = (...words: string[]): string[] => [...words, "--device", token.image];
const ORDER = '{"action":"order","item":"coffee","count":1}';
const CODE = /^[0-9A-Z]{16}$/;

interface Finished {
  readonly service: string;
  readonly charged: string;
  readonly body: Record<string, unknown>;
  readonly file?: object;
}
type Call = Omit<Called, "finished"> & { finished: Finished[] };

const call = (): Promise<Call> => shop.json<Call>(to("call"));
const balance = async (): Promise<bigint> => BigInt((await shop.show(token)).balance);

/** Sends a signal to itself behind so many items that went to the server: the tag, READY, and then box by box. */
function cutBehind(items: number, signal: NodeJS.Signals): string {
  return `
    const { Socket } = await import("node:net");
    const { write } = Socket.prototype;
    let items = 0;
    Socket.prototype.write = function (...rest) {
      if (this.remotePort && ++items === ${items}) setTimeout(() => process.kill(process.pid, "${signal}"), 1);
      return write.apply(this, rest);
    };`;
}

describe("an answer that was paid for", () => {
  test("by a command that was killed is handed out by the next call, once, and is paid once", async () => {
    const before = await balance();
    await desk.run(to("request", "goods", ORDER), { preload: cutBehind(3, "SIGKILL") });
    const { finished } = await call();
    expect(finished).toMatchObject([{ service: "goods", charged: "51", body: { code: expect.stringMatching(CODE) } }]);
    expect((await call()).finished).toEqual([]);
    expect(before - (await balance())).toBe(51n);
  });

  test.skipIf(!existsSync(FULL))(
    "and could not be written is kept until it is, also while other commands print for people",
    async () => {
      const before = await balance();
      const lost = await desk.fails(14, "OUTPUT_CLOSED", to("request", "goods", ORDER), fullDisk);
      expect(lost.pad).toContain("kept on this disk");
      expect(lost.advice).toContain("tearpad call");
      await desk.fails(14, "OUTPUT_CLOSED", to("run", "sum", "1..9", "--fee", "9"), { preload: fullLater });
      await desk.fails(14, "OUTPUT_CLOSED", to("call"), fullDisk);
      const { stderr } = await desk.run(to("request", "echo", '"hex:01"'));
      expect(stderr).toMatch(/request to goods was answered, 51 charged.*tearpad call/);
      const told = String(await desk.ok(to("call")));
      expect(told).toMatch(/^finished +goods, 51 charged: \{.*"code":"[0-9A-Z]{16}"/m);
      expect(told).toMatch(/^finished +compute, \d+ charged: \{.*"output":"hex:3435"/m);
      expect((await call()).finished).toEqual([]);
      expect(before - (await balance())).toBe(51n + 2n + 1n);
    },
  );

  test.skipIf(!existsSync(FULL))(
    "what an operator's command printed and could not be written is an error",
    async () => {
      await desk.fails(14, "OUTPUT_CLOSED", ["audit", "srv"], fullDisk);
      await desk.fails(14, "OUTPUT_CLOSED", ["token", "list", "srv"], fullDisk);
      const { status, stderr } = await desk.run(["token", "show", "srv", token.name], { closeStdout: true });
      expect([status, stderr]).toEqual([14, expect.stringContaining("OUTPUT_CLOSED")]);
      expect(stderr).not.toContain("bundle");
    },
  );
});

test("a file that was cut off goes on where the server has it, whatever called between, and costs only one more look", async () => {
  const image = shop.blank("big.tearpad", 1_048_576);
  const sold = { ...(await shop.json<Token>(["issue", "srv", image, ...PRICE])), image };
  writeFileSync(desk.path("big"), randomBytes(280_000));
  const send = (name: string): string[] => ["send", "big", "--as", name, "--device", image];
  const whole = await shop.json<Sent>(send("whole"));
  expect(whole).toMatchObject({ bytes: 280_000, there: 0 });

  const before = BigInt((await shop.show(sold)).balance);
  const cut = await desk.fails(130, "INTERRUPTED", send("cut"), { preload: cutBehind(50, "SIGINT") });
  expect(cut.advice).toContain("it goes on where the server has it");
  const called = String(await desk.ok(["call", "--device", image]));
  expect(called).toMatch(
    /^finished +store, \d+ charged: \{"size":(\d+)\}\n +cut: the server has [\d,]+ bytes, and not/m,
  );
  const there = Number(/"size":(\d+)/.exec(called)?.[1]);
  const rest = await shop.json<Sent>(send("cut"));
  expect(rest).toMatchObject({ bytes: 280_000, there, finished: [] });
  const look = 2n;
  expect(before - BigInt((await shop.show(sold)).balance)).toBe(BigInt(whole.charged) + look);
  expect(BigInt(rest.charged)).toBeLessThan(BigInt(whole.charged));
  expect(await shop.json<Sent>(send("cut"))).toMatchObject({ there: 280_000, charged: `${look}` });
  await desk.ok(["fetch", "cut", "--device", image, "--out", "back"]);
  expect(desk.read("back").equals(desk.read("big"))).toBe(true);
});

const PRICE = ["--price", "100000", "--limit", "100000"];
interface Sent extends Called {
  readonly bytes: number;
  readonly there: number;
}
