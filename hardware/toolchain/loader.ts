/**
 * Two checksums: the one that the RP2040's boot ROM wants behind the second-stage loader (data sheet 2.8.1.3.1), and
 * the one by which the loader knows the image that it starts (hardware/common/loader.c).
 */

/** Bytes of a loader, and of a loader with its checksum. */
const CODE_MAX = 252;
export const LOADER_SIZE = 256;

const POLYNOMIAL = 0x04c1_1db7;

/** CRC-32 as the boot ROM computes it: most significant bit first, initially all ones, and not inverted at the end. */
export function loaderCrc(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000_0000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  }
  return crc >>> 0;
}

/** The first 256 bytes of an image: the loader, zeros, and the checksum over both. */
export function checkedLoader(code: Uint8Array): Uint8Array {
  if (code.length > CODE_MAX) throw new Error(`The loader has ${code.length} bytes, and ${CODE_MAX} are there for it.`);
  const loader = new Uint8Array(LOADER_SIZE);
  loader.set(code);
  new DataView(loader.buffer).setUint32(CODE_MAX, loaderCrc(loader.subarray(0, CODE_MAX)), true);
  return loader;
}

/**
 * What an image sums up to, word by word: the sum of its words, and the sum of all these sums on the way, each modulo
 * 2^32.
 */
export interface ImageSums {
  readonly words: number;
  readonly sum: number;
  readonly sums: number;
}

/** The sums of what lies behind the loader, a whole number of words. */
export function sumImage(behindLoader: Uint8Array): ImageSums {
  const view = new DataView(behindLoader.buffer, behindLoader.byteOffset, behindLoader.length);
  let sum = 0;
  let sums = 0;
  for (let at = 0; at < view.byteLength; at += 4) {
    sum = (sum + view.getUint32(at, true)) >>> 0;
    sums = (sums + sum) >>> 0;
  }
  return { words: view.byteLength / 4, sum, sums };
}
