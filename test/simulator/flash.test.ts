/**
 * The strict flash: each rule of the model is one claim.
 */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  BLOCK,
  Flash,
  type Mood,
  Panic,
  Random,
  SECTOR,
  TEARS,
  type Tear,
  VirtualClock,
} from "../../simulator/index.ts";

const SECTORS = 20;

function program(flash: Flash, address: number, data: Uint8Array | number[]): number {
  flash.wait();
  flash.program(address, Uint8Array.from(data), 0, data.length);
  return flash.finish();
}

function erase(flash: Flash, address: number, size = SECTOR): number {
  flash.wait();
  flash.erase(address, size);
  return flash.finish();
}

function cutProgram(flash: Flash, address: number, data: Uint8Array | number[], style: Tear): void {
  flash.program(address, Uint8Array.from(data), 0, data.length);
  flash.tear(style);
}

function cutErase(flash: Flash, address: number, style: Tear, size = SECTOR): void {
  flash.erase(address, size);
  flash.tear(style);
}

function read(flash: Flash, address: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  flash.read(address, bytes, 0, length);
  return bytes;
}

function bitCount(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

describe("a whole program", () => {
  it("clears bits and never sets them: 1 over 0 stays 0", () => {
    const flash = new Flash({ sectors: SECTORS });
    program(flash, 0, [0b1010_1010]);
    program(flash, 0, [0b1100_1100]);
    expect(read(flash, 0, 1)).toEqual(Uint8Array.of(0b1000_1000));
  });

  it("stays inside its page: ending at the page is taken, going beyond panics", () => {
    const flash = new Flash({ sectors: SECTORS });
    expect(program(flash, 0xf0, filled(16, 0))).toBe(0);
    expect(() => program(flash, 0xf1, filled(16, 0))).toThrow(Panic);
    expect(() => program(flash, 0, filled(257, 0))).toThrow(Panic);
    expect(() => program(flash, 0, [])).toThrow(Panic);
  });

  it("stays on the chip, like a read and an erase", () => {
    const flash = new Flash({ sectors: SECTORS });
    expect(() => program(flash, flash.size, [0])).toThrow(Panic);
    expect(() => read(flash, flash.size - 1, 2)).toThrow(Panic);
    expect(() => erase(flash, flash.size)).toThrow(Panic);
    expect(read(flash, flash.size - 1, 1)).toEqual(Uint8Array.of(0xff));
  });

  it("is counted in every 16-byte unit that it touches, until the erase", () => {
    const flash = new Flash({ sectors: SECTORS });
    program(flash, 15, [0, 0]);
    program(flash, 16, [0]);
    expect([0, 16, 31, 32].map((address) => flash.programs(address))).toEqual([1, 2, 2, 0]);
    erase(flash, 0);
    expect(flash.programs(16)).toBe(0);
  });
});

describe("a whole erase", () => {
  it("sets every bit of its sector and of no other", () => {
    const flash = new Flash({ sectors: SECTORS });
    for (const address of [4095, 4096, 8191, 8192]) program(flash, address, [0]);
    erase(flash, 4096);
    expect(read(flash, 4095, 4098)).toEqual(Uint8Array.of(0, ...filled(4096, 0xff), 0));
  });

  it("of 64 KiB is sixteen sectors, aligned, and only where the chip has it", () => {
    const flash = new Flash({ sectors: 32 });
    program(flash, BLOCK - 1, [0]);
    program(flash, BLOCK, [0]);
    erase(flash, 0, BLOCK);
    expect(read(flash, BLOCK - 1, 2)).toEqual(Uint8Array.of(0xff, 0));
    expect(() => erase(flash, SECTOR, BLOCK)).toThrow(Panic);
    expect(() => erase(flash, 0, 2 * SECTOR)).toThrow(Panic);
    expect(() => erase(flash, 1)).toThrow(Panic);
    expect(() => erase(new Flash({ sectors: 32, erase64: false }), 0, BLOCK)).toThrow(Panic);
  });

  it("is counted per sector", () => {
    const flash = new Flash({ sectors: 32 });
    erase(flash, 0);
    erase(flash, 0, BLOCK);
    expect([flash.erases(0), flash.erases(15), flash.erases(16)]).toEqual([2, 1, 0]);
  });
});

describe("a cut program", () => {
  const data = filled(64, 0x0f);

  it("leaves what its style says, and touches nothing but its target bits", () => {
    const outcome = (style: Tear) => {
      const flash = new Flash({ sectors: SECTORS, seed: 5 });
      cutProgram(flash, 64, data, style);
      expect(flash.content(0, 64)).toEqual(filled(64, 0xff));
      expect(flash.content(128, 64)).toEqual(filled(64, 0xff));
      const done = flash.content(64, 64).map((byte, i) => ~byte & ~flash.unstable(64, 64)[i]!);
      const unstable = flash.unstable(64, 64);
      expect(bitCount(done.map((byte) => byte & 0x0f))).toBe(0);
      expect(bitCount(unstable.map((byte) => byte & 0x0f))).toBe(0);
      return { done, unstable };
    };
    expect(bitCount(outcome("nothing").done)).toBe(0);
    expect(bitCount(outcome("nothing").unstable)).toBe(0);
    expect(outcome("whole")).toEqual({ done: filled(64, 0xf0), unstable: filled(64, 0) });
    expect(outcome("unstable")).toEqual({ done: filled(64, 0), unstable: filled(64, 0xf0) });
    expect(outcome("first-half").done).toEqual(Uint8Array.of(...filled(32, 0xf0), ...filled(32, 0)));
    expect(outcome("last-bits").done).toEqual(Uint8Array.of(...filled(56, 0), ...filled(8, 0xf0)));
    const { done, unstable } = outcome("random");
    expect(bitCount(done) + bitCount(unstable)).toBeGreaterThan(0);
  });

  it("leaves every subset of few bits when cut often enough, out of order and with unstable ones", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 2000; seed++) {
      const flash = new Flash({ sectors: SECTORS, seed });
      cutProgram(flash, 0, [0b0011_1111], "random");
      seen.add(`${flash.content(0, 1)[0]! >> 6} ${flash.unstable(0, 1)[0]! >> 6}`);
    }
    expect(seen.size).toBe(9);
  });

  it("leaves unstable bits that read differently at each read when they are wild", () => {
    const flash = new Flash({ sectors: SECTORS, seed: 3 });
    cutProgram(flash, 0, filled(64, 0), "unstable");
    flash.mood = "wild";
    expect(read(flash, 0, 64)).not.toEqual(read(flash, 0, 64));
  });

  it("leaves unstable bits that stay the same for a boot and change at the next when they are settled", () => {
    const flash = new Flash({ sectors: SECTORS, seed: 3 });
    cutProgram(flash, 0, filled(64, 0), "unstable");
    const readings = new Set<string>();
    for (let boot = 0; boot < 8; boot++) {
      flash.boot();
      flash.mood = "settled";
      expect(read(flash, 0, 64)).toEqual(read(flash, 0, 64));
      readings.add(read(flash, 0, 64).toString());
    }
    expect(readings.size).toBe(8);
  });

  it("leaves unstable bits of which each boot draws how they read", () => {
    const flash = new Flash({ sectors: SECTORS, seed: 3 });
    const moods = new Set<Mood>();
    for (let boot = 0; boot < 64; boot++) {
      flash.boot();
      moods.add(flash.mood);
    }
    expect([...moods].sort()).toEqual(["ones", "settled", "wild", "zeros"]);
  });

  it("leaves bits that become stable 0 when a later whole program clears them, and only those", () => {
    const flash = new Flash({ sectors: SECTORS });
    cutProgram(flash, 0, filled(32, 0), "unstable");
    program(flash, 0, filled(16, 0));
    expect(flash.unstable(0, 32)).toEqual(Uint8Array.of(...filled(16, 0), ...filled(16, 0xff)));
    expect(read(flash, 0, 16)).toEqual(filled(16, 0));
  });

  it("does not make an unstable bit stable by programming 1 over it", () => {
    const flash = new Flash({ sectors: SECTORS });
    cutProgram(flash, 0, [0], "unstable");
    program(flash, 0, [0xf0]);
    expect(flash.unstable(0, 1)).toEqual(Uint8Array.of(0xf0));
  });
});

