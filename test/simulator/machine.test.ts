/**
 * The machine: the body around a core, its power and its traps. The core here is the probe, which does one HAL call per request.
 */
import { describe, expect, it } from "vitest";
import { type HalCall, Panic, SECTOR, TRAP_REASONS } from "../../simulator/index.ts";
import { probeMachine, request } from "./probe.ts";

describe("a machine", () => {
  it("answers the core's questions about chip, button, supply", async () => {
    const { machine, last } = await probeMachine({ burnUnit: 16, overprogram: false, erase64: false });
    machine.powerOn();
    const ask = (letter: string, first = 0) => {
      machine.feed(request(letter, first));
      return last();
    };
    expect([0, 1, 2, 3, 4, 5].map((what) => ask("g", what))).toEqual([16, 0, 16, 0, 0, 0]);
    expect([ask("b"), ask("s")]).toEqual([1, 1]);
    machine.presence = "reject";
    machine.supplyLow = true;
    expect([ask("b"), ask("s")]).toEqual([2, 0]);
    machine.presence = "ask";
    expect(ask("b")).toBe(0);
    machine.press();
    expect([ask("b"), ask("b")]).toEqual([1, 0]);
    machine.press();
    machine.press("reject");
    expect([ask("b"), ask("b")]).toEqual([2, 0]);
  });

  it("tells the core the microseconds of its clock, which wrap", async () => {
    const { machine, last } = await probeMachine();
    machine.powerOn();
    const ticks = () => {
      machine.feed(request("t"));
      return last();
    };
    const began = ticks();
    machine.clock.pass(45_000);
    expect(ticks() - began).toBe(45_000);
    machine.clock.pass(2 ** 32);
    expect(ticks() - began).toBe(45_000);
  });

  it("cuts long input into windows and polls between them", async () => {
    const { machine, sent } = await probeMachine();
    machine.powerOn();
    machine.feed(request("E"));
    machine.feed(new Uint8Array(1200).fill(7));
    expect(sent.map((bytes) => bytes.length)).toEqual([512, 512, 176]);
  });

  it("does background work in steps and says when there is no more", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    expect(machine.feed(request("w", 5))).toBe(true);
    expect(machine.pump(2)).toBe(true);
    expect(machine.calls.norErase).toBe(3);
    expect(machine.runUntilIdle()).toBe(2);
    expect(machine.flash.erases(1)).toBe(5);
    machine.feed(request("w", 50));
    expect(() => machine.runUntilIdle(10)).toThrow(Panic);
  });

  it("loses what is fed without power, and its memory with the power", async () => {
    const { machine, sent, last } = await probeMachine();
    machine.feed(request("c"));
    expect(sent).toEqual([]);
    machine.powerOn();
    machine.feed(request("c"));
    machine.feed(request("c"));
    expect(last()).toBe(2);
    machine.powerCut();
    machine.powerOn();
    machine.feed(request("c"));
    expect(last()).toBe(1);
  });

  it("refuses to be called from inside a HAL call", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    machine.onTransmit = () => machine.feed(request("c"));
    expect(() => machine.feed(request("c"))).toThrow(Panic);
  });

  it("shows an observer every call with its bytes, and counts them by name", async () => {
    const { machine } = await probeMachine();
    const seen: Array<Omit<HalCall, "data"> & { data: number[] }> = [];
    machine.observe = (call) => seen.push({ ...call, data: [...call.data] });
    machine.powerOn();
    machine.feed(request("p", 260, 2, Uint8Array.of(1, 2)));
    machine.feed(request("e", 4096, 4096));
    machine.feed(request("r", 260, 2));
    const quiet = { result: 0, torn: false };
    expect(seen).toEqual([
      { name: "norRead", address: 0, length: 1, data: [0xff], ...quiet },
      { name: "norProgram", address: 260, length: 2, data: [1, 2], ...quiet },
      { name: "transmit", address: 0, length: 4, data: [0, 0, 0, 0], ...quiet },
      { name: "norErase", address: 4096, length: 4096, data: [], ...quiet },
      { name: "transmit", address: 0, length: 4, data: [0, 0, 0, 0], ...quiet },
      { name: "norRead", address: 260, length: 2, data: [1, 2], ...quiet },
      { name: "transmit", address: 0, length: 2, data: [1, 2], ...quiet },
    ]);
    expect(machine.calls).toMatchObject({ norRead: 2, norProgram: 1, norErase: 1, transmit: 3, entropy: 0 });
    expect(machine.callsInAll).toBe(7);
  });

  it("draws entropy from the system, or from a seed that replays", async () => {
    const draw = async (entropy?: number) => {
      const { machine, sent } = await probeMachine(
        {},
        entropy === undefined ? { entropy: systemEntropy } : { entropy },
      );
      machine.powerOn();
      machine.feed(request("n", 32));
      return sent[0]!.toString();
    };
    const systemEntropy = (bytes: Uint8Array) => {
      crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
    };
    expect(await draw(5)).toBe(await draw(5));
    expect(await draw(5)).not.toBe(await draw(6));
    expect(await draw()).not.toBe(await draw());
  });

  it("stops the test when the core leaves its memory or its statics", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    expect(() => machine.feed(request("?"))).toThrow(Panic);
    expect(machine.state).toBe("off");
    machine.powerOn();
    machine.feed(request("!"));
    expect(() => machine.snapshot()).toThrow(Panic);
  });
});

