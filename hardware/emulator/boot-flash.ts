/**
 * The boot flash as the processor meets it: the serial interface (SSI, RP2040 data sheet 4.10), the cached window into the flash (XIP, 2.6.3),
 * and the pin that holds the chip's /CS (IO_QSPI, 2.19.6.2). Code runs from here, so what silicon answers with a dead board is a {@link Panic}:
 * a read of the window while the interface is not set up for it, while a command holds /CS, or while the chip is busy; the interface turned
 * off by code that runs from the window. The cache is the real one in size (16 KiB, two ways, lines of 8 bytes; the older way goes) and keeps
 * stale bytes until it is flushed; a miss costs what the set-up command takes on the wire, command, address and eight bytes.
 */
import { BasePeripheral, type RP2040 } from "rp2040js";
import { Panic } from "../../simulator/index.ts";
import type { SerialNor } from "./nor.ts";

const CTRLR0 = 0x00;
const CTRLR1 = 0x04;
const SSIENR = 0x08;
const SER = 0x10;
const BAUDR = 0x14;
const TXFLR = 0x20;
const RXFLR = 0x24;
const SR = 0x28;
const DR0 = 0x60;
const RX_SAMPLE_DLY = 0xf0;
const SPI_CTRLR0 = 0xf4;

const DEPTH = 16;
const NOTHING = -1;
const BOTH_WAYS = 0;
const ROM_READ = 3;
/** The data sheet of the W25Q16JV allows 03h up to 50 MHz and everything else up to 133 MHz. */
const MAX_HZ: Readonly<Record<number, number>> = { 3: 50_000_000, 11: 133_000_000 };

const LINE_BYTES = 8;
const SETS = 1024;
const WINDOW_BASE = 0x10000000;
const WINDOW_END = 0x14000000;
/** What of an address is the place in the flash; the two bits above say whether the cache is used. */
const PLACE = 0xffffff;
const UNCACHED = 0x02000000;

export class BootFlash extends BasePeripheral {
  /** Lines that had to be fetched. */
  misses = 0;
  /** Cycles that the last access of the window waited. */
  wait = 0;
  /** The cache as halfwords, and where in it the line lies that was fetched last. */
  readonly code: Uint16Array;
  codeAt = 0;

  private readonly nor: SerialNor;
  private readonly now: () => number;
  private readonly runsFromHere: () => boolean;
  private readonly cache: Uint8Array = new Uint8Array(SETS * 2 * LINE_BYTES);
  private readonly tags: Int32Array = new Int32Array(SETS * 2).fill(NOTHING);
  /** The way that was used last, by set. */
  private readonly recent: Uint8Array = new Uint8Array(SETS);
  private readonly line: Uint8Array = new Uint8Array(LINE_BYTES);
  private control0 = 0;
  private control1 = 0;
  private enabled = false;
  private slave = 0;
  private divisor = 0;
  private delay = 0;
  private command = 0;
  /** Cycles of a line's transfer; 0 while the window may not be read. */
  private lineCycles = 0;
  private readonly sending: number[] = [];
  private readonly received: number[] = [];
  private shifting: number = NOTHING;
  private ends = 0;
  private selected = false;
  private forced: "low" | "high" | null = null;
  /** The override of /CS was written and not read back: it may not have reached the pin. */
  private crossing = false;

  /** @param runsFromHere whether the instruction that is executed lies in the window */
  constructor(rp2040: RP2040, nor: SerialNor, now: () => number, runsFromHere: () => boolean) {
    super(rp2040, "SSI");
    this.nor = nor;
    this.now = now;
    this.runsFromHere = runsFromHere;
    this.code = new Uint16Array(this.cache.buffer);
  }

  /** Whether an address lies in the window, in one of its four mirrors. */
  static holds(address: number): boolean {
    return address >= WINDOW_BASE && address < WINDOW_END;
  }

  /** Brings the line of an address into the cache; `codeAt` says where it lies. */
  fetch(address: number): void {
    const number = (address & PLACE) >>> 3;
    const set = number & (SETS - 1);
    let slot = set * 2;
    if (this.tags[slot] === number) {
      this.recent[set] = 0;
      this.wait = 0;
    } else if (this.tags[slot + 1] === number) {
      slot++;
      this.recent[set] = 1;
      this.wait = 0;
    } else {
      slot += this.recent[set]! ^ 1;
      this.recent[set]! ^= 1;
      this.tags[slot] = NOTHING;
      this.fill(number * LINE_BYTES);
      this.cache.set(this.line, slot * LINE_BYTES);
      this.tags[slot] = number;
    }
    this.codeAt = slot * (LINE_BYTES / 2);
  }

