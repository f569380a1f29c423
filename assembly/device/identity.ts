// The identity: what is written once per fill and says which pad this is (SPEC section 4). Three pages, each with a checksum of its own, so that a corrupt
// one can be named.

import { TEXT_MAX } from "../engine/box";
import { crc32 } from "./crc32";
import { Code, Section } from "./failure";
import { PAGE_SIZE, program } from "./flash";
import { norRead } from "./hal";
import { chip, identity, pad, page, state } from "./layout";
import { BURN_UNIT_MAX, CONTROL_RESERVE, isToken, SLOT_SIZE, SLOT_SPACING } from "./pad";

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
const ASSET: u32 = 128;
const LIMIT: u32 = 136;
const GENERATION: u32 = 144;
const SLOTS_LOW: u32 = PAGE_SIZE + 12;
const SLOTS_HIGH: u32 = PAGE_SIZE + 16;
const SLOT_BYTES: u32 = PAGE_SIZE + 20;
const ADDRESSES: u32 = PAGE_SIZE + 24;
const LIST_NUMBER: u32 = PAGE_SIZE + 28;
const LIST: u32 = PAGE_SIZE + 32;
const SUITE: u32 = 2 * PAGE_SIZE + 12;
const BURN_UNIT: u32 = 2 * PAGE_SIZE + 14;
const LONGEST_TEXT: u32 = 2 * PAGE_SIZE + 16;
const RESERVE: u32 = 2 * PAGE_SIZE + 20;

export const PAD_ID_AT: usize = identity + PAD_ID;
export const SERIAL_AT: usize = identity + SERIAL;
export const SERIAL_SIZE: u32 = 8;
export const ASSET_AT: usize = identity + ASSET;
export const ASSET_SIZE: u32 = 8;

/** What a page holds of addresses, and so a list in FILL and in a box. */
export const LIST_SIZE: u32 = 220;
const ADDRESSES_MAX: u32 = 16;
const ADDRESS_MAX: u32 = 200;

// What FILL says of a token behind what it says of every pad (SPEC section 10).
export const FILL_SIZE: u32 = 112;
const FILL_ASSET: u32 = 112;
const FILL_LIMIT: u32 = 120;
export const FILL_ADDRESSES: u32 = 160;
const FILL_LIST_NUMBER: u32 = 164;
export const FILL_LIST: u32 = 168;

export function provenance(): u32 {
  return load<u8>(identity + PROVENANCE);
}

export function firstSplit(): u32 {
  return load<u32>(identity + FIRST_SPLIT);
}

/** What a link may cost without a press of the button. */
export function ownersLimit(): u64 {
  return load<u64>(identity + LIMIT);
}

/** The number of the list of addresses in force. */
export function listNumber(): u32 {
  return load<u32>(identity + LIST_NUMBER);
}

/** Whether the identity in force says of which fill it is. Those of release 0.1.0 do not, and no other can be told from them. */
export function namesFill(): bool {
  return state.generation !== 0 && load<u32>(identity + GENERATION) === state.generation;
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

/**
 * Reads the identity in force: that of the journal's revision, or where the record says so an earlier one in its copy (see takeAddresses); and when that cannot be read,
 * the one before it in the other copy. Returns the section that is corrupt, or 0.
 */
export function loadInForce(): u32 {
  pad.revision = state.revision;
  const corrupt = loadIdentity(state.revision);
  return corrupt && !loadEarlier(state.carried) && !loadEarlier(state.revision - 1) ? corrupt : 0;
}

/** Takes an earlier identity, if it is of this fill. */
function loadEarlier(revision: u32): bool {
  if (loadIdentity(revision) || !namesFill()) return false;
  pad.revision = revision;
  return true;
}

/** What the copy of a revision says that it holds. */
export function revisionIn(revision: u32): u32 {
  norRead(pageAddress(revision, 0), page, PAGE_SIZE);
  return load<u32>(page, 8);
}

/** Reads again what was in force before `identity` was composed for a revision that did not come into force. */
export function loadAgain(): void {
  loadIdentity(pad.revision);
}

/** Builds the pages of a revision in `identity` from the payload of FILL (SPEC section 10) and what `pad` holds of it. The serial stands already. */
export function composeIdentity(revision: u32, fill: usize, length: u32): void {
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
  store<u32>(identity + GENERATION, state.generation);
  if (length > FILL_SIZE) {
    memory.copy(ASSET_AT, fill + FILL_ASSET, ASSET_SIZE);
    store<u64>(identity + LIMIT, load<u64>(fill, FILL_LIMIT));
    setAddresses(
      load<u32>(fill, FILL_LIST_NUMBER),
      load<u32>(fill, FILL_ADDRESSES),
      fill + FILL_LIST,
      length - FILL_LIST,
    );
  }
  stamp(revision);
}

/** Builds the pages of a revision in `identity` from those in force and another list of addresses. */
export function composeAddresses(revision: u32, number: u32, count: u32, list: usize, length: u32): void {
  setAddresses(number, count, list, length);
  stamp(revision);
}

function setAddresses(number: u32, count: u32, list: usize, length: u32): void {
  store<u32>(identity + ADDRESSES, count);
  store<u32>(identity + LIST_NUMBER, number);
  memory.fill(identity + LIST, 0, LIST_SIZE);
  memory.copy(identity + LIST, list, length);
}

function stamp(revision: u32): void {
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

/** Writes all pages of `identity` as one revision. */
export function writePages(revision: u32): u32 {
  for (let index: u32 = 0; index < PAGES; index++) {
    const code = writePage(revision, index);
    if (code) return code;
  }
  return Code.OK;
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
    valueFits() &&
    load<u32>(identity + SLOT_BYTES) === SLOT_SIZE &&
    load<u32>(identity + LONGEST_TEXT) === TEXT_MAX &&
    load<u32>(identity + RESERVE) === CONTROL_RESERVE
  );
}

/** Whether what the identity says of money and addresses can be: only a token has them. */
function valueFits(): bool {
  const count = load<u32>(identity + ADDRESSES);
  if (isToken()) return listLength(identity + LIST, LIST_SIZE, count) <= LIST_SIZE;
  return count === 0 && listNumber() === 0 && ownersLimit() === 0 && load<u64>(ASSET_AT) === 0;
}

/** The bytes that `count` addresses take, each as SPEC section 4 has it, or more than `size` when they are not right. */
export function listLength(list: usize, size: u32, count: u32): u32 {
  if (count > ADDRESSES_MAX || size > LIST_SIZE) return u32.MAX_VALUE;
  let at: u32 = 0;
  for (; count; count--) {
    const length: u32 = at < size ? load<u8>(list + at) : 0;
    if (length === 0 || length > ADDRESS_MAX || length >= size - at) return u32.MAX_VALUE;
    for (let i: u32 = 1; i <= length; i++) {
      const byte: u32 = load<u8>(list + at + i);
      if (byte < 0x21 || byte > 0x7e) return u32.MAX_VALUE;
    }
    at += 1 + length;
  }
  return at;
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
