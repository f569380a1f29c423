// The identity: what is written once per fill and says which pad this is (SPEC section 4). Three pages, each with a checksum of its own, so that a corrupt
// one can be named.

import { TEXT_MAX } from "../engine/box";
import { crc32 } from "./crc32";
import { Section } from "./failure";
import { PAGE_SIZE, program } from "./flash";
import { norRead } from "./hal";
import { chip, identity, pad } from "./layout";
import { BURN_UNIT_MAX, CONTROL_RESERVE, SLOT_SIZE, SLOT_SPACING } from "./pad";

export const PAGES: u32 = 3;
const VERSION: u32 = 1;
const CRC_AT: u32 = PAGE_SIZE - 4;
const VERSION_AND_LENGTH: u32 = VERSION | (PAGE_SIZE << 16);

// Offsets within the pages, as they lie one behind the other.
const SIDE: u32 = 12;
const PROVENANCE: u32 = 13;
const MIN_ENTROPY: u32 = 14;
const PAD_ID: u32 = 16;
const SERIAL: u32 = 32;
const PAD_LENGTH: u32 = 40;
const FIRST_SPLIT: u32 = 44;
const HEALTH: u32 = 48;
const SOURCE: u32 = 64;
const SLOTS_LOW: u32 = PAGE_SIZE + 12;
const SLOTS_HIGH: u32 = PAGE_SIZE + 16;
const SLOT_BYTES: u32 = PAGE_SIZE + 20;
const ADDRESSES: u32 = PAGE_SIZE + 24;
const SUITE: u32 = 2 * PAGE_SIZE + 12;
const BURN_UNIT: u32 = 2 * PAGE_SIZE + 14;
const LONGEST_TEXT: u32 = 2 * PAGE_SIZE + 16;
const RESERVE: u32 = 2 * PAGE_SIZE + 20;

export const PAD_ID_AT: usize = identity + PAD_ID;
export const SERIAL_AT: usize = identity + SERIAL;
export const SERIAL_SIZE: u32 = 8;

export function provenance(): u32 {
  return load<u8>(identity + PROVENANCE);
}

export function firstSplit(): u32 {
  return load<u32>(identity + FIRST_SPLIT);
}

/** Where page `index` of revision `revision` lies in the flash. */
export function pageAddress(revision: u32, index: u32): u32 {
  return chip.identityBase + (revision & 1) * chip.copySize + index * PAGE_SIZE;
}

function magic(index: u32): u32 {
  return index === 0 ? 0x44495054 : index === 1 ? 0x4e435054 : 0x4e455054; // TPID, TPCN, TPEN
}

/** Reads the pages of a revision into `identity` and returns the section that is corrupt, or 0. */
export function loadIdentity(revision: u32): u32 {
  norRead(pageAddress(revision, 0), identity, PAGES * PAGE_SIZE);
  for (let index: u32 = 0; index < PAGES; index++) {
    const at = identity + index * PAGE_SIZE;
    if (
      load<u32>(at) !== magic(index) ||
      load<u32>(at, 4) !== VERSION_AND_LENGTH ||
      load<u32>(at, 8) !== revision ||
      load<u32>(at + CRC_AT) !== crc32(at, CRC_AT)
    ) {
      return Section.IDENTITY + index;
    }
  }
  return 0;
}

/** Builds the pages of a revision in `identity` from the payload of FILL (SPEC section 10) and what `pad` holds of it. The serial stands already. */
export function composeIdentity(revision: u32, fill: usize): void {
  const serial = load<u64>(SERIAL_AT);
  memory.fill(identity, 0, PAGES * PAGE_SIZE);
  store<u64>(SERIAL_AT, serial);
  store<u8>(identity + SIDE, <u8>pad.side);
  store<u8>(identity + PROVENANCE, load<u8>(fill, 3));
  store<u16>(identity + MIN_ENTROPY, load<u16>(fill, 12));
  memory.copy(PAD_ID_AT, fill + 16, 16);
  store<u32>(identity + PAD_LENGTH, pad.length);
  store<u32>(identity + FIRST_SPLIT, load<u32>(fill, 8));
  memory.copy(identity + HEALTH, fill + 32, 16);
  memory.copy(identity + SOURCE, fill + 48, 64);
  store<u32>(identity + SLOTS_LOW, pad.slotsLow);
  store<u32>(identity + SLOTS_HIGH, pad.slotsHigh);
  store<u32>(identity + SLOT_BYTES, SLOT_SIZE);
  store<u8>(identity + SUITE, <u8>pad.suite);
  store<u16>(identity + BURN_UNIT, <u16>pad.unit);
  store<u32>(identity + LONGEST_TEXT, TEXT_MAX);
  store<u32>(identity + RESERVE, CONTROL_RESERVE);
  for (let index: u32 = 0; index < PAGES; index++) {
    const at = identity + index * PAGE_SIZE;
    store<u32>(at, magic(index));
    store<u32>(at, VERSION_AND_LENGTH, 4);
    store<u32>(at, revision, 8);
    store<u32>(at + CRC_AT, crc32(at, CRC_AT));
  }
}

/** Writes one page of `identity` where its revision belongs, and reads it back. */
export function writePage(revision: u32, index: u32): u32 {
  return program(pageAddress(revision, index), identity + index * PAGE_SIZE, PAGE_SIZE);
}

/** Takes the pad's shape from `identity`. False when it could not be: a page with a right checksum that no fill writes. */
export function adoptPad(): bool {
  pad.side = load<u8>(identity + SIDE);
  pad.suite = load<u8>(identity + SUITE);
  pad.unit = load<u16>(identity + BURN_UNIT);
  pad.length = load<u32>(identity + PAD_LENGTH);
  pad.slotsLow = load<u32>(identity + SLOTS_LOW);
  pad.slotsHigh = load<u32>(identity + SLOTS_HIGH);
  return (
    shapePad() &&
    (provenance() === 1 || provenance() === 2) &&
    splitFits(firstSplit()) &&
    load<u32>(identity + SLOT_BYTES) === SLOT_SIZE &&
    load<u32>(identity + ADDRESSES) === 0 &&
    load<u32>(identity + LONGEST_TEXT) === TEXT_MAX &&
    load<u32>(identity + RESERVE) === CONTROL_RESERVE
  );
}

/** Whether a split can be the first one of `pad`. */
export function splitFits(split: u32): bool {
  return (split & (pad.unit - 1)) === 0 && split >= pad.upBase && split <= pad.downEnd - CONTROL_RESERVE;
}

/** Whether `pad` describes a pad that fits this chip; works out where its directions begin. */
export function shapePad(): bool {
  if (pad.side > 1 || pad.suite !== 1) return false;
  if (pad.unit === 0 || pad.unit > BURN_UNIT_MAX || pad.unit & (pad.unit - 1) || pad.unit < chip.burnUnit) return false;
  if (pad.length & 4095 || pad.length < 8192 || pad.length > chip.size - chip.padBase) return false;
  const number = pad.length / SLOT_SPACING;
  if ((pad.slotsLow && pad.slotsLow !== number) || (pad.slotsHigh && pad.slotsHigh !== number)) return false;
  pad.upBase = pad.slotsLow * SLOT_SIZE;
  pad.downEnd = pad.length - pad.slotsHigh * SLOT_SIZE;
  return true;
}
