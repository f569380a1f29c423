/**
 * A simulated device as a USB device: the descriptors and requests of the firmware (hardware/usb, hardware/common/usb_control.c) around a
 * machine instead of a board.
 *
 * Two lines lead to the one core. A frame goes to it when it is whole, and the reply to the line from which it came. As on the board a line
 * says nothing from a bus reset, a new configuration, a closed port or a break until something has come in on it again.
 */
import {
  type DescriptorAnswer,
  USB_CONFIGURATION,
  USB_ENDPOINTS,
  USB_INTERFACES,
  USB_PACKET,
  usbAnswers,
} from "../../hardware/usb/index.ts";
import { Ferry } from "../line/index.ts";
import type { Machine } from "../machine.ts";
import type { UsbDevice, UsbRefusal, UsbSetup } from "./device.ts";

/** More than the longest frame: what is kept of a longer one is still too long for the core, which says so. */
const FRAME_BYTES_MAX = 4400;
/** A host that does not read is not listened to either, once so much waits for it. */
const REPLIES_BYTES_MAX = 8192;
const NONE = new Uint8Array(0);

/** bmRequestType and bRequest together, as the specifications list them. */
const REQUEST = {
  getDeviceStatus: 0x8000,
  getInterfaceStatus: 0x8100,
  getEndpointStatus: 0x8200,
  clearEndpointFeature: 0x0201,
  setEndpointFeature: 0x0203,
  getConfiguration: 0x8008,
  setConfiguration: 0x0009,
  getInterface: 0x810a,
  setInterface: 0x010b,
  setLineCoding: 0x2120,
  getLineCoding: 0xa121,
  setControlLineState: 0x2122,
  sendBreak: 0x2123,
} as const;
const ENDPOINT_HALT = 0;
const DTR = 1;
const LINE_CODING_BYTES = 7;

/** Two bulk endpoints between which a host speaks with the device. */
class Pipe {
  readonly out: number;
  readonly in: number;
  readonly halted: Set<number> = new Set();
  /** The part of a frame that has come. */
  private frame: number[] = [];
  private readonly replies: Uint8Array[] = [];
  /** The last packet was full: an empty one ends the transfer. */
  private endOwed = false;
  private silent = true;
  private readonly waiters: Set<() => void> = new Set();

  constructor(out: number, into: number) {
    this.out = out;
    this.in = into;
  }

  /** The other end went, or begins anew. */
  forget(): void {
    this.frame = [];
    this.replies.length = 0;
    this.endOwed = false;
    this.silent = true;
    this.wake();
  }

  get full(): boolean {
    return this.replies.reduce((sum, { length }) => sum + length, 0) > REPLIES_BYTES_MAX;
  }

  /** The frames that end in what has come, each with its 00. */
  receive(bytes: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    if (bytes.length > 0) this.silent = false;
    for (const byte of bytes) {
      if (byte === 0 || this.frame.length < FRAME_BYTES_MAX) this.frame.push(byte);
      if (byte !== 0) continue;
      frames.push(Uint8Array.from(this.frame));
      this.frame = [];
    }
    return frames;
  }

  reply(bytes: Uint8Array): void {
    if (this.silent) return;
    this.replies.push(bytes);
    this.wake();
  }

  /** What there is for a host that asks for `length` bytes; null when there is nothing. */
  take(length: number): Uint8Array | null {
    const first = this.replies[0];
    if (first === undefined) {
      if (!this.endOwed) return null;
      this.endOwed = false;
      return NONE;
    }
    const taken = first.subarray(0, length);
    if (taken.length === first.length) this.replies.shift();
    else this.replies[0] = first.subarray(length);
    this.endOwed = taken.length === length && taken.length % USB_PACKET === 0;
    this.wake();
    return taken;
  }

  /** Until something changes, or the signal comes. */
  change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.waiters.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.waiters.add(done);
      signal.addEventListener("abort", done);
    });
  }

  wake(): void {
    for (const done of [...this.waiters]) done();
  }
}

/** A machine on a USB cable. The machine has no other line as long as it hangs on this one. */
export class SimulatedUsb implements UsbDevice {
  private readonly answers: readonly DescriptorAnswer[];
  private readonly ferry: Ferry;
  private readonly cdc: Pipe = new Pipe(USB_ENDPOINTS.cdcOut, USB_ENDPOINTS.cdcIn);
  private readonly vendor: Pipe = new Pipe(USB_ENDPOINTS.vendorOut, USB_ENDPOINTS.vendorIn);
  private readonly pipes: readonly Pipe[] = [this.cdc, this.vendor];
  private asking: Pipe | null = null;
  private configuration = 0;
  private lineCoding: Uint8Array = Uint8Array.of(0x00, 0xc2, 0x01, 0x00, 0, 0, 8);
  private lineState = 0;
  private notificationHalted = false;

  /**
   * @param serial 8 bytes; see `usbAnswers`
   * @param fail told once when the machine cannot go on
   */
  constructor(machine: Machine, serial: Uint8Array, fail: (error: unknown) => void) {
    this.answers = usbAnswers(serial);
    this.ferry = new Ferry(
      machine,
      (bytes, taken) => {
        this.asking?.reply(bytes);
        taken();
      },
      fail,
    );
  }

  /** Takes the machine off the cable. */
  close(): void {
    this.ferry.stop();
    this.configure(0);
  }

  async reset(): Promise<void> {
    this.configure(0);
  }

