// Where boxes lie in a pad, and what it means when the bytes there are not what they should be.

import { boxOffset, type Direction, type PadShape } from "../protocol/index.ts";
import type { FaultCode } from "./core.ts";
import { EngineError } from "./errors.ts";

/** A pad as both of its ends know it. */
export interface EnginePad extends PadShape {
  /** 16 bytes. */
  readonly padId: Uint8Array;
}

/** Where the boxes of a run lie: in one direction of a pad, the first of them at a mark. */
export interface RunPlace {
  readonly pad: EnginePad;
  readonly direction: Direction;
  readonly mark: number;
}

/** A stretch of a pad that the caller reads, ascending from `offset`, into `slices`. */
export interface Stretch {
  readonly slices: Uint8Array;
  readonly offset: number;
  /** The mark behind it. */
  readonly mark: number;
}

/** The error of box number `box` of a run, which costs `cost` pad bytes at `mark`. */
export function faultAt(
  { pad, direction }: RunPlace,
  code: FaultCode,
  box: number,
  mark: number,
  cost: number,
): EngineError {
  return new EngineError(code, { box, offset: boxOffset(pad, direction, mark, cost) });
}

/** @throws RangeError for a place that no pad has: a mistake of the program. */
export function assertPlace({ pad, mark }: RunPlace): void {
  assertPadId(pad.padId);
  const unit = pad.burnUnit;
  if (!(Number.isInteger(unit) && unit >= 1 && unit <= 256 && (unit & (unit - 1)) === 0)) {
    throw new RangeError("a burn unit is a power of two, 1 to 256");
  }
  if (!(Number.isSafeInteger(mark) && mark >= 0 && mark % unit === 0)) {
    throw new RangeError("a mark is a multiple of the burn unit");
  }
}

export function assertPadId(padId: Uint8Array): void {
  if (padId.length !== 16) throw new RangeError("a pad id has 16 bytes");
}
