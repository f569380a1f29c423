// Where the boxes down of a pad are: what memory says of it, against the chain in the database.

import { expect, it } from "vitest";
import { Answers, type Kept } from "../../../server/token/answers.ts";
import type { Pad } from "../../../server/token/pads.ts";
import { tokenTables } from "../../../server/token/tables.ts";
import { open, place } from "../store/place.ts";

function setUp() {
  const store = open(place(), [tokenTables]);
  const answers = new Answers(store);
  const pad = (number: number, kept: Kept, down: number) => ({ pad: number, answer: kept.newest, down }) as Pad;
  const marks = (kept: Kept) => answers.from(kept, 0, 100).map(({ mark }) => mark);
  const fresh = (number: number) => answers.of({ pad: number, answer: null, down: 0 } as Pad);
  return { store, answers, pad, marks, fresh };
}

const id = (first: number) => new Uint8Array(16).fill(first);

it("the chain says what memory says, and a request is found under its whole id", () => {
  const { store, answers, pad, marks, fresh } = setUp();
  const one = fresh(1);
  const two = fresh(2);
  store.transact(() => {
    for (let box = 0; box < 10; box++) {
      answers.keep(one, 100 * box, Uint8Array.of(1, box), id(box));
      answers.keep(two, 50 * box, Uint8Array.of(2, box), null);
    }
  });
  store.transact(() => answers.forget(one, 300));
  const read = answers.of(pad(1, one, 1000));
  for (const kept of [one, read]) {
    expect(marks(kept)).toEqual([300, 400, 500, 600, 700, 800, 900]);
    expect(answers.from(kept, 450, 2).map(({ box }) => [...box])).toEqual([
      [1, 5],
      [1, 6],
    ]);
    expect(answers.find(kept, id(7))).toBe(700);
    expect(answers.find(kept, id(1))).toBe(null);
    expect(answers.find(kept, id(7).fill(0, 8))).toBe(null);
  }
  expect(marks(answers.of(pad(2, two, 500)))).toHaveLength(10);
});

it("a number that was given again is no box of the pad that had it first", () => {
  const { store, answers, pad, marks, fresh } = setUp();
  // Whoever starts with an empty table begins to count anew.
  const restarted = () => new Answers(store);
  const one = fresh(1);
  store.transact(() => answers.keep(one, 0, Uint8Array.of(1), id(1)));
  store.transact(() => answers.forget(one, 100));
  const gone = pad(1, one, 100);
  const two = fresh(2);
  const second = restarted();
  store.transact(() => second.keep(two, 0, Uint8Array.of(2), id(2)));
  expect(two.newest).toBe(one.newest);
  expect(marks(answers.of(gone))).toEqual([]);
  store.transact(() => second.forget(two, 100));
  // The pad itself gets the number again: the chain ends there, instead of going round.
  store.transact(() => restarted().keep(one, 100, Uint8Array.of(3), null));
  expect(marks(answers.of(pad(1, one, 200)))).toEqual([100]);
});

it("what a work changed of it is undone with the work", () => {
  const { store, answers, marks, fresh } = setUp();
  const kept = fresh(1);
  store.transact(() => {
    for (let box = 0; box < 5; box++) answers.keep(kept, box, Uint8Array.of(box), id(box));
  });
  const { newest } = kept;
  const fails = () =>
    store.transact(() => {
      kept.begin();
      answers.keep(kept, 5, Uint8Array.of(5), id(5));
      answers.forget(kept, 3);
      throw new Error("no");
    });
  expect(fails).toThrow("no");
  kept.undo();
  expect(marks(kept)).toEqual([0, 1, 2, 3, 4]);
  expect(kept.newest).toBe(newest);
});