  async in(endpoint: number, length: number, signal: AbortSignal): Promise<Uint8Array | UsbRefusal> {
    const address = endpoint | 0x80;
    for (;;) {
      if (this.configuration === 0) return "gone";
      if (address === USB_ENDPOINTS.notification) {
        if (this.notificationHalted) return "stall";
        if (signal.aborted) return "cancelled";
        await this.cdc.change(signal);
        continue;
      }
      const pipe = this.pipes.find((one) => one.in === address);
      if (pipe === undefined) return "gone";
      if (pipe.halted.has(address)) return "stall";
      if (signal.aborted) return "cancelled";
      const bytes = pipe.take(length);
      if (bytes !== null) return bytes;
      await pipe.change(signal);
    }
  }

  async out(endpoint: number, data: Uint8Array, signal: AbortSignal): Promise<number | UsbRefusal> {
    const pipe = this.pipes.find((one) => one.out === endpoint);
    for (;;) {
      if (this.configuration === 0 || pipe === undefined) return "gone";
      if (pipe.halted.has(endpoint)) return "stall";
      if (signal.aborted) return "cancelled";
      if (!pipe.full) break;
      await pipe.change(signal);
    }
    for (const frame of pipe.receive(data)) {
      this.asking = pipe;
      this.ferry.receive(frame);
    }
    return data.length;
  }

  async control(setup: UsbSetup, data: Uint8Array): Promise<Uint8Array | UsbRefusal> {
    const answer = this.request(setup, data);
    return answer === null ? "stall" : answer.subarray(0, setup.length);
  }

  /** Null is a stall. */
  private request(setup: UsbSetup, data: Uint8Array): Uint8Array | null {
    const what = (setup.type << 8) | setup.request;
    if (data.length > 0 && what !== REQUEST.setLineCoding) return null;
    switch (what) {
      case REQUEST.getConfiguration:
        return Uint8Array.of(this.configuration);
      case REQUEST.setConfiguration:
        if (setup.value > USB_CONFIGURATION) return null;
        this.configure(setup.value);
        return NONE;
      case REQUEST.getDeviceStatus:
        return Uint8Array.of(0, 0);
      case REQUEST.getEndpointStatus:
      case REQUEST.clearEndpointFeature:
      case REQUEST.setEndpointFeature:
        return this.endpointRequest(setup);
      case REQUEST.getInterfaceStatus:
      case REQUEST.getInterface:
      case REQUEST.setInterface:
        return this.interfaceRequest(setup);
      case REQUEST.setLineCoding:
      case REQUEST.getLineCoding:
      case REQUEST.setControlLineState:
      case REQUEST.sendBreak:
        return this.cdcRequest(setup, data);
      default:
        return this.describe(setup);
    }
  }

  private describe({ type, request, value, index }: UsbSetup): Uint8Array | null {
    const known = this.answers.find(
      (one) =>
        one.type === type &&
        one.request === request &&
        one.value === value &&
        (one.index === null || one.index === index),
    );
    return known?.bytes ?? null;
  }

  private endpointRequest({ type, request, value, index }: UsbSetup): Uint8Array | null {
    const asks = ((type << 8) | request) === REQUEST.getEndpointStatus;
    if (asks && (index & 0x7f) === 0) return Uint8Array.of(0, 0);
    const pipe = this.pipes.find((one) => one.in === index || one.out === index);
    const notification = index === USB_ENDPOINTS.notification;
    if (this.configuration === 0 || (pipe === undefined && !notification)) return null;
    if (asks) return Uint8Array.of(Number(notification ? this.notificationHalted : pipe?.halted.has(index)), 0);
    if (value !== ENDPOINT_HALT) return null;
    const halt = ((type << 8) | request) === REQUEST.setEndpointFeature;
    if (notification) this.notificationHalted = halt;
    else if (halt) pipe?.halted.add(index);
    else pipe?.halted.delete(index);
    (pipe ?? this.cdc).wake();
    return NONE;
  }

  private interfaceRequest({ type, request, value, index }: UsbSetup): Uint8Array | null {
    if (this.configuration === 0 || !(Object.values(USB_INTERFACES) as number[]).includes(index)) return null;
    const what = (type << 8) | request;
    if (what === REQUEST.getInterfaceStatus) return Uint8Array.of(0, 0);
    if (what === REQUEST.getInterface) return Uint8Array.of(0);
    if (value !== 0) return null;
    if (index === USB_INTERFACES.cdc) {
      this.notificationHalted = false;
    } else {
      const pipe = index === USB_INTERFACES.vendor ? this.vendor : this.cdc;
      pipe.halted.clear();
      pipe.forget();
    }
    return NONE;
  }

  private cdcRequest({ type, request, value, index, length }: UsbSetup, data: Uint8Array): Uint8Array | null {
    if (this.configuration === 0 || index !== USB_INTERFACES.cdc) return null;
    const what = (type << 8) | request;
    if (what === REQUEST.getLineCoding) return this.lineCoding;
    if (what === REQUEST.setLineCoding) {
      if (length !== LINE_CODING_BYTES || data.length !== LINE_CODING_BYTES) return null;
      this.lineCoding = data.slice();
      return NONE;
    }
    let forget = value !== 0; // A break of any length; 0 only ends one.
    if (what === REQUEST.setControlLineState) {
      forget = (this.lineState & ~value & DTR) !== 0; // Whoever had the port has closed it.
      this.lineState = value;
    }
    if (forget) this.cdc.forget();
    return NONE;
  }

  /** Configuration 0 is none. The same configuration again begins anew, too. */
  private configure(value: number): void {
    this.configuration = value;
    this.lineState = 0;
    this.notificationHalted = false;
    for (const pipe of this.pipes) {
      pipe.halted.clear();
      pipe.forget();
    }
  }
}