  /** Reads the window: through the cache, or past it in the two upper mirrors. */
  readWindow(address: number, size: 1 | 2 | 4): number {
    let bytes = this.line;
    let at = address & (LINE_BYTES - 1);
    if (address & UNCACHED) {
      this.fill(address & PLACE & ~(LINE_BYTES - 1));
    } else {
      this.fetch(address);
      bytes = this.cache;
      at += this.codeAt * 2;
    }
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = (value << 8) | bytes[at + i]!;
    return value;
  }

  /** Nothing in the cache is believed any more. */
  flush(): void {
    this.tags.fill(NOTHING);
  }

  /** The clock of the interface has changed: what it is set up for must still be allowed. */
  clockChanged(): void {
    if (this.enabled) this.windowCycles();
  }

  /** Drives /CS over the pin instead of the interface (GPIO_QSPI_SS_CTRL.OUTOVER). The pin follows at the latest when that is read back. */
  force(how: "low" | "high" | null): void {
    this.settle();
    if (this.runsFromHere()) throw new Panic("/CS of the boot flash is moved by code that runs from it.");
    this.mustHaveCrossed();
    this.crossing = true;
    this.forced = how;
    this.moveSelect(this.now());
  }

  /** The override was read back. */
  crossed(): void {
    this.crossing = false;
  }

  private mustHaveCrossed(): void {
    if (this.crossing) throw new Panic("/CS of the boot flash was moved and not read back: it may come too late.");
  }

  override readUint32(offset: number): number {
    this.settle();
    switch (offset) {
      case CTRLR0:
        return this.control0;
      case CTRLR1:
        return this.control1;
      case SSIENR:
        return Number(this.enabled);
      case SER:
        return this.slave;
      case BAUDR:
        return this.divisor;
      case TXFLR:
        return this.sending.length;
      case RXFLR:
        return this.received.length;
      case RX_SAMPLE_DLY:
        return this.delay;
      case SPI_CTRLR0:
        return this.command >>> 0;
      case SR:
        return (
          (this.shifting !== NOTHING ? 1 : 0) |
          (this.sending.length < DEPTH ? 2 : 0) |
          (this.sending.length === 0 ? 4 : 0) |
          (this.received.length > 0 ? 8 : 0) |
          (this.received.length === DEPTH ? 16 : 0)
        );
      case DR0: {
        const byte = this.received.shift();
        if (byte === undefined) throw new Panic("SSI: its empty receive FIFO is read.");
        return byte;
      }
      default:
        return super.readUint32(offset);
    }
  }

  override writeUint32(offset: number, value: number): void {
    this.settle();
    if (offset === SSIENR) {
      this.enable((value & 1) !== 0);
      return;
    }
    if (offset === DR0) {
      this.send(value);
      return;
    }
    if (this.enabled) throw new Panic(`SSI is set up (register ${offset.toString(16)}) while it is enabled.`);
    switch (offset) {
      case CTRLR0:
        this.control0 = value;
        break;
      case CTRLR1:
        this.control1 = value;
        break;
      case SER:
        this.slave = value;
        break;
      case BAUDR:
        if (value < 2 || value & 1) throw new Panic(`SSI: a divisor of ${value}.`);
        this.divisor = value;
        break;
      case RX_SAMPLE_DLY:
        this.delay = value;
        break;
      case SPI_CTRLR0:
        this.command = value;
        break;
      default:
        super.writeUint32(offset, value);
    }
  }

  private enable(on: boolean): void {
    this.mustHaveCrossed();
    if (this.runsFromHere()) throw new Panic("SSI is turned off or on by code that runs from the boot flash.");
    if (!on && this.shifting !== NOTHING) throw new Panic("SSI is turned off while a byte is on the wire.");
    this.enabled = on;
    this.sending.length = 0;
    this.received.length = 0;
    this.lineCycles = on ? this.windowCycles() : 0;
    this.moveSelect(this.now());
  }

