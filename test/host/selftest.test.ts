// The self test as its report says it: good devices, bad ones, those that are none of its business, and those too old for it.

import { afterEach, describe, expect, it } from "vitest";
import { type Clock, openDevice, type SelfTest, selftest, type Transport } from "../../host/driver/index.ts";
import { commands, encodeFrame, type Frame, FrameDecoder } from "../../host/protocol/index.ts";
import { builtCore, Flash, type FlashOptions, lineTo, Machine } from "../../simulator/index.ts";
import { LOW, Rig } from "../torture/rig.ts";

const endings: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

interface World {
  readonly line?: (line: Transport) => Transport;
  readonly flash?: FlashOptions;
  /** What happens to the machine before it gets power, and before it is tested. */
  readonly before?: (machine: Machine) => void;
  readonly booted?: (machine: Machine) => void;
  /** What the person does who is asked to press. */
  readonly asked?: ((machine: Machine) => void) | null;
  readonly clock?: Clock;
}

async function tested(world: World): Promise<SelfTest> {
  const { line = (it: Transport) => it, flash = {}, before, booted, asked = null, clock } = world;
  const machine = new Machine({
    core: builtCore(),
    flash: new Flash({ sectors: 16, ...flash }),
    entropy: 1,
    presence: "ask",
  });
  before?.(machine);
  machine.powerOn();
  booted?.(machine);
  const device = await openDevice(line(lineTo(machine)), clock === undefined ? {} : { clock });
  endings.push(() => device.close());
  return selftest(device, asked === null ? null : () => asked(machine));
}

function verdicts({ trials }: SelfTest): Record<string, string> {
  return Object.fromEntries(trials.map(({ name, verdict }) => [name, verdict]));
}

const trial = (report: SelfTest, name: string) => report.trials.find((one) => one.name === name);

/** A line on which somebody changes frames on their way. */
function changing(line: Transport, toDevice: (frame: Frame) => Frame, toHost: (frame: Frame) => Frame): Transport {
  const each = (decoder: FrameDecoder, bytes: Uint8Array, change: (frame: Frame) => Frame): Uint8Array[] =>
    decoder.push(bytes).map((frame) => encodeFrame(change(frame as Frame)));
  const [asked, answered] = [new FrameDecoder(), new FrameDecoder()];
  return {
    ...line,
    write: async (bytes) => {
      for (const frame of each(asked, bytes, toDevice)) await line.write(frame);
    },
    onData: (hear) => line.onData((bytes) => each(answered, bytes, toHost).forEach(hear)),
  };
}

/** A simulated device that says that it is on this body, with this chip. */
function disguised(body: number, id: number): (line: Transport) => Transport {
  let step = -1;
  return (line) =>
    changing(
      line,
      (frame) => {
        if (frame.type === commands.selftestBody.type) step = frame.payload[0]!;
        return frame;
      },
      (frame) => {
        if (frame.type !== (commands.selftestBody.type | 0x80) || step !== 0) return frame;
        const payload = frame.payload.slice();
        const view = new DataView(payload.buffer);
        view.setUint32(16, id, true);
        view.setUint32(20, body, true);
        return { ...frame, payload };
      },
    );
}

/** A simulated device that says that its core trapped so often, the last time for this reason. */
function trapped(traps: number, reason: number): (line: Transport) => Transport {
  return (line) =>
    changing(
      line,
      (frame) => frame,
      (frame) => {
        if (frame.type !== (commands.info.type | 0x80)) return frame;
        const payload = frame.payload.slice();
        payload[6] = traps;
        new DataView(payload.buffer).setUint32(8, reason, true);
        return { ...frame, payload };
      },
    );
}

/** A device whose core is from before SELFTEST. */
function old(line: Transport): Transport {
  const { type } = commands.selftestBody;
  const unknown = 0x7f;
  return changing(
    line,
    (frame) => (frame.type === type ? { ...frame, type: unknown } : frame),
    (frame) => {
      const payload = frame.payload.slice();
      if (frame.type === 0xff && payload[1] === unknown) payload[1] = type;
      return { ...frame, payload };
    },
  );
}

