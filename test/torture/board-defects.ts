// Wrong firmware: each a change of one line of its C, that the core cannot see and that silicon would punish, at the latest with a cut. Found means that cuts of the emulated
// board show it, by what the strict emulator refuses or by what the ideal sees.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Board, type BoardName, readSymbols } from "../../hardware/emulator/index.ts";
import { buildImage } from "../../hardware/toolchain/image.ts";
import { findUsbDefect, USB_DEFECTS } from "../hardware/usb-defects.ts";
import { CHIPS, cutBoard } from "./board.ts";
import { newTally } from "./cuts.ts";

export interface FirmwareDefect {
  readonly name: string;
  readonly board: BoardName;
  /** Under hardware/. */
  readonly file: string;
  readonly before: string;
  readonly after: string;
  /** The first few cuts show it. */
  readonly quick?: true;
}

export const FIRMWARE_DEFECTS: readonly FirmwareDefect[] = [
  {
    name: "the chip is not waited for when the board starts",
    board: "pico",
    file: "boards/pico/spi.c",
    before: "if (!bus_await(ERASE_64K_MOST_US)) {",
    after: "if (false) {",
  },
  {
    name: "the chip is not waited for at all",
    board: "pico",
    file: "boards/pico/spi.c",
    before: "if ((status() & STATUS_BUSY) == 0) return true;",
    after: "if ((status() & STATUS_BUSY) < 2) return true;",
    quick: true,
  },
  {
    name: "a program is done again when it was done",
    board: "pico",
    file: "common/hal.c",
    before: "return !nor_program(PAD_BEGIN + address, from, length);",
    after: "return !nor_program(PAD_BEGIN + address, from, length) || !nor_program(PAD_BEGIN + address, from, length);",
  },
  {
    name: "the pad is read through the cache of the boot flash",
    board: "pico-bare",
    file: "common/nor.c",
    before: "bus_ask(command, sizeof command, into, count);",
    after: "for (uint32_t i = 0; i < count; i++) into[i] = *(const volatile uint8_t*)(0x10000000u + address + i);",
  },
  {
    name: "memory is not made fresh when the board starts",
    board: "pico",
    file: "common/start.c",
    before: "*to++ = 0;",
    after: "to++;",
  },
  {
    name: "an answer is sent without waiting for room on the line",
    board: "pico",
    file: "common/uart.c",
    before: "while (REG(UART_FR) & UART_FR_TX_FULL)",
    after: "while (false)",
  },
];

const HARDWARE = fileURLToPath(new URL("../../hardware", import.meta.url));

/** Builds the wrong firmware and cuts boards that run it, at most so often. The sign that gave it away, or null when none did. */
export function huntFirmware(
  defect: FirmwareDefect,
  cuts: number,
  seed: number,
): { cuts: number; sign: string | null } {
  const directory = mkdtempSync(join(tmpdir(), "tearpad-planted-"));
  try {
    const right = readFileSync(join(HARDWARE, defect.file), "utf8");
    if (right.split(defect.before).length !== 2) throw new Error(`${defect.file} has not once: ${defect.before}`);
    const wrong = new Map([[basename(defect.file), right.replace(defect.before, () => defect.after)]]);
    const { bin, elf } = buildImage(defect.board, directory, wrong);
    const [image, symbols] = [readFileSync(bin), readSymbols(readFileSync(elf))];
    const tally = newTally();
    try {
      cutBoard(
        defect.board,
        cuts,
        seed,
        tally,
        () => new Board({ board: defect.board, image, symbols, chip: CHIPS[defect.board], seed }),
      );
    } catch (error) {
      // So broken that it does not answer at all.
      return { cuts: tally.cuts, sign: error instanceof Error ? error.message : String(error) };
    }
    return { cuts: tally.cuts, sign: tally.failures[0] ?? null };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Cuts of a board in one torture, and at most so many to find a planted defect. */
const CUTS = 1000;
const HUNT_CUTS = 120;

/** `npm run torture -- --body BOARD`: 1,000 cuts of the firmware on that board, and its planted defects. Prints what it finds; false when anything is wrong. */
export function tortureBoard(board: BoardName, seed: number): boolean {
  const begun = performance.now();
  const tally = newTally();
  cutBoard(board, CUTS, seed, tally);
  console.log(
    `seed ${seed}: ${tally.cuts} cuts of ${board} in ${((performance.now() - begun) / 1000).toFixed(0)} s, ` +
      `${tally.bytesReused} bytes reused, ${tally.messagesLost} messages lost`,
  );
  for (const failure of tally.failures) console.log(`FAILS ${failure}`);
  const defects = FIRMWARE_DEFECTS.filter((defect) => defect.board === board);
  const missed = defects.filter((defect) => {
    const { cuts, sign } = huntFirmware(defect, HUNT_CUTS, seed);
    console.log(`${sign === null ? "NOT FOUND" : "found"} after ${cuts} cuts: ${defect.name} (${sign})`);
    return sign === null;
  });
  return tally.failures.length === 0 && missed.length === 0 && (board !== "pico" || usbDefectsFound());
}

/** The USB part is the same on both boards, and its claims need no cuts. */
function usbDefectsFound(): boolean {
  const missed = Object.entries(USB_DEFECTS).filter(([name, defect]) => {
    const claim = findUsbDefect(defect);
    console.log(`${claim === null ? "NOT FOUND" : "found"}: USB, ${name} (${claim})`);
    return claim === null;
  });
  return missed.length === 0;
}
