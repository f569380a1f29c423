// The emulated controller: its processor computes what that of rp2040js does, and what silicon punishes stops it and says where. The programs are a few instructions by hand, in the
// place of the second-stage loader.

import { RP2040 } from "rp2040js";
import { describe, expect, it, vi } from "vitest";
import { CycleClock } from "../../hardware/emulator/clock.ts";
import { type Bus, Core, RAM_BASE, RAM_SIZE } from "../../hardware/emulator/core.ts";
import { Board, BoardFailure } from "../../hardware/emulator/index.ts";
import { Pl011 } from "../../hardware/emulator/uart.ts";
import { loaderCrc } from "../../hardware/toolchain/index.ts";
import { Panic, Random } from "../../simulator/index.ts";

const LOADER_AT = 0x20041f00;
/** The boot ROM's own time and a cycle on the ring oscillator, in cycles of 125 MHz: both more than they are. */
const BOOT_ROM = 500_000;
const SLOW = 20;

/** A board that runs these halfwords as its loader, with words behind them at byte 128. */
function running(code: readonly number[], words: readonly number[] = []): Board {
  const loader = new Uint8Array(256);
  const view = new DataView(loader.buffer);
  for (const [i, halfword] of code.entries()) view.setUint16(2 * i, halfword, true);
  for (const [i, word] of words.entries()) view.setUint32(128 + 4 * i, word, true);
  view.setUint32(252, loaderCrc(loader.subarray(0, 252)), true);
  const board = new Board({ board: "pico", image: loader });
  board.powerOn();
  return board;
}

/** LDR Rt, [PC, #…] of one of the words, as the instruction at index `at`. */
function load(register: number, word: number, at: number): number {
  return 0x4800 | (register << 8) | ((128 + 4 * word - ((2 * at + 4) & ~3)) >> 2);
}

const FOREVER = 0xe7fe;
const LDR_R1_R0 = 0x6801;
const STR_R1_R0 = 0x6001;

function failure(board: Board, cycles = 10_000): BoardFailure {
  try {
    board.run(cycles);
  } catch (error) {
    if (error instanceof BoardFailure) return error;
    throw error;
  }
  throw new Error("nothing failed");
}

describe("what silicon punishes", () => {
  it.each<[string, number, number, RegExp]>([
    ["a word is read where none begins", LDR_R1_R0, RAM_BASE + 2, /unaligned read of 4 bytes at 0x20000002/],
    ["a word is written where none begins", STR_R1_R0, RAM_BASE + 1, /unaligned write of 4 bytes/],
    ["what is not there is read", LDR_R1_R0, 0x30000000, /Nothing answers a read at 0x30000000/],
    ["address 0 is read", LDR_R1_R0, 0, /Nothing answers a read/],
    ["what is not there is written", STR_R1_R0, 0x20042000, /Nothing answers a write at 0x20042000/],
    ["the boot flash is read before it is set up", LDR_R1_R0, 0x10000000, /not set up/],
    ["the window of the boot flash is written to", STR_R1_R0, 0x10000000, /window of the boot flash is written/],
    ["a peripheral is touched that is still in reset", LDR_R1_R0, 0x40034018, /still in reset/],
    ["code is run from where none is", 0x4700, 0x40000001, /Code is fetched from 0x40000000/],
    ["code is run from the boot flash before it is set up", 0x4700, 0x10000101, /not set up/],
    ["Thumb is left", 0x4700, RAM_BASE, /leaves Thumb/],
  ])("%s: a failure with place and cycle", (_what, instruction, address, says) => {
    const failed = failure(running([load(0, 0, 0), instruction, FOREVER], [address]));
    expect(failed.message).toMatch(says);
    expect(failed.pc >>> 0 === LOADER_AT + 2 || failed.pc >>> 0 === (address & ~1) >>> 0).toBe(true);
    expect(failed.cycle).toBeGreaterThan(0);
    expect(failed.cycle).toBeLessThan(BOOT_ROM + 20 * SLOW);
  });

  it("an instruction that does not exist, and a stack that leaves the memory", () => {
    expect(failure(running([0xde00])).message).toMatch(/no instruction/);
    const deeper = [0xb5ff, 0xe7fd];
    expect(failure(running([load(0, 0, 0), 0x4685, ...deeper], [RAM_BASE + 64])).message).toMatch(
      /Nothing answers a write/,
    );
  });

  it("a loader with a wrong checksum is not started", () => {
    const image = new Uint8Array(256);
    expect(() => new Board({ board: "pico", image }).powerOn()).toThrow(/checksum/);
  });

  it("a loop without an end ends with its run, and cycles go on where they were", () => {
    const board = running([FOREVER]);
    const begun = board.cycles;
    board.run(1_000_000);
    expect(board.cycles - begun).toBeGreaterThanOrEqual(1_000_000);
    expect(board.cycles - begun).toBeLessThan(1_000_000 + 10 * SLOW);
    board.powerOff();
    board.run(500);
    expect(board.state).toBe("off");
    board.powerOn();
    expect(board.cycles - begun).toBeGreaterThanOrEqual(1_000_500);
  });

  it("sleep costs nothing and counts: a cut comes at its cycle", () => {
    const board = running([0xbf30, FOREVER]);
    board.cutAt(3_000_000_000, "power");
    board.run(4_000_000_000);
    expect(board.state).toBe("off");
    expect(board.cuts).toBe(1);
    expect(board.cycles).toBeGreaterThanOrEqual(3_000_000_000);
  });

  it("memory is noise at power-on and stays over a reset of the controller", () => {
    const board = running([FOREVER]);
    const before = board.memory(RAM_BASE, 64);
    expect(new Set(before).size).toBeGreaterThan(20);
    board.cutAt(board.cycles + 10, "reset");
    board.run(100);
    expect(board.state).toBe("held");
    board.powerOn();
    expect(board.memory(RAM_BASE, 64)).toEqual(before);
    board.powerOff();
    board.powerOn();
    expect(board.memory(RAM_BASE, 64)).not.toEqual(before);
  });
});

