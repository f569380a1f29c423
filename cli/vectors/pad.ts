/** Vectors of kind pad: where slots lie, and up and down begin and may first reach, in the host's arithmetic. */
import {
  downEnd,
  firstSplitOfPair,
  firstSplitOfToken,
  isToken,
  type PadShape,
  type Side,
  slotOffset,
  slotsAtIssue,
  upBase,
} from "../../host/protocol/index.ts";
import { expectEqual } from "./bytes.ts";

export interface PadVector {
  readonly kind: "pad";
  readonly of: "token" | "pair";
  readonly padLength: number;
  readonly burnUnit: number;
  readonly expect: {
    readonly slots: { readonly low: number; readonly high: number };
    readonly upBase: number;
    readonly downEnd: number;
    readonly firstSplit: number;
    /** Offset of the last slot of each side that has slots. */
    readonly lastSlot: Readonly<Partial<Record<Side, number>>>;
  };
}

export function runPad({ of, padLength, burnUnit, expect }: PadVector): void {
  const each = slotsAtIssue(padLength);
  const shape: PadShape = { padLength, burnUnit, slots: { low: each, high: of === "pair" ? each : 0 } };
  expectEqual("slots of low", shape.slots.low, expect.slots.low);
  expectEqual("slots of high", shape.slots.high, expect.slots.high);
  expectEqual("whether it is a token", String(isToken(shape)), String(of === "token"));
  expectEqual("up base", upBase(shape), expect.upBase);
  expectEqual("down end", downEnd(shape), expect.downEnd);
  const split = of === "token" ? firstSplitOfToken(shape) : firstSplitOfPair(shape);
  expectEqual("first split", split, expect.firstSplit);
  for (const side of ["low", "high"] as const) {
    const last = expect.lastSlot[side];
    if (last !== undefined) expectEqual(`last slot of ${side}`, slotOffset(shape, side, each - 1), last);
  }
}
