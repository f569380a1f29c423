// The log of limits: what was synced is there after any cut, whoever else appends or compacts, and what is wrong has a name.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { type LimitEntry, Limits } from "../../../server/vault/index.ts";
import { Random } from "../../../simulator/index.ts";
import { Cut, failure, VolatileDisk } from "./volatile-disk.ts";

const PATH = "/limits";
const SEED = Number(process.env.SEED ?? randomBytes(4).readUInt32LE());
const nameOf = (pad: number) => pad.toString(16).padStart(16, "0");
const entry = (pad: number, value: number): LimitEntry => ({
  pad: nameOf(pad),
  heard: value,
  up: value * 2,
  down: value * 3,
  split: value * 4,
  receipt: value * 5,
});
const open = (disk: VolatileDisk, create = false) => Limits.open(PATH, { disk, create });
const fresh = () => open(new VolatileDisk(), true);
const codeOf = (run: () => unknown): string | null => {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    return String(error.code);
  }
};
const put = (limits: Limits, ...entries: LimitEntry[]) => {
  for (const each of entries) limits.note(each);
  limits.sync();
};

describe("limits", () => {
  it("are the field-wise maximum of what was synced, in this process and the next, on a real disk", () => {
    const root = mkdtempSync(join(tmpdir(), "tearpad-limits-"));
    const path = join(root, "limits");
    const limits = Limits.open(path, { create: true });
    expect(limits.latest().size).toBe(0);
    put(limits, { ...entry(1, 10), up: 7 }, entry(2, 1));
    put(limits, { ...entry(1, 9), up: 8 });
    put(limits, { ...entry(1, 3), split: 2 ** 32 - 1 });
    limits.note(entry(1, 100));
    const expected = new Map([
      [nameOf(1), { ...entry(1, 10), up: 8, split: 2 ** 32 - 1 }],
      [nameOf(2), entry(2, 1)],
    ]);
    expect(new Map(limits.latest())).toEqual(expected);
    const other = Limits.open(path);
    expect(new Map(other.latest())).toEqual(expected);
    other.compact();
    expect(other.bytes).toBe(16 + 2 * 40);
    put(limits, entry(3, 1));
    expected.set(nameOf(1), { ...entry(1, 100), split: 2 ** 32 - 1 }).set(nameOf(3), entry(3, 1));
    expect(new Map(other.latest())).toEqual(expected);
    for (const each of [limits, other]) each.close();
    const again = Limits.open(path, { create: true });
    expect(new Map(again.latest())).toEqual(expected);
    expect([...again.latest().keys()].sort()).toEqual([nameOf(1), nameOf(2), nameOf(3)]);
    again.close();
    rmSync(root, { recursive: true });
  });

  it("cost one write and one sync for all that was noted, and nothing when there is nothing new", () => {
    const disk = new VolatileDisk();
    const limits = open(disk, true);
    const operations: string[] = [];
    disk.before = (operation) => void operations.push(operation);
    for (let pad = 0; pad < 500; pad++) for (const value of [1, 3, 2]) limits.note(entry(pad, value));
    limits.sync();
    expect(operations).toEqual(["write", "sync"]);
    expect(limits.bytes).toBe(16 + 500 * 40);
    put(limits, entry(4, 3), entry(5, 2));
    expect(operations).toHaveLength(2);
  });

  it("take at most 64 bytes of memory a pad", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    // What was outgrown is given back a little later.
    const memory = async () => {
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 10; i++) {
        collect();
        await setTimeout(10);
        const { arrayBuffers, heapUsed } = process.memoryUsage();
        least = Math.min(least, arrayBuffers + heapUsed);
      }
      return least;
    };
    const root = mkdtempSync(join(tmpdir(), "tearpad-limits-"));
    const writer = Limits.open(join(root, "limits"), { create: true });
    const random = new Random(SEED);
    const pads = Array.from({ length: 100 }, () => random.u32().toString(16).padStart(8, "0"));
    for (let low = 0; low < 1000; low++)
      for (const high of pads) writer.note({ ...entry(0, low + 1), pad: high + nameOf(low).slice(8) });
    writer.sync();
    writer.close();
    const before = await memory();
    const limits = Limits.open(join(root, "limits"));
    const latest = limits.latest();
    expect(((await memory()) - before) / latest.size).toBeLessThan(64);
    expect(latest.size).toBe(100_000);
    for (const high of pads) expect(latest.get(high + nameOf(999).slice(8))?.receipt).toBe(5000);
    expect(latest.has(nameOf(1))).toBe(false);
    limits.close();
    rmSync(root, { recursive: true });
  });
});

