// How a chip is divided (SPEC section 4), from its size alone.

import { ImageError } from "./errors.ts";

const SECTOR_BYTES = 4096;
const SECTORS_MIN = 7;
const LARGE_BYTES = 1 << 20;

/** The bytes of a chip or of a copy of it. */
export interface Chip {
  readonly size: number;
  /** Reads `into.length` bytes. */
  read(address: number, into: Uint8Array): void;
}

/** Where the regions of a chip begin. They end where the next begins. */
export interface Regions {
  readonly journalBytes: number;
  readonly identityCopies: readonly [number, number];
  readonly pad: number;
}

/** The regions of a chip of a whole number of sectors. @throws ImageError IMAGE_SIZE */
export function regionsOf(size: number): Regions {
  if (size % SECTOR_BYTES !== 0 || size < SECTORS_MIN * SECTOR_BYTES || size > 2 ** 32 - SECTOR_BYTES) {
    throw new ImageError("IMAGE_SIZE", { bytes: size });
  }
  return size >= LARGE_BYTES ? LARGE : SMALL;
}

/** The bytes of a chip that can be pad. @throws ImageError IMAGE_SIZE */
export function padRegionBytes(chipSize: number): number {
  return chipSize - regionsOf(chipSize).pad;
}

export const LARGE: Regions = divide(16, 8);
const SMALL: Regions = divide(4, 1);

function divide(journalSectors: number, copySectors: number): Regions {
  const journalBytes = journalSectors * SECTOR_BYTES;
  const copyBytes = copySectors * SECTOR_BYTES;
  return {
    journalBytes,
    identityCopies: [journalBytes, journalBytes + copyBytes],
    pad: journalBytes + 2 * copyBytes,
  };
}

/** A copy of part of a chip. */
export function bytesOf(chip: Chip, address: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  chip.read(address, bytes);
  return bytes;
}
