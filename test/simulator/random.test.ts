/**
 * The seeded generator: a world that can be replayed.
 */
import { expect, it } from "vitest";
import { Random } from "../../simulator/index.ts";

function draws(random: Random, count = 8): number[] {
  return Array.from({ length: count }, () => random.u32());
}

it("the same seed gives the same numbers, another seed others", () => {
  expect(draws(new Random(7))).toEqual(draws(new Random(7)));
  expect(draws(new Random(7))).not.toEqual(draws(new Random(8)));
});

it("a state taken earlier goes on as it did", () => {
  const random = new Random(1);
  draws(random);
  const state = random.state();
  const then = draws(random);
  random.resume(state);
  expect(draws(random)).toEqual(then);
});

it("below(n) reaches every number under n about equally often, and no other", () => {
  const random = new Random(3);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) counts[random.below(10)]!++;
  expect(counts.length).toBe(10);
  expect(Math.min(...counts)).toBeGreaterThan(850);
  expect(Math.max(...counts)).toBeLessThan(1150);
});

it("fill covers every byte of any length", () => {
  const random = new Random(3);
  for (const length of [1, 2, 3, 4, 5, 63]) {
    const seen = new Uint8Array(length);
    for (let round = 0; round < 16; round++) {
      const bytes = new Uint8Array(length);
      random.fill(bytes);
      for (let i = 0; i < length; i++) seen[i]! |= bytes[i]!;
    }
    expect(seen.every((byte) => byte > 0)).toBe(true);
  }
});
