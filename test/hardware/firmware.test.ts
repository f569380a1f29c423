// The firmware on emulated boards: how it starts, what it makes of chips and supplies that are not as they should be,
// and what it does when the core stops. What it does for the pad is in body.test.ts, which runs on these boards too.

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Board,
  CYCLES_PER_SECOND,
  type NorFaults,
  readSymbols,
  type Symbols,
} from "../../hardware/emulator/index.ts";
import { BOARDS, firmwareFor, LOADER_SIZE, sumImage } from "../../hardware/toolchain/index.ts";
import { commands } from "../../host/protocol/index.ts";
import { TRAP_REASONS } from "../../simulator/index.ts";
import { ask, info, makeBoard, showsBoards, start } from "./firmware-board.ts";
import { FIRMWARE_CLAIMS, hold } from "./firmware-claims.ts";

const BUILD_MS = 120_000;
const TICK = CYCLES_PER_SECOND / 200;

describe.skipIf(!showsBoards("firmware"))("the firmware on a board", { timeout: 240_000 }, () => {
  let symbols: Symbols;

  beforeAll(() => {
    for (const board of BOARDS) firmwareFor(board);
    symbols = readSymbols(readFileSync(firmwareFor("pico").elf));
  }, BUILD_MS);

  it.each(["pico", "pico-bare"] as const)("T-18 %s boots through its own loader and serves", (name) => {
    const board = makeBoard(name);
    start(board);
    expect(info(board)).toMatchObject({ state: "blank", faultySection: "none", traps: 0 });
    board.run(2 * TICK);
    expect(board.light).toBe(true);
  });

  for (const [name, claim] of Object.entries(FIRMWARE_CLAIMS)) {
    for (const board of claim.boards) it(`${board}: ${name}`, () => hold(claim, board));
  }

  it("T-17 ✗ an image with one wrong bit never starts, and touches no chip", () => {
    const image = Uint8Array.from(readFileSync(firmwareFor("pico").bin));
    image[Math.floor(image.length / 2)]! ^= 0x10;
    const board = makeBoard("pico", { image });
    const before = board.flash.content(0, board.flash.size);
    start(board, 1);
    expect(board.light).toBe(false);
    expect(() => info(board)).toThrow("does not answer");
    expect(board.flash.content(0, board.flash.size)).toEqual(before);
  });

  it("an image of which only the first half was flashed never starts, nor does one in two exchanged words", () => {
    const image = readFileSync(firmwareFor("pico").bin);
    const half = Uint8Array.from(image).fill(0xff, LOADER_SIZE * 40);
    const board = makeBoard("pico", { image: half });
    start(board, 1);
    expect(board.light).toBe(false);
    const exchanged = Uint8Array.from(image.subarray(LOADER_SIZE));
    exchanged.set(image.subarray(LOADER_SIZE + 4, LOADER_SIZE + 8), 0);
    exchanged.set(image.subarray(LOADER_SIZE, LOADER_SIZE + 4), 4);
    expect(sumImage(exchanged).sums).not.toBe(sumImage(image.subarray(LOADER_SIZE)).sums);
  });

  const chips: Record<string, { faults?: NorFaults; chip?: object }> = {
    "no chip, the wire low": { faults: { absent: 0x00 } },
    "no chip, the wire high": { faults: { absent: 0xff } },
    "a chip that is busy for ever": { faults: { stuck: true } },
    "a chip that is write-protected by its pin": { faults: { protected: true } },
    "a chip with on-die ECC": { chip: { ecc: true } },
    "a chip of another maker": { chip: { maker: 0xc220 } },
    "a chip that is too small": { chip: { sectors: 64 } },
  };
  it.each(Object.entries(chips))(
    "with %s it serves nothing but the answer that its chip is faulty",
    (_, { faults, chip }) => {
      const board = makeBoard("pico", chip ? { chip } : {});
      Object.assign(board.faults, faults);
      board.powerOn();
      board.run(4 * CYCLES_PER_SECOND);
      expect(info(board)).toMatchObject({ state: "faulty", faultySection: "chip" });
      expect(blinks(board, CYCLES_PER_SECOND)).toBeGreaterThanOrEqual(8);
    },
  );

  it("waits for a supply that comes up slowly, and says so when it does not come", () => {
    const board = makeBoard("pico");
    board.supplyLow = true;
    board.powerOn();
    board.run(0.4 * CYCLES_PER_SECOND);
    expect(board.light).toBe(false);
    board.supplyLow = false;
    board.run(CYCLES_PER_SECOND, () => board.idle && board.light);
    expect(info(board)).toMatchObject({ state: "blank", faultySection: "none" });

    board.powerOff();
    board.supplyLow = true;
    board.powerOn();
    board.run(2 * CYCLES_PER_SECOND);
    expect(info(board)).toMatchObject({ state: "faulty", faultySection: "supply" });
  });

  it("a press counts when it comes behind the question, once, and only when it is no bounce; the light asks for it", () => {
    const board = makeBoard("pico");
    start(board);
    const { session } = ask(board, commands.hello, { nonce: 1 })!;
    let sequence = 0;
    const look = (): unknown => ask(board, commands.selftestButton, undefined, { session, sequence: ++sequence });
    const press = (ticks: number): void => {
      board.press(true);
      board.run(ticks * TICK);
      board.press(false);
      board.run(10 * TICK);
    };

    press(10);
    expect(blinks(board, CYCLES_PER_SECOND)).toBe(0);
    // This look is the core's question when it asks for presence: what it finds does not count there (SPEC section 13).
    expect(look()).toBe("pressed");
    expect(look()).toBe("none");
    expect(blinks(board, 3 * CYCLES_PER_SECOND)).toBeGreaterThanOrEqual(5);
    press(2);
    press(1);
    expect(look()).toBe("none");
    press(10);
    expect(blinks(board, CYCLES_PER_SECOND)).toBe(0);
    expect(look()).toBe("pressed");
    expect(look()).toBe("none");
  });

  it("a trap resets the board, which tells the core how many there were and why; the third ends its service until the power goes", () => {
    const board = makeBoard("pico");
    start(board);
    trap(board, symbols, TRAP_REASONS["memory access out of bounds"]);
    expect(info(board)).toMatchObject({ state: "blank", traps: 1, trapReason: 2 });
    trap(board, symbols, TRAP_REASONS.unreachable);
    expect(info(board)).toMatchObject({ state: "blank", traps: 2, trapReason: 1 });
    trap(board, symbols, TRAP_REASONS["call stack"]);
    expect(info(board)).toMatchObject({ state: "faulty", faultySection: "core", traps: 3, trapReason: 6 });
    board.powerOff();
    start(board);
    expect(info(board)).toMatchObject({ state: "blank", traps: 0, trapReason: 0 });
  });

  it("a processor that hangs is reset by the watchdog, and that counts as a trap for another reason", () => {
    const board = makeBoard("pico");
    start(board);
    const { boots } = board;
    // hal_trap ends in a loop that waits for the reset; from its last instruction on nothing else happens.
    jump(board, hang(symbols));
    board.run(3 * CYCLES_PER_SECOND, () => board.boots > boots && board.idle && board.light);
    expect(board.boots).toBe(boots + 1);
    expect(info(board)).toMatchObject({ traps: 1, trapReason: 255 });
  });

  it("a reset from outside forgets the traps, as power-on does", () => {
    const board = makeBoard("pico");
    start(board);
    trap(board, symbols, TRAP_REASONS.unreachable);
    board.cutAt(board.cycles + 1000, "reset");
    board.run(2000);
    start(board);
    expect(info(board)).toMatchObject({ traps: 0, trapReason: 0 });
  });
});

