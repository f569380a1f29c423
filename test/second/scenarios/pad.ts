/** Vectors of kind pad: where slots lie, and up and down begin and may first reach (docs/SPEC.md section 1). */
import { End, firstSplitOfPair, firstSplitOfToken } from "../end.ts";
import type { Vector } from "./vector.ts";

export function padVectors(): Vector[] {
  const sizes: [padLength: number, burnUnit: number][] = [
    [8192, 1],
    [12288, 1],
    [16384, 1],
    [16384, 4],
    [16384, 64],
    [20480, 16],
    [114688, 32],
    [16646144, 1],
    [16646144, 64],
  ];
  return sizes.flatMap(([padLength, burnUnit]) => [
    pad("token", padLength, burnUnit, firstSplitOfToken(padLength, burnUnit)),
    pad("pair", padLength, burnUnit, firstSplitOfPair(padLength, burnUnit)),
  ]);
}

function pad(of: "token" | "pair", padLength: number, burnUnit: number, firstSplit: number): Vector {
  const both = of === "pair";
  const facts = { side: "low" as const, padId: new Uint8Array(16), burnUnit, split: firstSplit };
  const end = new End({ ...facts, slots: both ? ["low", "high"] : ["low"] }, new Uint8Array(padLength));
  const last = end.slots.low - 1;
  const lastSlot = { low: end.slotAt("low", last), ...(both ? { high: end.slotAt("high", last) } : {}) };
  const expect = { slots: end.slots, upBase: end.base, downEnd: end.end, firstSplit, lastSlot };
  const shows = `A ${of} of ${padLength} bytes at burn unit ${burnUnit}.`;
  return {
    name: `pad-${of}-${padLength}-${burnUnit}`,
    kind: "pad",
    shows,
    section: "1",
    of,
    padLength,
    burnUnit,
    expect,
  };
}
