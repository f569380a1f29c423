/**
 * A strict model of the serial NOR chip that holds the pad: it forgives nothing that a data sheet does not promise.
 *
 * A bit is 0, 1 or *unstable*. Programming clears bits and never sets them; erasing sets them. A program that the power cut
 * leaves any subset of its target bits done, in any order, some unstable. An erase that was cut leaves any bit either way, some
 * unstable, and the sector *weak*: it may read blank, but whatever is programmed there stays unstable, even when it reads back
 * equal, until an erase completes. An unstable bit is drawn anew at every boot, and on some boots at every read. An unstable bit
 * becomes a stable 0 when a whole program clears it. Programs are counted per 16-byte unit, erases per sector.
 *
 * What only a wrong core would do (wrap a page, leave the chip, program an ECC unit twice) throws {@link Panic}. What the world
 * does (worn sectors, stuck bits, a dead bus) is injected through {@link Flash.faults} and met by the core as on a board.
 *
 * Snapshots are copy-on-write: taking one copies the table of sectors, going back to it touches the changed sectors only.
 */
import { type Clock, VirtualClock } from "./clock.ts";
import { Random, type RandomState } from "./random.ts";
import { SECTOR, Sector, sectorOf, UNIT, within } from "./sector.ts";

export const PAGE = 256;
export const BLOCK = 65536;

/** The core asked for what no core may ask for. Not an event of the world but a defect: it stops the test that met it. */
export class Panic extends Error {
  override readonly name = "Panic";
}

/**
 * What a power cut leaves of the program or erase that it hits.
 *
 * | Style | Program | Erase (the sector is weak in every case) |
 * | --- | --- | --- |
 * | nothing | as before | reads as before |
 * | unstable | every target bit unstable | every bit unstable |
 * | whole | done | reads blank |
 * | first-half | the first half of the bytes done | the first half of the bytes blank, the rest as before |
 * | last-bits | the last 32 target bits done, nothing else | the last 32 bits blank, the rest as before |
 * | random | any subset done, in any order, some unstable | any bit either way, some unstable |
 */
export type Tear = "nothing" | "unstable" | "whole" | "first-half" | "last-bits" | "random";

/** Every {@link Tear}, for tests that go through all of them. */
export const TEARS: readonly Tear[] = ["nothing", "unstable", "whole", "first-half", "last-bits", "random"];

/**
 * How unstable bits read until the next boot: all 0, all 1, some fixed pattern, or drawn anew at each read.
 * Each boot draws one of them; a test may set {@link Flash.mood} to the one it needs.
 */
export type Mood = "zeros" | "ones" | "settled" | "wild";

const MOODS: readonly Mood[] = ["zeros", "ones", "settled", "wild"];

/**
 * What is wrong with a sector. `worn`: each program or erase fails to take on some bits, or wholly, and says that it is done.
 * `protected`: each is refused and says so. `slow`: each says that it timed out, having done some of it.
 */
export type SectorFault = "worn" | "protected" | "slow";

/** Faults of the chip. A value: replace it to inject or to heal. */
export interface Faults {
  /** A dead bus: every read gives this byte and nothing is programmed. 0xFF looks busy for ever, so programs time out. */
  readonly bus?: 0x00 | 0xff;
  /** Faults by sector number. */
  readonly sectors?: ReadonlyMap<number, SectorFault>;
  /** A sector is worn from its (n + 1)-th erase on. */
  readonly wornAfter?: number;
  /** Bits that read the same whatever is done, by address: the bits of `mask` read as in `value`. */
  readonly stuck?: ReadonlyMap<number, { readonly mask: number; readonly value: number }>;
}

/** Where the content of a chip is kept when it shall outlive the process: an image file. */
export interface Cells {
  /** Bytes in all; a whole number of sectors. */
  readonly size: number;
  /** Reads `into.length` bytes. */
  read(address: number, into: Uint8Array): void;
  /** Writes `bytes`; they may still be lost with the computer until {@link sync}. */
  write(address: number, bytes: Uint8Array): void;
  /** Returns when all that was written is on the disk. Costs nothing when nothing was. */
  sync(): void;
}