/** How often the light changes. */
function blinks(board: Board, cycles: number): number {
  let changes = 0;
  for (let passed = 0; passed < cycles; passed += TICK) {
    const before = board.light;
    board.run(TICK);
    if (board.light !== before) changes++;
  }
  return changes;
}

/** The core stops here and now, as its own check would stop it. */
function trap(board: Board, symbols: Symbols, reason: number): void {
  const { boots } = board;
  jump(board, symbols.at("hal_trap")!, reason);
  board.run(3 * CYCLES_PER_SECOND, () => board.boots > boots && board.idle && board.light);
}

function jump(board: Board, to: number, first = 0): void {
  const core = board.chip!.core as unknown as { registers: Int32Array; pc: number };
  core.registers[0] = first;
  core.pc = to;
  // It sleeps until the next tick; the interrupt comes back to where it was sent.
  board.run(TICK);
}

/** A branch to itself. */
function hang(symbols: Symbols): number {
  const { address, size } = symbols.functions.find(({ name }) => name === "reset_with_reason")!;
  const code = new DataView(Uint8Array.from(readFileSync(firmwareFor("pico").bin)).buffer);
  for (let at = address; at < address + size; at += 2) if (code.getUint16(at - 0x10000000, true) === 0xe7fe) return at;
  throw new Error("reset_with_reason does not end in a loop");
}
