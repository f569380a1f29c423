// After a device restarted or was lost: reach it again, with patience that ends, and make sure that it holds the same pad.

import { DeviceError, type Info } from "../protocol/index.ts";
import { sleep } from "./clock.ts";
import type { Device } from "./device.ts";
import { DriverError, type DriverErrorCode } from "./errors.ts";

/** Pauses after the first, second … setback in a row: a device that restarts is back at once, a person takes a while. */
const PAUSES_MS = [0, 250, 500, 1000, 2000, 4000, 8000, 8000];
/** So many setbacks without any progress between them are the end of patience. */
export const SETBACKS_MAX: number = PAUSES_MS.length;

const ABSENT: readonly DriverErrorCode[] = [
  "DEVICE_LOST",
  "NO_DEVICE",
  "NO_ACCESS",
  "DEVICE_IN_USE",
  "TIMEOUT",
  "BAD_REPLY",
  "MARK_MOVED",
];

/** Whether a device may be there again, with its marks where they are, after it failed like this. */
export function mayComeBack(device: Device, error: unknown): boolean {
  if (device.gone) return false;
  if (error instanceof DeviceError) return error.code === "NO_SESSION" || error.code === "WRONG_SEQUENCE";
  return error instanceof DriverError && ABSENT.includes(error.code);
}

/** Failures to reach a device. When it was there before, it is lost, and what was under way with it is in doubt. */
const UNREACHED: readonly DriverErrorCode[] = ["NO_DEVICE", "NO_ACCESS", "DEVICE_IN_USE"];

/** What to fail with when patience ends: an attempt to come back that found no device says less than that the device was lost. */
export function lastWord(error: unknown): unknown {
  const unreached = error instanceof DriverError && UNREACHED.includes(error.code);
  return unreached ? new DriverError("DEVICE_LOST", {}, error) : error;
}

/** After a pause, begins a new session with the device that `before` describes. @throws DriverError OTHER_PAD among others */
export async function regain(device: Device, before: Info, setbacks: number): Promise<Info> {
  await sleep(device.clock, PAUSES_MS[setbacks - 1] ?? 0);
  await device.hello();
  const info = await device.info();
  if (info.padId !== before.padId || info.serial !== before.serial) {
    throw new DriverError("OTHER_PAD", { expected: before.serial, found: info.serial });
  }
  return info;
}

/** Does what changes nothing when it is done twice, again after each setback that the device may come back from. */
export async function insist<Result>(device: Device, before: Info, action: () => Promise<Result>): Promise<Result> {
  for (let setbacks = 0; ; ) {
    try {
      if (setbacks > 0) await regain(device, before, setbacks);
      return await action();
    } catch (error) {
      setbacks++;
      if (!mayComeBack(device, error) || setbacks > SETBACKS_MAX) throw lastWord(error);
    }
  }
}