  /** Cycles of reading a line, when the interface is set up for the window; 0 otherwise. */
  private windowCycles(): number {
    const transfer = (this.control0 >>> 8) & 3;
    if (transfer !== ROM_READ || this.slave !== 1) return 0;
    const opcode = this.command >>> 24;
    const limit = MAX_HZ[opcode];
    const frame = (this.control0 >>> 16) & 31;
    const lanes = (this.control0 >>> 21) & 3;
    const instruction = (this.command >>> 8) & 3;
    const address = (this.command >>> 2) & 15;
    const idle = (this.command >>> 11) & 31;
    if (limit === undefined || lanes !== 0)
      throw new Panic(`SSI: reading with ${opcode.toString(16)}h is not modelled.`);
    if (
      frame !== 31 ||
      instruction !== 2 ||
      address !== 6 ||
      this.control1 !== 0 ||
      idle !== (opcode === 0x0b ? 8 : 0)
    ) {
      throw new Panic("SSI is set up for the window in a way that reads something else.");
    }
    if (this.rp2040.clkSys / this.divisor > limit) {
      throw new Panic(`SSI reads with ${opcode.toString(16)}h at ${this.rp2040.clkSys / this.divisor} Hz.`);
    }
    return (8 + 24 + idle + 8 * LINE_BYTES) * this.divisor;
  }

  private fill(place: number): void {
    this.mustHaveCrossed();
    if (this.lineCycles === 0) throw new Panic("The boot flash is read while the SSI is not set up for it.");
    if (place >= this.nor.flash.size) throw new Panic("The window is read beyond the chip.");
    this.nor.readArray(place, this.line, this.now());
    this.misses++;
    this.wait = this.lineCycles;
  }

  private send(value: number): void {
    if (!this.enabled || this.slave !== 1) throw new Panic("SSI is written to while it is not enabled.");
    if (((this.control0 >>> 8) & 3) !== BOTH_WAYS || ((this.control0 >>> 16) & 31) !== 7 || this.control0 & (3 << 21)) {
      throw new Panic("SSI: commands are sent in frames of 8 bits, both ways at once.");
    }
    if (this.runsFromHere()) throw new Panic("A command for the boot flash comes from code that runs from it.");
    this.mustHaveCrossed();
    if (this.sending.length === DEPTH) throw new Panic("SSI: its full transmit FIFO is written to.");
    this.sending.push(value & 0xff);
    if (this.shifting === NOTHING) this.next(this.now());
  }

  private next(at: number): void {
    this.shifting = this.sending.shift() ?? NOTHING;
    if (this.shifting !== NOTHING) this.ends = at + 8 * this.divisor;
    this.moveSelect(at);
  }

  /** The interface holds /CS while it has something to send, and the pin overrides it. */
  private moveSelect(at: number): void {
    const low = this.forced === null ? this.shifting !== NOTHING : this.forced === "low";
    if (low === this.selected) return;
    this.selected = low;
    if (low) this.nor.select(at);
    else this.nor.deselect(at);
  }

  private settle(): void {
    const now = this.now();
    while (this.shifting !== NOTHING && this.ends <= now) {
      const byte = this.nor.exchange(this.shifting, this.ends);
      if (this.received.length < DEPTH) this.received.push(byte);
      this.next(this.ends);
    }
  }
}

/** The register block of the cache: it is always on, and a write to FLUSH empties it. */
export class XipControl extends BasePeripheral {
  private readonly flash: BootFlash;

  constructor(rp2040: RP2040, flash: BootFlash) {
    super(rp2040, "XIP_CTRL");
    this.flash = flash;
  }

  override readUint32(offset: number): number {
    if (offset === 0) return 3;
    if (offset === 4) return 0;
    if (offset === 8) return 2;
    return super.readUint32(offset);
  }

  override writeUint32(offset: number, value: number): void {
    if (offset === 4) this.flash.flush();
    else super.writeUint32(offset, value);
  }
}

/** The six pins of the boot flash: only what drives /CS matters. */
export class QspiPins extends BasePeripheral {
  private readonly flash: BootFlash;
  private control = 0;

  constructor(rp2040: RP2040, flash: BootFlash) {
    super(rp2040, "IO_QSPI");
    this.flash = flash;
  }

  override readUint32(offset: number): number {
    if (offset !== 0x0c) return super.readUint32(offset);
    this.flash.crossed();
    return this.control;
  }

  override writeUint32(offset: number, value: number): void {
    if (offset !== 0x0c) {
      super.writeUint32(offset, value);
      return;
    }
    this.control = value;
    const drive = (value >>> 8) & 3;
    if (drive === 1) throw new Panic("/CS of the boot flash is inverted.");
    this.flash.force(drive === 0 ? null : drive === 2 ? "low" : "high");
  }
}
