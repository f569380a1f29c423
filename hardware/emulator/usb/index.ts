/**
 * USB of the emulated board: the controller that its firmware sees, the cable, the host at the other end of it, and the board as a device
 * for the USB/IP server.
 */
export { UsbCable } from "./cable.ts";
export { UsbController } from "./controller.ts";
export { BoardUsb } from "./device.ts";
export { type Transfer, type UsbBoard, UsbHost } from "./host.ts";
