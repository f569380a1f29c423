// Flash operations with the two checks that stand before and behind each of them: is there supply for it, and did it take.

import { Code, fail, Section } from "./failure";
import { norErase, norProgram, norRead, supplyOk } from "./hal";
import { chip, page, SLICE_SIZE, slice, zeros } from "./layout";

export const PAGE_SIZE: u32 = 256;
export const SECTOR_SIZE: u32 = 4096;
const TRIES = 3;

function equal(a: usize, b: usize, length: u32): bool {
  let difference: u32 = 0;
  for (let i: u32 = 0; i < length; i += 4) difference |= load<u32>(a + i) ^ load<u32>(b + i);
  return difference === 0;
}

/** Wipes the buffers in which pad bytes were read. After every command and every boot: what was read must not stay. */
export function forgetBuffers(): void {
  memory.fill(slice, 0, SLICE_SIZE);
  memory.fill(page, 0, PAGE_SIZE);
}

/** Programs inside one page and reads it back; length a multiple of 4. */
export function program(address: u32, data: usize, length: u32): u32 {
  if (!supplyOk()) return fail(Code.SUPPLY_LOW);
  if (norProgram(address, data, length)) return fail(Code.FLASH_FAULT, Section.PAD, address);
  norRead(address, page, length);
  return equal(page, data, length) ? Code.OK : fail(Code.FLASH_FAULT, Section.PAD, address);
}

/** Erases one sector or one 64 KiB block. */
export function erase(address: u32, size: u32): u32 {
  if (!supplyOk()) return fail(Code.SUPPLY_LOW);
  return norErase(address, size) ? fail(Code.FLASH_FAULT, Section.PAD, address) : Code.OK;
}

/** Programs zeros over a range of the flash, page by page, until they read as zeros. A bit that a cut left undecided becomes a firm zero by this. */
export function zero(address: u32, length: u32): u32 {
  const end = address + length;
  while (address < end) {
    const part = min(PAGE_SIZE - (address & (PAGE_SIZE - 1)), end - address);
    let tries = 0;
    while (true) {
      if (!supplyOk()) return fail(Code.SUPPLY_LOW);
      const status = norProgram(address, zeros, part);
      norRead(address, page, part);
      if (!status && allZero(page, part)) break;
      if (++tries === TRIES) return fail(Code.FLASH_FAULT, Section.PAD, address);
    }
    address += part;
  }
  return Code.OK;
}

/** Like zero, but leaves alone what reads as zeros already. */
export function zeroUnlessZero(address: u32, length: u32): u32 {
  const end = address + length;
  while (address < end) {
    const part = min(PAGE_SIZE - (address & (PAGE_SIZE - 1)), end - address);
    norRead(address, page, part);
    if (!allZero(page, part)) {
      const code = zero(address, part);
      if (code) return code;
    }
    address += part;
  }
  return Code.OK;
}

export function allZero(data: usize, length: u32): bool {
  let some: u32 = 0;
  for (let i: u32 = 0; i < length; i++) some |= load<u8>(data + i);
  return some === 0;
}

/** Whether the flash from `address`, where a sector begins, to the end of the chip reads erased. */
export function erasedFrom(address: u32): bool {
  for (; address < chip.size; address += SECTOR_SIZE) {
    norRead(address, slice, SECTOR_SIZE);
    for (let i: u32 = 0; i < SECTOR_SIZE; i += 4) if (load<u32>(slice + i) !== 0xffffffff) return false;
  }
  return true;
}
