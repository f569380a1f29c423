/**
 * UART0 as it is: an Arm PL011 (RP2040 data sheet, section 4.2) on a line of {@link LINE_BAUD}. Bytes come and go at the rate of the line,
 * the FIFOs are 32 deep, what finds no room is dropped and shows as an overrun, and interrupts come at the trigger levels and at the receive
 * time-out, not with every byte. A wrong rate, a full transmit FIFO written to and an empty receive FIFO read are a {@link Panic}.
 */
import { BasePeripheral, type RP2040 } from "rp2040js";
import { Panic } from "../../simulator/index.ts";
import type { Alarm, CycleClock } from "./clock.ts";

export const LINE_BAUD = 115_200;
/** How far the firmware's rate may be off. */
const BAUD_TOLERANCE = 0.02;

const DR = 0x00;
const RSR = 0x04;
const FR = 0x18;
const IBRD = 0x24;
const FBRD = 0x28;
const LCR_H = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const RIS = 0x3c;
const MIS = 0x40;
const ICR = 0x44;
const DMACR = 0x48;

const RX = 1 << 4;
const TX = 1 << 5;
const TIMEOUT = 1 << 6;
const OVERRUN = 1 << 10;
const LEVELS = [4, 8, 16, 24, 28];
const IRQ_UART0 = 20;
const BITS = 10;

export class Pl011 extends BasePeripheral {
  /** Bytes that the FIFO had no room for. */
  dropped = 0;
  private readonly clock: CycleClock;
  private readonly heard: (byte: number) => void;
  private readonly polled: (until: number) => void;
  private readonly arrival: Alarm;
  private readonly departure: Alarm;
  private readonly silence: Alarm;
  private divisor = 0;
  private latched = 0;
  private line = 0;
  private control = 0x300;
  private levels = 0x12;
  private mask = 0;
  private raw = 0;
  private overrun = false;
  private readonly received: number[] = [];
  private readonly sending: number[] = [];
  private shifting = -1;
  /** What the host has put on the line and has not arrived. */
  private readonly coming: number[] = [];

  /**
   * @param heard gets each byte when its stop bit is on the line
   * @param polled called when the firmware was told that there is no room, with the cycle up to which there is none
   */
  constructor(rp2040: RP2040, clock: CycleClock, heard: (byte: number) => void, polled: (until: number) => void) {
    super(rp2040, "UART0");
    this.clock = clock;
    this.heard = heard;
    this.polled = polled;
    this.arrival = clock.createAlarm(() => this.arrive());
    this.departure = clock.createAlarm(() => this.depart());
    this.silence = clock.createAlarm(() => this.raise(TIMEOUT));
  }

  /** The host sends; the bytes come one behind the other. */
  feed(bytes: Uint8Array): void {
    for (const byte of bytes) this.coming.push(byte);
    if (this.coming.length > 0 && this.arrival.at === Number.POSITIVE_INFINITY)
      this.arrival.set(this.clock.now + lineCycles());
  }

  /** Nothing is on the line in either direction, and nothing waits in the receiver. */
  get quiet(): boolean {
    return this.coming.length === 0 && this.received.length === 0 && this.shifting < 0;
  }

  override readUint32(offset: number): number {
    switch (offset) {
      case DR:
        return this.take();
      case RSR:
        return this.overrun ? 8 : 0;
      case FR:
        if (this.sending.length >= this.depth) this.polled(this.departure.at - 1);
        return (
          (this.sending.length === 0 ? 0x80 : 0) |
          (this.received.length >= this.depth ? 0x40 : 0) |
          (this.sending.length >= this.depth ? 0x20 : 0) |
          (this.received.length === 0 ? 0x10 : 0) |
          (this.shifting >= 0 ? 8 : 0)
        );
      case IBRD:
        return this.divisor >>> 6;
      case FBRD:
        return this.divisor & 63;
      case LCR_H:
        return this.line;
      case CR:
        return this.control;
      case IFLS:
        return this.levels;
      case IMSC:
        return this.mask;
      case RIS:
        return this.raw;
      case MIS:
        return this.raw & this.mask;
      case DMACR:
        return 0;
      default:
        return super.readUint32(offset);
    }
  }

