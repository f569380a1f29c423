// Filling two blank devices with one pad, wherever they are, and what is said about it afterwards.

import { type Device, DeviceError } from "../host/driver/index.ts";
import type { NoiseUse, Origin } from "../host/entropy/index.ts";
import { padRegionBytes } from "../host/image/index.ts";
import { openAddress } from "./address.ts";
import { bytes, type Io, printJson, UsageError } from "./command.ts";
import { progressOn } from "./progress.ts";
import { stopSignal } from "./signals.ts";
import { noiseInWords, openSource, originInWords, type SourceChoice } from "./source.ts";
import { fillTwins, named } from "./twins.ts";

/** One thing for each end of a pair. */
export interface Ends<T> {
  readonly low: T;
  readonly high: T;
}

/** A pair that was made. */
export interface Filled {
  readonly padBytes: number;
  readonly origin: Origin;
  /** null where it took none, or an earlier run made the pair and did not say. */
  readonly noise: NoiseUse | null;
}

/** Fills the two devices at these addresses. @throws UsageError, EntropyError, DeviceError, DriverError */
export async function fillAddresses(
  addresses: Ends<string>,
  choice: SourceChoice,
  json: boolean,
  io: Io,
): Promise<number> {
  if (addresses.low === addresses.high) throw new UsageError("A pair takes two devices, and this is one.");
  const low = await openAddress(addresses.low);
  try {
    const high = await openAddress(addresses.high);
    try {
      printFilled(io, json, addresses, await fillBoth({ low, high }, addresses, choice, json, io));
    } finally {
      await high.close();
    }
  } finally {
    await low.close();
  }
  return 0;
}

/**
 * Fills two devices with as much pad as both have room for; nothing of the source is used unless both are ready for it.
 * @param names what errors call the devices
 */
export async function fillBoth(
  devices: Ends<Device>,
  names: Ends<string>,
  choice: SourceChoice,
  json: boolean,
  io: Io,
): Promise<Filled> {
  const ready = [await readiness(devices.low, names.low), await readiness(devices.high, names.high)];
  const padBytes = Math.min(...ready.map((device) => device.padBytes));
  const burnUnit = Math.max(...ready.map((device) => device.burnUnit));
  const source = await openSource(choice, padBytes, io);
  const progress = progressOn(io.stderr, !json);
  const stop = stopSignal();
  try {
    await fillTwins(devices, names, source, { padLength: padBytes, burnUnit }, progress.show, stop.asked);
    return { padBytes, origin: source.origin, noise: source.noise };
  } finally {
    stop.ignore();
    progress.end();
    await source.close();
  }
}

/** What a device that may be filled has room for, and in which unit its chip burns. */
export async function readiness(device: Device, name: string): Promise<{ padBytes: number; burnUnit: number }> {
  const { state, faultySection: section, chipSize, burnUnit } = await device.info();
  if (state === "faulty") throw named(new DeviceError("FAULTY", { section }), name);
  if (state !== "blank" && state !== "filling") throw named(new DeviceError("WRONG_STATE", { state }), name);
  return { padBytes: padRegionBytes(chipSize), burnUnit };
}

/** Says what was made, and what it is worth. */
export function printFilled(io: Io, json: boolean, ends: Ends<string>, { padBytes, origin, noise }: Filled): void {
  if (json) {
    printJson(io.stdout, { ...ends, padBytes, streamPad: origin.provenance === "csprng", ...origin, noise });
    return;
  }
  io.stdout.write(
    `A pair with ${bytes(padBytes)} of pad on each side.
  low:  ${ends.low}
  high: ${ends.high}   (this side can grant room to the other)
${[originInWords(origin), ...noiseInWords(noise)].join("\n")}
Give one away by hand, and keep no copy of it: whoever has a copy reads everything.
`,
  );
}
