/**
 * USB over TCP: any USB device as a program has it, offered to a kernel or to a test by the protocol USB/IP; and a machine as one.
 */
export { attachUsbip } from "./attach.ts";
export type { UsbDevice, UsbRefusal, UsbSetup } from "./device.ts";
export { serveUsb, type UsbipLine, type UsbipOptions } from "./server.ts";
