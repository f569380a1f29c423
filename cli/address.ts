// Which device a command means: --device, or else $TEARPAD_DEVICE. An image file is booted in this process; anything else
// is an address that the driver knows.

import { statSync } from "node:fs";
import {
  type Connect,
  type Device,
  isDriverError,
  openDevice,
  openTransport,
  type Transport,
} from "../host/driver/index.ts";
import { lineTo } from "../simulator/index.ts";
import { type Io, UsageError } from "./command.ts";
import { bootImage } from "./local.ts";
import type { Stop } from "./signals.ts";
import { named } from "./twins.ts";

/** @throws UsageError when neither the option nor the environment names one */
export function deviceAddress(option: string | undefined, { env }: Io): string {
  const address = option ?? env.TEARPAD_DEVICE;
  if (address) return address;
  throw new UsageError("Which device? Give --device ADDRESS or --device IMAGE, or set TEARPAD_DEVICE.");
}

/**
 * Begins a session with the device. Close it: an image is locked until then.
 * @param stop when it has come, a device that is lost is not reached for again
 * @throws DriverError, SimulatorError
 */
export async function openAddress(address: string, stop?: Stop): Promise<Device> {
  const connect = async () => {
    if (stop?.error) throw stop.error;
    return openTransport(address);
  };
  const begin = (line: Transport | Connect) =>
    openDevice(line).catch((error: unknown) => {
      throw isDriverError(error, "NO_ANSWER") ? named(error, address) : error;
    });
  if (!isImage(address)) return begin(connect);
  const { machine, close } = bootImage(address);
  return begin(lineTo(machine, close));
}

/** Whether the address is that of a file rather than of a line. One that is not there but looks like an image is missing. */
export function isImage(address: string): boolean {
  if (address.includes("://")) return false;
  const found = statSync(address, { throwIfNoEntry: false });
  return found === undefined ? /\.(tearpad|img|bin)$/.test(address) : found.isFile();
}
