// Two devices filled with one pad, both at once: each piece of the source goes to both and is overwritten by the next, so
// that the pad is never anywhere whole but on the two devices.

import { randomBytes } from "node:crypto";
import {
  type Device,
  type FillParameters,
  type FillProgress,
  fillDevice,
  firstSplitOfPair,
  type Info,
  type PadShape,
  slotsAtIssue,
} from "../host/driver/index.ts";
import type { PadSource } from "../host/entropy/index.ts";

const PIECE_BYTES = 65_536;

export interface Twins {
  readonly low: Info;
  readonly high: Info;
}

/**
 * Fills two blank devices as a pair of two people: slots on both sides, the first split in the middle.
 * @throws what the source, or the first device that failed, failed with; neither device holds a pad then
 */
export async function fillTwins(
  devices: { readonly low: Device; readonly high: Device },
  source: PadSource,
  { padLength, burnUnit }: { padLength: number; burnUnit: number },
  onProgress: (phase: FillProgress["phase"], done: number, total: number) => void,
): Promise<Twins> {
  const slots = slotsAtIssue(padLength);
  const shape: PadShape = { padLength, burnUnit, slots: { low: slots, high: slots } };
  const parameters: Omit<FillParameters, "side"> = {
    ...source.origin,
    padLength,
    burnUnit,
    slots: { low: true, high: true },
    firstSplit: firstSplitOfPair(shape),
    padId: randomBytes(16),
  };
  const both = new BothEnds(source, padLength);
  const behind = behindOf(onProgress);
  const fill = (side: "low" | "high") =>
    fillDevice(devices[side], { ...parameters, side }, both.end(), (progress) => behind(side, progress)).catch(
      (error: unknown) => both.abandon(error),
    );
  try {
    const [low, high] = await Promise.all([fill("low"), fill("high")]);
    return { low, high };
  } finally {
    both.wipe();
  }
}

/** One source read by two ends in step: a piece is read when both are done with the one before. */
class BothEnds {
  readonly #source: PadSource;
  readonly #length: number;
  readonly #piece: Uint8Array = new Uint8Array(PIECE_BYTES);
  #waiting: PromiseWithResolvers<void> | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(source: PadSource, length: number) {
    this.#source = source;
    this.#length = length;
  }

  async *end(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let done = 0; done < this.#length; done += PIECE_BYTES) {
      const piece = this.#piece.subarray(0, Math.min(PIECE_BYTES, this.#length - done));
      await this.#meet(piece);
      yield piece;
    }
  }

  /** One end cannot go on: the other must not wait for it. Throws the error that came first. */
  abandon(error: unknown): never {
    this.#failure ??= { error };
    this.#waiting?.reject(this.#failure.error);
    throw this.#failure.error;
  }

  wipe(): void {
    this.#piece.fill(0);
  }

  /** The second end to come reads the next piece for both. */
  async #meet(piece: Uint8Array): Promise<void> {
    if (this.#failure !== null) throw this.#failure.error;
    const waiting = this.#waiting;
    if (waiting === null) {
      this.#waiting = Promise.withResolvers();
      return this.#waiting.promise;
    }
    await this.#source.read(piece);
    this.#waiting = null;
    waiting.resolve();
  }
}

/** Tells how far the device is that is behind. */
function behindOf(
  onProgress: (phase: FillProgress["phase"], done: number, total: number) => void,
): (side: string, progress: FillProgress) => void {
  const phases: readonly FillProgress["phase"][] = ["erasing", "writing", "verifying"];
  const latest = new Map<string, FillProgress>();
  const place = ({ phase, done, total }: FillProgress): number => phases.indexOf(phase) + (total && done / total) / 2;
  return (side, progress) => {
    latest.set(side, progress);
    const [behind] = [...latest.values()].sort((a, b) => place(a) - place(b)) as [FillProgress];
    onProgress(behind.phase, behind.done, behind.total);
  };
}