describe("after a cut at any change", () => {
  /** Notes, syncs and compacts by two processes; returns what was acknowledged and what was tried. */
  function history(disk: VolatileDisk, steps: Random, acknowledged: number[], tried: number[]): void {
    const processes = [open(disk, true), open(disk)];
    for (let step = 0; step < 12; step++) {
      const limits = processes[steps.below(2)] as Limits;
      const pads = Array.from({ length: 1 + steps.below(4) }, () => steps.below(5));
      if (steps.below(4) === 0) limits.compact();
      for (const pad of pads) tried[pad] = step + 1;
      put(limits, ...pads.map((pad) => entry(pad, step + 1)));
      for (const pad of pads) acknowledged[pad] = step + 1;
    }
  }

  for (const power of [false, true]) {
    it(`by ${power ? "a loss of power" : "a kill"} what was synced is there and nothing that was never noted`, () => {
      const random = new Random(SEED);
      for (let cutAt = 0, cuts = true; cuts; cutAt++) {
        for (let round = 0; round < (power ? 8 : 2); round++) {
          const where = `seed ${SEED}, cut at ${cutAt}, round ${round}`;
          const disk = new VolatileDisk();
          disk.cutAt = cutAt;
          const acknowledged = [0, 0, 0, 0, 0];
          const tried = [0, 0, 0, 0, 0];
          cuts = false;
          try {
            history(disk, new Random(SEED + round), acknowledged, tried);
          } catch (error) {
            if (!(error instanceof Cut)) throw error;
            cuts = true;
          }
          let after = power ? disk.afterPowerCut(random) : disk.afterKill();
          for (let restart = 0; restart < 3; restart++) {
            const limits = open(after, true);
            for (const [pad, least] of acknowledged.entries()) {
              const found = limits.latest().get(nameOf(pad)) ?? entry(pad, 0);
              expect(found, where).toEqual(entry(pad, found.heard));
              expect(found.heard, where).toBeGreaterThanOrEqual(least);
              expect(found.heard, where).toBeLessThanOrEqual(tried[pad] as number);
            }
            // What was torn does no harm to what comes behind it.
            put(limits, entry(0, 100 + restart), entry(1, 100 + restart));
            acknowledged[0] = acknowledged[1] = tried[0] = tried[1] = 100 + restart;
            if (restart === 1) limits.compact();
            limits.close();
            after = power ? after.afterPowerCut(random) : after.afterKill();
          }
        }
      }
    });
  }
});

describe("a disk that fails at any change", () => {
  for (const code of ["ENOSPC", "EIO"]) {
    it(`with ${code} is a named error, and the next sync succeeds`, () => {
      for (let failAt = 1, failed = true; failed; failAt++) {
        const disk = new VolatileDisk();
        const limits = open(disk, true);
        const start = disk.changes;
        failed = false;
        disk.before = () => {
          if (disk.changes - start === failAt) throw failure(code);
        };
        const codes = [1, 2, 3].map((value) =>
          codeOf(() => {
            if (value === 2) limits.compact();
            put(limits, entry(value, value));
          }),
        );
        failed = codes.some((each) => each !== null);
        if (failed)
          expect(codes.filter((each) => each !== null)).toEqual([code === "EIO" ? "VAULT_FAILED" : "VAULT_FULL"]);
        disk.before = null;
        put(limits, entry(4, 4));
        put(limits, entry(5, 5));
        const again = open(disk.afterPowerCut(new Random(SEED + failAt)));
        for (const [i, each] of codes.entries())
          if (each === null) expect(again.latest().get(nameOf(i + 1))).toEqual(entry(i + 1, i + 1));
        for (const pad of [4, 5]) expect(again.latest().get(nameOf(pad))).toEqual(entry(pad, pad));
      }
    });
  }

  it("because it is full says so each time, keeps what was synced, and goes on once there is room", () => {
    const disk = new VolatileDisk();
    const limits = open(disk, true);
    put(limits, entry(1, 1));
    for (let room = 0; room < 80; room += 3) {
      disk.room = room;
      expect(codeOf(() => put(limits, entry(2, room + 1), entry(3, room + 1)))).toBe("VAULT_FULL");
      expect(open(disk.afterKill()).latest().get(nameOf(1))).toEqual(entry(1, 1));
    }
    disk.room = 1000;
    for (const value of [999, 1000]) put(limits, entry(2, value));
    expect(open(disk.afterKill()).latest().get(nameOf(2))).toEqual(entry(2, 1000));
  });
});

