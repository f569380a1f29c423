// What the torture does to a token: every command that writes its flash, in a link and out of one, with the journal in the middle of a sector and full.

import type { Core } from "../../simulator/index.ts";
import { DATA } from "../second/box.ts";
import type { LateCut } from "./cuts.ts";
import { type Findings, noFindings } from "./ideal.ts";
import { open, release, seal } from "./operations.ts";
import type { Rig } from "./rig.ts";
import { type LateScenario, type Scenario, text, turnJournal } from "./scenarios.ts";
import {
  act,
  addresses,
  grant,
  issue,
  oldReceipt,
  ready,
  receipt,
  sealDown,
  skip,
  state,
  type TokenIdeal,
  type TokenPlan,
} from "./token.ts";

/** A token in a link, that has opened two boxes of its server behind the receipt and released none. */
export interface TokenBench {
  readonly rig: Rig;
  readonly ideal: TokenIdeal;
}

const CAP = 100n;
const BOX_SIZES = [40, 700];

export function makeTokenBench(core: Core, seed: number): TokenBench {
  const { rig, ideal } = issue(core, seed);
  const must = (plan: TokenPlan): void => {
    const findings = noFindings();
    if (act(rig, ideal, plan, findings)?.error !== 0) throw new Error(`the bench refused command ${plan.type}`);
    ideal.check(rig, findings);
    if (findings.wrong.length > 0) throw new Error(findings.wrong.join("; "));
  };
  for (const size of BOX_SIZES) {
    const { offset, item, size: bytes } = sealDown(ideal, DATA, text(size, size));
    must(open(offset, item));
    ideal.incoming.push({ start: offset, end: offset + bytes, status: "kept" });
  }
  must(ready(ideal, CAP));
  must(receipt(ideal, CAP, ideal.floor.up));
  must(seal(ideal, text(60, 3)));
  return { rig, ideal };
}

type Run = Scenario["run"];

/** A plan as a scenario runs it: it may not be refused. */
function command(plan: (ideal: TokenIdeal) => TokenPlan): Run {
  return (rig, ideal, findings) => attempt(rig, ideal as TokenIdeal, plan, findings);
}

function attempt(rig: Rig, ideal: TokenIdeal, plan: (ideal: TokenIdeal) => TokenPlan, findings: Findings): void {
  const reply = act(rig, ideal, plan(ideal), findings);
  if (reply?.error) findings.wrong.push(`command refused with code ${reply.error}`);
}

const OPERATIONS: readonly (readonly [string, Run])[] = [
  [
    "boot",
    (rig) => {
      rig.machine.powerCut();
      rig.machine.powerOn();
    },
  ],
  ["a slot is given up", command(skip)],
  ["ready", command((ideal) => ready(ideal, 30n))],
  ["ready with a higher split", command((ideal) => ready(ideal, 30n, 700))],
  ["state with a cap", command((ideal) => state(ideal, CAP + 20n, 20n))],
  ["a receipt", command((ideal) => receipt(ideal, 60n, ideal.floor.up))],
  ["an old receipt", command(oldReceipt)],
  ["a grant", command((ideal) => grant(ideal, 600))],
  ["addresses", command(addresses)],
  ["seal 50 bytes", command((ideal) => seal(ideal, text(50, 90)))],
  ["release a box of several pages", command((ideal) => release(ideal, ideal.incoming[1]!))],
];

/** All scenarios of a token. */
export function tokenScenarios(core: Core): Scenario[] {
  return (["middle", "full", "full, next sector worn"] as const).flatMap((place) => {
    const { rig, ideal } = makeTokenBench(core, 44);
    turnJournal(rig, ideal, place);
    const snapshot = rig.snapshot();
    return OPERATIONS.map(([operation, run]) => ({
      name: `token, journal ${place}: ${operation}`,
      ...{ rig, snapshot, ideal, run },
    }));
  });
}

/** The record of a list is programmed behind its three pages. */
const RECORD_OF_LIST = 4;

/** Records that are torn and turn up later: beside caps that were promised meanwhile, and beside another list. */
export function lateTokenScenarios(core: Core): LateScenario[] {
  const { rig, ideal } = makeTokenBench(core, 45);
  const snapshot = rig.snapshot();
  const bench = { rig, snapshot, ideal };
  const link = command((it) => ready(it, 40n));
  const list = command(addresses);
  const inErase: LateCut = { call: 1, name: "norErase", when: "after", kind: "power" };
  return [
    {
      name: "token: a torn receipt, then a call",
      ...bench,
      run: command((it) => receipt(it, 5n, it.floor.up)),
      next: link,
    },
    { name: "token: a torn call, then a call", ...bench, run: link, next: link },
    { name: "token: a torn list, then another", ...bench, run: list, next: list, program: RECORD_OF_LIST },
    {
      name: "token: a torn list, then another that is cut",
      ...{ ...bench, run: list, next: list, program: RECORD_OF_LIST, nextCut: inErase },
    },
  ];
}
