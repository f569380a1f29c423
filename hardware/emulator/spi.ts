/**
 * SPI0 as the board wires it: an Arm PL022 (RP2040 data sheet, section 4.4) with a chip behind it. Bytes take their time on the wire, the
 * FIFOs are eight deep, and what silicon does not define is a {@link Panic}: reading an empty FIFO, writing into a full one, setting the
 * port up while it runs, moving /CS while a byte is on its way. Reading too late loses bytes, as it does there. There is no DMA.
 */
import { BasePeripheral, type RP2040 } from "rp2040js";
import { Panic } from "../../simulator/index.ts";

/** The other end of the wires. `at` is the cycle at which something is done. */
export interface SpiChip {
  /** The byte that leaves while `byte` comes in. */
  exchange(byte: number, at: number): number;
}

const SSPCR0 = 0x00;
const SSPCR1 = 0x04;
const SSPDR = 0x08;
const SSPSR = 0x0c;
const SSPCPSR = 0x10;
const SSPIMSC = 0x14;
const SSPRIS = 0x18;
const SSPICR = 0x20;
const SSPDMACR = 0x24;

const DEPTH = 8;
const NOTHING = -1;
const OVERRUN = 1;

export class Pl022 extends BasePeripheral {
  private readonly chip: SpiChip;
  private readonly now: () => number;
  private control0 = 0;
  private control1 = 0;
  private prescale = 0;
  private raw = 0;
  private readonly sending: number[] = [];
  private readonly received: number[] = [];
  /** The frame on the wire, and the cycle at which its last bit is there. */
  private shifting: number = NOTHING;
  private ends = 0;
  /** Cycles of the processor that a byte takes, once the port is enabled. */
  private duration = 0;

  constructor(rp2040: RP2040, chip: SpiChip, now: () => number) {
    super(rp2040, "SPI0");
    this.chip = chip;
    this.now = now;
  }

  /** To be called before /CS moves. */
  mustBeQuiet(): void {
    this.settle();
    if (this.shifting !== NOTHING) throw new Panic("/CS of the pad chip moves while a byte is on the wire.");
  }

  override readUint32(offset: number): number {
    this.settle();
    switch (offset) {
      case SSPCR0:
        return this.control0;
      case SSPCR1:
        return this.control1;
      case SSPDR: {
        const value = this.received.shift();
        if (value === undefined) throw new Panic("SPI0: its empty receive FIFO is read.");
        return value;
      }
      case SSPSR:
        return (
          (this.shifting !== NOTHING ? 0x10 : 0) |
          (this.received.length === DEPTH ? 8 : 0) |
          (this.received.length > 0 ? 4 : 0) |
          (this.sending.length < DEPTH ? 2 : 0) |
          (this.sending.length === 0 ? 1 : 0)
        );
      case SSPCPSR:
        return this.prescale;
      case SSPRIS:
        return this.raw;
      case SSPIMSC:
      case SSPDMACR:
        return 0;
      default:
        return super.readUint32(offset);
    }
  }

  override writeUint32(offset: number, value: number): void {
    this.settle();
    switch (offset) {
      case SSPCR0:
        this.mustBeOff();
        this.control0 = value & 0xffff;
        return;
      case SSPCR1:
        if (value & 0xd) throw new Panic("SPI0: loopback, slave and output disable are not modelled.");
        this.control1 = value;
        if (value & 2) this.duration = this.cyclesOfByte();
        return;
      case SSPDR:
        this.send(value);
        return;
      case SSPCPSR:
        this.mustBeOff();
        if (value & 1 || value < 2 || value > 254) throw new Panic(`SPI0: a prescaler of ${value}.`);
        this.prescale = value;
        return;
      case SSPICR:
        this.raw &= ~value;
        return;
      case SSPIMSC:
      case SSPDMACR:
        if (value !== 0) throw new Panic("SPI0: its interrupts and its DMA are not modelled.");
        return;
      default:
        super.writeUint32(offset, value);
    }
  }

  private mustBeOff(): void {
    if (this.control1 & 2) throw new Panic("SPI0 is set up while it is enabled.");
  }

  private send(value: number): void {
    if ((this.control1 & 2) === 0) throw new Panic("SPI0 is written to while it is not enabled.");
    if (this.sending.length === DEPTH) throw new Panic("SPI0: its full transmit FIFO is written to.");
    this.sending.push(value & 0xff);
    if (this.shifting === NOTHING) this.next(this.now());
  }

  private get bits(): number {
    return (this.control0 & 15) + 1;
  }

  /** In mode 0 the port lets SCK rest for one and a half of its periods behind each byte. */
  private cyclesOfByte(): number {
    if (this.bits !== 8 || this.control0 & 0x30)
      throw new Panic("SPI0: frames other than 8 bits of Motorola's format.");
    if ((this.control0 & 0xc0) !== 0 && (this.control0 & 0xc0) !== 0xc0) {
      throw new Panic("SPI0: the chip takes modes 0 and 3 only.");
    }
    const { clocks } = this.rp2040;
    if (clocks.periFreq === 0) throw new Panic("SPI0 has no clock: clk_peri is off.");
    if (this.prescale === 0) throw new Panic("SPI0 is enabled without a prescaler.");
    const period = (this.prescale * (1 + (this.control0 >>> 8)) * clocks.sysFreq) / clocks.periFreq;
    return period * (this.control0 & 0x80 ? 8 : 9.5);
  }

  private next(at: number): void {
    this.shifting = this.sending.shift() ?? NOTHING;
    if (this.shifting !== NOTHING) this.ends = at + this.duration;
  }

  /** Moves what has passed over the wire by now. */
  private settle(): void {
    if (this.shifting === NOTHING) return;
    const now = this.now();
    while (this.shifting !== NOTHING && this.ends <= now) {
      const byte = this.chip.exchange(this.shifting, this.ends);
      if (this.received.length < DEPTH) this.received.push(byte);
      else this.raw |= OVERRUN;
      this.next(this.ends);
    }
  }
}
