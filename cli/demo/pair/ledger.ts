// What the observer knows of a pair, kept over all starts: which pad bytes hid which text (by its digest, never the text),
// and where both ends must stand. As secret as the pad: it lies beside the copy of it.

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { firstSplitOfPair, type PadShape, type Side } from "../../../host/protocol/index.ts";
import type { Use } from "../uses.ts";

/** A number of which it is known that it lies in here; a power cut leaves open whether the last command counted. */
export interface Span {
  readonly least: number;
  readonly most: number;
}

/** Pad bytes from `offset`. */
export type Range = readonly [offset: number, length: number];

/** Where one end stands, from what passed on its line. */
export interface EndLedger {
  /** The mark of the direction in which this end seals. */
  sealed: Span;
  /** The mark of the direction that this end opens. */
  opened: Span;
  nextSlot: Span;
  split: Span;
  /** What this end destroyed of the other's boxes and slots. */
  released: readonly Range[];
  /** What it was told to destroy, without an answer. */
  maybeReleased: readonly Range[];
}

export interface Ledger {
  readonly version: 1;
  /** Starts of the demonstration with this pair. */
  starts: number;
  /** The last session whose traces are in here. */
  session: number;
  readonly low: EndLedger;
  readonly high: EndLedger;
  uses: Use[];
  /** Pad bytes that were reserved and never used, because a cut came. */
  bytesSkipped: number;
  /** What did not agree, in sentences. */
  disagreements: string[];
}

/** The ledger of a pair that nobody has used. */
export function freshLedger(shape: PadShape): Ledger {
  const end = (): EndLedger => ({
    sealed: exactly(0),
    opened: exactly(0),
    nextSlot: exactly(0),
    split: exactly(firstSplitOfPair(shape)),
    released: [],
    maybeReleased: [],
  });
  return {
    version: 1,
    starts: 0,
    session: 0,
    low: end(),
    high: end(),
    uses: [],
    bytesSkipped: 0,
    disagreements: [],
  };
}

export function exactly(value: number): Span {
  return { least: value, most: value };
}

export function otherSide(side: Side): Side {
  return side === "low" ? "high" : "low";
}

/** @throws SyntaxError, or the file system's error */
export function readLedger(path: string): Ledger {
  return JSON.parse(readFileSync(path, "utf8")) as Ledger;
}

/** Replaces the ledger as a whole: a crash leaves the old one or the new one. */
export function writeLedger(path: string, ledger: Ledger): void {
  const part = `${path}.part`;
  const file = openSync(part, "w", 0o600);
  writeSync(file, JSON.stringify(ledger));
  fsyncSync(file);
  closeSync(file);
  renameSync(part, path);
}