export interface FlashOptions {
  /** Number of 4 KiB sectors; not needed when `cells` say it. */
  readonly sectors?: number;
  /** Content that outlives the process. What is unstable is kept as one reading of it. */
  readonly cells?: Cells;
  /** Seed of all that is drawn. */
  readonly seed?: number;
  /** Whether used bytes may be programmed to zero: false for a chip with internal ECC. */
  readonly overprogram?: boolean;
  /** Bytes that are burned together. */
  readonly burnUnit?: number;
  /** Whether 64 KiB erase exists. */
  readonly erase64?: boolean;
  /** Which column of the data sheet the busy times come from. */
  readonly busy?: "typical" | "maximum";
  readonly clock?: Clock;
}

/** Busy times of the W25Q128JV in microseconds (data sheet, AC characteristics: tPP, tSE, tBE2). */
const BUSY = {
  typical: { program: 400, erase4: 45_000, erase64: 150_000 },
  maximum: { program: 3_000, erase4: 400_000, erase64: 2_000_000 },
};
/** Reading at 20.8 MHz: 40 bits of command, then 8 bits a byte. */
const READ_COMMAND_US = 40 / 20.8;
const READ_BYTE_US = 8 / 20.8;

/** Above this many sectors in memory, a flash over {@link Cells} lets go of those that the cells hold completely: 4 MiB. */
const RESIDENT_SECTORS = 1024;

/** Any state of a chip, to be put back later into any {@link Flash} of the same size. */
export interface FlashSnapshot {
  readonly table: readonly (Sector | undefined)[];
  readonly random: RandomState;
  readonly faults: Faults;
  readonly mood: Mood;
  readonly salt: number;
  readonly pending: Pending | null;
}

/** The command that the chip is executing. */
interface Pending {
  readonly address: number;
  /** Bytes to program, or the size of the erase when `data` is null. */
  readonly length: number;
  readonly data: Uint8Array | null;
  /** Time at which it is done. */
  readonly until: number;
}

const HEALTHY: Faults = Object.freeze({});

/** Epochs are unique over all chips, so that a sector in a snapshot is never taken for one's own. */
let epochs = 0;

export class Flash {
  /** Bytes in all. */
  readonly size: number;
  readonly overprogram: boolean;
  readonly burnUnit: number;
  readonly erase64: boolean;
  readonly clock: Clock;
  /** What every cut, unstable bit and worn sector is drawn from. */
  readonly random: Random;
  /** What is wrong with the chip. */
  faults: Faults = HEALTHY;
  /** How unstable bits read until the next boot. */
  mood: Mood = "wild";
  /** Commands that were ignored because the chip was busy. A body that waits first never sees one. */
  ignored = 0;

  private readonly cells: Cells | null;
  private readonly times: (typeof BUSY)["typical"];
  private readonly table: (Sector | undefined)[];
  private readonly fresh: Sector = new Sector();
  private readonly pool: Sector[] = [];
  private resident = 0;
  /** Erases of sectors that were let go of, by sector number. */
  private readonly leftErases: Uint32Array;
  private epoch = ++epochs;
  private base: FlashSnapshot | null = null;
  private changed: number[] = [];
  private pending: Pending | null = null;
  private salt = 0;

  constructor(options: FlashOptions = {}) {
    const sectors = options.cells ? options.cells.size / SECTOR : options.sectors;
    if (!sectors || !Number.isInteger(sectors)) throw new Panic("A chip has a whole number of sectors, at least one.");
    this.size = sectors * SECTOR;
    this.cells = options.cells ?? null;
    this.overprogram = options.overprogram ?? true;
    this.burnUnit = options.burnUnit ?? 1;
    this.erase64 = options.erase64 ?? true;
    this.clock = options.clock ?? new VirtualClock();
    this.times = BUSY[options.busy ?? "typical"];
    this.random = new Random(options.seed ?? 1);
    this.fresh.blank();
    this.leftErases = new Uint32Array(this.cells ? sectors : 0);
    this.table = new Array(sectors).fill(this.cells ? undefined : this.fresh);
  }

  // What the body calls.

  /** True while the chip executes a command; it ignores others and reads give garbage. */
  get busy(): boolean {
    return this.pending !== null && this.clock.now() < this.pending.until;
  }

  /** Waits until the chip is not busy. A command that a reset of the controller left running is completed. */
  wait(): void {
    if (this.pending !== null) this.finish();
  }