describe("a power cut at the n-th HAL call", () => {
  const page = new Uint8Array(256);
  const write = request("p", 4096, 256, page);

  it("before a program leaves the chip as it was; after it the program is done but unanswered", async () => {
    for (const [when, byte] of [
      ["before", 0xff],
      ["after", 0x00],
    ] as const) {
      const { machine, sent } = await probeMachine();
      machine.powerOn();
      machine.cutAt({ call: 1, when, kind: "power" });
      machine.feed(write);
      expect(machine.state).toBe("off");
      expect(machine.flash.content(4096, 1)[0]).toBe(byte);
      expect(machine.flash.unstable(4096, 256)).toEqual(new Uint8Array(256));
      expect(sent).toEqual([]);
    }
  });

  it("during a program or an erase tears it in the style asked for", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    machine.cutAt({ call: 1, when: "during", kind: "power", tear: "first-half" });
    machine.feed(write);
    expect([...machine.flash.content(4096 + 127, 2)]).toEqual([0, 0xff]);
    machine.powerOn();
    machine.cutAt({ call: 1, when: "during", kind: "power", tear: "whole" });
    machine.feed(request("e", 4096, SECTOR));
    expect(machine.flash.weak(1)).toBe(true);
  });

  it("during a transmit lets a prefix out and nothing after it", async () => {
    const lengths = [];
    for (const tear of ["nothing", "first-half", "last-bits", "whole"] as const) {
      const { machine, sent } = await probeMachine();
      machine.powerOn();
      machine.cutAt({ call: 2, when: "during", kind: "power", tear });
      machine.feed(request("r", 0, 100));
      machine.feed(request("r", 0, 100));
      lengths.push(sent.reduce((sum, bytes) => sum + bytes.length, 0));
    }
    expect(lengths).toEqual([0, 50, 99, 100]);
  });

  it("counts calls over boots, or only those of one name", async () => {
    const { machine, sent } = await probeMachine();
    machine.cutAt({ call: 3, when: "before", kind: "power" });
    expect(machine.powerOn()).toBe(true);
    machine.powerCut();
    expect(machine.powerOn()).toBe(true);
    machine.feed(request("s"));
    expect([machine.state, sent.length]).toEqual(["off", 0]);
    machine.powerOn();
    machine.cutAt({ call: 2, name: "transmit", when: "after", kind: "power" });
    machine.feed(request("s"));
    expect(machine.state).toBe("on");
    machine.feed(request("s"));
    expect([machine.state, sent.length]).toEqual(["off", 2]);
  });

  it("may come during boot, which then does not serve", async () => {
    const { machine } = await probeMachine();
    machine.cutAt({ call: 1, when: "after", kind: "power" });
    expect(machine.powerOn()).toBe(false);
    expect(machine.state).toBe("off");
    expect(machine.powerOn()).toBe(true);
  });

  it("is told to whoever waits for it, once the core's frames are gone", async () => {
    const { machine } = await probeMachine();
    const states: string[] = [];
    machine.watch((state) => {
      states.push(state);
      if (state === "off") machine.powerOn();
    });
    machine.powerOn();
    machine.cutAt({ call: 1, when: "before", kind: "power" });
    machine.feed(request("s"));
    expect([states, machine.state]).toEqual([["on", "off", "on"], "on"]);
  });

  it("that does not come can be taken back", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    machine.cutAt({ call: 100, when: "before", kind: "power" });
    machine.feed(request("s"));
    expect([machine.disarm(), machine.disarm()]).toEqual([true, false]);
  });
});

describe("a reset of the controller at the n-th HAL call", () => {
  it("lets the chip complete its command, which the next boot waits for", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    machine.flash.put(4096, Uint8Array.of(0));
    machine.cutAt({ call: 1, when: "during", kind: "reset" });
    machine.feed(request("e", 4096, SECTOR));
    expect([machine.state, machine.flash.busy]).toEqual(["held", true]);
    const before = machine.clock.now();
    machine.powerOn();
    expect(machine.clock.now() - before).toBeGreaterThan(44_000);
    expect([machine.flash.content(4096, 1)[0], machine.flash.weak(1), machine.flash.ignored]).toEqual([0xff, false, 0]);
  });

  it("is waited for by every kind of command", async () => {
    for (const command of [request("r", 0, 1), request("p", 0, 1, Uint8Array.of(0)), request("e", 0, SECTOR)]) {
      const { machine } = await probeMachine();
      machine.powerOn();
      machine.flash.erase(4096, SECTOR);
      machine.feed(command);
      expect([machine.flash.ignored, machine.flash.busy]).toEqual([0, false]);
    }
  });

  it("followed by a power cut before the chip is done tears the command", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    machine.cutAt({ call: 1, when: "during", kind: "reset" });
    machine.feed(request("e", 4096, SECTOR));
    machine.cutAt({ call: 1, when: "before", kind: "power", tear: "whole" });
    machine.powerOn();
    expect([machine.state, machine.flash.weak(1)]).toEqual(["off", true]);
  });

  it("keeps the trap count, which only power takes away", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    machine.feed(request("u"));
    machine.reset();
    expect(machine.traps).toBe(1);
    machine.powerCut();
    machine.powerOn();
    expect(machine.traps).toBe(0);
  });
});

