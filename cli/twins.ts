// Two devices filled with one pad, both at once: each piece of the source goes to both and is overwritten by the next, so
// that the pad is never anywhere whole but on the two devices.
//
// Until both are written whole, a failure leaves neither with a pad. Then both are told to verify at once, so that the time
// is short in which one can fail alone: a fill cannot be undone, and its twin's bytes are gone. When that happens it is said.

import { randomBytes } from "node:crypto";
import {
  type Device,
  DeviceError,
  DriverError,
  type FillParameters,
  type FillProgress,
  fillDevice,
  firstSplitOfPair,
  type Info,
  type PadShape,
  slotsAtIssue,
} from "../host/driver/index.ts";
import type { PadSource } from "../host/entropy/index.ts";
import { CliError } from "./errors.ts";

const PIECE_BYTES = 65_536;

export interface Twins {
  readonly low: Info;
  readonly high: Info;
}

/**
 * Fills two blank devices as a pair of two people: slots on both sides, the first split in the middle.
 * @param names what errors call the devices
 * @param stop asks to end it; heard until both are written whole
 * @throws what the source, or the first device that failed, failed with, or INTERRUPTED: neither device holds a pad then, as
 *   far as they could be asked. CliError TWIN_ALONE when one does
 */
export async function fillTwins(
  devices: { readonly low: Device; readonly high: Device },
  names: { readonly low: string; readonly high: string },
  source: PadSource,
  { padLength, burnUnit }: { padLength: number; burnUnit: number },
  onProgress: (phase: FillProgress["phase"], done: number, total: number) => void,
  stop: Promise<void>,
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
    fillDevice(
      devices[side],
      { ...parameters, side },
      both.end(),
      (progress) => behind(side, progress),
      () => both.written(),
    ).catch((error: unknown) => both.abandon(named(error, names[side])));
  stop.then(() => both.abandon(new CliError("INTERRUPTED", { doing: "filling", boxes: 0 }))).catch(() => {});
  try {
    // What one verifies, it goes on to verify when the other fails: only its end tells.
    const ends = await Promise.race([Promise.allSettled([fill("low"), fill("high")]), both.givenUp]);
    const [low, high] = ends;
    if (low.status === "fulfilled" && high.status === "fulfilled") return { low: low.value, high: high.value };
    return await whatBecame(devices, names, Buffer.from(parameters.padId).toString("hex"), both.failure);
  } finally {
    both.wipe();
  }
}

/** After a failure while both verified: both may have become a pair all the same, or one of them alone. */
async function whatBecame(
  devices: { readonly low: Device; readonly high: Device },
  names: { readonly low: string; readonly high: string },
  padId: string,
  error: unknown,
): Promise<Twins> {
  const [low, high] = await Promise.all([lookAt(devices.low), lookAt(devices.high)]);
  const holds = (info: Info | null): info is Info => info?.state === "active" && info.padId === padId;
  if (holds(low) && holds(high)) return { low, high };
  if (holds(low)) throw new CliError("TWIN_ALONE", { device: names.low, other: names.high }, error);
  if (holds(high)) throw new CliError("TWIN_ALONE", { device: names.high, other: names.low }, error);
  throw error;
}

async function lookAt(device: Device): Promise<Info | null> {
  try {
    await device.hello();
    return await device.info();
  } catch {
    return null;
  }
}

/** The same error, saying which of the two devices it is about. What the source failed with is about neither. */
export function named(error: unknown, name: string): unknown {
  if (error instanceof DriverError || error instanceof DeviceError) error.message = `${name}: ${error.message}`;
  return error;
}

/** One source read by two ends in step: a piece is read when both are done with the one before. */
class BothEnds {
  readonly #source: PadSource;
  readonly #length: number;
  readonly #piece: Uint8Array = new Uint8Array(PIECE_BYTES);
  readonly #end: PromiseWithResolvers<never> = Promise.withResolvers<never>();
  #waiting: PromiseWithResolvers<void> | null = null;
  #failure: { readonly error: unknown } | null = null;
  #whole = false;

  constructor(source: PadSource, length: number) {
    this.#source = source;
    this.#length = length;
    this.givenUp.catch(() => {}); // Nobody may be waiting for it any more.
  }

  /** Rejects with the first failure, unless both ends had all bytes before it. */
  get givenUp(): Promise<never> {
    return this.#end.promise;
  }

  /** What failed first. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  async *end(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let done = 0; done < this.#length; done += PIECE_BYTES) {
      const piece = this.#piece.subarray(0, Math.min(PIECE_BYTES, this.#length - done));
      await this.#meet(() => this.#source.read(piece));
      yield piece;
    }
  }

  /** Resolves when both ends have written all bytes: from then on nothing holds either of them up. */
  async written(): Promise<void> {
    await this.#meet(async () => {
      this.#whole = true;
    });
  }

  /** One end cannot go on: the other must not wait for it. Throws the error that came first. */
  abandon(error: unknown): never {
    // An interruption that comes too late is none: both become a pair.
    if (this.#whole && error instanceof CliError) throw error;
    this.#failure ??= { error };
    this.#waiting?.reject(this.#failure.error);
    if (!this.#whole) this.#end.reject(this.#failure.error);
    throw this.#failure.error;
  }

  wipe(): void {
    this.#piece.fill(0);
  }

  /** The second end to come does what both wait for. */
  async #meet(action: () => Promise<void>): Promise<void> {
    this.#throwFailure();
    const waiting = this.#waiting;
    if (waiting === null) {
      this.#waiting = Promise.withResolvers();
      return this.#waiting.promise;
    }
    await action();
    this.#throwFailure();
    this.#waiting = null;
    waiting.resolve();
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
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
