/**
 * A simulated device on a USB cable that goes through TCP.
 */
import type { Machine } from "../machine.ts";
import { serveUsb, type UsbipLine, type UsbipOptions } from "./server.ts";
import { SimulatedUsb } from "./simulated.ts";

/**
 * Puts a machine behind a USB/IP port: a Linux kernel with `vhci-hcd` attaches it as a device of its own (`usbip attach -r HOST -b 1-1`,
 * as root), and then it is a serial port and a bulk interface there.
 * @param serial 8 bytes: the serial that INFO gives, or random ones while the device is blank
 * @throws SimulatorError LINE_FAILED when the port cannot be had
 */
export async function attachUsbip(
  machine: Machine,
  serial: Uint8Array,
  options: UsbipOptions = {},
): Promise<UsbipLine> {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const device = new SimulatedUsb(machine, serial, reject);
  failed.catch(() => {}); // It is told through `closed`.
  try {
    const line = await serveUsb(device, options);
    const closed = Promise.race([line.closed, failed]).finally(() => {
      device.close();
      return line.close();
    });
    closed.catch(() => {}); // Whoever wants to know asks for it.
    const close = async (): Promise<void> => {
      await line.close();
      device.close();
    };
    return { ...line, close, closed };
  } catch (error) {
    device.close();
    throw error;
  }
}
