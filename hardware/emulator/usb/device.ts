/**
 * The emulated board as a USB device for the USB/IP server: what a real kernel attaches is the firmware.
 *
 * The board runs only while a transfer is under way, in slices, so that the program goes on. When nothing has moved for a while, the board's
 * time passes no faster than the computer's: a kernel always has a transfer waiting.
 */

import type { UsbDevice, UsbRefusal, UsbSetup } from "../../../simulator/index.ts";
import { Panic } from "../../../simulator/index.ts";
import { type Transfer, type UsbBoard, UsbHost } from "./host.ts";

/** Longest time for which the board keeps the program waiting. */
const SLICE_MS = 4;
/** From when on an idle board is slowed down, in microseconds of its bus. */
const BUSY_US = 200_000;
/** How far an idle board goes at a time. */
const IDLE_US = 1000;

interface Waiting {
  readonly transfer: Transfer;
  readonly resolve: (end: Transfer) => void;
  readonly reject: (error: unknown) => void;
}

export class BoardUsb implements UsbDevice {
  private readonly host: UsbHost;
  private readonly waiting: Set<Waiting> = new Set();
  private running = false;
  private movedAt = 0;

  constructor(board: UsbBoard) {
    this.host = new UsbHost(board);
  }

  /** A board without power stays silent, and its transfers end in `gone`. */
  async reset(): Promise<void> {
    this.host.enumerate();
    this.settle();
  }

  async control(setup: UsbSetup, data: Uint8Array, signal: AbortSignal): Promise<Uint8Array | UsbRefusal> {
    const { bytes, end } = await this.carry(this.host.control(setup, data), signal);
    if (end !== "done") return end!;
    return (setup.type & 0x80) === 0 ? new Uint8Array(0) : bytes;
  }

  async in(endpoint: number, length: number, signal: AbortSignal): Promise<Uint8Array | UsbRefusal> {
    const { bytes, end } = await this.carry(this.host.in(endpoint, length), signal);
    return end === "done" || (end === "cancelled" && bytes.length > 0) ? bytes : end!;
  }

  async out(endpoint: number, data: Uint8Array, signal: AbortSignal): Promise<number | UsbRefusal> {
    const { bytes, end } = await this.carry(this.host.out(endpoint, data), signal);
    return end === "done" || (end === "cancelled" && bytes.length > 0) ? bytes.length : end!;
  }

  private carry(transfer: Transfer, signal: AbortSignal): Promise<Transfer> {
    const cancel = (): void => {
      transfer.cancel();
      this.settle();
    };
    const ended = new Promise<Transfer>((resolve, reject) => this.waiting.add({ transfer, resolve, reject }));
    signal.addEventListener("abort", cancel);
    if (signal.aborted) cancel();
    this.movedAt = this.host.us;
    this.run();
    return ended.finally(() => signal.removeEventListener("abort", cancel));
  }

  /** Runs the board until nobody waits. */
  private run(): void {
    if (this.running) return;
    this.running = true;
    const slice = (): void => {
      try {
        const idle = this.host.us - this.movedAt > BUSY_US;
        const until = performance.now() + SLICE_MS;
        const end = this.host.us + (idle ? IDLE_US : BUSY_US);
        while (this.waiting.size > 0 && this.host.us < end && performance.now() < until) {
          if (this.host.round()) this.movedAt = this.host.us;
          this.settle();
        }
        this.running = this.waiting.size > 0;
        if (this.running) idle ? setTimeout(slice, IDLE_US / 1000) : setImmediate(slice);
      } catch (error) {
        this.running = false;
        for (const { reject } of this.waiting) reject(error);
        this.waiting.clear();
        if (!(error instanceof Panic)) throw error;
      }
    };
    setImmediate(slice);
  }

  private settle(): void {
    for (const one of this.waiting) {
      if (one.transfer.end === null) continue;
      this.waiting.delete(one);
      one.resolve(one.transfer);
    }
  }
}
