// A hostile host: a million frames, noise and near misses, at devices in every state that has something to lose. SEED replays a run.

import { randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { commands, encodeFrame } from "../../host/protocol/index.ts";
import { builtCore, Random, STATICS, WINDOW } from "../../simulator/index.ts";
import { concat, PAD } from "../torture/rig.ts";
import { FrameSource } from "./frame-source.ts";
import { LineWatch, showsPad } from "./line-watch.ts";
import { type Attacked, attackedStates } from "./states.ts";

/** Every reply but that of READY, for which a welcome must meet its very slot, and every error that needs no bad chip, no low supply and no second pad. */
const EXPECTED = [
  ...[...new Set(Object.values(commands))]
    .filter((command) => command !== commands.ready)
    .map(({ type }) => `0x${type.toString(16)}`),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 19, 20, 21, 22].map((code) => `error ${code}`),
];
const HELLO = encodeFrame({ type: commands.hello.type, sequence: 0, session: 0, payload: new Uint8Array(4) });
const INFO = encodeFrame({ type: commands.info.type, sequence: 0, session: 0, payload: new Uint8Array(0) });

const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
const FRAMES = 1_000_000;
/** Then the device is put back, so that it is always attacked where it has the most to lose. */
const FRAMES_A_LIFE = 2_000;

/** Attacks a device in one state. Returns how many frames it got. */
function attack(state: Attacked, random: Random, watch: LineWatch): number {
  const { machine, flash } = state.rig;
  state.rig.restore(state.snapshot);
  const chip = flash.content(0, flash.size);
  const written = machine.calls.norProgram + machine.calls.norErase;
  machine.onTransmit = (bytes) => watch.hear(bytes);
  const feed = (bytes: Uint8Array): void => {
    watch.send(bytes);
    for (let at = 0; at < bytes.length; at += WINDOW) {
      machine.feed(bytes.subarray(at, at + WINDOW));
      watch.settle();
    }
  };

  if (watch.session !== 0) feed(HELLO);
  feed(INFO);
  const source = new FrameSource(random, state.good);
  while (watch.answers < FRAMES_A_LIFE && watch.findings.length === 0) {
    source.session = watch.session;
    source.sequence = watch.sequence;
    feed(source.burst());
  }
  feed(concat(Uint8Array.of(0), INFO));

  const { findings } = watch;
  if (!watch.quiet) findings.push("a frame was not answered");
  if (machine.traps > 0 || machine.state !== "on") findings.push(`${machine.traps} traps, ${machine.state}`);
  if (machine.memory.length !== 65_536) findings.push("the memory grew");
  if (machine.memory.subarray(STATICS).some((byte) => byte !== 0))
    findings.push("memory above the statics was written");
  const unwritten = machine.calls.norProgram + machine.calls.norErase === written;
  if (unwritten && Buffer.compare(chip, flash.content(0, flash.size)) !== 0)
    findings.push("the chip changed without a write");
  return watch.answers;
}

describe("T-18 a hostile host", () => {
  it(`gets replies and listed errors for ${FRAMES.toLocaleString("en")} frames, and nothing else (SEED=${seed})`, {
    timeout: 240_000,
  }, () => {
    const seen = new Map<string, number>();
    let frames = 0;
    const states = attackedStates(builtCore());
    for (let life = 0; frames < FRAMES; life++) {
      const state = states[life % states.length]!;
      const watch = new LineWatch(state);
      frames += attack(state, new Random(seed + life), watch);
      expect(watch.findings, `SEED=${seed}, life ${life}, ${state.name}`).toEqual([]);
      for (const [what, count] of watch.seen) seen.set(what, (seen.get(what) ?? 0) + count);
    }
    console.log(
      `${frames} frames to ${states.length} states: ${[...seen]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([what, count]) => `${what} ${count}`)
        .join(", ")}`,
    );
    expect([...seen.keys()]).toEqual(expect.arrayContaining(EXPECTED));
  });

  it("would be caught reading the pad: the watch knows eight bytes of it anywhere, and only those", () => {
    const noise = new Uint8Array(100_000);
    new Random(seed).fill(noise);
    expect(showsPad(noise)).toBe(false);
    for (const at of [0, 1, 4711, PAD.length - 8]) {
      expect(showsPad(concat(noise.subarray(0, 99), PAD.subarray(at, at + 8)))).toBe(true);
      expect(showsPad(concat(noise.subarray(0, 99), PAD.subarray(at, at + 7)))).toBe(false);
    }
  });
});
