// The market: what tokens sell each other. Whatever happens, the books balance, the clearing account is empty between
// requests, and nobody gets or pays a part of a sale.

import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { earningsAccount, earningsShare } from "../../../server/service/index.ts";
import { Random } from "../../../simulator/random.ts";
import { Desk, type Token } from "./desk.ts";

const SEED = Number(process.env.SEED ?? 20_261_120);
const RESULT = new TextEncoder().encode("the result of a long calculation");
const DIGEST = new Uint8Array(createHash("sha256").update(RESULT).digest());

let desk: Desk;
let seller: Token;
let buyer: Token;

beforeEach(() => {
  desk = new Desk({ commission: 200n, fees: { market: 1n } });
  seller = desk.token(1, 100n);
  buyer = desk.token(2, 100n);
});

afterEach(async () => {
  expect(desk.balanced()).toBe(true);
  expect(clearing()).toBe(0n);
  await desk.close();
});

function clearing(): bigint {
  const account = desk.store.db.prepare<[], number>("SELECT account FROM clearing").pluck().get();
  return account === undefined ? 0n : desk.ledger.balance(account).balance;
}

function offer(price: number | bigint, into: "value" | "earnings" = "value", name = "result", who = seller) {
  return desk.ask(who, "market", { action: "offer", name, price, digest: DIGEST, bytes: RESULT, into });
}

const buying = (price: number | bigint, name = "result") => ({ action: "buy", name, price, digest: DIGEST });

describe("T-52 the server as a clearing house", () => {
  test("T-52 a purchase at 10: the buyer has 10 less, the seller 10 less the commission more", async () => {
    await offer(10);
    const [before, earned] = [desk.value(buyer), desk.value(seller)];
    expect(await desk.ask(buyer, "market", buying(10))).toEqual({ bytes: Buffer.from(RESULT) });
    expect(before - desk.value(buyer)).toBe(10n + 1n);
    expect(desk.value(seller) - earned).toBe(8n);
    expect(desk.has("fees", "fees")).toBe(2n + 1n + 1n);
  });

  test("T-52 the seller keeps one account, whoever buys", async () => {
    await offer(10, "earnings");
    await offer(20, "earnings", "other-result");
    for (let pad = 10; pad < 15; pad += 1) {
      const one = desk.token(pad, 50n);
      await desk.ask(one, "market", buying(10));
      await desk.ask(one, "market", buying(20, "other-result"));
    }
    expect(desk.has("seller", "1")).toBe(5n * (8n + 16n));
    expect(desk.store.db.prepare("SELECT count(*) FROM account WHERE kind = 'seller'").pluck().get()).toBe(1);
  });

  test("T-52 without the value for it nothing moves", async () => {
    await offer(100);
    const before = desk.value(seller);
    expect(await desk.refusal(buyer, "market", buying(100))).toBe("INSUFFICIENT");
    expect(desk.value(buyer)).toBe(100n);
    expect(desk.value(seller)).toBe(before);
    expect(desk.has("fees", "fees")).toBe(1n);
  });

  test("T-52 a sale that is broken off in the middle is made whole or not at all", async () => {
    await offer(10);
    const before = desk.value(seller);
    // The commit fails, when everything was written: only it looks at a deferred reference.
    desk.store.db.exec(`
      CREATE TABLE owed (account INTEGER REFERENCES account (id) DEFERRABLE INITIALLY DEFERRED) STRICT;
      CREATE TRIGGER owes AFTER INSERT ON journal BEGIN INSERT INTO owed VALUES (-1); END;
    `);
    await expect(desk.ask(buyer, "market", buying(10))).rejects.toThrow("FOREIGN KEY");
    desk.store.db.exec("DROP TRIGGER owes");
    expect([desk.value(buyer), desk.value(seller), clearing()]).toEqual([100n, before, 0n]);
    await desk.ask(buyer, "market", buying(10));
    expect([desk.value(buyer), desk.value(seller), clearing()]).toEqual([89n, before + 8n, 0n]);
  });

  test("T-52 buyers at the same time are each served once, as far as their value goes", async () => {
    await offer(30);
    const answers = await Promise.all(Array.from({ length: 5 }, () => desk.refusal(buyer, "market", buying(30))));
    expect(answers.filter((refusal) => refusal === null).length).toBe(3);
    expect(answers.filter((refusal) => refusal === "INSUFFICIENT").length).toBe(2);
    expect(desk.value(buyer)).toBe(100n - 3n * 31n);
    expect(desk.value(seller)).toBe(99n + 3n * 24n);
  });
});

