// What the ledger does, and what it refuses.

import { describe, expect, it } from "vitest";
import { LedgerError, MOST } from "../../../server/ledger/index.ts";
import { Random } from "../../../simulator/index.ts";
import { type Books, disagreements, everything, issueToken, NOON, openBooks } from "./books.ts";

const SEED = Number(process.env.SEED ?? 20_261_120);

/** The code and the facts with which the ledger refuses. The transaction commits all the same: nothing may be left behind. */
function refusal(books: Books, work: () => unknown): { code: string; facts: object } {
  const before = everything(books);
  const error = books.store.transact(() => {
    try {
      work();
    } catch (error) {
      return error;
    }
    throw new Error("it was not refused");
  });
  expect(everything(books)).toEqual(before);
  if (!(error instanceof LedgerError)) throw error;
  return { code: error.code, facts: error.facts };
}

/** Books with a token of 1,000 and an account that earns. */
function setUp() {
  const books = openBooks();
  const { store, ledger } = books;
  const token = issueToken(books, 1000n);
  const fees = store.transact(() => ledger.named("fees", "CRED", "main"));
  const inside = <T>(work: () => T): T => store.transact(work);
  const pay = (key: string, amount: bigint) => ({ key, from: token, to: fees, amount, reason: "box" });
  return { books, store, ledger, token, fees, inside, pay };
}

describe("accounts", () => {
  it("are found by name, opened once, and say what they are", () => {
    const { ledger, books, fees, inside, token } = setUp();
    expect(inside(() => ledger.named("fees", "CRED", "main"))).toBe(fees);
    expect(inside(() => ledger.named("fees", "EUR", "main"))).not.toBe(fees);
    const issue = inside(() => ledger.named("issue", "CRED", ""));
    expect(ledger.account(issue)).toEqual({ kind: "issue", asset: "CRED", name: "", floor: null });
    expect(ledger.account(token)).toEqual({ kind: "token", asset: "CRED", name: null, floor: 0n });
    expect(ledger.balance(token)).toEqual({ balance: 1000n, held: 0n });
    expect(ledger.balance(issue)).toEqual({ balance: -1000n, held: 0n });
    const taken = { kind: "fees", asset: "CRED", name: "main", floor: 0n } as const;
    expect(refusal(books, () => ledger.openAccount(taken)).code).toBe("NAME_TAKEN");
    for (const asset of ["", "cred", "NINELONGS", "A B"]) {
      expect(refusal(books, () => ledger.openAccount({ kind: "token", asset, floor: 0n })).code).toBe("BAD_ASSET");
    }
    for (const floor of [1n, -MOST - 1n]) {
      expect(refusal(books, () => ledger.openAccount({ kind: "token", asset: "CRED", floor })).code).toBe("BAD_AMOUNT");
    }
    expect(() => ledger.balance(99)).toThrow("There is no account 99.");
  });

  it("may have credit down to their floor and not below", () => {
    const { books, ledger, fees, inside } = setUp();
    const seller = inside(() => ledger.openAccount({ kind: "seller", asset: "CRED", floor: -50n }));
    const pay = (key: string, amount: bigint) => () =>
      ledger.transfer({ key, from: seller, to: fees, amount, reason: "fee" });
    inside(pay("a", 50n));
    expect(refusal(books, pay("b", 1n))).toEqual({
      code: "INSUFFICIENT",
      facts: { account: seller, needed: 1n, available: 0n },
    });
    expect(ledger.balance(seller).balance).toBe(-50n);
  });
});

