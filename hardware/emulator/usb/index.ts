/**
 * USB of the emulated board: the controller that its firmware sees, the host at the other end of the cable, and the board as a device
 * for the USB/IP server.
 */
export { UsbController } from "./controller.ts";
export { BoardUsb } from "./device.ts";
export { type Transfer, type UsbBoard, UsbHost } from "./host.ts";
