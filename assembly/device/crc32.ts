// CRC-32 of IEEE 802.3, for frames, records and identity pages: it finds accidents, not forgeries.

import { crcTable } from "./layout";

/** Builds the table; once per boot. */
export function prepareCrc(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let value = i;
    for (let bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? 0xedb88320 : 0);
    store<u32>(crcTable + (i << 2), value);
  }
}

/**
 * Of bytes that begin at a multiple of 4. They are taken in a word at a time and then shifted out of the sum byte by byte, so that three loads
 * of four are saved: every byte of a frame comes through here.
 */
export function crc32(data: usize, length: u32): u32 {
  let crc: u32 = 0xffffffff;
  const words = data + (length & ~3);
  const end = data + length;
  for (; data < words; data += 4) {
    crc ^= load<u32>(data);
    crc = (crc >> 8) ^ load<u32>(crcTable + ((crc & 255) << 2));
    crc = (crc >> 8) ^ load<u32>(crcTable + ((crc & 255) << 2));
    crc = (crc >> 8) ^ load<u32>(crcTable + ((crc & 255) << 2));
    crc = (crc >> 8) ^ load<u32>(crcTable + ((crc & 255) << 2));
  }
  for (; data < end; data++) {
    crc ^= load<u8>(data);
    crc = (crc >> 8) ^ load<u32>(crcTable + ((crc & 255) << 2));
  }
  return ~crc;
}