describe("a cut erase", () => {
  it("leaves what its style says, and the sector weak in every case", () => {
    const outcome = (style: Tear) => {
      const flash = new Flash({ sectors: SECTORS, seed: 5 });
      program(flash, 0, filled(256, 0x33));
      cutErase(flash, 0, style);
      expect(flash.weak(0)).toBe(true);
      expect(flash.weak(1)).toBe(false);
      return { content: flash.content(0, SECTOR), unstable: flash.unstable(0, SECTOR) };
    };
    const before = Uint8Array.of(...filled(256, 0x33), ...filled(SECTOR - 256, 0xff));
    expect(outcome("nothing").content).toEqual(before);
    expect(outcome("whole").content).toEqual(filled(SECTOR, 0xff));
    expect(outcome("unstable").unstable).toEqual(filled(SECTOR, 0xff));
    expect(outcome("first-half").content).toEqual(filled(SECTOR, 0xff));
    expect(outcome("last-bits").content).toEqual(before);
    const random = outcome("random");
    expect(bitCount(random.unstable)).toBeGreaterThan(100);
    expect(bitCount(random.content)).toBeLessThan(SECTOR * 8);
  });

  it("may leave bits either way: a 0 may have become 1 and a 1 may have become 0", () => {
    let raised = 0;
    let fallen = 0;
    for (let seed = 0; seed < 16; seed++) {
      const flash = new Flash({ sectors: SECTORS, seed });
      program(flash, 0, filled(256, 0));
      cutErase(flash, 0, "random");
      raised += bitCount(flash.content(0, 256));
      fallen += bitCount(flash.content(256, 256).map((byte, i) => ~byte & ~flash.unstable(256, 256)[i]!));
    }
    expect(raised).toBeGreaterThan(0);
    expect(fallen).toBeGreaterThan(0);
  });

  it("makes what is programmed there later unstable, though it can read back equal", () => {
    const flash = new Flash({ sectors: SECTORS, seed: 2 });
    program(flash, 0, [0]);
    cutErase(flash, 0, "whole");
    expect(read(flash, 0, 16)).toEqual(filled(16, 0xff));
    program(flash, 0, filled(16, 0x5a));
    expect(flash.unstable(0, 16)).toEqual(filled(16, 0xa5));
    flash.mood = "zeros";
    expect(read(flash, 0, 16)).toEqual(filled(16, 0x5a));
    flash.mood = "ones";
    expect(read(flash, 0, 16)).toEqual(filled(16, 0xff));
  });

  it("is healed by a whole erase and by nothing less", () => {
    const flash = new Flash({ sectors: SECTORS, seed: 2 });
    cutErase(flash, 0, "whole");
    flash.boot();
    program(flash, 0, [0]);
    program(flash, 0, [0]);
    expect(flash.unstable(0, 1)).toEqual(Uint8Array.of(0xff));
    erase(flash, 0);
    program(flash, 0, [0]);
    expect([flash.weak(0), flash.unstable(0, 1)[0]]).toEqual([false, 0]);
  });

  it("of 64 KiB leaves all sixteen sectors weak", () => {
    const flash = new Flash({ sectors: SECTORS });
    cutErase(flash, 0, "first-half", BLOCK);
    expect(Array.from({ length: 17 }, (_, sector) => flash.weak(sector))).toEqual([...Array(16).fill(true), false]);
  });
});

