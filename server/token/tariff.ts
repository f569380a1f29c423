// What things cost. A tariff either takes money for boxes, pad bytes and services, or ties the value to the pad, so that
// both end together: what is left of the value is then a function of what is left of the pad.

import { type Pad, padBytes } from "./pads.ts";

/** By what a value runs out: money that is debited, or the pad: its bytes destroyed, or marked as used. */
export type Exhaustion = "money" | "erasing" | "index";

/** Prices in minor units of the asset. */
export interface Tariff {
  readonly name: string;
  readonly asset: string;
  /** Value for one unit of price, at issue. */
  readonly rate: bigint;
  readonly exhaustion: Exhaustion;
  /** For each box, up and down. */
  readonly perBox: bigint;
  /** For 1,024 pad bytes, both ways, rounded up for each request. */
  readonly perKiB: bigint;
  /** For each second of a link that has begun, debited with what is said in it. */
  readonly perSecond: bigint;
  /** The services that are sold, and what each costs. */
  readonly services: ReadonlyMap<string, bigint>;
}

/** What passed for one request, and its answer. */
export interface Traffic {
  readonly boxes: number;
  readonly padBytes: number;
}

/** Whether the pad itself is the value. */
export function isTied(tariff: Tariff): boolean {
  return tariff.exhaustion !== "money";
}

/** What traffic costs, without the fee of a service. */
export function trafficPrice(tariff: Tariff, { boxes, padBytes: bytes }: Traffic): bigint {
  return tariff.perBox * BigInt(boxes) + tariff.perKiB * BigInt(Math.ceil(bytes / 1024));
}

/** What the pad of a tied token is worth when `used` of its bytes are used: 0 exactly when the last one is. */
export function worthAt(pad: Pad, used: number): bigint {
  const all = BigInt(padBytes(pad));
  const left = all - BigInt(used);
  return left <= 0n ? 0n : (pad.issued * left + all - 1n) / all;
}
