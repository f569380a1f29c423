// Random lives of a token: it calls, links, allows, seals, hears receipts, grants and lists, releases, and loses power at any call, also while it boots.

import { type Core, Random } from "../../simulator/index.ts";
import { DATA } from "../second/box.ts";
import { drawCut, type Tally } from "./cuts.ts";
import { type Findings, noFindings } from "./ideal.ts";
import { open, release, seal } from "./operations.ts";
import type { Rig, RigSnapshot } from "./rig.ts";
import { text } from "./scenarios.ts";
import {
  act,
  addresses,
  grant,
  issue,
  oldReceipt,
  probe,
  ready,
  receipt,
  sealDown,
  skip,
  state,
  TOKEN,
  type TokenIdeal,
  type TokenPlan,
} from "./token.ts";

const STEPS = 40;
const CALLS_MAX = 40;
/** Room that the server keeps above the split, so that it can always say something. */
const SERVER_ROOM = 4096;
const LINKED = 2;
const SLOTS = TOKEN.upBase / 192;

export class TokenLife {
  readonly #rig: Rig;
  readonly #filled: RigSnapshot;
  readonly #issued: TokenIdeal;

  constructor(core: Core) {
    const { rig, ideal } = issue(core, 91);
    this.#rig = rig;
    this.#filled = rig.snapshot();
    this.#issued = ideal;
  }

  /** Lives the life of a seed and adds what it finds to the tally. */
  live(seed: number, tally: Tally): void {
    const random = new Random(seed);
    const rig = this.#rig;
    rig.restore(this.#filled);
    rig.flash.random.seed(seed);
    const ideal = this.#issued.clone();
    for (let step = 0; step < STEPS; step++) {
      const findings = noFindings();
      const name = this.#step(ideal, random, findings, tally);
      tally.bytesReused += findings.reused;
      tally.messagesLost += findings.lost;
      if (!findings.reused && !findings.lost && findings.wrong.length === 0) continue;
      const what = [...findings.wrong, `${findings.reused} reused`, `${findings.lost} lost`].join("; ");
      if (tally.failures.length < 20) tally.failures.push(`token, life ${seed}, step ${step}, ${name}: ${what}`);
      return;
    }
  }

  #step(ideal: TokenIdeal, random: Random, findings: Findings, tally: Tally): string {
    const rig = this.#rig;
    const arm = (): void => {
      rig.machine.cutAt(drawCut(random, CALLS_MAX));
    };
    if (random.below(2)) arm();
    const [name, plan] = this.#choose(ideal, random);
    if (plan === null) rig.machine.powerCut();
    else {
      const reply = act(rig, ideal, plan, findings);
      if (reply?.error) findings.wrong.push(`command ${plan.type} refused with code ${reply.error}`);
    }
    rig.machine.disarm();
    let booted = false;
    while (rig.machine.state === "off" || rig.machine.state === "held") {
      booted = true;
      tally.cuts++;
      if (random.below(3) === 0) arm();
      rig.machine.powerOn();
      rig.machine.disarm();
    }
    ideal.check(rig, findings);
    if (!booted || findings.wrong.length > 0) return name;
    if (random.below(4) === 0) probe(rig, ideal, findings);
    else rig.hello();
    return name;
  }

  #choose(ideal: TokenIdeal, random: Random): [string, TokenPlan | null] {
    const { floor, held, ground } = ideal;
    const cap = BigInt(1 + random.below(50));
    const linked = held.link === LINKED;
    const heard = ground.downEnd - ideal.down - floor.split > SERVER_ROOM;
    switch (random.below(12)) {
      case 0:
        if (floor.next - held.answered < 3 && floor.next + 1 < SLOTS) return ["skip", skip(ideal)];
        break;
      case 1:
      case 2:
        if (floor.next < SLOTS) return ["ready", ready(ideal, cap, random.below(3) ? 0 : random.below(400))];
        break;
      case 3:
        if (linked && ideal.room() >= 52) return ["state", state(ideal, ideal.allowed + cap, cap)];
        break;
      case 4:
        if (linked && ideal.room() > 400) return ["seal", seal(ideal, text(random.below(300), random.below(256)))];
        break;
      case 5:
      case 6:
      case 7:
        if (heard) {
          const up = random.below(3) ? floor.up : ideal.heardUp();
          const most = ideal.mostOpen(up);
          return ["receipt", receipt(ideal, cap < most ? cap : most, up)];
        }
        break;
      case 8:
        if (heard) return ["addresses", addresses(ideal)];
        break;
      case 9:
        if (heard && random.below(2)) return ["old receipt", oldReceipt(ideal)];
        if (heard) return ["grant", grant(ideal, 1 + random.below(300))];
        break;
      case 10: {
        if (!heard) break;
        const { offset, item, size } = sealDown(ideal, DATA, text(random.below(200), random.below(256)));
        const range = { start: offset, end: offset + size, status: "kept" } as const;
        if (random.below(2)) {
          ideal.incoming.push(range);
          return ["open", open(offset, item)];
        }
        // What is opened last can be released at once, as long as the power stays.
        act(this.#rig, ideal, open(offset, item), noFindings());
        if (this.#rig.machine.state !== "on") return ["boot", null];
        const taken = { ...range, status: "kept" as "kept" | "doubt" | "released" };
        ideal.incoming.push(taken);
        return ["release", release(ideal, taken)];
      }
      default:
    }
    return ["boot", null];
  }
}