describe("a busy chip", () => {
  it("takes the times of the W25Q128JV on its clock, typical or at most", () => {
    const times = (busy: "typical" | "maximum") => {
      const flash = new Flash({ sectors: 32, busy });
      const took = (work: () => void) => {
        const start = flash.clock.now();
        work();
        return (flash.clock.now() - start) / 1000;
      };
      return [took(() => program(flash, 0, [0])), took(() => erase(flash, 0)), took(() => erase(flash, 0, BLOCK))];
    };
    expect(times("typical")).toEqual([0.4, 45, 150]);
    expect(times("maximum")).toEqual([3, 400, 2000]);
  });

  it("ignores commands and reads garbage until the body has waited", () => {
    const flash = new Flash({ sectors: SECTORS });
    program(flash, 0, filled(64, 0x11));
    flash.erase(4096, SECTOR);
    flash.program(256, Uint8Array.of(0), 0, 1);
    expect(read(flash, 0, 64)).not.toEqual(filled(64, 0x11));
    expect(flash.ignored).toBe(2);
    flash.wait();
    expect(read(flash, 0, 64)).toEqual(filled(64, 0x11));
    expect(flash.content(256, 1)).toEqual(Uint8Array.of(0xff));
  });

  it("completes its command when only the controller was reset", () => {
    const flash = new Flash({ sectors: SECTORS });
    program(flash, 0, [0]);
    flash.erase(0, SECTOR);
    flash.boot();
    expect(flash.busy).toBe(true);
    flash.wait();
    expect([flash.busy, flash.weak(0), read(flash, 0, 1)[0]]).toEqual([false, false, 0xff]);
  });

  it("has done its command when the power goes later than that took", () => {
    const flash = new Flash({ sectors: SECTORS });
    flash.erase(0, SECTOR);
    flash.boot();
    flash.clock.pass(45_000);
    flash.tear("whole");
    expect(flash.weak(0)).toBe(false);
  });

  it("has its command torn when the power goes after the controller was reset", () => {
    const flash = new Flash({ sectors: SECTORS });
    flash.erase(0, SECTOR);
    flash.boot();
    flash.tear("whole");
    expect(flash.weak(0)).toBe(true);
  });
});

