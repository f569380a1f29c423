// From an address as people write it to a transport.

import { parseAddress } from "../protocol/index.ts";
import { DriverError } from "./errors.ts";
import { openSerial } from "./serial.ts";
import { openTcp } from "./tcp.ts";
import type { Transport } from "./transport.ts";

/**
 * Opens the transport to an address: `tcp://host:port`, or else a serial port (`/dev/ttyACM0`, `COM3`).
 * @throws DriverError NO_DEVICE, NO_ACCESS, DEVICE_IN_USE or BAD_ADDRESS
 */
export async function openTransport(address: string): Promise<Transport> {
  if (!address.includes("://")) return openSerial(address);
  const parts = parseAddress(address);
  if (parts?.scheme !== "tcp") throw new DriverError("BAD_ADDRESS", { address });
  return openTcp(address, parts.host, parts.port);
}