  /** Copies `length` bytes from `address` to `into[at …]`. */
  read(address: number, into: Uint8Array, at: number, length: number): void {
    if (address + length > this.size) throw new Panic(`A read leaves the chip: ${length} bytes at ${address}.`);
    this.clock.pass(READ_COMMAND_US + READ_BYTE_US * length);
    if (this.pending !== null && this.ignore()) {
      this.random.fill(into.subarray(at, at + length));
      return;
    }
    const { bus, stuck } = this.faults;
    if (bus !== undefined) {
      into.fill(bus, at, at + length);
      return;
    }
    for (let done = 0; done < length; ) {
      const from = within(address + done);
      const count = Math.min(length - done, SECTOR - from);
      const sector = this.sector(sectorOf(address + done));
      if (sector.torn) this.readTorn(sector, address + done, into, at + done, count);
      else if (count < 64) for (let i = 0; i < count; i++) into[at + done + i] = sector.bytes[from + i]!;
      else into.set(sector.bytes.subarray(from, from + count), at + done);
      done += count;
    }
    if (stuck !== undefined) for (const [place, bits] of stuck) this.holdStuck(place, bits, address, into, at, length);
  }

  /**
   * Starts to program `length` bytes (1 to 256, inside one page) from `from[at …]`. The chip is busy until {@link finish}, or
   * until {@link tear} when the power goes.
   */
  program(address: number, from: Uint8Array, at: number, length: number): void {
    if (length < 1 || (address % PAGE) + length > PAGE) {
      throw new Panic(`A program wraps its page: ${length} bytes at ${address}.`);
    }
    if (address + length > this.size) throw new Panic(`A program leaves the chip: ${length} bytes at ${address}.`);
    if (this.ignore()) return;
    this.start(address, length, from.slice(at, at + length), this.times.program);
    this.countPrograms(address, length);
  }

  /** Starts to erase 4,096 or 65,536 bytes at an address that is a multiple of `size`. */
  erase(address: number, size: number): void {
    if (size !== SECTOR && !(size === BLOCK && this.erase64))
      throw new Panic(`The chip has no erase of ${size} bytes.`);
    if (address % size !== 0 || address + size > this.size) throw new Panic(`An erase of ${size} bytes at ${address}.`);
    if (this.ignore()) return;
    this.start(address, size, null, size === SECTOR ? this.times.erase4 : this.times.erase64);
    for (let index = address / SECTOR; index < (address + size) / SECTOR; index++) this.own(index).erases++;
  }

  /** Waits for the command and completes it. 0 when the chip says that it is done, 1 when it timed out or was refused. */
  finish(): number {
    const pending = this.pending!;
    this.pending = null;
    this.clock.pass(Math.max(0, pending.until - this.clock.now()));
    if (this.faults.bus !== undefined) return this.faults.bus === 0xff ? 1 : 0;
    const fault = this.faultOf(pending);
    if (fault === undefined) this.complete(pending);
    else if (fault === "worn") this.failToTake(pending);
    else if (fault === "slow") this.tearInto(pending, "random");
    this.persist(pending);
    return fault === "protected" || fault === "slow" ? 1 : 0;
  }

  /** The power goes: a command that was running stays torn. */
  tear(style: Tear): void {
    const pending = this.pending;
    if (pending === null) return;
    this.pending = null;
    if (this.clock.now() >= pending.until) this.complete(pending);
    else if (this.faults.bus === undefined && this.faultOf(pending) !== "protected") this.tearInto(pending, style);
    this.persist(pending);
  }

  /** The power comes, or the controller starts again: unstable bits are drawn anew. */
  boot(): void {
    this.mood = MOODS[this.random.u32() & 3]!;
    this.salt = this.random.u32();
  }

  /** All that was programmed and erased is where it stays without power. */
  sync(): void {
    this.cells?.sync();
  }

  // What the world and its observers do.

  /** A state to go back to. Not over {@link Cells}: a file has copies instead. */
  snapshot(): FlashSnapshot {
    if (this.cells !== null) throw new Panic("A flash over an image has no snapshots: copy the file.");
    this.base = {
      table: this.table.slice(),
      random: this.random.state(),
      faults: this.faults,
      mood: this.mood,
      salt: this.salt,
      pending: this.pending,
    };
    this.epoch = ++epochs;
    this.changed.length = 0;
    return this.base;
  }