describe("transfers", () => {
  it("take from one account what they give to the other, and stand in both statements, newest last", () => {
    const { ledger, inside, pay, token, fees } = setUp();
    const first = inside(() => ledger.transfer({ ...pay("a", 300n), memo: "the first" }));
    const second = inside(() => ledger.transfer(pay("b", 700n)));
    expect(ledger.balance(token)).toEqual({ balance: 0n, held: 0n });
    expect(ledger.balance(fees)).toEqual({ balance: 1000n, held: 0n });
    const line = { at: NOON, other: fees, reason: "box", memo: null };
    expect(ledger.statement(token).slice(1)).toEqual([
      { ...line, id: first, amount: -300n, balance: 700n, memo: "the first" },
      { ...line, id: second, amount: -700n, balance: 0n },
    ]);
    expect(ledger.statement(fees).map(({ id, amount, balance }) => [id, amount, balance])).toEqual([
      [first, 300n, 300n],
      [second, 700n, 1000n],
    ]);
  });

  it("are done once under one key, and the key is for the same request only", () => {
    const { books, ledger, inside, pay, token, fees } = setUp();
    const entry = inside(() => ledger.transfer(pay("a", 1000n)));
    expect(inside(() => ledger.transfer(pay("a", 1000n)))).toBe(entry);
    expect(ledger.balance(token).balance).toBe(0n);
    const others = [{ amount: 999n }, { reason: "gift" }, { memo: "" }, { from: fees, to: token }];
    for (const other of others) {
      const { code, facts } = refusal(books, () => ledger.transfer({ ...pay("a", 1000n), ...other }));
      expect({ code, facts }).toEqual({ code: "KEY_REUSED", facts: { key: "a", entry } });
    }
    expect(refusal(books, () => ledger.hold(pay("a", 1000n))).code).toBe("KEY_REUSED");
  });

  it("may be numbered in a series: numbers rise, a repeat of any is done once, and one passed over is refused", () => {
    const { books, ledger, inside, token, fees } = setUp();
    const box = (number: number, amount: bigint, series = "pad 1") => ({
      key: [series, number] as const,
      from: token,
      to: fees,
      amount,
      reason: "box",
    });
    const entries = [10, 20, 40].map((number) => inside(() => ledger.transfer(box(number, BigInt(number)))));
    expect([10, 20, 40].map((number) => inside(() => ledger.transfer(box(number, BigInt(number)))))).toEqual(entries);
    expect(ledger.balance(token).balance).toBe(930n);
    expect(refusal(books, () => ledger.transfer(box(20, 21n)))).toEqual({
      code: "KEY_REUSED",
      facts: { key: "pad 1/20", entry: entries[1] },
    });
    for (const number of [0, 15, 39]) {
      expect(refusal(books, () => ledger.transfer(box(number, 1n)))).toEqual({
        code: "KEY_PASSED",
        facts: { series: "pad 1", number, last: 40 },
      });
    }
    inside(() => ledger.transfer(box(1, 1n, "pad 2")));
    const hold = inside(() => ledger.hold(box(41, 5n)));
    expect(inside(() => ledger.hold(box(41, 5n)))).toBe(hold);
    expect(ledger.balance(token)).toEqual({ balance: 929n, held: 5n });
    expect(disagreements(books)).toEqual([]);
  });

  it("T-12 are refused for what is no amount, and for accounts that are not there, the same, or of two assets", () => {
    const { books, ledger, pay, token, fees } = setUp();
    const euro = issueToken(books, 5n, "EUR");
    const bad = [0n, -1n, MOST + 1n, 1 as never, Number.NaN as never, Number.POSITIVE_INFINITY as never, "1" as never];
    for (const amount of bad) {
      for (const work of [() => ledger.transfer(pay("x", amount)), () => ledger.hold(pay("x", amount))]) {
        expect(refusal(books, work)).toMatchObject({ code: "BAD_AMOUNT", facts: { least: 1n, most: MOST } });
      }
    }
    const sides = [
      { from: 99, code: "ACCOUNT_UNKNOWN", facts: { account: 99 } },
      { to: 99, code: "ACCOUNT_UNKNOWN", facts: { account: 99 } },
      { to: token, code: "SAME_ACCOUNT", facts: { account: token } },
      { from: fees, to: fees, code: "SAME_ACCOUNT", facts: { account: fees } },
      { to: euro, code: "ASSET_MISMATCH", facts: { from: "CRED", to: "EUR" } },
    ];
    for (const { code, facts, ...side } of sides) {
      expect(refusal(books, () => ledger.transfer({ ...pay("x", 1n), ...side }))).toEqual({ code, facts });
      expect(refusal(books, () => ledger.hold({ ...pay("x", 1n), ...side }))).toEqual({ code, facts });
    }
  });

  it("carry up to 2^63 - 1 minor units exactly, and refuse what a balance could not hold", () => {
    const books = openBooks();
    const { ledger, store } = books;
    const rich = issueToken(books, MOST);
    expect(ledger.balance(rich).balance).toBe(9_223_372_036_854_775_807n);
    const correction = store.transact(() => ledger.named("correction", "CRED", ""));
    const issue = store.transact(() => ledger.named("issue", "CRED", ""));
    const more = { key: "more", from: correction, to: rich, amount: 1n, reason: "correction" };
    expect(refusal(books, () => ledger.transfer(more))).toEqual({ code: "OVERFLOW", facts: { account: rich } });
    const out = { ...more, from: issue, to: correction };
    expect(refusal(books, () => ledger.transfer(out))).toEqual({ code: "OVERFLOW", facts: { account: issue } });
    expect(refusal(books, () => ledger.hold(out))).toEqual({ code: "OVERFLOW", facts: { account: issue } });
    store.transact(() => ledger.transfer({ ...more, key: "back", from: rich, to: issue, amount: MOST }));
    expect(ledger.balance(issue).balance).toBe(0n);
    // Without a floor more could be held than an integer holds.
    store.transact(() => ledger.transfer({ ...more, key: "over", from: issue, to: correction, amount: MOST }));
    const all = { ...more, to: issue, amount: MOST };
    store.transact(() => ledger.hold({ ...all, key: "all" }));
    expect(refusal(books, () => ledger.hold({ ...all, amount: 1n }))).toMatchObject({ code: "OVERFLOW" });
    expect(disagreements(books)).toEqual([]);
  });

  it("are never changed or deleted, by whatever statement; a correction is another transfer", () => {
    const { books, ledger, store, inside, pay, token, fees } = setUp();
    const entry = inside(() => ledger.transfer(pay("a", 400n)));
    const before = everything(books);
    const statements = [
      `UPDATE journal SET amount = 1 WHERE id = ${entry}`,
      `DELETE FROM journal WHERE id = ${entry}`,
      `REPLACE INTO journal SELECT * FROM journal WHERE id = ${entry}`,
      `UPDATE account SET floor = NULL WHERE id = ${token}`,
      `UPDATE account SET asset = 'EUR' WHERE id = ${token}`,
      `DELETE FROM account WHERE id = ${token}`,
      `UPDATE account SET balance = -1 WHERE id = ${token}`,
      `UPDATE account SET held = 601 WHERE id = ${token}`,
    ];
    for (const statement of statements) expect(() => inside(() => store.db.exec(statement)), statement).toThrow();
    expect(everything(books)).toEqual(before);
    inside(() => ledger.transfer({ key: "a, wrong", from: fees, to: token, amount: 400n, reason: "correction" }));
    expect(ledger.balance(token).balance).toBe(1000n);
    expect(ledger.statement(token)).toHaveLength(3);
  });

  it("are made inside a transaction of the store only", () => {
    const { ledger, pay } = setUp();
    const works = [
      () => ledger.transfer(pay("x", 1n)),
      () => ledger.hold(pay("x", 1n)),
      () => ledger.post(1),
      () => ledger.void(1),
      () => ledger.expire(NOON),
      () => ledger.audit(),
      () => ledger.openAccount({ kind: "token", asset: "CRED", floor: 0n }),
    ];
    for (const work of works) expect(work).toThrow("inside a transaction");
  });
});

