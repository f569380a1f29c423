// SELFTEST on the core: what it says of a chip that is good and of one that is not, and that whatever a cut leaves of it a device is as blank as before.

import { beforeAll, describe, expect, it } from "vitest";
import { type ChipStep, commands } from "../../host/protocol/index.ts";
import { builtCore, type Core, type Cut, type Faults, TEARS } from "../../simulator/index.ts";
import { plant } from "../torture/defects.ts";
import { COMMAND, LOW, Rig, readU32, u32 } from "../torture/rig.ts";

const STEPS: readonly ChipStep[] = ["erase", "program", "zero"];
const SECTOR = 4096;
const JOURNAL_SECTORS = 4;
const BITS = 8 * SECTOR;
const SUPPLY_LOW = 16;

function blank(core: Core = builtCore(), seed = 1): Rig {
  const rig = new Rig(core, seed);
  rig.hello();
  return rig;
}

function run(rig: Rig, step: ChipStep) {
  const reply = rig.command(COMMAND.SELFTEST, commands.selftestChip.encode({ step }));
  if (reply === null || reply.error) throw new Error(`step ${step}: error ${reply?.error}`);
  return commands.selftestChip.decode(reply.payload)!;
}

function epoch(rig: Rig): number {
  return readU32(rig.send(COMMAND.INFO, rig.frame(COMMAND.INFO, new Uint8Array(0)))!.payload, 20);
}

function reboot(rig: Rig): void {
  if (rig.machine.state === "on") rig.machine.powerCut();
  rig.machine.powerOn();
  rig.hello();
}

/** The sectors that are written to while something is done. */
function touched(rig: Rig, action: () => void): Set<number> {
  const sectors = new Set<number>();
  rig.machine.observe = ({ name, address }) => {
    if (name === "norErase" || name === "norProgram") sectors.add(Math.floor(address / SECTOR));
  };
  action();
  rig.machine.observe = null;
  return sectors;
}

describe("SELFTEST on a good chip", () => {
  it("erases a sector, programs all its pages, zeroes what is there, and finds every bit as it should be", () => {
    const rig = blank();
    for (const [step, operations] of [
      ["erase", 1],
      ["program", 16],
      ["zero", 16],
      ["erase", 1],
    ] as const) {
      const found = run(rig, step);
      expect(found).toMatchObject({ operations, status: 0, wrongBits: 0 });
      // On the clock of the simulated chip, which knows the busy times of its data sheet.
      expect(found.leastUs).toBeGreaterThanOrEqual(step === "erase" ? 45_000 : 400);
      expect(found.mostUs).toBeGreaterThanOrEqual(found.leastUs);
      expect(found.sumUs).toBeGreaterThanOrEqual(operations * found.leastUs);
      expect(found.sumUs).toBeLessThanOrEqual(operations * found.mostUs);
      expect(found.readUs).toBeGreaterThan(0);
    }
  });

  it("works on the sector that the next boot erases, and on no other, wherever the journal stands", () => {
    const rig = blank();
    for (let boot = 1; boot <= 3 * JOURNAL_SECTORS; boot++) {
      expect(epoch(rig)).toBe(boot);
      const tried = touched(rig, () => {
        for (const step of STEPS) run(rig, step);
      });
      const written = touched(rig, () => reboot(rig));
      expect([...tried]).toEqual([...written]);
      expect([...tried]).toEqual([boot % JOURNAL_SECTORS]);
    }
  });

  it("leaves nothing that hinders a fill, and is refused behind it but for what it is", () => {
    const rig = blank();
    for (const step of STEPS) run(rig, step);
    rig.fill(LOW);
    for (let step = 1; step <= 5; step++) expect(rig.command(COMMAND.SELFTEST, u32(step))?.error).toBe(6);
    const reply = rig.command(COMMAND.SELFTEST, u32(0))!;
    expect(commands.selftestBody.decode(reply.payload)).toEqual({
      ...{ chipSize: 11 * SECTOR, overprogram: true, burnUnit: 1, erase64: true },
      ...{ chipId: null, body: "simulator", supplyOk: true },
    });
  });
});