describe("an injected fault", () => {
  it("flips stable bits: decay", () => {
    const flash = new Flash({ sectors: SECTORS });
    program(flash, 7, [0x0f]);
    flash.flip(7, 0x81);
    expect(read(flash, 7, 1)).toEqual(Uint8Array.of(0x8e));
  });

  it("holds stuck bits whatever is programmed or erased", () => {
    const flash = new Flash({ sectors: SECTORS });
    flash.faults = { stuck: new Map([[300, { mask: 0x03, value: 0x01 }]]) };
    program(flash, 300, [0]);
    expect(read(flash, 299, 3)).toEqual(Uint8Array.of(0xff, 0x01, 0xff));
    erase(flash, 0);
    expect(read(flash, 300, 1)).toEqual(Uint8Array.of(0xfd));
  });

  it("wears a sector out: programs and erases say done and do not take", () => {
    const flash = new Flash({ sectors: SECTORS, seed: 9 });
    flash.faults = { wornAfter: 2 };
    erase(flash, 0);
    erase(flash, 0);
    program(flash, 0, filled(256, 0));
    expect(read(flash, 0, 256)).toEqual(filled(256, 0));
    let failedErases = 0;
    let failedPrograms = 0;
    for (let i = 0; i < 20; i++) {
      expect(erase(flash, 0)).toBe(0);
      if (bitCount(flash.content(0, SECTOR)) < SECTOR * 8) failedErases++;
      expect(program(flash, 0, filled(256, 0))).toBe(0);
      if (bitCount(flash.content(0, 256)) > 0) failedPrograms++;
    }
    expect([failedErases, failedPrograms]).toEqual([20, 20]);
    erase(flash, SECTOR);
    expect(program(flash, SECTOR, [0])).toBe(0);
    expect(read(flash, SECTOR, 1)).toEqual(Uint8Array.of(0));
  });

  it("protects a sector: commands are refused and nothing is done", () => {
    const flash = new Flash({ sectors: SECTORS });
    flash.faults = { sectors: new Map([[1, "protected"]]) };
    expect([program(flash, SECTOR, [0]), erase(flash, SECTOR), program(flash, 0, [0])]).toEqual([1, 1, 0]);
    expect(read(flash, SECTOR, 1)).toEqual(Uint8Array.of(0xff));
  });

  it("makes a sector slow: commands time out, having done some of it", () => {
    const flash = new Flash({ sectors: SECTORS, seed: 4 });
    flash.faults = { sectors: new Map([[1, "slow"]]) };
    expect([program(flash, SECTOR, filled(256, 0)), erase(flash, SECTOR)]).toEqual([1, 1]);
    expect(flash.weak(1)).toBe(true);
  });

  it("kills the bus: every read is the same byte and nothing is programmed", () => {
    for (const bus of [0x00, 0xff] as const) {
      const flash = new Flash({ sectors: SECTORS });
      program(flash, 0, [0x12]);
      flash.faults = { bus };
      expect(read(flash, 0, 3)).toEqual(filled(3, bus));
      expect(program(flash, 1, [0])).toBe(bus === 0xff ? 1 : 0);
      flash.faults = {};
      expect(read(flash, 0, 2)).toEqual(Uint8Array.of(0x12, 0xff));
    }
  });

  it("panics on a chip with internal ECC when a unit is programmed twice without an erase", () => {
    const flash = new Flash({ sectors: SECTORS, overprogram: false });
    program(flash, 0, filled(16, 0x55));
    program(flash, 16, filled(16, 0x55));
    expect(() => program(flash, 0, filled(16, 0))).toThrow(Panic);
    flash.wait();
    erase(flash, 0);
    expect(program(flash, 0, filled(16, 0x55))).toBe(0);
  });
});