describe("holds", () => {
  it("set money aside, so that it is there when they are posted, whole or in part", () => {
    const { books, ledger, inside, pay, token, fees } = setUp();
    const whole = inside(() => ledger.hold(pay("a", 600n)));
    expect(inside(() => ledger.hold(pay("a", 600n)))).toBe(whole);
    expect(ledger.balance(token)).toEqual({ balance: 1000n, held: 600n });
    expect(refusal(books, () => ledger.transfer(pay("b", 401n)))).toMatchObject({ facts: { available: 400n } });
    expect(refusal(books, () => ledger.hold(pay("b", 401n))).code).toBe("INSUFFICIENT");
    const part = inside(() => ledger.hold(pay("c", 400n)));
    expect(ledger.balance(token)).toEqual({ balance: 1000n, held: 1000n });
    inside(() => ledger.post(part, 150n));
    expect(ledger.balance(token)).toEqual({ balance: 850n, held: 600n });
    const entry = inside(() => ledger.post(whole));
    expect(ledger.balance(token)).toEqual({ balance: 250n, held: 0n });
    expect(ledger.balance(fees)).toEqual({ balance: 750n, held: 0n });
    expect(ledger.statement(token).at(-1)).toMatchObject({ id: entry, amount: -600n, balance: 250n, reason: "box" });
    expect(ledger.statement(token)).toHaveLength(3);
    expect(disagreements(books)).toEqual([]);
  });

  it("end once: posted, voided or expired, and then say how", () => {
    const { books, ledger, inside, pay, token } = setUp();
    const hold = (key: string, expires?: number) =>
      inside(() => ledger.hold({ ...pay(key, 100n), ...(expires === undefined ? {} : { expires }) }));
    const [posted, voided, expired, later, open] = [hold("a"), hold("b"), hold("c", 5000), hold("d", 5001), hold("e")];
    const entries = [inside(() => ledger.post(posted, 60n)), inside(() => ledger.void(voided))];
    expect(inside(() => ledger.expire(4999))).toBe(0);
    expect(inside(() => ledger.expire(5000))).toBe(1);
    expect(inside(() => ledger.expire(5000))).toBe(0);
    expect(ledger.balance(token)).toEqual({ balance: 940n, held: 200n });
    const ends = [
      { hold: posted, how: "post", amount: 60n, entry: entries[0] },
      { hold: voided, how: "void", amount: 100n, entry: entries[1] },
      { hold: expired, how: "expire", amount: 100n, entry: expect.any(Number) },
    ];
    for (const facts of ends) {
      for (const end of [
        () => ledger.post(facts.hold),
        () => ledger.post(facts.hold, 1n),
        () => ledger.void(facts.hold),
      ]) {
        expect(refusal(books, end)).toEqual({ code: "HOLD_ENDED", facts });
      }
    }
    inside(() => ledger.post(later));
    inside(() => ledger.void(open));
    expect(ledger.balance(token)).toEqual({ balance: 840n, held: 0n });
    expect(disagreements(books)).toEqual([]);
  });

  it("are not posted with more than they hold, with nothing, or where there is none", () => {
    const { books, ledger, inside, pay } = setUp();
    const hold = inside(() => ledger.hold(pay("a", 100n)));
    const transfer = inside(() => ledger.transfer(pay("b", 100n)));
    for (const amount of [0n, -1n, 101n]) {
      expect(refusal(books, () => ledger.post(hold, amount))).toMatchObject({
        code: "BAD_AMOUNT",
        facts: { most: 100n },
      });
    }
    for (const none of [transfer, 99, -1, Number.NaN]) {
      expect(refusal(books, () => ledger.post(none))).toMatchObject({ code: "HOLD_UNKNOWN" });
      expect(refusal(books, () => ledger.void(none))).toMatchObject({ code: "HOLD_UNKNOWN" });
    }
    inside(() => ledger.post(hold, 100n));
  });
});

