/**
 * Small registers that rp2040js is kinder about than silicon: resets, random bits, the history of the chip.
 */
import { BasePeripheral, type RP2040 } from "rp2040js";
import { Panic, type Random } from "../../simulator/index.ts";
import { type Alarm, CYCLES_PER_MICROSECOND, type CycleClock } from "./clock.ts";

/** The block of a peripheral (address / 2^14 * 4, as rp2040js counts them) and its bit in RESETS (RP2040 data sheet, 2.14). */
const RESET_BITS: Readonly<Record<number, number>> = {
  262220: 0,
  262192: 1,
  327680: 2,
  262212: 3,
  262216: 4,
  262164: 5,
  262168: 6,
  262172: 8,
  262176: 9,
  328192: 10,
  328448: 11,
  262184: 12,
  262188: 13,
  262224: 14,
  262236: 15,
  262204: 16,
  262208: 17,
  262148: 18,
  262144: 19,
  262252: 20,
  262228: 21,
  262196: 22,
  262200: 23,
  327952: 24,
};
const ALL = 0x1ffffff;
/** The boot ROM leaves the pins of the boot flash running. */
const BOOTED = (1 << 6) | (1 << 9);

/** The same by the place on the slower bus: 2^14 bytes of address each, from 0x40000000. */
const APB_MASKS: Int32Array = Int32Array.from({ length: 32 }, (_, i) => {
  const bit = RESET_BITS[0x40000 + i * 4];
  return bit === undefined ? 0 : 1 << bit;
});

/** RESETS: every peripheral is held until the firmware lets it go. */
export class Resets extends BasePeripheral {
  private held: number = ALL & ~BOOTED;

  constructor(rp2040: RP2040) {
    super(rp2040, "RESETS");
  }

  /** Whether the block that rp2040js knows by this number is held in reset. */
  holds(block: number): boolean {
    const bit = RESET_BITS[block];
    return bit !== undefined && (this.held & (1 << bit)) !== 0;
  }

  /** The same for a place on the slower bus. */
  holdsApb(index: number): boolean {
    return (this.held & APB_MASKS[index]!) !== 0;
  }

  override readUint32(offset: number): number {
    if (offset === 0) return this.held;
    if (offset === 8) return ALL & ~this.held;
    return super.readUint32(offset);
  }

  override writeUint32(offset: number, value: number): void {
    if (offset !== 0) throw new Panic("RESETS: WDSEL is not modelled.");
    const again = value & ~this.held & ALL;
    if (again !== 0) throw new Panic("A peripheral is put back into reset: not modelled.");
    this.held = value & ALL;
  }
}

/** SYSINFO: which chip it is (RP2040 data sheet, 2.20). Revision 1 are B0 and B1, 2 is B2. */
export class ChipIdentity extends BasePeripheral {
  private readonly revision: number;

  constructor(rp2040: RP2040, revision: number) {
    super(rp2040, "SYSINFO");
    this.revision = revision;
  }

  override readUint32(offset: number): number {
    if (offset === 0) return this.revision * 0x10000000 + 0x2927;
    return super.readUint32(offset);
  }
}

/** ROSC: only its random bit, drawn from a seed. */
export class RingOscillator extends BasePeripheral {
  private readonly random: Random;

  constructor(rp2040: RP2040, random: Random) {
    super(rp2040, "ROSC");
    this.random = random;
  }

  override readUint32(offset: number): number {
    if (offset === 0x1c) return this.random.u32() & 1;
    return super.readUint32(offset);
  }
}

/** What the watchdog keeps over the reset that it causes. */
export interface WatchdogMemory {
  readonly scratch: Uint32Array;
  readonly reason: number;
}

const TIMER = 1;
const FORCE = 2;
const TRIGGER = 0x80000000;
const ENABLE = 0x40000000;
const SCRATCH = 0x0c;
const TICK = 0x2c;
/** The counter falls by two each microsecond (RP2040 data sheet, erratum RP2040-E1). */
const COUNTS_PER_US = 2;

/** WATCHDOG (RP2040 data sheet, 4.7): the counter, the scratch registers, and the tick that the timer lives on. */
export class Watchdog extends BasePeripheral {
  /** Whether the tick runs that the timer counts. */
  ticking = false;
  private readonly clock: CycleClock;
  private readonly fire: () => void;
  private readonly alarm: Alarm;
  private readonly scratch: Uint32Array = new Uint32Array(8);
  private reason = 0;
  private enabled = false;
  private tick = 0;
  /** The counter when `begun` was. */
  private count = 0;
  private begun = 0;

  /** @param fire called when it resets the chip */
  constructor(rp2040: RP2040, clock: CycleClock, kept: WatchdogMemory | null, fire: () => void) {
    super(rp2040, "WATCHDOG");
    this.clock = clock;
    this.fire = fire;
    this.alarm = clock.createAlarm(() => this.bite(TIMER));
    if (kept === null) return;
    this.scratch.set(kept.scratch);
    this.reason = kept.reason;
  }

  get memory(): WatchdogMemory {
    return { scratch: this.scratch, reason: this.reason };
  }

  override readUint32(offset: number): number {
    if (offset === 0) return ((this.enabled ? ENABLE : 0) | this.left) >>> 0;
    if (offset === 8) return this.reason;
    if (offset === TICK) return this.tick | (this.ticking ? 0x400 : 0);
    if (offset >= SCRATCH && offset < TICK) return this.scratch[(offset - SCRATCH) >> 2]!;
    return super.readUint32(offset);
  }

  override writeUint32(offset: number, value: number): void {
    if (offset === 4) {
      this.count = value & 0xffffff;
      this.begun = this.clock.now;
      this.arm();
    } else if (offset === 0) {
      const { left } = this;
      this.enabled = (value & ENABLE) !== 0;
      this.count = left;
      this.begun = this.clock.now;
      this.arm();
      if (value & TRIGGER) this.bite(FORCE);
    } else if (offset === TICK) {
      this.tick = value & 0x3ff;
      this.ticking = (value & 0x200) !== 0;
      this.arm();
    } else if (offset >= SCRATCH && offset < TICK) {
      this.scratch[(offset - SCRATCH) >> 2] = value;
    } else super.writeUint32(offset, value);
  }

  private get left(): number {
    if (!this.enabled || !this.ticking) return this.count;
    const us = Math.floor((this.clock.now - this.begun) / CYCLES_PER_MICROSECOND);
    return Math.max(0, this.count - us * COUNTS_PER_US);
  }

  private arm(): void {
    if (!this.enabled || !this.ticking) this.alarm.cancel();
    else this.alarm.set(this.begun + Math.ceil(this.count / COUNTS_PER_US) * CYCLES_PER_MICROSECOND);
  }

  private bite(reason: number): void {
    this.reason = reason;
    this.fire();
  }
}