describe("T-16 credit that is earned", () => {
  test("T-16 a result sold for 5 raises the seller's value by 5, without a commission", async () => {
    await desk.close();
    desk = new Desk();
    seller = desk.token(1, 0n);
    buyer = desk.token(2, 5n);
    await offer(5);
    await desk.ask(buyer, "market", buying(5));
    expect(desk.value(seller)).toBe(5n);
    expect(desk.value(buyer)).toBe(0n);
  });

  test("T-16 what is left as earnings pays half of later traffic, to its end, and can be collected", async () => {
    await offer(10, "earnings");
    await desk.ask(buyer, "market", buying(10));
    const account = earningsAccount(desk.store, seller.pad);
    if (account === null) throw new Error("the seller has earnings");
    expect(earningsShare(desk.ledger, account, 6n)).toBe(3n);
    expect(earningsShare(desk.ledger, account, 7n)).toBe(3n);
    expect(earningsShare(desk.ledger, account, 1n)).toBe(0n);
    expect(earningsShare(desk.ledger, account, 1000n)).toBe(8n);
    expect(earningsAccount(desk.store, buyer.pad)).toBe(null);

    const before = desk.value(seller);
    expect(await desk.ask(seller, "market", { action: "collect" })).toEqual({ collected: 8n });
    expect(desk.value(seller)).toBe(before + 8n - 1n);
    expect(await desk.ask(seller, "market", { action: "collect" })).toEqual({ collected: 0n });
    expect(earningsShare(desk.ledger, account, 1000n)).toBe(0n);
  });

  test("T-16 a delivery that is not what was promised earns nothing", async () => {
    const other = new TextEncoder().encode("something else");
    const false_ = { action: "offer", name: "result", price: 5, digest: DIGEST, bytes: other, into: "value" };
    expect(await desk.refusal(seller, "market", false_)).toBe("NOT_VERIFIED");
    await offer(5);
    const before = desk.value(seller);
    // What lies in the database is exchanged for another text that was properly stored.
    const digest = new Uint8Array(createHash("sha256").update(other).digest());
    await desk.ask(seller, "market", { ...false_, name: "other", digest });
    desk.store.db.exec(
      "UPDATE offer SET sealed = (SELECT sealed FROM offer WHERE name = 'other') WHERE name = 'result'",
    );
    expect(await desk.refusal(buyer, "market", buying(5))).toBe("NOT_VERIFIED");
    expect(desk.value(buyer)).toBe(100n);
    expect(desk.value(seller)).toBe(before - 1n);
  });

  test("T-16 nobody sells to himself", async () => {
    await offer(5);
    await offer(5, "earnings", "into-earnings");
    const before = desk.value(seller);
    expect(await desk.refusal(seller, "market", buying(5))).toBe("SELF_DEALING");
    expect(await desk.refusal(seller, "market", buying(5, "into-earnings"))).toBe("SELF_DEALING");
    expect(desk.value(seller)).toBe(before);
  });
});

