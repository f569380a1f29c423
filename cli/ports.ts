// The serial ports of this computer.

import { realpathSync } from "node:fs";

export interface Port {
  readonly path: string;
  /** Vendor and product of a port on USB, as `1209:0001`; null for another, or where nobody says. */
  readonly usb: string | null;
}

/** What a device calls itself on USB. */
export const DEVICE_USB = "1209:0001";

/** All that there are; null where nobody can say, without udev: addresses can be given all the same. */
export async function serialPorts(): Promise<Port[] | null> {
  const { SerialPort } = await import("serialport");
  try {
    const ports = await SerialPort.list();
    return ports.map(({ path, vendorId, productId }) => ({
      path,
      usb: vendorId && productId ? `${vendorId}:${productId}`.toLowerCase() : null,
    }));
  } catch {
    return null;
  }
}

/** What carries the bytes to an address, in words. */
export async function lineInWords(address: string): Promise<string> {
  if (address.includes("://")) return "TCP";
  const path = real(address);
  const usb = (await serialPorts())?.find((port) => real(port.path) === path)?.usb ?? null;
  return usb === null ? "serial port" : `serial port on USB, ${usb}`;
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
