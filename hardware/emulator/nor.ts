/**
 * A serial NOR chip of the W25Q family behind its four wires, around the strict cells of the simulator. Commands, sizes and busy times are
 * those of the W25Q128JV data sheet (sections 8 and 9.6). What a data sheet forbids or leaves open throws {@link Panic}: any command while the
 * chip is busy but a look at its status, a program or an erase without write enable, a program that wraps its page, an erase that is not
 * aligned, a read beyond the end, /CS that rises too early or too late, an opcode that the firmware has no business to send.
 *
 * What the world does is an option: no chip, one that stays busy, one that is protected, one of another size, one with on-die ECC. A
 * protected chip ignores programs and erases as the real one does: it is never busy, and write enable stays set.
 */
import { BLOCK, Flash, PAGE, Panic, type Tear } from "../../simulator/index.ts";
import { CYCLES_PER_MICROSECOND } from "./clock.ts";
import type { SpiChip } from "./spi.ts";

const SECTOR = 4096;

export interface NorOptions {
  /** Sectors of 4 KiB: a power of two from 16 to 4,096, so that the id can say it. */
  readonly sectors: number;
  /** Seed of all that its cells draw. */
  readonly seed?: number;
  readonly busy?: "typical" | "maximum";
  /** Divides the busy times: for tests in which it matters in which phase a cut comes, not how long that lasts. */
  readonly haste?: number;
  /** Status registers: chips older than the FV and JV types have two. */
  readonly registers?: 2 | 3;
  /** Manufacturer and type of the JEDEC id; by default Winbond's W25Q-JV, EF 40. */
  readonly maker?: number;
  /** Each unit of 16 bytes may be programmed once per erase (Infineon SEMPER, id 34 2A). */
  readonly ecc?: boolean;
}

/** What is wrong with the chip or its wires; may be changed at any time. */
export interface NorFaults {
  /** Nobody drives the chip's output: it reads 00 or FF. */
  absent?: 0x00 | 0xff;
  /** It says busy for ever. */
  stuck?: boolean;
  /** All blocks are protected, and /WP keeps it so. */
  protected?: boolean;
  /** All blocks are protected from power-on on, in bits that may be cleared. */
  locked?: boolean;
  /** Another program sent it to sleep; waking it, or power, ends that. */
  asleep?: boolean;
  /** The supply is too low to write. */
  starved?: boolean;
}

const WINBOND = 0xef40;
const INFINEON = 0x342a;
/** Microseconds behind a software reset and behind a wake-up in which nothing may be sent (tRST, tRES1). */
const RESET_US = 30;
const WAKE_US = 3;
const STATUS_WRITE_US = 10_000;

const WIP = 1;
const WEL = 2;
/** All blocks, and the status register by /WP: SRP, BP2, BP1, BP0. */
const PROTECTED = 0x9c;
/** The same without SRP; and in status register 3 WPS beside the drive strength. */
const [LOCKED_1, LOCKED_3, UNLOCKED_3] = [0x1c, 0x64, 0x60];

/** Bytes behind the opcode: at least and at most. Of a program they are counted apart, a read ends where it likes. */
const COMMANDS: Readonly<Record<number, readonly [least: number, most: number]>> = {
  3: [4, Number.POSITIVE_INFINITY],
  11: [5, Number.POSITIVE_INFINITY],
  2: [4, 3 + PAGE],
  32: [3, 3],
  216: [3, 3],
  6: [0, 0],
  4: [0, 0],
  80: [0, 0],
  5: [1, Number.POSITIVE_INFINITY],
  53: [1, Number.POSITIVE_INFINITY],
  21: [1, Number.POSITIVE_INFINITY],
  1: [1, 2],
  49: [1, 1],
  17: [1, 1],
  159: [3, 3],
  171: [0, 4],
  185: [0, 0],
  102: [0, 0],
  153: [0, 0],
};
const STATUS_READS: readonly number[] = [0x05, 0x35, 0x15];
/** What changes the chip, or lets it be changed. */
const WRITES: readonly number[] = [0x06, 0x02, 0x20, 0xd8, 0x50, 0x01, 0x31, 0x11];
/** What the wire reads while nobody drives it: it is pulled up. */
const FLOATS = 0xff;
const NONE = -1;
/** Cycles: 8 ms. */
const LOOK_AHEAD = 1 << 20;

