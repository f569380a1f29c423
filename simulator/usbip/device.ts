/**
 * A USB device as a host's controller works with it: transfers in and out, an end that can come at any moment.
 */

/** A control request (USB 2.0 section 9.3). */
export interface UsbSetup {
  /** bmRequestType, bRequest, wValue, wIndex, wLength. */
  readonly type: number;
  readonly request: number;
  readonly value: number;
  readonly index: number;
  readonly length: number;
}

/** How a transfer ends but well. `stall`: the device refuses. `gone`: it no longer answers. `cancelled`: nothing moved before that. */
export type UsbRefusal = "stall" | "gone" | "cancelled";

/**
 * Transfers of one endpoint and direction are asked for one after the other; those of several at a time. A transfer whose signal is
 * aborted ends soon: with what moved until then, or `cancelled`. Nothing that a device gave is ever lost in between.
 */
export interface UsbDevice {
  /** Resets the bus and makes the device ready for requests: addressed, and not configured. */
  reset(): Promise<void>;
  /** A request; `data` goes with it when it is one to the device. Gives the answer, empty of one to the device. */
  control(setup: UsbSetup, data: Uint8Array, signal: AbortSignal): Promise<Uint8Array | UsbRefusal>;
  /** Waits for data of the endpoint 1 … 15: at most `length` bytes, fewer when the device ends a transfer. */
  in(endpoint: number, length: number, signal: AbortSignal): Promise<Uint8Array | UsbRefusal>;
  /** Gives data to an endpoint; tells how many bytes it took. Not done as long as the device has no room. */
  out(endpoint: number, data: Uint8Array, signal: AbortSignal): Promise<number | UsbRefusal>;
}

export const GET_DEVICE_DESCRIPTOR: UsbSetup = { type: 0x80, request: 6, value: 0x0100, index: 0, length: 18 };

/** GET_DESCRIPTOR of the first configuration. */
export function getConfiguration(length: number): UsbSetup {
  return { type: 0x80, request: 6, value: 0x0200, index: 0, length };
}