describe("a token", () => {
  it("T-13 has an itemised ledger: after 1,000 random operations the entries sum to what its value has lost", async () => {
    const { books, store, ledger, token, fees } = setUp();
    const random = new Random(SEED);
    const initial = ledger.balance(token).balance;
    const [opening] = ledger.statement(token);
    const holds: number[] = [];
    const below = (bound: number) => random.u32() % bound;
    const operation = (index: number): number => {
      const amount = BigInt(1 + below(4));
      const pay = { key: `request ${index - (below(10) === 0 ? 1 : 0)}`, from: token, to: fees, amount, reason: "box" };
      const earn = { key: `sale ${index}`, from: fees, to: token, amount, reason: "sale" };
      const choice = below(6);
      if (choice < 2) return ledger.transfer(pay);
      if (choice === 2) return ledger.transfer(earn);
      if (choice === 3) return holds.push(ledger.hold(pay));
      const hold = holds.splice(below(holds.length + 1), 1)[0];
      if (hold === undefined) return 0;
      return choice === 4 ? ledger.post(hold) : ledger.void(hold);
    };
    const all = Array.from({ length: 1000 }, (_, index) => store.commit(() => operation(index)));
    const refused = (await Promise.allSettled(all)).filter((end) => end.status === "rejected");
    expect(refused.length, `seed ${SEED}`).toBeLessThan(300);
    for (const { reason } of refused) expect(reason).toBeInstanceOf(LedgerError);
    const entries = ledger.statement(token, opening?.id, 10_000);
    const lost = initial - ledger.balance(token).balance;
    expect(entries.length).toBeGreaterThan(300);
    expect(-entries.reduce((sum, { amount }) => sum + amount, 0n), `seed ${SEED}`).toBe(lost);
    expect(disagreements(books)).toEqual([]);
  });

  it("T-13 is debited once for a request that is repeated, and not for a service that fails", async () => {
    const { store, ledger, token, pay } = setUp();
    const repeated = Array.from({ length: 50 }, () => store.commit(() => ledger.transfer(pay("request", 10n))));
    expect(new Set(await Promise.all(repeated)).size).toBe(1);
    expect(ledger.balance(token).balance).toBe(990n);
    const failing = store.commit(() => {
      ledger.transfer(pay("other", 10n));
      throw new Error("the service failed");
    });
    await expect(failing).rejects.toThrow("the service failed");
    expect(ledger.balance(token).balance).toBe(990n);
  });

  it("T-14 is never below zero: of parallel requests racing for the last unit exactly one succeeds", async () => {
    const { books, store, ledger, token, fees, inside, pay } = setUp();
    inside(() => ledger.transfer(pay("all but one", 999n)));
    const seen: bigint[] = [];
    const spend = (index: number) => {
      if (index % 3 === 0) return ledger.post(ledger.hold(pay(`hold ${index}`, 1n)));
      if (index % 3 === 1) return ledger.transfer({ ...pay("", 1n), key: [`series ${index % 7}`, index] });
      return ledger.transfer(pay(`transfer ${index}`, 1n));
    };
    // Several groups, transfers and holds, some of which are posted in the same group.
    const race = Array.from({ length: 3000 }, (_, index) =>
      store.commit(() => {
        seen.push(ledger.balance(token).balance);
        return spend(index);
      }),
    );
    const ends = await Promise.allSettled(race);
    expect(ends.filter((end) => end.status === "fulfilled")).toHaveLength(1);
    for (const end of ends) if (end.status === "rejected") expect(end.reason).toMatchObject({ code: "INSUFFICIENT" });
    expect(ledger.balance(token)).toEqual({ balance: 0n, held: 0n });
    expect(ledger.balance(fees).balance).toBe(1000n);
    expect(seen[0]).toBe(1n);
    expect(seen.slice(1).every((balance) => balance === 0n)).toBe(true);
    expect(disagreements(books)).toEqual([]);
  });
});