describe("a device without a pad", () => {
  it("that is well is found well, by its numbers", async () => {
    const report = await tested({ asked: (machine) => machine.press() });
    expect(report).toMatchObject({
      body: "simulator",
      verdict: "good",
      chip: { chipId: null, chipSize: 65_536, name: null },
    });
    expect(report.core).toMatch(/^\d+\.\d+\.\d+$/);
    const all = ["starts", "chip", "supply", "erase", "program", "zero", "re-erase", "button", "line"];
    expect(verdicts(report)).toEqual(Object.fromEntries(all.map((name) => [name, "good"])));
    expect(trial(report, "program")?.numbers).toMatchObject({ operations: 16, status: 0, wrongBits: 0 });
    expect(trial(report, "line")?.numbers).toMatchObject({ count: 20 });
    expect(report.trials.every(({ advice }) => advice === null)).toBe(true);
  });

  it("whose button was left out or not pressed is good all the same, and says so", async () => {
    const leftOut = await tested({});
    expect(leftOut.verdict).toBe("good");
    expect(trial(leftOut, "button")).toMatchObject({ verdict: "untried", found: "left out" });
    // A press from before the question is none. The seconds in which nobody presses pass at once.
    const clock: Clock = {
      after: (ms, then) => {
        const timer = setTimeout(then, ms < 1000 ? 0 : ms);
        return () => clearTimeout(timer);
      },
    };
    const unpressed = await tested({ booted: (machine) => machine.press(), asked: () => {}, clock });
    expect(trial(unpressed, "button")).toMatchObject({ verdict: "untried", found: "not pressed within 10 seconds" });
    const refused = await tested({ asked: (machine) => machine.press("reject") });
    expect(trial(refused, "button")).toMatchObject({ verdict: "good", found: "refused" });
  });

  it("on a chip that refuses, or that does not take what it is told, is bad, with what to do", async () => {
    for (const [fault, words] of [
      ["protected", /refused or timed out at operation 1/],
      ["slow", /timed out/],
      ["worn", /bits are wrong/],
    ] as const) {
      const report = await tested({
        booted: ({ flash }) => Object.assign(flash, { faults: { sectors: new Map([[1, fault]]) } }),
      });
      expect(report.verdict).toBe("bad");
      expect(trial(report, "program")).toMatchObject({ verdict: "bad" });
      expect(trial(report, "program")?.found).toMatch(words);
      expect(trial(report, "program")?.advice).toMatch(/wires/);
      expect(trial(report, "line")?.verdict).toBe("good");
    }
  });

  it("says how often it started", async () => {
    const report = await tested({
      booted: (machine) => {
        machine.powerCut();
        machine.powerOn();
      },
    });
    expect(trial(report, "starts")).toMatchObject({
      verdict: "good",
      found: "start 2 of this chip, no trap since power-on",
      numbers: { boots: 2, traps: 0, trapReason: 0 },
    });
  });

  it("that trapped since power-on is bad, and says how often and why", async () => {
    const report = await tested({ line: trapped(2, 255) });
    expect(report.verdict).toBe("bad");
    expect(trial(report, "starts")).toMatchObject({ verdict: "bad", numbers: { boots: 1, traps: 2, trapReason: 255 } });
    expect(trial(report, "starts")?.found).toMatch(/2 traps since power-on, the last for reason 255 \(.*watchdog/);
    expect(trial(report, "starts")?.advice).toMatch(/send this report/);
  });

  it("whose supply is too low for its flash is bad, and the chip is not blamed", async () => {
    const report = await tested({ booted: (machine) => Object.assign(machine, { supplyLow: true }) });
    expect(verdicts(report)).toMatchObject({
      chip: "good",
      supply: "bad",
      erase: "bad",
      program: "bad",
      zero: "bad",
      line: "good",
    });
    expect(trial(report, "erase")?.found).toMatch(/supply/);
  });

  it("that is faulty is told by its section, and what its chip is", async () => {
    const noise = await tested({ before: ({ flash }) => flash.put(40_000, Uint8Array.of(1, 2, 3)) });
    expect(verdicts(noise)).toEqual({ starts: "good", core: "bad", chip: "good", supply: "good", line: "good" });
    expect(trial(noise, "starts")?.numbers).toEqual({ boots: null, traps: 0, trapReason: 0 });
    expect(trial(noise, "core")?.found).toMatch(/"journal"/);
    expect(trial(noise, "core")?.advice).toMatch(/Erase the whole chip/);
    const corrected = await tested({ flash: { overprogram: false } });
    expect(verdicts(corrected)).toMatchObject({ core: "bad", chip: "bad" });
    expect(trial(corrected, "chip")?.found).toMatch(/cannot be destroyed/);
    const low = await tested({ before: (machine) => Object.assign(machine, { supplyLow: true }) });
    expect(verdicts(low)).toMatchObject({ core: "bad", supply: "bad" });
  });
});

describe("times against a data sheet", () => {
  it("are typical, or slower than typical, or within what the sheet allows", async () => {
    const line = disguised(1, 0xef4018);
    const typical = await tested({ line });
    expect(typical).toMatchObject({ body: "pico", chip: { chipId: "ef4018", name: "W25Q128JV" }, verdict: "good" });
    expect(trial(typical, "zero")?.found).toMatch(/typical: its data sheet says 0.40, at most 3.00/);
    expect(trial(typical, "zero")?.found).not.toMatch(/slower/);
    const slow = await tested({ line, flash: { busy: "maximum" } });
    expect(slow.verdict).toBe("good");
    expect(trial(slow, "program")?.found).toMatch(/slower than typical/);
    expect(trial(slow, "erase")?.found).toMatch(/400 ms.*slower than typical: its data sheet says 45.00, at most 400/);
  });

  it("beyond what it allows are bad", async () => {
    const line = disguised(1, 0xef7018);
    const report = await tested({ line, flash: { busy: "maximum" }, booted: slowed(2) });
    expect(report.verdict).toBe("bad");
    for (const name of ["erase", "program", "zero"]) {
      expect(trial(report, name)).toMatchObject({ verdict: "bad" });
      expect(trial(report, name)?.found).toMatch(/slower than its data sheet says/);
    }
  });

  it("are not judged for a chip that is not known, and one that does not answer is bad", async () => {
    const unknown = await tested({ line: disguised(1, 0xc22018) });
    expect(unknown.verdict).toBe("good");
    expect(trial(unknown, "chip")?.found).toMatch(/not a chip that is known here, id c22018/);
    for (const id of [0, 0xffffff]) {
      const silent = await tested({ line: disguised(1, id) });
      expect(trial(silent, "chip")).toMatchObject({
        verdict: "bad",
        found: "nothing answers where the chip should be",
      });
    }
  });

  it("on a bare board come without a button and without a supervisor", async () => {
    const report = await tested({ line: disguised(2, 0xef4015), asked: () => expect.unreachable() });
    expect(report).toMatchObject({ body: "pico-bare", verdict: "good" });
    expect(verdicts(report)).toMatchObject({ supply: "untried", button: "untried" });
  });
});

/** Lets every erase and program take so many times as long. */
function slowed(times: number): (machine: Machine) => void {
  return (machine) => {
    let began = 0;
    machine.observe = ({ name }) => {
      if (name === "norErase" || name === "norProgram") machine.clock.pass((machine.clock.now() - began) * (times - 1));
      began = machine.clock.now();
    };
  };
}

describe("a device that is none of its business", () => {
  it("because it has a pad, or a fill was begun, is refused, and its chip stays as it is", async () => {
    const rig = new Rig(builtCore(), 1);
    rig.fill(LOW);
    const chip = rig.flash.content(0, rig.flash.size);
    const device = await openDevice(lineTo(rig.machine));
    endings.push(() => device.close());
    const writes = rig.machine.calls.norErase + rig.machine.calls.norProgram;
    await expect(selftest(device, null)).rejects.toMatchObject({ code: "NOT_BLANK", facts: { state: "active" } });
    expect(rig.machine.calls.norErase + rig.machine.calls.norProgram).toBe(writes);
    expect(Buffer.compare(rig.flash.content(0, rig.flash.size), chip)).toBe(0);
  });

  it("because its core knows no self test is told to be flashed", async () => {
    await expect(tested({ line: old })).rejects.toMatchObject({
      code: "NO_SELFTEST",
      advice: expect.stringContaining("device flash"),
    });
    const faulty = tested({ line: old, flash: { overprogram: false } });
    await expect(faulty).rejects.toMatchObject({ code: "NO_SELFTEST" });
  });
});
