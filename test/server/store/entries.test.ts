// Rows that are added and removed: numbered at once, written many at a time, and never other than what the works have left.

import { expect, it } from "vitest";
import { Entries, type Migration, type Store } from "../../../server/store/index.ts";
import { open, place } from "./place.ts";

const lines: Migration = {
  name: "line",
  sql: "CREATE TABLE line (line INTEGER PRIMARY KEY, text TEXT NOT NULL, length INTEGER NOT NULL) STRICT",
};

function setUp(path: string = place()) {
  const store = open(path, [lines]);
  const entries = new Entries(store, "line", ["line", "text", "length"]);
  const add = (text: string) => () => entries.add(text, text.length);
  const select = store.db.prepare<[], { line: number; text: string }>("SELECT line, text FROM line ORDER BY line");
  const stored = () => Object.fromEntries(select.all().map(({ line, text }) => [line, text]));
  return { path, store, entries, add, stored };
}

const fails = (store: Store, work: () => void) =>
  store
    .commit(() => {
      work();
      throw new Error("no");
    })
    .catch((error: Error) => error.message);

it("are numbered in the order in which they come, however many there are", async () => {
  const { store, entries, add, stored } = setUp();
  for (const count of [1, 31, 32, 33, 100]) {
    const numbers = await Promise.all(Array.from({ length: count }, (_, n) => store.commit(add(`${count} ${n}`))));
    const rows = stored();
    expect(Object.keys(rows).map(Number)).toEqual(numbers);
    expect(Object.values(rows)).toEqual(numbers.map((_, n) => `${count} ${n}`));
    await Promise.all(numbers.map((number) => store.commit(() => entries.remove(number))));
    expect(stored()).toEqual({});
  }
});

it("lose what a work has added and removed that is undone, and nothing of the others, also when it was written early", async () => {
  const { store, entries, add, stored } = setUp();
  await Promise.all([store.commit(add("one")), store.commit(add("two"))]);
  const ends = [
    store.commit(add("three")),
    store.commit(() => entries.remove(1)),
    fails(store, () => {
      add("lost")();
      entries.remove(2);
      // Somebody reads the table within the work: what is written for that is undone with it.
      entries.write();
      expect(stored()).toEqual({ 3: "three", 4: "lost" });
      add("lost as well")();
    }),
    store.commit(() => {
      entries.write();
      return stored();
    }),
    store.commit(add("four")),
    fails(store, add("lost")),
  ];
  expect(await Promise.all(ends)).toEqual([3, undefined, "no", { 2: "two", 3: "three" }, 4, "no"]);
  expect(stored()).toEqual({ 2: "two", 3: "three", 4: "four" });
});

it("forget everything when the transaction fails, and count on from what is there", async () => {
  const { store, entries, add, stored } = setUp();
  store.transact(add("one"));
  const bad = () => store.transact(() => [add("two")(), entries.add(null, 0)]);
  expect(bad).toThrow(/NOT NULL/);
  expect(stored()).toEqual({ 1: "one" });
  expect(await Promise.all([store.commit(add("two")), store.commit(add("three"))])).toEqual([2, 3]);
  expect(stored()).toEqual({ 1: "one", 2: "two", 3: "three" });
});

it("count on from what another process has added", () => {
  const { path, store, add, stored } = setUp();
  const other = setUp(path);
  expect([store.transact(add("one")), other.store.transact(other.add("two")), store.transact(add("three"))]).toEqual([
    1, 2, 3,
  ]);
  expect(stored()).toEqual({ 1: "one", 2: "two", 3: "three" });
});