  /** Goes back to a snapshot: fastest to the last one taken or gone back to. */
  restore(snapshot: FlashSnapshot): void {
    if (snapshot.table.length !== this.table.length || this.cells !== null) {
      throw new Panic("A snapshot belongs to a chip of its own size, in memory.");
    }
    for (const index of this.changed) {
      this.pool.push(this.table[index]!);
      if (snapshot === this.base) this.table[index] = snapshot.table[index];
    }
    if (snapshot !== this.base) for (let i = 0; i < this.table.length; i++) this.table[i] = snapshot.table[i];
    this.base = snapshot;
    this.epoch = ++epochs;
    this.changed.length = 0;
    this.random.resume(snapshot.random);
    this.faults = snapshot.faults;
    this.mood = snapshot.mood;
    this.salt = snapshot.salt;
    this.pending = snapshot.pending;
  }

  /** The bytes without the chip's bus: no time, no faults; unstable bits as 0. A copy, to the start of `into` where that is given. */
  content(address: number, length: number, into: Uint8Array = new Uint8Array(length)): Uint8Array {
    this.visit(address, length, (sector, from, count, done) => {
      into.set(sector.bytes.subarray(from, from + count), done);
      if (sector.torn) for (let i = 0; i < count; i++) into[done + i]! &= ~sector.mask![from + i]!;
    });
    return into.subarray(0, length);
  }

  /** Whether no bit of a range is unstable. */
  stable(address: number, length: number): boolean {
    let stable = true;
    this.visit(address, length, (sector, from, count) => {
      if (sector.torn && sector.mask!.subarray(from, from + count).some(Boolean)) stable = false;
    });
    return stable;
  }

  /** The unstable bits of a range as ones. A copy. */
  unstable(address: number, length: number): Uint8Array {
    const bits = new Uint8Array(length);
    this.visit(address, length, (sector, from, count, done) => {
      if (sector.torn) bits.set(sector.mask!.subarray(from, from + count), done);
    });
    return bits;
  }

  /** Whether the sector's last erase was cut and none was completed since. */
  weak(sector: number): boolean {
    return this.sector(sector).weak;
  }

  /** Erases that the sector has seen. */
  erases(sector: number): number {
    return this.sector(sector).erases;
  }

  /** Programs since the last erase of the 16-byte unit that holds `address`. */
  programs(address: number): number {
    return this.sector(sectorOf(address)).programs[Math.floor(within(address) / UNIT)]!;
  }