export class SerialNor implements SpiChip {
  readonly flash: Flash;
  readonly faults: NorFaults = {};
  /** Called when the status was read and says busy, with the cycle up to which it goes on to say so. Not at the longest times: there every look counts. */
  onBusy: ((until: number) => void) | null = null;
  /** Sees every command when it is whole, with its opcode and address. */
  onCommand: ((opcode: number, address: number) => void) | null = null;
  private readonly id: Uint8Array;
  private readonly haste: number;
  private readonly skips: boolean;
  private readonly registers: number;
  /** The cycle at which the wires were touched last: the time of the cells. */
  private cycle = 0;
  private selected = false;
  private opcode: number = NONE;
  private count = 0;
  private address = 0;
  private readonly data: Uint8Array = new Uint8Array(PAGE);
  /** A piece of the cells on its way out. */
  private readonly piece: Uint8Array = new Uint8Array(64);
  private pieceAt = 0;
  private enabled = false;
  private volatileEnabled = false;
  private status1 = 0;
  private status2 = 0;
  private status3: number = UNLOCKED_3;
  private statusUntil = 0;
  private running = false;
  /** When the last command ended, or the end of a program or erase was noticed. */
  private touched: number = Number.NEGATIVE_INFINITY;
  private resetArmed = false;
  private deafUntil = 0;
  private powered = false;

  constructor(options: NorOptions) {
    const capacity = Math.log2(options.sectors * SECTOR);
    if (!Number.isInteger(capacity) || capacity < 16 || capacity > 24) {
      throw new Panic(`There is no chip of ${options.sectors} sectors.`);
    }
    const maker = options.maker ?? (options.ecc ? INFINEON : WINBOND);
    this.id = Uint8Array.of(maker >>> 8, maker & 255, capacity);
    this.haste = options.haste ?? 1;
    this.skips = options.busy !== "maximum";
    this.registers = options.registers ?? 3;
    this.flash = new Flash({
      sectors: options.sectors,
      seed: options.seed ?? 1,
      overprogram: !options.ecc,
      busy: options.busy ?? "typical",
      clock: { now: () => (this.cycle / CYCLES_PER_MICROSECOND) * this.haste, pass: () => {} },
    });
  }

  /** Whether the chip executes a program, an erase or a status write at this cycle. */
  isBusy(cycle: number): boolean {
    this.advance(cycle);
    return this.flash.busy || this.cycle < this.statusUntil;
  }

  /** Whether it has done nothing, and nobody has asked it anything, for so many cycles up to this one. */
  isQuiet(cycle: number, cycles: number): boolean {
    return !this.isBusy(cycle) && cycle - this.touched >= cycles;
  }

  /** /CS falls. */
  select(cycle: number): void {
    if (this.selected) throw new Panic("/CS falls twice.");
    this.advance(cycle);
    this.selected = true;
    this.opcode = NONE;
    this.count = 0;
  }

  /** /CS rises: what came is executed. */
  deselect(cycle: number): void {
    if (!this.selected) return;
    this.advance(cycle);
    this.selected = false;
    this.touched = cycle;
    if (this.opcode === NONE || this.faults.absent !== undefined) return;
    const [least, most] = COMMANDS[this.opcode]!;
    if (this.count < least || this.count > most) {
      throw new Panic(
        `/CS rises behind ${this.count} bytes of command ${hex2(this.opcode)}, which takes ${least} to ${most}.`,
      );
    }
    this.execute();
    if (this.opcode === 0x05 && this.onBusy !== null && this.flash.busy && this.skips) this.onBusy(this.busyUntil());
  }

  /** The last cycle, within a few thousandths of a second, at which the cells are still busy. */
  private busyUntil(): number {
    const now = this.cycle;
    let low = now;
    for (let step = LOOK_AHEAD; step >= 1; step /= 2) {
      this.cycle = low + step;
      if (this.flash.busy) low += step;
    }
    this.cycle = now;
    return low;
  }

