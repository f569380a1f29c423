// The second body: the translated core in a native program with a HAL of its own says and writes the same as the simulator, byte for byte.

import { randomInt } from "node:crypto";
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { Board } from "../../cli/vectors/board.ts";
import { runVectors } from "../../cli/vectors/index.ts";
import { findCompiler, NativeDevice } from "../../hardware/native/index.ts";
import { encodeFrame, type Frame, FrameDecoder } from "../../host/protocol/index.ts";
import { builtCore, type Machine, Random, type Tear } from "../../simulator/index.ts";
import { FrameSource } from "../assembly/frame-source.ts";
import { attackedStates } from "../assembly/states.ts";
import { COMMAND, concat, fillSteps, readU32, u32 } from "../torture/rig.ts";
import { endFollowing, endProcesses, follow } from "./native-follower.ts";

const compiler = findCompiler() !== null;
if (!compiler && !process.env.CI) console.warn("not shown here, because there is no C compiler: the native body");

const VECTORS = new URL("../vectors/", import.meta.url);
/** Kinds that a device is in; of runs not those in which only the boxes are more. */
const KINDS = /^(box|run-(up|down)-(0|1|4096|4097)\.|run-burn|device|frame|bundle|journal)/;
const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
const SESSIONS = 60;
const BURSTS = 12;
/** What these leave of a command is not drawn. */
const TEARS: readonly Tear[] = ["nothing", "whole", "first-half", "last-bits"];

describe.skipIf(!compiler && !process.env.CI)("T-18 the native body", { timeout: 240_000 }, () => {
  afterEach(() => {
    vi.restoreAllMocks();
    endFollowing();
  });
  afterAll(endProcesses);

  it("says and writes what the simulator does, for every vector that needs a device", async () => {
    const followed = new Set<Machine>();
    const boot = Board.prototype.boot;
    vi.spyOn(Board.prototype, "boot").mockImplementation(function (this: Board, traps) {
      if (!followed.has(this.machine)) follow(this.machine);
      followed.add(this.machine);
      boot.call(this, traps);
    });
    const files = readdirSync(VECTORS).filter((name) => KINDS.test(name));
    for await (const { name, ok, why } of runVectors(files.map((name) => `${VECTORS.pathname}${name}`))) {
      expect(ok, `${name}: ${why}`).toBe(true);
      endFollowing();
    }
    expect(followed.size).toBeGreaterThan(files.length / 2);
  });

  it(`says and writes what the simulator does in sessions of hostile frames with cuts (SEED=${seed})`, () => {
    const states = attackedStates(builtCore());
    for (let session = 0; session < SESSIONS; session++) {
      const random = new Random(seed + session);
      const { rig, snapshot, good } = states[session % states.length]!;
      rig.restore(snapshot);
      const follower = follow(rig.machine);
      const source = new FrameSource(random, good);
      for (let burst = 0; burst < BURSTS; burst++) {
        if (random.below(3) === 0) armCut(rig.machine, random);
        rig.machine.supplyLow = random.below(12) === 0;
        rig.machine.feed(source.burst());
        rig.machine.pump(random.below(200));
        if (rig.machine.state !== "on" || random.below(8) === 0) powerCycle(rig.machine);
        rig.machine.disarm();
        rig.machine.feed(Uint8Array.of(0));
        rig.hello();
        source.session = rig.session;
        source.sequence = rig.sequence;
      }
      expect(follower.compared, `SEED=${seed}, session ${session}`).toBeGreaterThan(BURSTS);
      endFollowing();
    }
  });

  it("T-17 has in its file what it said when its process is killed, and nobody else opens that file", () => {
    const file = join(mkdtempSync(join(tmpdir(), "tearpad-native-")), "chip");
    const first = new NativeDevice();
    first.renew({ sectors: 16, file });
    first.powerOn();
    const ask = talkTo(first);
    for (const [type, payload] of fillSteps(0)) ask(type, payload);
    const sealed = ask(COMMAND.SEAL, concat(u32(2), new Uint8Array(100).fill(7))).payload;
    const other = new NativeDevice();
    expect(() => other.renew({ sectors: 16, file })).toThrow(/ended: panic: the image/);
    other.close();
    process.kill(first.pid, "SIGKILL");
    expect(() => first.powerOff()).toThrow(/ended/);
    first.close();

    const second = new NativeDevice();
    second.renew({ sectors: 16, file });
    second.powerOn();
    const again = talkTo(second)(COMMAND.SEAL, concat(u32(2), new Uint8Array(100).fill(8))).payload;
    expect(readU32(again, 0)).toBe(readU32(sealed, 0) + 132);
    expect(readU32(again, 4)).toBe(readU32(sealed, 4) + 132);
    second.close();
  });
});

/** What a device answers to a command within its first session since boot, with the work done that it starts. */
function talkTo(device: NativeDevice): (type: number, payload: Uint8Array) => Frame {
  let session = 0;
  let sequence = 0;
  const ask = (type: number, payload: Uint8Array): Frame => {
    const sent = device.feed(encodeFrame({ type, sequence, session, payload }));
    device.pump();
    const [answer] = new FrameDecoder().push(sent);
    if (answer === undefined || "fault" in answer || answer.type !== (type | 0x80)) throw new Error(`command ${type}`);
    sequence++;
    return answer;
  };
  session = readU32(ask(COMMAND.HELLO, u32(1)).payload, 8);
  sequence = 1;
  return ask;
}

function armCut(machine: Machine, random: Random): void {
  machine.cutAt({
    call: 1 + random.below(60),
    when: (["before", "during", "after"] as const)[random.below(3)]!,
    kind: random.below(3) === 0 ? "reset" : "power",
    tear: TEARS[random.below(TEARS.length)]!,
  });
}

/** Off and on until it serves; a cut that is still armed may come at boot. */
function powerCycle(machine: Machine): void {
  if (machine.state === "on") machine.powerCut("nothing");
  while (!machine.powerOn()) if (machine.state === "dead") throw new Error("the core traps at boot");
  machine.disarm();
}
