// Power cuts and resets of the firmware at random cycles, on both emulated boards, and wrong firmware that they must find. `npm run torture -- --body BOARD` does more of it.

import { randomInt } from "node:crypto";
import process from "node:process";
import { describe, expect, it } from "vitest";
import { cutBoard } from "../torture/board.ts";
import { FIRMWARE_DEFECTS, huntFirmware } from "../torture/board-defects.ts";
import { newTally } from "../torture/cuts.ts";
import { showsBoards } from "./firmware-board.ts";

const shown = showsBoards("power cuts of an emulated board");

const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
/** A boot of `pico`, which reads a larger journal, takes twice as long. */
const CUTS = { pico: 20, "pico-bare": 30 } as const;
/** Those that a few cuts show; the torture hunts the others. */
const QUICK = FIRMWARE_DEFECTS.filter(({ quick }) => quick);
const QUICK_CUTS = 10;

describe.skipIf(!shown)(`power cuts of an emulated board (SEED=${seed})`, { timeout: 240_000 }, () => {
  it.each(["pico", "pico-bare"] as const)(
    "T-04 T-18 %s loses its power or is reset at any cycle, busy or not: no pad byte serves twice, nothing is lost, and what is used is gone",
    (name) => {
      const tally = newTally();
      cutBoard(name, CUTS[name], seed, tally);
      expect(tally.failures).toEqual([]);
      expect(tally.bytesReused + tally.messagesLost).toBe(0);
      expect(tally.cuts).toBeGreaterThanOrEqual(CUTS[name]);
    },
  );

  it.each(QUICK)("they find firmware in which $name", async (defect) => {
    const { sign } = await huntFirmware(defect, QUICK_CUTS, seed);
    expect(sign).not.toBeNull();
  });
});