  /** /CS rises because its driver is gone: what is not whole is not executed. */
  release(cycle: number): void {
    if (!this.selected) return;
    this.advance(cycle);
    this.selected = false;
    if (this.opcode === NONE || this.faults.absent !== undefined) return;
    const [least, most] = COMMANDS[this.opcode]!;
    if (this.count >= least && this.count <= most) this.execute();
  }

  exchange(byte: number, cycle: number): number {
    this.advance(cycle);
    if (!this.selected) throw new Panic("A byte is clocked while /CS is high.");
    if (this.faults.absent !== undefined) return this.faults.absent;
    if (this.opcode === NONE) {
      this.begin(byte);
      return 0xff;
    }
    const at = this.count++;
    switch (this.opcode) {
      case 0x03:
        return at < 3 ? this.addressed(byte) : this.readNext(at - 3);
      case 0x0b:
        return at < 3 ? this.addressed(byte) : at === 3 ? 0xff : this.readNext(at - 4);
      case 0x02:
        if (at < 3) return this.addressed(byte);
        if (at >= 3 + PAGE) throw new Panic("A program of more than a page.");
        this.data[at - 3] = byte;
        return 0xff;
      case 0x20:
      case 0xd8:
        return this.addressed(byte);
      case 0x05:
        return this.faults.asleep ? FLOATS : this.readStatus();
      case 0x35:
        return this.faults.asleep ? FLOATS : this.status2;
      case 0x15:
        return this.faults.asleep || this.registers < 3 ? FLOATS : this.status3;
      case 0x01:
      case 0x31:
      case 0x11:
        this.data[at] = byte;
        return 0xff;
      case 0x9f:
        return this.id[at] ?? 0xff;
      case 0xab:
        return at < 3 ? 0xff : this.id[2]! - 1;
      default:
        return 0xff;
    }
  }

  /** The bytes of the array for a controller that maps it into memory (XIP). */
  readArray(address: number, into: Uint8Array, cycle: number): void {
    this.advance(cycle);
    if (this.selected) throw new Panic("The chip is read through its memory window while /CS is held by a command.");
    if (this.faults.absent !== undefined) {
      into.fill(this.faults.absent);
      return;
    }
    this.mustHear(0x03);
    this.flash.read(address, into, 0, into.length);
  }

  /** The power goes: what runs is torn. */
  powerOff(cycle: number, tear: Tear): void {
    this.advance(cycle);
    this.flash.tear(tear);
    this.running = false;
    this.selected = false;
    this.enabled = false;
    this.volatileEnabled = false;
    this.faults.asleep = false;
    this.resetArmed = false;
    this.statusUntil = 0;
    this.deafUntil = 0;
    this.powered = false;
  }

  /** The controller starts, with or without a loss of power before it: cells that are not decided are drawn anew. */
  boot(): void {
    this.flash.boot();
    if (!this.powered) {
      this.status1 = this.faults.locked ? LOCKED_1 : 0;
      this.status2 = 0;
      this.status3 = this.faults.locked ? LOCKED_3 : UNLOCKED_3;
    }
    this.powered = true;
  }

  private advance(cycle: number): void {
    this.cycle = cycle;
    if (this.running && !this.flash.busy) {
      this.running = false;
      this.enabled = false;
      this.touched = cycle;
      this.flash.finish();
    }
  }

  private begin(opcode: number): void {
    if (COMMANDS[opcode] === undefined) throw new Panic(`The chip gets opcode ${hex2(opcode)}.`);
    this.mustHear(opcode);
    if (this.resetArmed && opcode !== 0x99) throw new Panic("A reset is enabled (66) and not done (99).");
    this.opcode = opcode;
  }

  private mustHear(opcode: number): void {
    if (this.cycle < this.deafUntil) throw new Panic(`Command ${hex2(opcode)} comes while the chip resets or wakes.`);
    if (STATUS_READS.includes(opcode)) return;
    if (this.faults.asleep && opcode !== 0xab) throw new Panic(`Command ${hex2(opcode)} comes while the chip sleeps.`);
    if (this.faults.starved && WRITES.includes(opcode)) {
      throw new Panic(`Command ${hex2(opcode)} comes while the supply is too low to write.`);
    }
    if (opcode === 0x11 && this.registers < 3) throw new Panic("This chip has no status register 3.");
    if (this.faults.stuck || this.isBusy(this.cycle)) {
      throw new Panic(`Command ${hex2(opcode)} comes while the chip is busy: it ignores it.`);
    }
  }