describe("a statement", () => {
  it("gives the newest entries, those after a number, and page after page the older ones", () => {
    const { ledger, inside, pay, token, fees } = setUp();
    const ids = inside(() => Array.from({ length: 250 }, (_, index) => ledger.transfer(pay(`${index}`, 2n))));
    const shown = (...span: [number?, number?, number?]) => ledger.statement(fees, ...span).map(({ id }) => id);
    expect(shown()).toEqual(ids.slice(-100));
    expect(shown(ids[239])).toEqual(ids.slice(240));
    expect(shown(ids[200], 10)).toEqual(ids.slice(-10));
    expect(shown(0, 100, ids[150])).toEqual(ids.slice(50, 150));
    expect(shown(0, 100, ids[50])).toEqual(ids.slice(0, 50));
    expect(shown(ids[9], 100, ids[20])).toEqual(ids.slice(10, 20));
    expect(shown(0, 1000)).toEqual(ids);
    expect(shown(ids[249])).toEqual([]);
    expect(shown(0, 0)).toEqual([]);
    expect(ledger.statement(token, 0, 1000).map(({ balance }) => balance)).toEqual(
      Array.from({ length: 251 }, (_, index) => 1000n - 2n * BigInt(index)),
    );
    expect(() => ledger.statement(99)).toThrow("There is no account 99.");
  });
});
