// The driver under hunt: as it is it keeps every promise in bad weather of all kinds, and no planted defect does.

import { describe, expect, it } from "vitest";
import { DRIVER_DEFECTS, huntDriver } from "./driver-defects.ts";

const seed = Number(process.env.SEED ?? 1);
const LIVES = 100;

describe(`the driver's promises (SEED=${seed})`, () => {
  it("T-21 hold on bad lines, through cuts, lost devices, ended hosts and crashed computers: nothing twice, nothing lost, nothing too early", async () => {
    let lives = 0;
    const caught = await huntDriver(null, seed, () => lives++ < LIVES);
    console.log(`${LIVES} lives with ${caught.cuts} cuts, losses, deaths and crashes`);
    expect(caught.sign).toBe("");
  });

  // The others in turn of the seed; npm run torture hunts them all.
  it.each(DRIVER_DEFECTS.filter((_, i) => i % 2 === seed % 2))("the hunt finds that $name", async (defect) => {
    const until = performance.now() + 200_000;
    const caught = await huntDriver(defect, seed, () => performance.now() < until);
    expect(caught.found).toBe(true);
    console.log(`found after ${caught.cuts} cuts: ${defect.name} (${caught.sign})`);
  });

  it("a defect that applies nowhere, or in two places, is no defect that was found", async () => {
    const [first] = DRIVER_DEFECTS;
    await expect(huntDriver({ ...first!, from: "nowhere in the driver" }, seed, () => true)).rejects.toThrow(
      "exactly one place",
    );
    await expect(huntDriver({ ...first!, from: "const" }, seed, () => true)).rejects.toThrow("exactly one place");
  });
});
