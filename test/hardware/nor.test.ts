// The serial chip of the emulated board: what it does for a driver that keeps to the data sheet, and that every driver that does not is stopped.

import { describe, expect, it } from "vitest";
import { CYCLES_PER_MICROSECOND, type NorOptions, SerialNor } from "../../hardware/emulator/index.ts";
import { Panic } from "../../simulator/index.ts";

const SECTORS = 16;

/** A chip on wires of our own. Every byte takes a microsecond. */
class Wires {
  readonly nor: SerialNor;
  cycle = 0;

  constructor(options: Partial<NorOptions> = {}) {
    this.nor = new SerialNor({ sectors: SECTORS, ...options });
    this.nor.boot();
  }

  pass(us: number): void {
    this.cycle += us * CYCLES_PER_MICROSECOND;
  }

  /** One command under one /CS; returns the last `count` bytes that came back. */
  send(bytes: readonly number[], count = 0): number[] {
    this.nor.select(this.cycle);
    const back = [...bytes, ...new Array<number>(count).fill(0)].map((byte) => {
      this.pass(1);
      return this.nor.exchange(byte, this.cycle);
    });
    this.nor.deselect(this.cycle);
    return back.slice(bytes.length);
  }

  get status(): number {
    return this.send([0x05], 1)[0]!;
  }

  program(address: number, bytes: readonly number[]): void {
    this.send([0x06]);
    this.send([0x02, address >> 16, (address >> 8) & 255, address & 255, ...bytes]);
  }

  ready(): void {
    for (let us = 0; this.status & 1; us += 100) {
      if (us > 5_000_000) throw new Error("busy for ever");
      this.pass(100);
    }
  }
}

describe("a driver that keeps to the data sheet", () => {
  it("programs, reads, erases and waits as long as the data sheet says", () => {
    const wires = new Wires();
    expect(wires.send([0x9f], 3)).toEqual([0xef, 0x40, 0x10]);
    wires.program(0x1234, [1, 2, 3]);
    const begun = wires.cycle;
    expect(wires.status & 3).toBe(3);
    wires.ready();
    const us = (wires.cycle - begun) / CYCLES_PER_MICROSECOND;
    expect(us).toBeGreaterThanOrEqual(400);
    expect(us).toBeLessThan(510);
    expect(wires.status).toBe(0);
    expect(wires.send([3, 0, 0x12, 0x33], 5)).toEqual([255, 1, 2, 3, 255]);
    expect(wires.send([0x0b, 0, 0x12, 0x34, 0], 2)).toEqual([1, 2]);
    wires.send([0x06]);
    wires.send([0x20, 0, 0x10, 0]);
    wires.ready();
    expect(wires.send([3, 0, 0x12, 0x34], 1)).toEqual([255]);
  });

  it("takes more than seven times as long at the longest times, and a divided part in haste", () => {
    const time = (options: Partial<NorOptions>): number => {
      const wires = new Wires(options);
      wires.program(0, [0]);
      const begun = wires.cycle;
      wires.ready();
      return (wires.cycle - begun) / CYCLES_PER_MICROSECOND;
    };
    expect(time({ busy: "maximum" })).toBeGreaterThanOrEqual(3000);
    expect(time({ haste: 8 })).toBeLessThan(210);
  });

  it("clears the protection of a chip that is not held by /WP, in registers that the next power-on forgets", () => {
    const wires = new Wires();
    wires.send([0x50]);
    wires.send([0x01, 0]);
    expect(wires.status).toBe(0);
  });

  it("power that goes tears what runs; a controller that goes leaves the chip busy", () => {
    const wires = new Wires({ seed: 3 });
    wires.program(0, new Array<number>(256).fill(0));
    wires.pass(100);
    wires.nor.release(wires.cycle);
    wires.nor.boot();
    expect(wires.status & 1).toBe(1);
    wires.ready();
    expect(wires.send([3, 0, 0, 0], 2)).toEqual([0, 0]);
    wires.program(256, new Array<number>(256).fill(0));
    wires.nor.powerOff(wires.cycle, "first-half");
    wires.nor.boot();
    expect(wires.send([3, 0, 1, 0x7e], 4)).toEqual([0, 0, 255, 255]);
  });

  it("a command that a lost controller left half said is not carried out, a whole one is", () => {
    const wires = new Wires();
    wires.send([0x06]);
    wires.nor.select(wires.cycle);
    for (const byte of [0x20, 0]) wires.nor.exchange(byte, wires.cycle);
    wires.nor.release(wires.cycle);
    expect(wires.status & 1).toBe(0);
    wires.nor.select(wires.cycle);
    for (const byte of [0x02, 0, 0, 0, 7]) wires.nor.exchange(byte, wires.cycle);
    wires.nor.release(wires.cycle);
    wires.ready();
    expect(wires.send([3, 0, 0, 0], 1)).toEqual([7]);
  });
});