  /** Puts stable bytes on the chip as a programmer outside the device would; nothing is counted. */
  put(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const from = within(address + done);
      const count = Math.min(bytes.length - done, SECTOR - from);
      const sector = this.own(sectorOf(address + done));
      sector.bytes.set(bytes.subarray(done, done + count), from);
      if (sector.torn) sector.mask!.fill(0, from, from + count);
      this.cells?.write(address + done, bytes.subarray(done, done + count));
      done += count;
    }
  }

  /** Decay: the stable bits of `mask` at `address` become their opposite. */
  flip(address: number, mask: number): void {
    const sector = this.own(sectorOf(address));
    const at = within(address);
    sector.bytes[at]! ^= mask & ~(sector.torn ? sector.mask![at]! : 0) & 0xff;
    this.cells?.write(address, sector.bytes.subarray(at, at + 1));
  }

  // Sectors.

  private sector(index: number): Sector {
    return this.table[index] ?? this.load(index);
  }

  /** The sector for changing: a copy when a snapshot shares it. */
  private own(index: number): Sector {
    const shared = this.sector(index);
    if (shared.epoch === this.epoch) return shared;
    const sector = this.pool.pop() ?? new Sector();
    sector.copy(shared);
    sector.epoch = this.epoch;
    this.table[index] = sector;
    if (this.cells === null) this.changed.push(index);
    return sector;
  }

  private load(index: number): Sector {
    if (this.resident >= RESIDENT_SECTORS) this.letGo();
    const sector = this.pool.pop() ?? new Sector();
    sector.blank();
    this.cells!.read(index * SECTOR, sector.bytes);
    sector.erases = this.leftErases[index]!;
    sector.epoch = this.epoch;
    this.table[index] = sector;
    this.resident++;
    return sector;
  }

  /** Lets go of every sector that the cells hold completely; program counts of those start over. */
  private letGo(): void {
    this.resident = 0;
    for (let index = 0; index < this.table.length; index++) {
      const sector = this.table[index];
      if (sector === undefined) continue;
      if (sector.torn || sector.weak) {
        this.resident++;
        continue;
      }
      this.leftErases[index] = sector.erases;
      this.table[index] = undefined;
      this.pool.push(sector);
    }
  }

  private visit(
    address: number,
    length: number,
    see: (sector: Sector, from: number, count: number, done: number) => void,
  ): void {
    for (let done = 0; done < length; ) {
      const from = within(address + done);
      const count = Math.min(length - done, SECTOR - from);
      see(this.sector(sectorOf(address + done)), from, count, done);
      done += count;
    }
  }

  /** Writes what a command may have changed through to the cells, unstable bits as one reading of them. */
  private persist(command: Pending): void {
    if (this.cells === null) return;
    const { address, length } = command;
    this.visit(address, length, (sector, from, count, done) => {
      let bytes = sector.bytes.subarray(from, from + count);
      if (sector.torn) {
        bytes = bytes.map((byte, i) => mix(byte, sector.mask![from + i]!, this.random.u32()));
      }
      this.cells!.write(address + done, bytes);
    });
  }

  // Commands.

  /** True when the chip is busy and so ignores a command. One that is done by now is completed first. */
  private ignore(): boolean {
    if (this.pending === null) return false;
    if (this.busy) {
      this.ignored++;
      return true;
    }
    this.finish();
    return false;
  }

  private start(address: number, length: number, data: Uint8Array | null, us: number): void {
    this.pending = { address, length, data, until: this.clock.now() + us };
  }

  private countPrograms(address: number, length: number): void {
    const sector = this.own(sectorOf(address));
    const first = Math.floor(within(address) / UNIT);
    const last = Math.floor((within(address) + length - 1) / UNIT);
    for (let unit = first; unit <= last; unit++) {
      if (!this.overprogram && sector.programs[unit]! > 0) {
        throw new Panic(`A chip with internal ECC: the unit at ${address} is programmed a second time.`);
      }
      sector.programs[unit]!++;
    }
  }

  private faultOf(command: Pending): SectorFault | undefined {
    const { sectors, wornAfter } = this.faults;
    if (sectors === undefined && wornAfter === undefined) return undefined;
    for (let at = command.address; at < command.address + command.length; at += SECTOR) {
      const index = sectorOf(at);
      const fault = sectors?.get(index);
      if (fault !== undefined) return fault;
      if (wornAfter !== undefined && this.sector(index).erases > wornAfter) return "worn";
    }
    return undefined;
  }

  private complete(command: Pending): void {
    const { address, length, data } = command;
    if (data === null) this.blank(address, length);
    else this.clear(address, data, 0, length);
  }

  private blank(address: number, size: number): void {
    for (let index = address / SECTOR; index < (address + size) / SECTOR; index++) this.own(index).blank();
  }

  /** Programs `data[from … to - 1]`. A cleared bit becomes a stable 0, or stays unstable on cells that were not fully erased. */
  private clear(address: number, data: Uint8Array, from: number, to: number): void {
    const sector = this.own(sectorOf(address));
    const bytes = sector.bytes;
    const at = within(address);
    for (let i = from; i < to; i++) bytes[at + i]! &= data[i]!;
    if (sector.weak) {
      const mask = sector.unstable();
      for (let i = from; i < to; i++) mask[at + i]! |= ~data[i]! & 0xff;
    } else if (sector.torn) {
      const mask = sector.mask!;
      for (let i = from; i < to; i++) mask[at + i]! &= data[i]!;
    }
  }

  private tearInto(command: Pending, style: Tear): void {
    const { address, length, data } = command;
    if (data === null) this.tearErase(address, length, style);
    else this.tearProgram(address, data, style);
  }

  private tearProgram(address: number, data: Uint8Array, style: Tear): void {
    const length = data.length;
    const target = this.targetBits(address, data);
    if (style === "whole") this.clear(address, data, 0, length);
    else if (style === "first-half") this.clear(address, data, 0, length >>> 1);
    else if (style === "last-bits") this.clear(address, negate(lastBits(target, 32)), 0, length);
    else if (style === "unstable") this.unsettle(address, target);
    else if (style === "random") {
      this.clear(address, negate(this.thin(target)), 0, length);
      this.unsettle(address, this.thin(this.targetBits(address, data)));
    }
  }

  /** The bits that programming `data` would change: those that are 1 or unstable and shall be 0. */
  private targetBits(address: number, data: Uint8Array): Uint8Array {
    const sector = this.sector(sectorOf(address));
    const at = within(address);
    return data.map((byte, i) => ~byte & (sector.bytes[at + i]! | (sector.torn ? sector.mask![at + i]! : 0)));
  }

  private unsettle(address: number, bits: Uint8Array): void {
    const mask = this.own(sectorOf(address)).unstable();
    const at = within(address);
    for (let i = 0; i < bits.length; i++) mask[at + i]! |= bits[i]!;
  }

  private tearErase(address: number, size: number, style: Tear): void {
    const first = address / SECTOR;
    const count = size / SECTOR;
    for (let i = 0; i < count; i++) {
      const sector = this.own(first + i);
      if (style === "unstable") {
        sector.unstable().fill(0xff);
      } else if (style === "whole" || (style === "first-half" && i < count >>> 1)) {
        sector.blank();
      } else if (style === "first-half" && count === 1) {
        sector.blankRange(0, SECTOR / 2);
      } else if (style === "last-bits" && i === count - 1) {
        sector.blankRange(SECTOR - 4, SECTOR);
      } else if (style === "random") {
        this.scatter(sector);
      }
      sector.weak = true;
    }
  }

  /** Any bit either way, some unstable; how much of each is drawn per sector, so that nearly whole and nearly untouched occur. */
  private scatter(sector: Sector): void {
    const random = this.random;
    const how = random.u32();
    const mask = sector.unstable();
    for (let i = 0; i < SECTOR; i++) {
      const word = random.u32();
      const old = sector.bytes[i]!;
      const erased = how & 1 ? (word | (word >>> 8)) & 0xff : word & (word >>> 8) & 0xff;
      const cleared = how & 2 ? 0 : (word >>> 16) & (word >>> 18) & (word >>> 20) & 0xff;
      sector.bytes[i] = (old | erased) & ~cleared;
      mask[i] = how & 4 ? (word >>> 24) & (word >>> 12) & 0xff : (word >>> 24) & (word >>> 12) & (word >>> 4) & 0xff;
    }
  }

  /** A worn sector: the chip says done, but some bits did not take, or none. */
  private failToTake(command: Pending): void {
    const { address, length, data } = command;
    if ((this.random.u32() & 3) === 0) return;
    if (data !== null) {
      const target = this.thin(negate(data));
      this.clear(address, negate(target), 0, length);
      return;
    }
    this.blank(address, length);
    const left = this.random.below(8) + 1;
    for (let i = 0; i < left; i++) {
      const place = address + this.random.below(length);
      this.own(sectorOf(place)).bytes[within(place)]! &= ~(1 << this.random.below(8));
    }
  }

  /** A subset of the bits: of one call few, of another nearly all. */
  private thin(bits: Uint8Array): Uint8Array {
    const random = this.random;
    const how = random.u32() & 3;
    return bits.map((byte) => {
      const word = random.u32();
      if (how === 0) return byte & word & (word >>> 8) & (word >>> 16);
      if (how === 1) return byte & (word | (word >>> 8) | (word >>> 16) | (word >>> 24));
      return byte & word;
    });
  }

  // Reading what is not stable.

  private readTorn(sector: Sector, address: number, into: Uint8Array, at: number, count: number): void {
    const from = within(address);
    for (let i = 0; i < count; i++) {
      const byte = sector.bytes[from + i]!;
      const unstable = sector.mask![from + i]!;
      into[at + i] = unstable === 0 ? byte : mix(byte, unstable, this.draw(address + i));
    }
  }

  private draw(address: number): number {
    if (this.mood === "zeros") return 0;
    if (this.mood === "ones") return 0xff;
    if (this.mood === "wild") return this.random.u32();
    const mixed = Math.imul(address ^ this.salt, 0x9e3779b1);
    return Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 13;
  }

  private holdStuck(
    place: number,
    bits: { readonly mask: number; readonly value: number },
    address: number,
    into: Uint8Array,
    at: number,
    length: number,
  ): void {
    if (place < address || place >= address + length) return;
    const index = at + place - address;
    into[index] = mix(into[index]!, bits.mask, bits.value);
  }
}

/** The bits of `byte` where `mask` is 0, those of `drawn` where it is 1. */
function mix(byte: number, mask: number, drawn: number): number {
  return (byte & ~mask) | (drawn & mask);
}

function negate(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => ~byte);
}

/** The last `count` ones of `bits`. */
function lastBits(bits: Uint8Array, count: number): Uint8Array {
  const last = new Uint8Array(bits.length);
  for (let i = bits.length - 1; i >= 0; i--) {
    for (let bit = 1; bit < 256 && count > 0; bit <<= 1) {
      if (bits[i]! & bit) {
        last[i]! |= bit;
        count--;
      }
    }
  }
  return last;
}
