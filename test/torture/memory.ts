// Pad bytes that stay in the core's memory: every command is run, also into its errors, and behind each the memory is searched for any eight bytes of the pad that have
// not passed the line in clear.

import type { Core } from "../../simulator/index.ts";
import type { Tally } from "./cuts.ts";
import { type Ideal, noFindings } from "./ideal.ts";
import { begin, find, open, type Plan, perform, release, releaseSlot, seal } from "./operations.ts";
import { COMMAND, HIGH, LOW, PAD, type Rig, readU32, type Side, u32 } from "./rig.ts";
import { makeBench, text } from "./scenarios.ts";
import { act, addresses, grant, ready, receipt, skip, state, TOKEN, type TokenIdeal, type TokenPlan } from "./token.ts";
import { makeTokenBench } from "./token-scenarios.ts";

const STATICS = 24 * 1024;
const WORD = 8;

/** Looks behind every command of both sides of a pair, and of a token. */
export function padInMemory(core: Core, tally: Tally): void {
  for (const side of [LOW, HIGH] as Side[]) pair(core, side, tally);
  token(core, tally);
}

class Watch {
  readonly #rig: Rig;
  readonly #name: string;
  readonly #pad: Uint8Array;
  readonly #tally: Tally;
  /** Where four bytes of the pad lie. */
  readonly #places: Map<number, number> = new Map();
  /** What went in and came out: a slot's tag is sent in clear, and zeros in a text show the key under them to whoever has the text. */
  readonly #passed: Buffer[] = [];

  constructor(rig: Rig, name: string, pad: Uint8Array, tally: Tally) {
    this.#rig = rig;
    this.#name = name;
    this.#pad = pad;
    this.#tally = tally;
    for (let at = 0; at + WORD <= pad.length; at++) this.#places.set(readU32(pad, at), at);
  }

  passes(...bytes: Uint8Array[]): void {
    this.#passed.push(...bytes.map((each) => Buffer.from(each)));
  }

  look(after: string): void {
    this.#tally.cuts++;
    const { memory } = this.#rig.machine;
    for (let i = 0; i + WORD <= STATICS; i++) {
      const at = this.#places.get(readU32(memory, i));
      if (at === undefined || readU32(memory, i + 4) !== readU32(this.#pad, at + 4)) continue;
      if (this.#passed.some((bytes) => bytes.includes(Buffer.from(memory.subarray(i, i + WORD))))) continue;
      this.#tally.failures.push(`${this.#name}: pad byte ${at} is in memory behind ${after}`);
      return;
    }
  }
}

function pair(core: Core, side: Side, tally: Tally): void {
  const { rig, ideal, segment, granting } = makeBench(core, side, 95);
  const watch = new Watch(rig, side === LOW ? "low" : "high", PAD, tally);
  const box = segment.boxes[1]!;
  const forged = box.item.map((byte, i) => (i === 5 ? byte ^ 1 : byte));
  boot(rig, watch);
  const steps: [string, () => Plan][] = [
    ["begin", () => begin(ideal)],
    ["a seal", () => seal(ideal, text(900, 1))],
    ["a find", () => find(ideal, granting.tagAndOpening, granting.split)],
    ["an open", () => open(box.offset, box.item)],
    ["a forged open", () => open(box.offset, forged)],
    ["a release", () => release(ideal, ideal.incoming[1]!)],
    ["an open of a used box", () => open(box.offset, box.item)],
    ["a release of the slot", () => releaseSlot(granting.slot, { start: 0, end: 0, status: "kept" })],
  ];
  for (const [name, plan] of steps) run(watch, name, plan, (it) => perform(rig, ideal, it, noFindings()));
  withoutSupply(rig, watch, ideal, "a seal that the supply stopped", () => seal(ideal, text(900, 2)));
}

function token(core: Core, tally: Tally): void {
  const { rig, ideal } = makeTokenBench(core, 96);
  const watch = new Watch(rig, "token", TOKEN.pad, tally);
  boot(rig, watch);
  const dying = (change: (payload: Uint8Array) => void): Plan => {
    const { type, payload } = ready(ideal, 30n);
    change(payload);
    return { type, payload, change: {} };
  };
  const steps: [string, () => TokenPlan][] = [
    ["a call", () => ({ type: COMMAND.CALL, payload: u32(0), change: {} })],
    ["a call that gives a slot up", () => skip(ideal)],
    ["a forged welcome", () => dying((payload) => payload.fill(1, 20, 21))],
    ["a ready that sends too much again", () => dying((payload) => payload.set(u32(1 << 20), 68))],
    ["a ready that waits for its button", () => dying((payload) => payload.fill(255, 76, 84))],
    ["a ready", () => ready(ideal, 30n, 300)],
    ["a receipt", () => receipt(ideal, 30n, ideal.floor.up)],
    ["a state", () => state(ideal, 50n, 20n)],
    [
      "a state above the limit",
      () => ({ ...state(ideal, 50n, 20n), payload: new Uint8Array(12).fill(255, 0, 8), change: {} }),
    ],
    ["a grant", () => grant(ideal, 100)],
    ["addresses", () => addresses(ideal)],
    ["a seal", () => seal(ideal, text(300, 3))],
  ];
  for (const [name, plan] of steps)
    run(watch, name, plan, (it) => {
      const reply = act(rig, ideal, it, noFindings());
      ideal.check(rig, noFindings());
      return reply;
    });
  withoutSupply(rig, watch, ideal, "a ready that the supply stopped", () => ready(ideal, 30n));
}

function boot(rig: Rig, watch: Watch): void {
  rig.machine.powerCut();
  rig.machine.powerOn();
  rig.hello();
  watch.look("a boot");
}

function run<It extends Plan>(
  watch: Watch,
  name: string,
  plan: () => It,
  does: (plan: It) => ReturnType<typeof perform>,
): void {
  const it = plan();
  watch.passes(it.payload);
  const reply = does(it);
  if (reply) watch.passes(reply.payload);
  watch.look(name);
}

/** The supply fails behind the record, before all is burned. */
function withoutSupply(rig: Rig, watch: Watch, ideal: Ideal | TokenIdeal, name: string, plan: () => Plan): void {
  let looks = 0;
  rig.machine.observe = (call) => {
    if (call.name === "supplyOk") rig.machine.supplyLow = ++looks === 3;
  };
  run(watch, name, plan, (it) => perform(rig, ideal, it, noFindings()));
  rig.machine.observe = null;
  rig.machine.supplyLow = false;
}
