// Random lives in which a server changes its addresses again and again and the power fails in nearly every try, in the erase, in the pages and in the record: what one
// boot cannot read the next one may, and no list that was ever in force may give way to an older one.

import { type Core, type Cut, Random, TEARS } from "../../simulator/index.ts";
import type { Tally } from "./cuts.ts";
import { noFindings } from "./ideal.ts";
import type { Rig, RigSnapshot } from "./rig.ts";
import { act, addresses, issue, type TokenIdeal } from "./token.ts";

const STEPS = 8;
/** Pages and records of a try. */
const PROGRAMS = 8;

export class ListLife {
  readonly #rig: Rig;
  readonly #filled: RigSnapshot;
  readonly #issued: TokenIdeal;

  constructor(core: Core) {
    const { rig, ideal } = issue(core, 93);
    this.#rig = rig;
    this.#filled = rig.snapshot();
    this.#issued = ideal;
  }

  /** Lives the life of a seed and adds what it finds to the tally. */
  live(seed: number, tally: Tally): void {
    const random = new Random(seed);
    const rig = this.#rig;
    const { machine } = rig;
    rig.restore(this.#filled);
    rig.flash.random.seed(seed);
    const ideal = this.#issued.clone();
    for (let step = 0; step < STEPS; step++) {
      const findings = noFindings();
      if (random.below(5)) machine.cutAt(cutOf(random));
      act(rig, ideal, addresses(ideal), findings);
      machine.disarm();
      if (machine.state === "on") machine.powerCut();
      while (machine.state !== "on") machine.powerOn();
      tally.cuts++;
      ideal.check(rig, findings);
      if (findings.wrong.length > 0) {
        tally.failures.push(`lists, life ${seed}, step ${step}: ${findings.wrong.join("; ")}`);
        return;
      }
      rig.hello();
    }
  }
}

function cutOf(random: Random): Cut {
  const tear = random.below(2) ? "unstable" : TEARS[random.below(TEARS.length)]!;
  const where = { when: "during", kind: "power", tear } as const;
  return random.below(2)
    ? { call: 1, name: "norErase", ...where }
    : { call: 1 + random.below(PROGRAMS), name: "norProgram", ...where };
}