describe("what the world does to it", () => {
  it("a chip that is not there reads as its wire floats, one that is stuck stays busy", () => {
    for (const level of [0x00, 0xff] as const) {
      const wires = new Wires();
      wires.nor.faults.absent = level;
      expect(wires.send([0x9f], 3)).toEqual([level, level, level]);
      expect(wires.status).toBe(level);
    }
    const stuck = new Wires();
    stuck.nor.faults.stuck = true;
    stuck.pass(10_000_000);
    expect(stuck.status & 1).toBe(1);
  });

  it("a protected chip takes write enable, ignores the program, is never busy, and keeps its protection", () => {
    const wires = new Wires();
    wires.nor.faults.protected = true;
    expect(wires.status & 0x7c).not.toBe(0);
    wires.send([0x50]);
    wires.send([0x01, 0]);
    expect(wires.status & 0x7c).not.toBe(0);
    wires.program(0, [0]);
    expect(wires.status & 3).toBe(2);
    expect(wires.send([3, 0, 0, 0], 1)).toEqual([255]);
  });

  it("a chip whose blocks are locked ignores programs until that is cleared, and is locked again behind a loss of power", () => {
    const wires = new Wires();
    const { nor } = wires;
    nor.powerOff(wires.cycle, "nothing");
    nor.faults.locked = true;
    nor.boot();
    wires.program(0, [0]);
    expect(wires.status).toBe(0x1e);
    wires.send([0x04]);
    wires.send([0x50]);
    wires.send([0x01, 0]);
    wires.program(0, [0]);
    expect(wires.status).toBe(2);
    wires.send([0x04]);
    wires.send([0x50]);
    wires.send([0x11, wires.send([0x15], 1)[0]! & ~4]);
    wires.program(0, [0]);
    expect(wires.status & 1).toBe(1);
    wires.ready();
    nor.powerOff(wires.cycle, "nothing");
    nor.boot();
    expect(wires.status).toBe(0x1c);
  });

  it("a chip that sleeps drives nothing, and is awake behind the command for that", () => {
    const wires = new Wires();
    wires.send([0xb9]);
    expect(wires.status).toBe(0xff);
    wires.send([0xab]);
    wires.pass(5);
    expect(wires.status).toBe(0);
  });

  it("an older chip has no third status register", () => {
    const wires = new Wires({ registers: 2 });
    expect(wires.send([0x15], 1)).toEqual([0xff]);
    wires.send([0x50]);
    expect(() => wires.send([0x11, 0])).toThrow(Panic);
  });

  it("whatever writes is stopped while the supply is too low, and whatever reads is answered", () => {
    for (const command of [
      [6],
      [0x50],
      [2, 0, 0, 0, 0],
      [0x20, 0, 0, 0],
      [0xd8, 0, 0, 0],
      [1, 0],
      [0x31, 0],
      [0x11, 0],
    ]) {
      const wires = new Wires();
      wires.nor.faults.starved = true;
      expect(wires.send([0x9f], 3)).toEqual([0xef, 0x40, 0x10]);
      expect(() => wires.send(command)).toThrow(/too low/);
    }
  });

  it("a chip with on-die ECC says who made it and takes each 16 bytes once", () => {
    const wires = new Wires({ ecc: true });
    expect(wires.send([0x9f], 3)).toEqual([0x34, 0x2a, 0x10]);
    wires.program(0, [1]);
    wires.ready();
    expect(() => wires.program(1, [1])).toThrow(Panic);
  });
});

describe("a driver that does not is stopped", () => {
  /** Commands one behind the other; of reads with the bytes that they clock. */
  const wrong: [string, ...number[][]][] = [
    ["reads while the chip is busy", [6], [2, 0, 0, 0, 0], [3, 0, 0, 0, 0]],
    ["resets a busy chip", [6], [2, 0, 0, 0, 0], [0x66]],
    ["enables a write while the chip is busy", [6], [2, 0, 0, 0, 0], [6]],
    ["programs without write enable", [2, 0, 0, 0, 1]],
    ["erases without write enable", [0x20, 0, 0, 0]],
    ["programs over the end of a page", [6], [2, 0, 0, 0xff, 1, 2]],
    ["programs more than a page", [6], [2, 0, 0, 0, ...new Array<number>(257).fill(0)]],
    ["programs nothing", [6], [2, 0, 0, 0]],
    ["erases where no sector begins", [6], [0x20, 0, 1, 0]],
    ["erases a block where none begins", [6], [0xd8, 0, 0x10, 0]],
    ["leaves an erase half said", [6], [0x20, 0, 0]],
    ["says more than an erase", [6], [0x20, 0, 0, 0, 0]],
    ["leaves a read half said", [3, 0, 0]],
    ["reads beyond the chip", [3, 0, 0xff, 0xff, 0, 0]],
    ["erases the whole chip", [6], [0xc7]],
    ["sends what is no command", [0x42]],
    ["resets without leave", [0x99]],
    ["asks for leave to reset and does something else", [0x66], [0x9f, 0, 0, 0]],
    ["talks while the chip resets", [0x66], [0x99], [0x9f, 0, 0, 0]],
    ["talks to a chip that sleeps", [0xb9], [0x9f, 0, 0, 0]],
    ["protects blocks of a pad's chip", [6], [1, 0x1c]],
  ];

  it.each(wrong)("one that %s", (_what, ...commands) => {
    const wires = new Wires();
    for (const command of commands.slice(0, -1)) wires.send(command);
    expect(() => wires.send(commands.at(-1)!)).toThrow(Panic);
  });

  it("one that clocks while /CS is high", () => {
    expect(() => new Wires().nor.exchange(0, 0)).toThrow(Panic);
  });
});