describe("a trap", () => {
  it("resets the core with the count and the reason", async () => {
    const { machine, sent, last } = await probeMachine();
    const told = () => {
      machine.feed(request("m"));
      return [...new Uint32Array(sent.at(-1)!.slice().buffer)];
    };
    machine.powerOn();
    expect(told()).toEqual([0, 0]);
    machine.feed(request("c"));
    machine.feed(request("u"));
    expect(told()).toEqual([1, TRAP_REASONS.unreachable]);
    machine.feed(request("o"));
    expect(told()).toEqual([2, TRAP_REASONS["memory access out of bounds"]]);
    machine.feed(request("d"));
    expect(told()).toEqual([3, TRAP_REASONS["divide by zero"]]);
    machine.feed(request("y", 10_000_000));
    expect(told()).toEqual([4, TRAP_REASONS["call stack"]]);
    machine.feed(request("c"));
    expect(last()).toBe(1);
  });

  it("at every boot leaves the machine dead until the power is cut", async () => {
    const { machine } = await probeMachine();
    const states: string[] = [];
    machine.watch((state) => states.push(state));
    machine.flash.put(0, Uint8Array.of(0x58));
    expect(machine.powerOn()).toBe(false);
    expect([machine.state, machine.traps, states]).toEqual(["dead", 3, ["dead"]]);
    expect(() => machine.powerOn()).toThrow(Panic);
    machine.powerCut();
    machine.flash.put(0, Uint8Array.of(0xff));
    expect(machine.powerOn()).toBe(true);
  });

  it("loses the bytes that came with it", async () => {
    const { machine, sent } = await probeMachine();
    machine.powerOn();
    const bytes = new Uint8Array(1024);
    bytes.set(request("u"));
    bytes.set(request("s"), 512);
    machine.feed(bytes);
    expect(sent).toEqual([]);
  });
});

describe("a snapshot of a machine", () => {
  it("is exact: the same requests give the same bytes, calls, times and draws", async () => {
    const { machine, sent } = await probeMachine({ seed: 4 });
    machine.powerOn();
    machine.feed(request("c"));
    machine.flash.erase(0, SECTOR);
    machine.flash.tear("unstable");
    machine.flash.mood = "wild";
    const snapshot = machine.snapshot();
    const run = () => {
      sent.length = 0;
      machine.feed(request("c"));
      machine.feed(request("n", 16));
      machine.feed(request("r", 0, 64));
      machine.cutAt({ call: 1, when: "during", kind: "power", tear: "random" });
      machine.feed(request("p", 4096, 64, new Uint8Array(64)));
      machine.powerOn();
      machine.feed(request("r", 4096, 64));
      machine.feed(request("t"));
      return JSON.stringify([sent.map((bytes) => [...bytes]), machine.clock.now(), machine.state]);
    };
    const first = run();
    machine.restore(snapshot);
    expect(run()).toBe(first);
    machine.restore(snapshot);
    machine.powerCut();
    machine.restore(snapshot);
    expect(run()).toBe(first);
  });

  it("brings back traps, button and supply", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    machine.feed(request("u"));
    machine.press();
    machine.supplyLow = true;
    const snapshot = machine.snapshot();
    machine.powerCut();
    machine.powerOn();
    machine.press("reject");
    machine.supplyLow = false;
    machine.restore(snapshot);
    expect([machine.traps, machine.snapshot().pressed, machine.supplyLow]).toEqual([1, "accept", true]);
  });

  it("of a machine without power brings that back too", async () => {
    const { machine } = await probeMachine();
    const off = machine.snapshot();
    machine.powerOn();
    machine.cutAt({ call: 1, when: "before", kind: "power" });
    machine.restore(off);
    expect([machine.state, machine.disarm()]).toEqual(["off", false]);
  });
});

describe("a thousand cuts", () => {
  it("take less than a second of work, as a rule: instances and sectors are used again", async () => {
    const { machine } = await probeMachine();
    machine.powerOn();
    const snapshot = machine.snapshot();
    const taken: number[] = [];
    for (let i = 0; i < 1000; i++) {
      const start = performance.now();
      machine.restore(snapshot);
      machine.cutAt({ call: 1, when: "during", kind: "power", tear: "random" });
      machine.feed(request("p", 4096, 256, new Uint8Array(256)));
      machine.powerOn();
      taken.push(performance.now() - start);
    }
    // Most of them: a busy computer takes its time for some.
    const [median = Number.NaN] = taken.sort((a, b) => a - b).slice(500);
    expect(1000 * median).toBeLessThan(1000);
  });
});
