/**
 * One sector of the strict flash: the smallest piece that is erased, copied and shared between snapshots.
 */

/** Bytes of the smallest erase. */
export const SECTOR = 4096;
/** Programs are counted per unit: 16 bytes, as chips with internal error correction have them. */
export const UNIT = 16;

/** The number of the sector that holds an address. */
export function sectorOf(address: number): number {
  return address >>> 12;
}

/** The place of an address within its sector. */
export function within(address: number): number {
  return address & (SECTOR - 1);
}

/** A sector: its bytes and its program counts in one buffer, so that a copy is one copy. */
export class Sector {
  readonly all: Uint8Array = new Uint8Array(SECTOR + (SECTOR / UNIT) * 2);
  readonly bytes: Uint8Array = this.all.subarray(0, SECTOR);
  readonly programs: Uint16Array = new Uint16Array(this.all.buffer, SECTOR);
  /** Bits that are unstable; meaningful only while `torn`. */
  mask: Uint8Array | null = null;
  torn = false;
  weak = false;
  erases = 0;
  /** The flash epoch that may change this sector in place; in any other it is shared with a snapshot. */
  epoch = 0;

  copy(from: Sector): void {
    this.all.set(from.all);
    this.torn = from.torn;
    this.weak = from.weak;
    this.erases = from.erases;
    if (from.torn) this.unstable().set(from.mask!);
  }

  blank(): void {
    this.bytes.fill(0xff);
    this.programs.fill(0);
    this.torn = false;
    this.weak = false;
  }

  blankRange(from: number, to: number): void {
    this.bytes.fill(0xff, from, to);
    if (this.torn) this.mask!.fill(0, from, to);
  }

  /** The mask, for marking bits in it; all clear when the sector was not torn yet. */
  unstable(): Uint8Array {
    if (this.mask === null) this.mask = new Uint8Array(SECTOR);
    else if (!this.torn) this.mask.fill(0);
    this.torn = true;
    return this.mask;
  }
}
