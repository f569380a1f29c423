// Rows in memory: written once for a transaction, and never other than what the database would say.

import { describe, expect, it } from "vitest";
import { type Migration, Rows, type Store } from "../../../server/store/index.ts";
import { open, place } from "./place.ts";

const accounts: Migration = {
  name: "account",
  sql: "CREATE TABLE account (account INTEGER PRIMARY KEY, has INTEGER NOT NULL CHECK (has >= 0)) STRICT",
};

function setUp(path: string = place()) {
  const store = open(path, [accounts]);
  const select = store.db.prepare<[number], number>("SELECT has FROM account WHERE account = ?").pluck();
  const write = store.db.prepare(
    "INSERT INTO account VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET has = excluded.has",
  );
  const counts = { reads: 0, writes: 0 };
  const rows = new Rows<number, number>(store, {
    read: (account) => {
      counts.reads++;
      return select.get(account);
    },
    write: (changed) => {
      for (const [account, has] of changed) {
        counts.writes++;
        write.run(account, has);
      }
    },
  });
  const add = (account: number, amount: number) => () => rows.set(account, (rows.get(account) ?? 0) + amount);
  return { path, store, rows, counts, add, stored: (account: number) => select.get(account) };
}

const fails = (store: Store, work: () => void) =>
  store
    .commit(() => {
      work();
      throw new Error("no");
    })
    .catch((error: Error) => error.message);

describe("rows in memory", () => {
  it("are read once, and written once for all works of a group", async () => {
    const { store, counts, add, stored } = setUp();
    await Promise.all(Array.from({ length: 100 }, () => store.commit(add(1, 1))));
    expect(stored(1)).toBe(100);
    expect(counts.writes).toBe(1);
    const { reads } = counts;
    await Promise.all(Array.from({ length: 100 }, () => store.commit(add(1, 1))));
    expect(stored(1)).toBe(200);
    expect(counts).toEqual({ reads, writes: 2 });
  });

  it("lose what a work has changed that is undone, and nothing of the others", async () => {
    const { store, rows, add, stored } = setUp();
    const undone = [
      store.commit(add(1, 5)),
      fails(store, () => {
        add(1, 7)();
        add(1, 7)();
        add(2, 7)();
        // Somebody reads the table within the work: what is written for that is undone with it.
        rows.write();
      }),
      store.commit(() => [rows.get(1), rows.get(2)]),
      store.commit(add(1, 1)),
    ];
    expect(await Promise.all(undone)).toEqual([undefined, "no", [5, undefined], undefined]);
    expect([stored(1), stored(2)]).toEqual([6, undefined]);
    expect(store.transact(() => rows.get(1))).toBe(6);
  });

  it("do not remember a row that came and went with a work", async () => {
    const { store, rows, stored } = setUp();
    await fails(store, () => {
      store.db.exec("INSERT INTO account VALUES (3, 30)");
      expect(rows.get(3)).toBe(30);
    });
    expect(store.transact(() => rows.get(3))).toBe(undefined);
    expect(stored(3)).toBe(undefined);
  });

  it("forget everything when the transaction fails, also when only their writing does", async () => {
    const { store, rows, add, stored } = setUp();
    store.transact(add(1, 5));
    const ends = await Promise.allSettled([store.commit(add(1, 1)), store.commit(add(2, -1))]);
    expect(ends.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect([stored(1), stored(2)]).toEqual([5, undefined]);
    expect(store.transact(() => [rows.get(1), rows.get(2)])).toEqual([5, undefined]);
    expect(() =>
      store.transact(() => {
        add(1, 1)();
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(store.transact(() => rows.get(1))).toBe(5);
  });

  it("see what another process has changed, in a transaction and outside of one", () => {
    const { path, store, rows, add, stored } = setUp();
    store.transact(add(1, 5));
    const other = setUp(path);
    other.store.transact(other.add(1, 10));
    expect(rows.get(1)).toBe(15);
    store.transact(add(1, 1));
    other.store.transact(other.add(1, 10));
    expect(stored(1)).toBe(26);
  });
});