describe("the line", () => {
  it("keeps 32 bytes that nobody takes, drops the next ones and says so", () => {
    const clock = new CycleClock(0);
    let now = 0;
    clock.core = {
      get now() {
        return now;
      },
      stopAt: () => {},
    } as unknown as Core;
    const chip = new RP2040(clock as never);
    const uart = new Pl011(
      chip,
      clock,
      () => {},
      () => {},
    );
    chip.clocks.writeUint32(0x48, 1 << 11);
    chip.gpio[1]!.ctrl = 2;
    const divisor = Math.round((chip.clocks.periFreq * 4) / 115_200);
    for (const [offset, value] of [
      [0x24, divisor >> 6],
      [0x28, divisor & 63],
      [0x2c, 0x70],
      [0x30, 0x301],
    ] as const) {
      uart.writeUint32(offset, value);
    }
    uart.feed(Uint8Array.from({ length: 40 }, (_, i) => i));
    for (; !uart.quiet && now < 1_000_000; now += 1000) clock.ring();
    expect(uart.dropped).toBe(8);
    expect(uart.readUint32(0x3c) & (1 << 10)).not.toBe(0);
    const taken = Array.from({ length: 32 }, () => uart.readUint32(0) & 255);
    expect(taken).toEqual(Array.from({ length: 32 }, (_, i) => i));
    expect(() => uart.readUint32(0)).toThrow(Panic);
  });
});

describe("the processor", () => {
  /** Where rp2040js is wrong by the architecture reference manual: flags of shifts by 0, of ADCS, SBCS and RORS; write-back of STM; the cycles of PUSH and POP with LR and PC. */
  const THEIRS =
    /^(0100000010|0100000011|0100000100|0100000101|0100000110|0100000111|010001|11000|1011010|1011110|1101111)/;

  /** The flags into R0. */
  const MRS_R0_APSR = 0xf3ef8000;

  it("does what that of rp2040js does, instruction by instruction", () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const random = new Random(1);
    const chip = new RP2040();
    const refuse = (): never => {
      throw new Panic("refused");
    };
    chip.logger = { debug: () => {}, info: () => {}, warn: refuse, error: refuse };
    const ram = new Uint8Array(RAM_SIZE);
    const bus: Bus = {
      wait: 0,
      code: new Uint16Array(4),
      codeAt: 0,
      fetch: refuse,
      mayRun: () => {},
      read: refuse,
      write: refuse,
    };
    const theirs = chip.core;
    const pc = RAM_BASE + 0x8000;
    const view = new DataView(ram.buffer);
    let compared = 0;
    while (compared < 8_000) {
      const op = random.u32() & 0xffff;
      const low = random.u32() | 0xd000;
      if (op >> 11 === 29 || op >> 11 === 31 || op >> 8 === 0xde || op >> 8 === 0xbe) continue;
      if (THEIRS.test(op.toString(2).padStart(16, "0"))) continue;
      const ours = new Core(bus, ram, 0);
      random.fill(ram.subarray(0x7f00, 0x8800));
      for (let i = 0; i < 15; i++) {
        ours.registers[i] = [RAM_BASE + 0x8100 + 4 * random.below(0x100), random.below(64), random.u32(), 0x80000000][
          random.below(4)
        ]!;
      }
      ours.registers[13] = RAM_BASE + 0x8200 + 4 * random.below(64);
      ours.registers[15] = pc;
      view.setUint16(0x8000, op, true);
      view.setUint16(0x8002, op >> 11 === 30 ? low : MRS_R0_APSR >>> 16, true);
      view.setUint16(0x8004, MRS_R0_APSR & 0xffff, true);
      chip.sram.set(ram.subarray(0x7f00, 0x8800), 0x7f00);
      theirs.registers.set(Uint32Array.from(ours.registers, (value) => value >>> 0));
      Object.assign(theirs, { APSR: 0, cycles: 0, waiting: false, PM: false, interruptsUpdated: false });
      theirs.Z = false;
      let cycles: number;
      try {
        cycles = theirs.executeInstruction();
        ours.run(1);
      } catch (error) {
        if (error instanceof Panic) continue;
        throw error;
      }
      const name = op.toString(16);
      expect([name, ...ours.registers].map(String)).toEqual(
        [name, ...Array.from(theirs.registers, (value) => value | 0)].map(String),
      );
      expect([name, ours.cycles]).toEqual([name, cycles]);
      expect(Buffer.compare(ram.subarray(0x7f00, 0x8800), chip.sram.subarray(0x7f00, 0x8800))).toBe(0);
      compared++;
      if (ours.pc !== pc + 2 || ours.asleep) continue;
      theirs.executeInstruction();
      ours.run(ours.cycles + 1);
      expect([name, ours.registers[0]]).toEqual([name, theirs.registers[0]! | 0]);
    }
    vi.restoreAllMocks();
  });
});