describe("SELFTEST on a chip that is not good", () => {
  /** The steps on a blank device whose next journal sector gets these faults. */
  function onFaulty(faults: Faults) {
    const rig = blank();
    rig.flash.faults = faults;
    return Object.fromEntries(STEPS.map((step) => [step, run(rig, step)]));
  }
  const sector = (fault: "worn" | "protected" | "slow"): Faults => ({ sectors: new Map([[1, fault]]) });

  it("that refuses, or takes too long, says so at the first operation, and no further one is tried", () => {
    for (const fault of ["protected", "slow"] as const) {
      for (const found of Object.values(onFaulty(sector(fault)))) {
        expect(found.operations).toBe(1);
        expect(found.status).not.toBe(0);
      }
    }
  });

  it("that says it is done but is not has its wrong bits counted", () => {
    const { program, zero } = onFaulty(sector("worn"));
    expect([program!.status, zero!.status]).toEqual([0, 0]);
    expect(program!.wrongBits).toBeGreaterThan(0);
    expect(zero!.wrongBits).toBeGreaterThan(0);
  });

  it("with one bit that is stuck is found at the bit", () => {
    const stuck = (value: number): Faults => ({ stuck: new Map([[SECTOR + 77, { mask: 0x10, value }]]) });
    expect(onFaulty(stuck(0)).erase!.wrongBits).toBe(1);
    const { erase, zero } = onFaulty(stuck(0x10));
    expect([erase!.wrongBits, zero!.wrongBits]).toEqual([0, 1]);
  });

  it("behind a dead bus has every bit wrong where it should read otherwise", () => {
    const low = onFaulty({ bus: 0x00 });
    expect([low.erase!.wrongBits, low.zero!.wrongBits]).toEqual([BITS, 0]);
    expect(low.program!.wrongBits).toBeGreaterThan(BITS / 4);
    const high = onFaulty({ bus: 0xff });
    expect([high.erase!.status, high.program!.status, high.zero!.status]).toEqual([1, 1, 1]);
    expect(high.zero!.wrongBits).toBe(BITS);
  });

  it("whose supply sinks is SUPPLY_LOW before the operation that it would not carry, and serves on when it is well", () => {
    for (let look = 1; look <= 16; look++) {
      const rig = blank();
      run(rig, "erase");
      let looks = 0;
      rig.machine.supplyLow = look === 1;
      rig.machine.observe = ({ name }) => {
        if (name === "supplyOk") rig.machine.supplyLow = ++looks + 1 === look;
      };
      const before = rig.machine.calls.norProgram;
      expect(rig.command(COMMAND.SELFTEST, u32(2))?.error).toBe(SUPPLY_LOW);
      rig.machine.observe = null;
      rig.machine.supplyLow = false;
      expect(rig.machine.calls.norProgram - before).toBe(look - 1);
      run(rig, "erase");
      expect(run(rig, "program").wrongBits).toBe(0);
    }
  });
});

/** Cuts a step at every HAL call, in every way, from this state, and looks at what boots. Returns what is wrong, and how often it was cut. */
function cutEverywhere(rig: Rig, step: ChipStep, everyNth: number): { wrong: string[]; cuts: number } {
  const start = rig.snapshot();
  const before = epoch(rig);
  const calls: string[] = [];
  rig.machine.observe = ({ name }) => calls.push(name);
  run(rig, step);
  rig.machine.observe = null;
  const cuts = calls.flatMap((name, i): Cut[] => {
    const writes = name === "norErase" || name === "norProgram";
    const at = { call: i + 1 };
    return [
      ...(["power", "reset"] as const).flatMap((kind): Cut[] => [
        { ...at, kind, when: "before" },
        { ...at, kind, when: "after" },
      ]),
      ...(writes ? TEARS : []).map((tear): Cut => ({ ...at, kind: "power", when: "during", tear })),
    ];
  });
  const wrong: string[] = [];
  const taken = cuts.filter((_, i) => i % everyNth === 0);
  for (const cut of taken) {
    rig.restore(start);
    rig.flash.random.seed(cut.call);
    rig.machine.cutAt(cut);
    rig.command(COMMAND.SELFTEST, commands.selftestChip.encode({ step }));
    if (rig.machine.disarm()) throw new Error(`The cut at call ${cut.call} did not come.`);
    rig.machine.powerOn();
    const where = `${step}, ${cut.kind} ${cut.when} call ${cut.call}${cut.tear ? ` (${cut.tear})` : ""}`;
    const info = rig.info();
    if (info.state !== 0) wrong.push(`${where}: state ${info.state}, fault ${info.fault}`);
    else if (epoch(rig) !== before + 1) wrong.push(`${where}: boot epoch ${before}, then ${epoch(rig)}`);
    rig.hello();
    if (info.state === 0) {
      run(rig, "erase");
      if (run(rig, "program").wrongBits > 0) wrong.push(`${where}: the sector does not take a pattern any more`);
    }
  }
  rig.restore(start);
  return { wrong, cuts: taken.length };
}

describe("a cut in SELFTEST", () => {
  it("leaves a device that boots blank, in the next epoch, and can be tested and filled", () => {
    let cuts = 0;
    for (let boot = 1; boot <= JOURNAL_SECTORS; boot++) {
      const rig = blank(builtCore(), boot);
      for (let again = 1; again < boot; again++) reboot(rig);
      for (const step of STEPS) {
        const found = cutEverywhere(rig, step, step === "erase" ? 1 : 5);
        expect(found.wrong).toEqual([]);
        cuts += found.cuts;
        run(rig, step);
      }
      rig.fill(LOW);
    }
    console.log(`${cuts} cuts`);
    expect(cuts).toBeGreaterThan(500);
  });

  describe("on a core that", () => {
    let core: Core;

    beforeAll(async () => {
      core = await plant({
        name: "the test works on the sector of the newest record",
        file: "device/selftest.ts",
        from: "const base = nextSector() * SECTOR_SIZE;",
        to: "const base = (nextSector() === 0 ? 3 : nextSector() - 1) * SECTOR_SIZE;",
      });
    });

    it("worked on the sector of the newest record would be found out", () => {
      expect(cutEverywhere(blank(core), "erase", 1).wrong).not.toEqual([]);
    });
  });
});