describe("a snapshot", () => {
  it("brings back bytes, unstable bits, counts, faults, the running command and all that will be drawn", () => {
    const seed = (Math.random() * 2 ** 32) >>> 0;
    const random = new Random(seed);
    const flash = new Flash({ sectors: SECTORS, seed: 8 });
    const step = () => {
      const address = random.below(SECTORS) * SECTOR;
      const style = TEARS[random.below(TEARS.length)]!;
      const bytes = new Uint8Array(1 + random.below(256));
      random.fill(bytes);
      const what = random.below(4);
      if (what === 0) erase(flash, address);
      else if (what === 1) cutErase(flash, address, style);
      else if (what === 2) cutProgram(flash, address, bytes, style);
      else program(flash, address + random.below(16) * 256, bytes);
      flash.boot();
    };
    const all = () => ({
      content: digest(flash.content(0, flash.size)),
      unstable: digest(flash.unstable(0, flash.size)),
      reading: digest(read(flash, 0, flash.size)),
      counts: Array.from({ length: SECTORS }, (_, i) => [flash.erases(i), flash.programs(i * SECTOR), flash.weak(i)]),
    });
    const taken = [];
    for (let i = 0; i < 12; i++) {
      for (let j = 0; j < 5; j++) step();
      const snapshot = flash.snapshot();
      taken.push({ snapshot, ...all() });
    }
    for (let i = 0; i < 60; i++) {
      const { snapshot, ...then } = taken[random.below(taken.length)]!;
      flash.restore(snapshot);
      expect(all(), `seed ${seed}`).toEqual(then);
      for (let j = random.below(4); j > 0; j--) step();
    }
  });

  it("keeps a command that is still running", () => {
    const clock = new VirtualClock();
    const flash = new Flash({ sectors: SECTORS, clock });
    flash.program(0, Uint8Array.of(0), 0, 1);
    const snapshot = flash.snapshot();
    flash.wait();
    flash.restore(snapshot);
    clock.set(0);
    expect(flash.busy).toBe(true);
    flash.tear("nothing");
    expect(read(flash, 0, 1)).toEqual(Uint8Array.of(0xff));
    flash.restore(snapshot);
    flash.wait();
    expect(read(flash, 0, 1)).toEqual(Uint8Array.of(0));
  });

  it("keeps weak sectors weak for what is done after it", () => {
    const flash = new Flash({ sectors: SECTORS });
    cutErase(flash, 0, "whole");
    const snapshot = flash.snapshot();
    for (let round = 0; round < 2; round++) {
      program(flash, 0, [0]);
      expect([flash.weak(0), flash.unstable(0, 1)[0]]).toEqual([true, 0xff]);
      flash.restore(snapshot);
    }
  });

  it("of 16 MiB costs the changed sectors: far less than a copy of the chip", () => {
    const flash = new Flash({ sectors: 4096 });
    const chip = filled(flash.size, 1);
    const typical = (work: (round: number) => void): number => {
      const taken = Array.from({ length: 25 }, (_, round) => {
        const start = performance.now();
        work(round);
        return performance.now() - start;
      });
      return taken.sort((a, b) => a - b)[12]!;
    };
    const copies = typical(() => chip.slice());
    const snapshots = typical((round) => {
      const snapshot = flash.snapshot();
      program(flash, round * SECTOR, [0]);
      flash.restore(snapshot);
    });
    expect(snapshots).toBeLessThan(copies / 4);
  });
});