describe("another process at any change", () => {
  it("may append or compact while this one compacts or appends, and nothing synced is lost", () => {
    for (const [mine, theirs] of [
      ["compact", "append"],
      ["append", "compact"],
      ["compact", "open"],
      ["append", "append"],
    ]) {
      for (let at = 1, done = true; done; at++) {
        const disk = new VolatileDisk();
        const limits = open(disk, true);
        const other = open(disk);
        put(limits, entry(1, 1));
        put(other, entry(2, 1));
        const act = (who: Limits, what: string | undefined, pad: number) => {
          if (what === "append") put(who, entry(pad, 9));
          // One that compacts at the same time is waited for, which cannot happen within one process.
          else if (what === "compact") who.compact();
          else
            for (const each of [1, 2])
              expect(codeOf(() => expect(open(disk).latest().get(nameOf(each))?.heard).toBe(1))).toBeOneOf([
                null,
                "VAULT_BUSY",
              ]);
        };
        const start = disk.changes;
        done = false;
        disk.before = () => {
          if (done || disk.changes - start !== at) return;
          done = true;
          act(other, theirs, 4);
        };
        act(limits, mine, 3);
        disk.before = null;
        const where = `${theirs} at change ${at} of ${mine}`;
        for (const after of [disk, disk.afterKill(), disk.afterPowerCut(new Random(SEED + at))]) {
          const latest = open(after).latest();
          for (const pad of [1, 2]) expect(latest.get(nameOf(pad)), where).toEqual(entry(pad, 1));
          if (mine === "append") expect(latest.get(nameOf(3)), where).toEqual(entry(3, 9));
          if (theirs === "append" && done) expect(latest.get(nameOf(4)), where).toEqual(entry(4, 9));
        }
      }
    }
  });

  it("may append while this one compacts and the power goes soon after, and what it synced is there", () => {
    const random = new Random(SEED);
    for (let at = 1; at < 12; at++) {
      for (let soon = 0; soon < 8; soon++) {
        for (let round = 0; round < 6; round++) {
          const disk = new VolatileDisk();
          const limits = open(disk, true);
          const other = open(disk);
          put(limits, entry(1, 1));
          const start = disk.changes;
          let appended = false;
          disk.before = () => {
            if (appended || disk.changes - start !== at) return;
            appended = true;
            put(other, entry(2, 1));
            disk.cutAt = disk.changes + soon;
          };
          try {
            limits.compact();
          } catch (error) {
            if (!(error instanceof Cut)) throw error;
          }
          const latest = open(disk.afterPowerCut(random)).latest();
          const where = `seed ${SEED}, change ${at}, cut ${soon} later, round ${round}`;
          expect(latest.get(nameOf(1)), where).toEqual(entry(1, 1));
          if (appended) expect(latest.get(nameOf(2)), where).toEqual(entry(2, 1));
        }
      }
    }
  });
});

describe("a file that is not as it was", () => {
  const written = (): { disk: VolatileDisk; bytes: Buffer } => {
    const disk = new VolatileDisk();
    const limits = open(disk, true);
    for (let value = 1; value <= 6; value++) put(limits, entry(value % 3, value), entry(7, value));
    return { disk, bytes: disk.everything().get(PATH) as Buffer };
  };
  const opened = (bytes: Buffer) => {
    const disk = new VolatileDisk();
    disk.put(PATH, bytes);
    return codeOf(() => open(disk).latest());
  };

  it("is missing, foreign or cut by name, and is not changed", () => {
    expect(codeOf(() => open(new VolatileDisk()))).toBe("LIMITS_MISSING");
    const { disk, bytes } = written();
    for (const size of [0, 5, 15]) expect(opened(bytes.subarray(0, size))).toBe("LIMITS_CORRUPT");
    expect(opened(Buffer.from("SQLite format 3\0 and more"))).toBe("LIMITS_FOREIGN");
    expect(opened(Buffer.from(bytes).fill(2, 8, 9))).toBe("LIMITS_FOREIGN");
    const limits = open(disk);
    disk.unlink(PATH);
    expect(codeOf(() => put(limits, entry(1, 50)))).toBe("LIMITS_MISSING");
  });

  it("anywhere but in the entries that were written last is LIMITS_CORRUPT, whether bytes changed or are gone", () => {
    const { bytes } = written();
    const acknowledgedByLater = bytes.length - 80;
    for (let at = 16; at < acknowledgedByLater; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 0x10;
      expect(opened(changed), `byte ${at}`).toBe("LIMITS_CORRUPT");
      for (const length of [1, 39, 40, 41, 80]) {
        const gone = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        if (at + length <= acknowledgedByLater) expect(opened(gone), `${length} bytes at ${at}`).toBe("LIMITS_CORRUPT");
      }
    }
    for (let size = 16; size <= bytes.length; size++) expect(opened(bytes.subarray(0, size))).toBe(null);
  });

  it("taken away or not made is not begun anew unless asked for", () => {
    expect(codeOf(() => Limits.open("/nowhere/limits", { create: true }))).toBeOneOf([
      "VAULT_FAILED",
      "VAULT_READ_ONLY",
    ]);
    expect(() => fresh().note({ ...entry(1, 1), pad: "no name" })).toThrow("16 hex digits");
    expect(() => fresh().note({ ...entry(1, 1), up: 2 ** 32 })).toThrow("32 bits");
  });
});
