// The whole system in simulated worlds: some seeds, the same hash for the same seed, and planted defects that are found.

import { describe, expect, it } from "vitest";
import { atOnce, hunt, send, type Told } from "./crew.ts";
import { DEFECTS } from "./defects.ts";
import { FAULTS } from "./faults.ts";

const seed = Number(process.env.SEED ?? 1);
const SEEDS = 36;
const WORKERS = 2;
const HUNT_SEEDS = 60;
/** Seeds that are lived twice. */
const SAME = 4;
/** Of the kinds of faults some may not come in so few seeds; in those of npm run simulate each does. */
const SILENT_MOST = 5;

describe(`the whole system, simulated (SEED=${seed})`, () => {
  it("no pad byte hides two texts, books balance, and each request has one debit and one answer, whatever goes wrong", async () => {
    const lives: Told[] = [];
    await atOnce([0, 1], WORKERS, (i) =>
      send({ seed: seed + i, seeds: SEEDS / WORKERS, step: WORKERS }, (life) => lives.push(life)),
    );
    expect(lives.flatMap((life) => life.findings.map((finding) => `seed ${life.seed}: ${finding}`))).toEqual([]);
    expect(lives).toHaveLength(SEEDS);
    expect(lives.reduce((sum, { bytesReused }) => sum + bytesReused, 0)).toBe(0);
    const silent = FAULTS.filter((fault) => lives.every(({ faults }) => faults[fault] === 0));
    expect(silent.length, `${silent} did not come`).toBeLessThanOrEqual(SILENT_MOST);
    const steps = lives.reduce((sum, life) => sum + life.steps, 0);
    console.log(`${SEEDS} seeds, ${steps} steps, ${FAULTS.length - silent.length} of ${FAULTS.length} faults came`);
  });

  it("the same seed is the same world, event by event", async () => {
    const [once, again] = await Promise.all([send({ seed, seeds: SAME }), send({ seed, seeds: SAME })]);
    expect(once.map(({ hash }) => hash)).toEqual(again.map(({ hash }) => hash));
    expect(new Set(once.map(({ hash }) => hash)).size).toBe(SAME);
  });

  it(`every fifth of ${DEFECTS.length} planted defects is found; npm run simulate hunts them all`, async () => {
    const catches = await atOnce(
      DEFECTS.filter((_, i) => i % 5 === seed % 5),
      WORKERS,
      (defect) => hunt(defect, seed, HUNT_SEEDS),
    );
    expect(catches.filter(({ found }) => !found).map(({ name }) => name)).toEqual([]);
  });

  it("a defect that applies nowhere, or in two places, is no defect that was found", async () => {
    const [first] = DEFECTS;
    await expect(hunt({ ...first!, from: "nowhere in the server" }, seed, 1)).rejects.toThrow("exactly one place");
    await expect(hunt({ ...first!, from: "const" }, seed, 1)).rejects.toThrow("exactly one place");
  });
});