  override writeUint32(offset: number, value: number): void {
    switch (offset) {
      case DR:
        this.send(value & 0xff);
        return;
      case RSR:
        this.overrun = false;
        return;
      case IBRD:
        this.divisor = ((value & 0xffff) << 6) | (this.divisor & 63);
        return;
      case FBRD:
        this.divisor = (this.divisor & ~63) | (value & 63);
        return;
      case LCR_H:
        this.line = value & 0xff;
        this.latched = this.divisor;
        return;
      case CR:
        if (value & 0xc086) throw new Panic("UART0: loopback, IrDA and flow control are not modelled.");
        this.control = value;
        return;
      case IFLS:
        this.levels = value & 63;
        return;
      case IMSC:
        this.mask = value & 0x7ff;
        this.signal();
        return;
      case ICR:
        this.raw &= ~this.rawWriteValue;
        this.signal();
        return;
      case DMACR:
        if (value !== 0) throw new Panic("UART0: its DMA is not modelled.");
        return;
      default:
        super.writeUint32(offset, value);
    }
  }

  private get depth(): number {
    return this.line & 0x10 ? 32 : 1;
  }

  private level(which: number): number {
    return this.depth === 1 ? (which === 0 ? 0 : 1) : (LEVELS[(this.levels >>> (which * 3)) & 7] ?? 28);
  }

  private take(): number {
    const value = this.received.shift();
    if (value === undefined) throw new Panic("UART0: its empty receive FIFO is read.");
    if (this.received.length < this.level(1)) this.raw &= ~RX;
    if (this.received.length === 0) {
      this.raw &= ~TIMEOUT;
      this.silence.cancel();
    }
    this.signal();
    const flags = this.overrun ? 1 << 11 : 0;
    this.overrun = false;
    return value | flags;
  }

  private arrive(): void {
    const byte = this.coming.shift()!;
    if (this.coming.length > 0) this.arrival.set(this.clock.now + lineCycles());
    if ((this.control & 0x201) !== 0x201) return;
    this.mustBeWired(1);
    if (this.received.length >= this.depth) {
      this.dropped++;
      this.overrun = true;
      this.raise(OVERRUN);
      return;
    }
    this.received.push(byte);
    this.silence.set(this.clock.now + 32 * this.bitCycles);
    if (this.received.length >= this.level(1)) this.raise(RX);
  }

  private send(byte: number): void {
    if ((this.control & 0x101) !== 0x101) throw new Panic("UART0 is written to while it is not enabled.");
    if (this.sending.length >= this.depth) throw new Panic("UART0: its full transmit FIFO is written to.");
    this.mustBeWired(0);
    this.sending.push(byte);
    if (this.sending.length > this.level(0)) this.raw &= ~TX;
    if (this.shifting < 0) this.shift();
    this.signal();
  }

  private shift(): void {
    this.shifting = this.sending.shift() ?? -1;
    if (this.shifting < 0) return;
    this.departure.set(this.clock.now + BITS * this.bitCycles);
    if (this.sending.length === this.level(0)) this.raise(TX);
  }

  private depart(): void {
    const byte = this.shifting;
    this.shift();
    this.heard(byte);
  }

  /** Cycles of a bit at the rate that the firmware has set up. */
  private get bitCycles(): number {
    const { clocks } = this.rp2040;
    if (clocks.periFreq === 0) throw new Panic("UART0 has no clock: clk_peri is off.");
    const baud = (clocks.periFreq * 4) / this.latched;
    if (Math.abs(baud / LINE_BAUD - 1) > BAUD_TOLERANCE) throw new Panic(`UART0 runs at ${Math.round(baud)} baud.`);
    if ((this.line & 0x6f) !== 0x60) throw new Panic("UART0: the line is 8 bits, no parity, one stop bit.");
    return Math.round(clocks.sysFreq / baud);
  }

  private mustBeWired(pin: number): void {
    if (this.rp2040.gpio[pin]!.functionSelect !== 2) throw new Panic(`GPIO ${pin} is not given to UART0.`);
  }

  private raise(interrupt: number): void {
    this.raw |= interrupt;
    this.signal();
  }

  private signal(): void {
    this.rp2040.setInterrupt(IRQ_UART0, (this.raw & this.mask) !== 0);
  }
}

/** Cycles between two bytes of the host. */
function lineCycles(): number {
  return Math.round((125_000_000 * BITS) / LINE_BAUD);
}