describe("offers", () => {
  test("stand as they were made until they are withdrawn by whoever made them", async () => {
    await offer(5);
    expect(await desk.refusal(buyer, "market", buying(4))).toBe("REFUSED");
    expect(await desk.refusal(buyer, "market", { ...buying(5), digest: new Uint8Array(32) })).toBe("REFUSED");
    expect(await desk.refusal(buyer, "market", buying(5, "nothing"))).toBe("NOT_FOUND");
    const taken = { action: "offer", name: "result", price: 1, digest: DIGEST, bytes: RESULT, into: "value" };
    expect(await desk.refusal(buyer, "market", taken)).toBe("TAKEN");
    expect(await desk.refusal(buyer, "market", { action: "withdraw", name: "result" })).toBe("NOT_FOUND");
    await desk.ask(seller, "market", { action: "withdraw", name: "result" });
    expect(await desk.refusal(buyer, "market", buying(5))).toBe("NOT_FOUND");
    await offer(6, "value", "result", buyer);
  });

  test("are for money of one kind, and prices are whole and not negative", async () => {
    await offer(5);
    const foreign = desk.token(3, 100n, "EUR");
    expect(await desk.refusal(foreign, "market", buying(5))).toBe("REFUSED");
    expect(await desk.ask(foreign, "market", { action: "list", after: "" })).toEqual({ offers: [] });
    for (const price of [-1, 0.5, "5", 2n ** 63n, Number.NaN]) {
      const body = { action: "offer", name: "bad", price, digest: DIGEST, bytes: RESULT, into: "value" };
      expect(await desk.refusal(seller, "market", body)).toBe("BAD_BODY");
    }
    await offer(0, "value", "free");
    await desk.ask(buyer, "market", buying(0, "free"));
    expect(desk.value(buyer)).toBe(99n);
    await offer(2n ** 63n - 1n, "value", "dear");
    expect(await desk.refusal(buyer, "market", buying(2n ** 63n - 1n, "dear"))).toBe("INSUFFICIENT");
  });

  test("are listed by name, without a word about who sells", async () => {
    const large = desk.token(4, 1000n);
    const names = Array.from({ length: 100 }, (_, index) => `offer-${String(index).padStart(3, "0")}`);
    for (const name of names) await offer(1, "value", name, large);
    const limit = { action: "offer", name: "more", price: 1, digest: DIGEST, bytes: RESULT, into: "value" };
    expect(await desk.refusal(large, "market", limit)).toBe("LIMIT");
    await offer(3, "value", "offer-100");
    const page = async (after: string) =>
      ((await desk.ask(buyer, "market", { action: "list", after })) as { offers: { name: string }[] }).offers;
    const first = await page("");
    expect(first.map(({ name }) => name)).toEqual(names);
    expect(Object.keys(first[0] ?? {}).sort()).toEqual(["digest", "name", "price", "size"]);
    expect(await page("offer-099")).toMatchObject([{ name: "offer-100", price: 3n }]);
    expect(desk.disk().includes("long calculation")).toBe(false);
  });
});

test("a random day at the market makes and loses nothing", async () => {
  const random = new Random(SEED);
  const tokens = Array.from({ length: 6 }, (_, index) => desk.token(10 + index, 200n));
  const pick = <T>(list: readonly T[]): T => list[random.u32() % list.length] as T;
  const names = ["a", "b", "c", "d", "e"];
  const done = new Map<string, number>();
  for (let step = 0; step < 600; step += 1) {
    const name = pick(names);
    const price = random.u32() % 40;
    const body = pick<object>([
      { action: "offer", name, price, digest: DIGEST, bytes: RESULT, into: pick(["value", "earnings"]) },
      { action: "withdraw", name },
      { action: "collect" },
      ...Array.from({ length: 6 }, () => {
        const shown = desk.store.db
          .prepare<[string], { price: number }>("SELECT price FROM offer WHERE name = ?")
          .get(name);
        return { action: "buy", name, price: shown?.price ?? price, digest: DIGEST };
      }),
    ]);
    const outcome = (await desk.refusal(pick(tokens), "market", body)) ?? "done";
    done.set(outcome, (done.get(outcome) ?? 0) + 1);
    expect(clearing(), `seed ${SEED}, step ${step}`).toBe(0n);
  }
  expect([...done.keys()].sort()).toEqual(["INSUFFICIENT", "NOT_FOUND", "SELF_DEALING", "TAKEN", "done"]);
  expect(desk.balanced()).toBe(true);
});
