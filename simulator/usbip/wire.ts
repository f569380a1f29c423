/**
 * USB/IP as bytes: version 1.1.1 of the protocol as the Linux kernel documents it (Documentation/usb/usbip_protocol.rst). Numbers are
 * big-endian, but for the setup packet, which is little-endian as on the bus.
 */
import type { UsbSetup } from "./device.ts";

export const USBIP_VERSION = 0x0111;

/** Codes of the requests that come before an import. */
export const OPERATION = { list: 0x8005, listed: 0x0005, import: 0x8003, imported: 0x0003 } as const;
/** Codes of what follows one. */
export const COMMAND = { submit: 1, unlink: 2, submitted: 3, unlinked: 4 } as const;

/** Statuses of transfers: negated error numbers of Linux. */
export const STATUS = {
  ok: 0,
  noEndpoint: -2,
  noDevice: -19,
  invalid: -22,
  stall: -32,
  cancelled: -104,
  gone: -108,
} as const;

export const OPERATION_BYTES = 8;
export const BUSID_BYTES = 32;
export const HEADER_BYTES = 48;
/** The most that a host may send in one transfer. */
export const TRANSFER_BYTES_MAX: number = 1 << 20;

const PATH_BYTES = 256;
const FULL_SPEED = 2;

/** What a list of devices says of one. */
export interface Listed {
  readonly busid: string;
  /** The device descriptor, and the whole configuration descriptor. */
  readonly device: Uint8Array;
  readonly configuration: Uint8Array;
}

/** Bus and device number as one: which device a command means. */
export const DEVICE_ID: number = (1 << 16) | 1;

export interface Submit {
  readonly sequence: number;
  readonly deviceId: number;
  readonly toHost: boolean;
  readonly endpoint: number;
  /** Bytes that come with it, or that may be answered at most. */
  readonly length: number;
  readonly packets: number;
  readonly setup: UsbSetup;
}

/** The header before an import, or null when it is none. */
export function readOperation(bytes: Uint8Array): { version: number; code: number } {
  const view = viewOf(bytes);
  return { version: view.getUint16(0), code: view.getUint16(2) };
}

/** A bus id; what follows its first zero counts for nothing. */
export function readBusid(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end === -1 ? bytes.length : end)).toString("latin1");
}

export function writeOperation(code: number, status: number): Uint8Array {
  const bytes = new Uint8Array(OPERATION_BYTES);
  const view = viewOf(bytes);
  view.setUint16(0, USBIP_VERSION);
  view.setUint16(2, code);
  view.setUint32(4, status);
  return bytes;
}

/** A device as an import is answered; in a list its interfaces follow. */
export function writeDevice({ busid, device, configuration }: Listed): Uint8Array {
  const bytes = new Uint8Array(PATH_BYTES + BUSID_BYTES + 24);
  bytes.set(Buffer.from(`/tearpad/${busid}`, "latin1"));
  bytes.set(Buffer.from(busid, "latin1"), PATH_BYTES);
  const view = new DataView(bytes.buffer, PATH_BYTES + BUSID_BYTES);
  const descriptor = viewOf(device);
  view.setUint32(0, DEVICE_ID >>> 16);
  view.setUint32(4, DEVICE_ID & 0xffff);
  view.setUint32(8, FULL_SPEED);
  view.setUint16(12, descriptor.getUint16(8, true)); // idVendor, idProduct, bcdDevice
  view.setUint16(14, descriptor.getUint16(10, true));
  view.setUint16(16, descriptor.getUint16(12, true));
  for (const [at, from] of [4, 5, 6].entries()) view.setUint8(18 + at, device[from]!);
  view.setUint8(21, 0); // not configured
  view.setUint8(22, device[17]!);
  view.setUint8(23, configuration[4]!);
  return bytes;
}

/** Class, subclass and protocol of each interface. */
export function writeInterfaces(configuration: Uint8Array): Uint8Array {
  const found: number[] = [];
  for (let at = 0; at + 9 <= configuration.length; at += Math.max(2, configuration[at]!)) {
    if (configuration[at + 1] === 4) found.push(...configuration.subarray(at + 5, at + 8), 0);
  }
  return Uint8Array.from(found);
}

export function writeCount(count: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, count);
  return bytes;
}

/** A command's header: what it is, and its fields. */
export function readCommand(header: Uint8Array): { command: number; submit: Submit; unlink: number } {
  const view = viewOf(header);
  const setup = new DataView(header.buffer, header.byteOffset + 40, 8);
  const submit = {
    sequence: view.getUint32(4),
    deviceId: view.getUint32(8),
    toHost: view.getUint32(12) !== 0,
    endpoint: view.getUint32(16),
    length: view.getInt32(24),
    packets: view.getInt32(32),
    setup: {
      type: setup.getUint8(0),
      request: setup.getUint8(1),
      value: setup.getUint16(2, true),
      index: setup.getUint16(4, true),
      length: setup.getUint16(6, true),
    },
  };
  return { command: view.getUint32(0), submit, unlink: view.getUint32(20) };
}

/** The end of a transfer; `data` is what goes to the host. */
export function writeSubmitted(sequence: number, status: number, moved: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + data.length);
  const view = viewOf(bytes);
  view.setUint32(0, COMMAND.submitted);
  view.setUint32(4, sequence);
  view.setInt32(20, status);
  view.setUint32(24, moved);
  bytes.set(data, HEADER_BYTES);
  return bytes;
}

export function writeUnlinked(sequence: number, status: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, COMMAND.unlinked);
  view.setUint32(4, sequence);
  view.setInt32(20, status);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
