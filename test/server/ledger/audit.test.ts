// The audit: true books pass, and whatever is changed in them is found where it was changed.

import { describe, expect, it } from "vitest";
import type { Disagreement } from "../../../server/ledger/index.ts";
import { type Books, issueToken, openBooks } from "./books.ts";

/** Books with two tokens, transfers by key and by number, and holds that ended in each way or are open. */
function bookkeeping(): Books & { alice: number; bob: number } {
  const books = openBooks();
  const { store, ledger } = books;
  const alice = issueToken(books, 1000n);
  const bob = issueToken(books, 500n);
  issueToken(books, 77n, "EUR");
  store.transact(() => {
    const pay = { from: alice, to: bob, reason: "box" };
    for (const number of [3, 5, 9]) ledger.transfer({ ...pay, key: ["pad", number], amount: BigInt(number) });
    const holds = ["a", "b", "c", "d"].map((key) =>
      ledger.hold({ ...pay, key, amount: 20n, expires: 1000 + key.charCodeAt(0) }),
    );
    ledger.post(holds[0] as number, 15n);
    ledger.void(holds[1] as number);
    ledger.expire(1000 + "c".charCodeAt(0));
  });
  return { ...books, alice, bob };
}

/** Changes the tables as somebody with the file in hand could, past the triggers and checks, and audits. */
function tamper({ store, ledger }: Books, sql: string): readonly Disagreement[] {
  store.db.pragma("ignore_check_constraints = ON");
  return store.transact(() => {
    const triggers = store.db
      .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
      .pluck()
      .all();
    for (const name of triggers) store.db.exec(`DROP TRIGGER ${name}`);
    store.db.exec(sql);
    return ledger.audit().disagreements;
  });
}

