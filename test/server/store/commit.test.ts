// Group commit: works of many callers in one transaction, each of which fails alone, and all of which fail together.

import { describe, expect, it } from "vitest";
import { limitFileSize } from "../../host/file-limit.ts";
import { numbers, open, place, thrown, writes, written } from "./place.ts";

const outcomes = async (promises: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(promises)).map((end) => (end.status === "fulfilled" ? end.value : end.reason.message));

describe("group commit", () => {
  it("runs works in the order in which they were given, at most 1,024 in one transaction", async () => {
    const path = place();
    const store = open(path);
    const reader = open(path, [numbers], { readOnly: true });
    const count = reader.db.prepare<[], number>("SELECT count(*) FROM number").pluck();
    const committed = new Set<number>();
    const values = Array.from({ length: 2500 }, (_, index) => 7 * index);
    const writing = values.map((value) => {
      const write = writes(store, value);
      return store.commit(() => {
        committed.add(count.get()!);
        return write();
      });
    });
    expect(await Promise.all(writing)).toEqual(values);
    expect(written(store)).toEqual(values);
    expect([...committed]).toEqual([0, 1024, 2048]);
  });

  it("takes what is given while the works run into the next group", async () => {
    const path = place();
    const store = open(path);
    const reader = open(path, [numbers], { readOnly: true });
    let later: Promise<number[]> | undefined;
    const [write, writeLater] = [writes(store, 1), writes(store, 2)];
    await store.commit(() => {
      later = store.commit(() => {
        writeLater();
        return written(reader);
      });
      return write();
    });
    expect(await later).toEqual([1]);
    expect(written(store)).toEqual([1, 2]);
  });

  it("undoes a work that throws, whole, and leaves the others unharmed", async () => {
    const store = open(place());
    const ends = [
      store.commit(writes(store, 1)),
      store.commit(() => {
        writes(store, 2)();
        writes(store, 3)();
        throw new Error("changed my mind");
      }),
      store.commit(writes(store, 1)),
      store.commit(writes(store, 4)),
    ];
    expect(await outcomes(ends)).toEqual([1, "changed my mind", "UNIQUE constraint failed: number.value", 4]);
    expect(written(store)).toEqual([1, 4]);
  });

  it("rejects every work of a group whose commit fails, changes nothing, and goes on", async () => {
    const path = place();
    const owed = {
      name: "owed",
      sql: `CREATE TABLE owed (value INTEGER REFERENCES number (value) DEFERRABLE INITIALLY DEFERRED) STRICT`,
    };
    const store = open(path, [numbers, owed]);
    // Only the commit looks at a deferred reference.
    const owes = () => store.db.exec("INSERT INTO owed VALUES (99)");
    const ends = [store.commit(writes(store, 1)), store.commit(owes), store.commit(writes(store, 2))];
    const reason = "FOREIGN KEY constraint failed";
    expect(await outcomes(ends)).toEqual([reason, reason, reason]);
    expect(written(store)).toEqual([]);
    expect(await store.commit(writes(store, 3))).toBe(3);
    expect(thrown(() => store.transact(owes))).toMatchObject({ message: reason });
    store.close();
    expect(written(open(path, [numbers, owed]))).toEqual([3]);
  });

  it("says that the disk is full, to all who are in the group, and goes on when there is room", async () => {
    const store = open(place());
    await store.commit(writes(store, 1));
    const pages = store.db.pragma("page_count", { simple: true });
    store.db.pragma(`max_page_count = ${pages}`);
    const large = "x".repeat(100_000);
    const ends = await Promise.allSettled([
      store.commit(writes(store, 2, large)),
      store.commit(writes(store, 3, large)),
    ]);
    for (const end of ends) expect(end).toMatchObject({ reason: { code: "STORE_FULL" } });
    expect(thrown(() => store.transact(writes(store, 4, large)))).toMatchObject({ code: "STORE_FULL" });
    expect(written(store)).toEqual([1]);
    store.db.pragma("max_page_count = 1000000");
    await store.commit(writes(store, 5, large));
    expect(written(store)).toEqual([1, 5]);
  });

  it.skipIf(process.platform !== "linux")(
    "says that the disk failed when the kernel refuses to write, and nothing is lost or half there",
    async () => {
      const path = place();
      const store = open(path);
      await store.commit(writes(store, 1));
      const lift = limitFileSize(64 * 1024);
      const large = "x".repeat(100_000);
      try {
        const ends = [store.commit(writes(store, 2)), store.commit(writes(store, 3, large))];
        for (const end of await Promise.allSettled(ends)) {
          expect(end).toMatchObject({ reason: { code: "STORE_FAILED", facts: { path } } });
        }
      } finally {
        lift();
      }
      expect(written(store)).toEqual([1]);
      await store.commit(writes(store, 4, large));
      store.close();
      expect(written(open(path))).toEqual([1, 4]);
    },
  );

  it("refuses a work that would go on after its transaction, and one inside of another", async () => {
    const store = open(place());
    const slow = store.commit(async () => writes(store, 1)());
    await expect(slow).rejects.toThrow("synchronous");
    const nested = store.commit(() => store.transact(writes(store, 2)));
    await expect(nested).rejects.toThrow("running already");
    await expect(store.commit(() => store.close())).rejects.toThrow("cannot close");
    expect(written(store)).toEqual([]);
    expect(await store.commit(writes(store, 3))).toBe(3);
  });

  it("finishes what waits when it is closed, and refuses what comes later by name", async () => {
    const path = place();
    const store = open(path);
    const waiting = Array.from({ length: 1500 }, (_, index) => store.commit(writes(store, index)));
    store.close();
    store.close();
    expect(await Promise.all(waiting)).toHaveLength(1500);
    await expect(store.commit(() => 1)).rejects.toMatchObject({ code: "STORE_CLOSED", facts: { path } });
    expect(thrown(() => store.transact(() => 1))).toMatchObject({ code: "STORE_CLOSED" });
    expect(written(open(path))).toHaveLength(1500);
  });
});
