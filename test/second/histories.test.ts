// The built core and the second implementation answer random histories of a token alike. SEED replays a run.
import { randomInt } from "node:crypto";
import { expect, it } from "vitest";
import { firstDifference } from "./histories.ts";

const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
const HISTORIES = 40;
const STEPS = 50;

it(`the core and the second implementation answer ${HISTORIES} random histories alike (SEED=${seed})`, () => {
  for (let i = 0; i < HISTORIES; i++) expect(firstDifference(seed + i, STEPS), `SEED=${seed + i}`).toBeUndefined();
});

it("a device that was filled otherwise is found", () => {
  const found = Array.from({ length: 5 }, (_, i) => firstDifference(i, STEPS, { list: 2 }));
  expect(found.every((difference) => difference?.startsWith("step "))).toBe(true);
});
