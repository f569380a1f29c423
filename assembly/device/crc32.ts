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

export function crc32(data: usize, length: u32): u32 {
  let crc: u32 = 0xffffffff;
  for (let i: u32 = 0; i < length; i++)
    crc = (crc >> 8) ^ load<u32>(crcTable + (((crc ^ load<u8>(data + i)) & 255) << 2));
  return ~crc;
}
