// Wrong firmware: each a change of one line of its C, that the core cannot see and that silicon would punish, at the latest with a cut. Found means that cuts of the emulated
// board show it, by what the strict emulator refuses or by what the ideal sees; or that a claim about whole boards breaks.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Board, type BoardName, readSymbols } from "../../hardware/emulator/index.ts";
import { buildImage } from "../../hardware/toolchain/image.ts";
import { FIRMWARE_CLAIMS, hold } from "../hardware/firmware-claims.ts";
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
  /** No cut shows it, but the claims about whole boards do. */
  readonly claimed?: true;
}

export const FIRMWARE_DEFECTS: readonly FirmwareDefect[] = [
  {
    name: "the chip is not waited for when the board starts",
    board: "pico",
    file: "boards/pico/spi.c",
    before: "if (!bus_await(ERASE_64K_MOST_US)) {",
    after: "if (false) {",
    claimed: true,
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
  {
    name: "the boot flash's /CS is moved and not read back",
    board: "pico-bare",
    file: "boards/pico-bare/boot_flash.c",
    before: "  (void)REG(QSPI_SS_CTRL);\n",
    after: "",
  },
  {
    name: "the boot flash is read at full speed as on the ring oscillator",
    board: "pico",
    file: "common/loader.c",
    before: "  xip_enter(SSI_DIVISOR);\n",
    after: "",
  },
  {
    name: "a watchdog that was not ours counts as a trap",
    board: "pico",
    file: "common/reset.c",
    before: "if (recall(&history) && (",
    after: "recall(&history);\n  if ((",
    claimed: true,
  },
  {
    name: "the watchdog resets everything but the resets",
    board: "pico-bare",
    file: "common/reset.c",
    before: "REG(PSM_WDSEL) = PSM_ALL_BUT_OSCILLATORS;\n  reset_feed();",
    after: "REG(PSM_WDSEL) = PSM_ALL_BUT_OSCILLATORS & ~BIT(3);\n  reset_feed();",
    claimed: true,
  },
  {
    name: "a stack may run out of memory",
    board: "pico",
    file: "common/start.c",
    before: "  guard_stack();\n",
    after: "  (void)guard_stack;\n",
    claimed: true,
  },
  {
    name: "the chip is told things before its supply is good",
    board: "pico",
    file: "common/main.c",
    before: "  await_supply();\n  nor_start();",
    after: "  nor_start();\n  await_supply();",
    claimed: true,
  },
  {
    name: "a chip is unprotected while its supply is too low",
    board: "pico",
    file: "common/nor.c",
    before: "(!supply_ok() || unprotect())",
    after: "unprotect()",
    claimed: true,
  },
  {
    name: "a chip that sleeps is not woken",
    board: "pico",
    file: "boards/pico/spi.c",
    before: "    tell(WAKE);\n    clocks_wait(SETTLE_US);\n    if",
    after: "    if",
    claimed: true,
  },
  {
    name: "protection of single blocks stays",
    board: "pico-bare",
    file: "common/nor.c",
    before: "PROTECT_3 = 0x04",
    after: "PROTECT_3 = 0x00",
    claimed: true,
  },
  {
    name: "a status register that is not there counts",
    board: "pico",
    file: "common/nor.c",
    before: "value != 0xff && ",
    after: "",
    claimed: true,
  },
  {
    name: "a frame that began while nobody looked is counted from when somebody did",
    board: "pico-bare",
    file: "boards/pico-bare/boot_flash.c",
    before: "  usb_interrupts_were_off();\n",
    after: "",
    claimed: true,
  },
  {
    name: "a frame that nobody saw begin is believed",
    board: "pico-bare",
    file: "common/usb_pipe.c",
    before: "!frame_known || ",
    after: "",
    claimed: true,
  },
];

const HARDWARE = fileURLToPath(new URL("../../hardware", import.meta.url));

/** Builds the wrong firmware and cuts boards that run it, at most so often, or holds it to its claims. The sign that gave it away, or null when none did. */
export async function huntFirmware(
  defect: FirmwareDefect,
  cuts: number,
  seed: number,
): Promise<{ cuts: number; sign: string | null }> {
  const directory = mkdtempSync(join(tmpdir(), "tearpad-planted-"));
  try {
    const right = readFileSync(join(HARDWARE, defect.file), "utf8");
    if (right.split(defect.before).length !== 2) throw new Error(`${defect.file} has not once: ${defect.before}`);
    const wrong = new Map([[basename(defect.file), right.replace(defect.before, () => defect.after)]]);
    const { bin, elf } = buildImage(defect.board, directory, wrong);
    const [image, symbols] = [readFileSync(bin), readSymbols(readFileSync(elf))];
    const tally = newTally();
    try {
      if (defect.claimed) {
        for (const claim of Object.values(FIRMWARE_CLAIMS)) {
          if (claim.boards.includes(defect.board)) await hold(claim, defect.board, { image, symbols });
        }
        return { cuts: 0, sign: null };
      }
      cutBoard(
        defect.board,
        cuts,
        seed,
        tally,
        () => new Board({ board: defect.board, image, symbols, chip: CHIPS[defect.board], seed }),
      );
    } catch (error) {
      // So broken that it does not answer at all.
      return { cuts: tally.cuts, sign: error instanceof Error ? error.message.split("\n", 1)[0]! : String(error) };
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
export async function tortureBoard(board: BoardName, seed: number): Promise<boolean> {
  const begun = performance.now();
  const tally = newTally();
  cutBoard(board, CUTS, seed, tally);
  console.log(
    `seed ${seed}: ${tally.cuts} cuts of ${board} in ${((performance.now() - begun) / 1000).toFixed(0)} s, ` +
      `${tally.bytesReused} bytes reused, ${tally.messagesLost} messages lost`,
  );
  for (const failure of tally.failures) console.log(`FAILS ${failure}`);
  const defects = FIRMWARE_DEFECTS.filter((defect) => defect.board === board);
  let missed = 0;
  for (const defect of defects) {
    const { cuts, sign } = await huntFirmware(defect, HUNT_CUTS, seed);
    console.log(`${sign === null ? "NOT FOUND" : "found"} after ${cuts} cuts: ${defect.name} (${sign})`);
    if (sign === null) missed++;
  }
  return tally.failures.length === 0 && missed === 0 && (board !== "pico" || usbDefectsFound());
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