  private addressed(byte: number): number {
    this.address = (((this.address << 8) | byte) & 0xffffff) >>> 0;
    return 0xff;
  }

  private readNext(index: number): number {
    const size = this.piece.length;
    if (index % size === 0) {
      const from = this.address + index;
      if (from >= this.flash.size) throw new Panic("A read leaves the chip.");
      this.pieceAt = from;
      const length = Math.min(size, this.flash.size - from);
      this.flash.read(from, this.piece, 0, length);
    }
    const at = this.address + index - this.pieceAt;
    if (this.address + index >= this.flash.size) throw new Panic("A read leaves the chip.");
    return this.piece[at]!;
  }

  private readStatus(): number {
    const { bus } = this.flash.faults;
    if (bus !== undefined) return bus;
    const busy = this.faults.stuck || this.isBusy(this.cycle);
    return (this.faults.protected ? PROTECTED : this.status1) | (busy ? WIP : 0) | (this.enabled ? WEL : 0);
  }

  private execute(): void {
    this.onCommand?.(this.opcode, this.address);
    switch (this.opcode) {
      case 0x06:
        this.enabled = true;
        break;
      case 0x04:
        this.enabled = false;
        break;
      case 0x50:
        this.volatileEnabled = true;
        break;
      case 0x02:
        this.program(this.count - 3);
        break;
      case 0x20:
        this.erase(SECTOR);
        break;
      case 0xd8:
        this.erase(BLOCK);
        break;
      case 0x01:
      case 0x31:
      case 0x11:
        this.writeStatus();
        break;
      case 0xab:
        this.faults.asleep = false;
        this.deafUntil = this.cycle + WAKE_US * CYCLES_PER_MICROSECOND;
        break;
      case 0xb9:
        this.faults.asleep = true;
        break;
      case 0x66:
        this.resetArmed = true;
        break;
      case 0x99:
        if (!this.resetArmed) throw new Panic("A reset (99) that was not enabled (66).");
        this.resetArmed = false;
        this.enabled = false;
        this.volatileEnabled = false;
        this.deafUntil = this.cycle + RESET_US * CYCLES_PER_MICROSECOND;
        break;
    }
  }

  /** Whether its blocks are protected: SEC, TB, BP2 … BP0; CMP; WPS, behind which each block is locked at power-on. */
  private get isProtected(): boolean {
    const third = this.registers < 3 ? 0 : this.status3;
    const bits = (this.status1 & 0x7c) | (this.status2 & 0x40) | (third & 0x04);
    return this.faults.protected === true || bits !== 0;
  }

  private program(length: number): void {
    this.mustBeEnabled("A program");
    if (this.isProtected) return;
    this.flash.program(this.address, this.data, 0, length);
    this.running = true;
  }

  private erase(size: number): void {
    this.mustBeEnabled("An erase");
    if (this.address % size !== 0) throw new Panic(`An erase of ${size} bytes at ${this.address}.`);
    if (this.isProtected) return;
    this.flash.erase(this.address, size);
    this.running = true;
  }

  private writeStatus(): void {
    if (!this.enabled && !this.volatileEnabled) throw new Panic("A status register is written without write enable.");
    if (this.faults.protected) return;
    if (this.enabled) this.statusUntil = this.cycle + (STATUS_WRITE_US * CYCLES_PER_MICROSECOND) / this.haste;
    this.enabled = false;
    this.volatileEnabled = false;
    if (this.opcode === 0x01) {
      this.status1 = this.data[0]! & 0xfc;
      if (this.count > 1) this.status2 = this.data[1]!;
    } else if (this.opcode === 0x31) this.status2 = this.data[0]!;
    else this.status3 = this.data[0]!;
    if (this.status1 & 0x7c) throw new Panic("The firmware protects blocks of the pad chip.");
  }

  private mustBeEnabled(what: string): void {
    if (!this.enabled) throw new Panic(`${what} without write enable.`);
  }
}

function hex2(byte: number): string {
  return `${byte.toString(16).padStart(2, "0")}h`;
}
