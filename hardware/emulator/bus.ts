/**
 * The address map: which address belongs to whom, what an access waits, and what nobody may touch. An access that is not aligned, that hits
 * nothing, that writes into the flash's window, or that meets a peripheral still in reset is a {@link Panic}.
 */
import type { Peripheral, RP2040 } from "rp2040js";
import { Panic } from "../../simulator/index.ts";
import { BootFlash } from "./boot-flash.ts";
import { type Bus as CoreBus, hex, Lockup, RAM_BASE, RAM_SIZE } from "./core.ts";
import { Mpu } from "./mpu.ts";
import type { Resets, Watchdog } from "./resets.ts";

const APB = 0x40000000;
const APB_END = 0x40070000;
const DPRAM = 0x50100000;
const DPRAM_SIZE = 4096;
const SIO = 0xd0000000;
const SIO_SIZE = 0x200;
const PPB = 0xe0000000;
const NVIC_ICPR = 0xe000e280;
/** Cycles beyond the two of a load or store: the single-cycle bus is one faster, the peripheral bus slower (RP2040 data sheet, 2.1.4). */
const SINGLE_CYCLE = -1;
const APB_READ = 2;
const APB_WRITE = 3;
/** Of the peripherals on that bus, by 2^14 bytes of address. */
const TIMER = 0x15;

export class Bus implements CoreBus {
  wait = 0;
  /** Where code may lie in RAM; empty: anywhere. */
  codeRegions: readonly (readonly [from: number, to: number])[] = [];
  private readonly chip: RP2040;
  private readonly boot: BootFlash;
  private readonly resets: Resets;
  private readonly watchdog: Watchdog;
  private readonly mpu: Mpu = new Mpu();
  /** Takes interrupts back. */
  private readonly unpend: (bits: number) => void;
  readonly code: Uint16Array;
  /** The peripherals from {@link APB} on, one every 2^14 bytes. */
  private readonly apb: readonly (Peripheral | undefined)[];

  constructor(chip: RP2040, boot: BootFlash, resets: Resets, watchdog: Watchdog, unpend: (bits: number) => void) {
    this.chip = chip;
    this.boot = boot;
    this.resets = resets;
    this.watchdog = watchdog;
    this.unpend = unpend;
    this.code = boot.code;
    this.apb = Array.from({ length: (APB_END - APB) >>> 14 }, (_, i) => chip.peripherals[(APB >>> 12) + i * 4]);
  }

  get codeAt(): number {
    return this.boot.codeAt;
  }

  fetch(address: number): void {
    if (!BootFlash.holds(address)) throw new Panic(`Code is fetched from ${hex(address)}.`);
    this.boot.fetch(address);
    this.wait = this.boot.wait;
  }

  mayRun(address: number): void {
    if (this.codeRegions.length === 0) return;
    if (this.codeRegions.some(([from, to]) => address >= from && address < to)) return;
    throw new Panic(`Data is run as code at ${hex(address)}.`);
  }

  read(address: number, size: 1 | 2 | 4): number {
    if (address & (size - 1)) throw new Panic(`An unaligned read of ${size} bytes at ${hex(address)}.`);
    if (address >= APB && address < APB_END) {
      const peripheral = this.peripheral(address, "read");
      this.wait = APB_READ;
      const word = peripheral.readUint32(address & 0x3ffc);
      return size === 4 ? word : (word >>> ((address & 3) * 8)) & (size === 2 ? 0xffff : 0xff);
    }
    if (BootFlash.holds(address)) {
      const value = this.boot.readWindow(address, size);
      this.wait = this.boot.wait;
      return value;
    }
    if (Mpu.holds(address)) return this.mpu.read(address);
    this.mustExist(address, "read");
    this.wait = address >= SIO && address < PPB ? SINGLE_CYCLE : 0;
    if (size === 4) return this.chip.readUint32(address);
    return size === 2 ? this.chip.readUint16(address) : this.chip.readUint8(address);
  }

  write(address: number, size: 1 | 2 | 4, value: number): void {
    if (address & (size - 1)) throw new Panic(`An unaligned write of ${size} bytes at ${hex(address)}.`);
    if (address >= APB && address < APB_END) {
      const peripheral = this.peripheral(address, "write");
      this.wait = APB_WRITE;
      // A narrow write reaches all lanes (RP2040 data sheet, 2.1.4).
      const word = size === 4 ? value : size === 2 ? value * 0x10001 : value * 0x1010101;
      peripheral.writeUint32Atomic(address & 0xffc, word, (address >>> 12) & 3);
      return;
    }
    if (BootFlash.holds(address)) throw new Panic(`The window of the boot flash is written to at ${hex(address)}.`);
    if (Mpu.holds(address)) {
      this.mpu.write(address, value);
      return;
    }
    this.mustExist(address, "write");
    this.wait = address >= SIO && address < PPB ? SINGLE_CYCLE : 0;
    if (address === NVIC_ICPR) this.unpend(value);
    if (size === 4) this.chip.writeUint32(address, value);
    else if (size === 2) this.chip.writeUint16(address, value);
    else this.chip.writeUint8(address, value);
  }

  /** A peripheral on the slower bus that is there and runs. */
  private peripheral(address: number, what: string): Peripheral {
    const index = (address - APB) >>> 14;
    const peripheral = this.apb[index];
    if (peripheral === undefined) throw new Panic(`Nothing answers a ${what} at ${hex(address)}.`);
    if (this.resets.holdsApb(index)) throw held(address, what);
    if (index === TIMER && !this.watchdog.ticking)
      throw new Panic("The timer does not count: the watchdog's tick is off.");
    return peripheral;
  }

  private mustExist(address: number, what: string): void {
    const known =
      (address >= RAM_BASE && address < RAM_BASE + RAM_SIZE) ||
      (address >= DPRAM && address < DPRAM + DPRAM_SIZE) ||
      (address >= SIO && address < SIO + SIO_SIZE) ||
      address >>> 12 === 0xe000e;
    if (known) return;
    // Nothing but the stack comes near what is forbidden, and the frame of the fault would go there as well.
    if (this.mpu.forbids(address)) throw new Lockup();
    const block = (address >>> 14) << 2;
    if (this.chip.peripherals[block] === undefined) throw new Panic(`Nothing answers a ${what} at ${hex(address)}.`);
    if (this.resets.holds(block)) throw held(address, what);
  }
}

function held(address: number, what: string): Panic {
  return new Panic(`A ${what} at ${hex(address)}: that peripheral is still in reset.`);
}