describe("the audit", () => {
  it("finds that true books agree, and says what they hold", () => {
    const { store, ledger } = bookkeeping();
    expect(store.transact(() => ledger.audit())).toEqual({
      entries: 13,
      accounts: 5,
      openHolds: 1,
      assets: [
        { asset: "CRED", sum: 0n, circulating: 1500n },
        { asset: "EUR", sum: 0n, circulating: 77n },
      ],
      disagreements: [],
    });
  });

  it.each<[what: string, sql: string, found: Partial<Disagreement>[]]>([
    [
      "a balance",
      "UPDATE account SET balance = balance + 1 WHERE id = 2",
      [
        { name: "BALANCE", account: 2, stated: 969n, derived: 968n },
        { name: "SUM", asset: "CRED", stated: 1n, derived: 0n },
      ],
    ],
    [
      "two balances that make up for one another",
      "UPDATE account SET balance = balance + iif(id = 2, 1, -1) WHERE id IN (2, 3)",
      [
        { name: "BALANCE", account: 2 },
        { name: "BALANCE", account: 3 },
      ],
    ],
    [
      "what is held",
      "UPDATE account SET held = 0 WHERE id = 2",
      [{ name: "HELD", account: 2, stated: 0n, derived: 20n }],
    ],
    [
      "an account's last entry",
      "UPDATE account SET last = 1 WHERE id = 2",
      [{ name: "LAST_ENTRY", account: 2, stated: 1n }],
    ],
    [
      "the amount of an entry",
      "UPDATE journal SET amount = 6 WHERE id = 5",
      [
        { name: "ENTRY_BALANCE", entry: 5, account: 2 },
        { name: "ENTRY_BALANCE", entry: 5, account: 3 },
        { name: "BALANCE", account: 2 },
        { name: "BALANCE", account: 3 },
      ],
    ],
    [
      "a balance within the journal",
      "UPDATE journal SET source_balance = 1 WHERE id = 5",
      [
        { name: "ENTRY_BALANCE", entry: 5, account: 2, stated: 1n, derived: 992n },
        { name: "ENTRY_BALANCE", entry: 6, account: 2 },
      ],
    ],
    ["who was paid", "UPDATE journal SET target = 4 WHERE id = 6", [{ name: "ENTRY_ACCOUNTS", entry: 6 }]],
    [
      "an entry of an account that is not there",
      "UPDATE journal SET target = 99 WHERE id = 6",
      [
        { name: "ENTRY_ACCOUNTS", entry: 6, account: 99 },
        { name: "BALANCE", account: 2 },
      ],
    ],
    [
      "the chain of a statement",
      "UPDATE journal SET target_previous = NULL WHERE id = 6",
      [{ name: "ENTRY_CHAIN", entry: 6, account: 3, stated: null, derived: 5n }],
    ],
    [
      "an entry taken out",
      "DELETE FROM journal WHERE id = 5",
      [
        { name: "ENTRY_MISSING", entry: 5 },
        { name: "ENTRY_CHAIN", entry: 6, account: 2 },
      ],
    ],
    [
      "the last entry taken off",
      "DELETE FROM journal WHERE id = 13",
      [
        { name: "HELD", account: 2 },
        { name: "OPEN_HOLD", hold: 9 },
      ],
    ],
    [
      "an entry slipped in",
      `INSERT INTO journal (kind, source, target, amount, reason, at) VALUES ('transfer', 2, 3, 1, 'box', 0)`,
      [
        { name: "ENTRY_BALANCE", entry: 14, account: 2, stated: null },
        { name: "BALANCE", account: 2 },
      ],
    ],
    [
      "a floor that was passed",
      "UPDATE account SET floor = 985 WHERE id = 2",
      [{ name: "FLOOR", account: 2, entry: 6, stated: 983n, derived: 985n }],
    ],
    [
      "a hold that ended with more than it held",
      "UPDATE journal SET amount = 21 WHERE kind = 'post'",
      [{ name: "ENTRY_ENDING", stated: 21n, derived: 20n }],
    ],
    [
      "a hold that ended twice",
      `DROP INDEX journal_hold; UPDATE journal SET hold = 7 WHERE kind = 'void'`,
      [
        { name: "ENTRY_ENDING", stated: 20n, derived: null },
        { name: "OPEN_HOLD", hold: 8, stated: null, derived: 8n },
      ],
    ],
    [
      "an ending without its hold",
      "UPDATE journal SET hold = NULL WHERE kind = 'post'",
      [
        { name: "ENTRY_ENDING", stated: 15n, derived: null },
        { name: "OPEN_HOLD", hold: 7 },
      ],
    ],
    ["an open hold forgotten", "DELETE FROM hold", [{ name: "OPEN_HOLD", hold: 10, stated: null, derived: 10n }]],
    [
      "an open hold that was none",
      "INSERT INTO hold VALUES (5, NULL)",
      [{ name: "OPEN_HOLD", hold: 5, stated: 5n, derived: null }],
    ],
    ["the end of a series", "UPDATE series SET number = 3", [{ name: "SERIES", series: "pad" }]],
    ["a series forgotten", "DELETE FROM series", [{ name: "SERIES", series: "pad", stated: null, derived: 6n }]],
    [
      "a number used twice",
      "UPDATE journal SET number = 3 WHERE id = 5",
      [{ name: "ENTRY_SERIES", entry: 5, series: "pad" }],
    ],
    [
      "a series torn",
      "UPDATE journal SET series_previous = 4 WHERE id = 6",
      [{ name: "ENTRY_SERIES", entry: 6, stated: 4n, derived: 5n }],
    ],
  ])("finds %s, and names it", (_what, sql, found) => {
    const disagreements = tamper(bookkeeping(), sql);
    for (const one of found) expect(disagreements).toContainEqual(expect.objectContaining(one));
  });

  it("reports each place once: one wrong balance does not make all later ones look wrong", () => {
    const books = bookkeeping();
    const { store, ledger, alice, bob } = books;
    const wrong = Number(store.transact(() => ledger.statement(alice)).at(-1)?.id);
    store.transact(() => {
      for (let i = 0; i < 500; i++) ledger.transfer({ key: `${i}`, from: alice, to: bob, amount: 1n, reason: "box" });
    });
    const disagreements = tamper(books, `UPDATE journal SET amount = 1 WHERE id = ${wrong}`);
    expect(disagreements.map(({ name }) => name)).toEqual(["ENTRY_BALANCE", "ENTRY_BALANCE", "BALANCE", "BALANCE"]);
  });

  it("runs beside a server that is writing, on a file opened for reading only", () => {
    const { store } = bookkeeping();
    const reader = openBooks(store.db.name, { readOnly: true });
    store.transact(() => {
      store.db.exec("UPDATE account SET balance = 900 WHERE id = 2");
      expect(reader.store.transact(() => reader.ledger.audit()).disagreements).toEqual([]);
      store.db.exec("UPDATE account SET balance = 968 WHERE id = 2");
    });
  });
});
