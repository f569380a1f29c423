// The journal: what must survive a power cut (SPEC section 5).
//
// A record is a snapshot of everything, written once and never changed. All its numbers only rise within a generation, so the truth is the join of
// whatever records can be read: a record that a cut made unreadable takes away what was not yet promised, and one that becomes readable later adds nothing
// that was used meanwhile. The newest record only says where to write.

import { crc32 } from "./crc32";
import { Code, fail, faulty, Section } from "./failure";
import { erase, program, SECTOR_SIZE } from "./flash";
import { norRead } from "./hal";
import {
  chip,
  committed,
  EPOCH_SIZE,
  EPOCHS_MAX,
  Epoch,
  epochs,
  pad,
  page,
  place,
  RECORD_SIZE,
  Record,
  State,
  slice,
  state,
} from "./layout";

const MAGIC: u32 = 0x314a5054; // TPJ1
const CRC_AT: u32 = RECORD_SIZE - 4;
const RECEIPT_AT: usize = offsetof<Record>("receiptSequence");
const RECEIPT_SIZE: usize = offsetof<Record>("openCaps") - RECEIPT_AT;
const RECORDS: u32 = SECTOR_SIZE / RECORD_SIZE;
const FAILURES_MAX: u32 = 3;

/**
 * Writes `state` as the next record and returns when it is committed: programmed and read back equal.
 * A record that does not take goes to the next place, a sector in which three did not take is left, and when only the sector of the newest record is left
 * the device is faulty: that one is never erased. When the supply is too low, `state` is again what was committed last.
 */
export function commit(): u32 {
  while (true) {
    if (!place.ready || place.index === RECORDS || place.failures === FAILURES_MAX) {
      const next = nextSector();
      if (next === place.newest) break;
      const code = erase(next * SECTOR_SIZE, SECTOR_SIZE);
      if (code === Code.SUPPLY_LOW) return takeBack();
      place.sector = next;
      place.index = 0;
      place.failures = 0;
      place.ready = code ? 0 : 1;
      if (code) continue;
    }
    state.magic = MAGIC;
    state.sequence++;
    store<u32>(changetype<usize>(state) + CRC_AT, crc32(changetype<usize>(state), CRC_AT));
    const code = program(address(place.sector, place.index), changetype<usize>(state), RECORD_SIZE);
    if (code === Code.SUPPLY_LOW) return takeBack();
    place.index++;
    if (!code) {
      place.newest = place.sector;
      memory.copy(committed, changetype<usize>(state), RECORD_SIZE);
      return Code.OK;
    }
    place.failures++;
  }
  faulty(Section.JOURNAL);
  return fail(Code.FLASH_FAULT, Section.JOURNAL);
}

/** The sector that is erased when the one in use is full, and at boot: before a record is written there. */
export function nextSector(): u32 {
  return place.sector + 1 === chip.journalSectors ? 0 : place.sector + 1;
}

/** Nothing may be believed, burned or answered that is not in the journal. */
function takeBack(): u32 {
  const sequence = state.sequence;
  memory.copy(changetype<usize>(state), committed, RECORD_SIZE);
  state.sequence = sequence;
  return fail(Code.SUPPLY_LOW);
}

function address(sector: u32, index: u32): u32 {
  return sector * SECTOR_SIZE + index * RECORD_SIZE;
}

/**
 * Reads all records and leaves their join in `state` and the last record of every boot epoch in `epochs`.
 * Returns false when no record is valid. The side of the pad is not needed yet: see foldHigh.
 */
export function join(): bool {
  let sequence: u32 = 0;
  let epoch: u32 = 0;
  place.holding = u32.MAX_VALUE;
  // As if the newest record were in the last sector: without any record, writing begins in the first.
  place.sector = chip.journalSectors - 1;
  for (let sector: u32 = 0; sector < chip.journalSectors; sector++) {
    norRead(address(sector, 0), slice, SECTOR_SIZE);
    for (let index: u32 = 0; index < RECORDS; index++) {
      const record = changetype<Record>(slice + index * RECORD_SIZE);
      if (!valid(record)) continue;
      if (record.sequence > sequence) {
        sequence = record.sequence;
        place.sector = sector;
      }
      epoch = max(epoch, record.epoch);
      if (record.generation > state.generation) forget(record.generation);
      if (record.generation === state.generation) merge(record);
    }
  }
  place.newest = place.sector;
  state.sequence = sequence;
  state.epoch = epoch;
  if (state.receiptSequence) heedNewerCaps();
  return sequence > 0;
}

function valid(record: Record): bool {
  return (
    record.magic === MAGIC &&
    record.state <= State.LAST &&
    load<u32>(changetype<usize>(record) + CRC_AT) === crc32(changetype<usize>(record), CRC_AT)
  );
}

/** A higher generation was found: what lower ones said no longer counts. */
function forget(generation: u32): void {
  memory.fill(changetype<usize>(state), 0, RECORD_SIZE);
  memory.fill(epochs, 0, EPOCHS_MAX * EPOCH_SIZE);
  place.holding = u32.MAX_VALUE;
  state.generation = generation;
}

function merge(record: Record): void {
  state.state = max(state.state, record.state);
  state.nextSlot = max(state.nextSlot, record.nextSlot);
  state.upUsed = max(state.upUsed, record.upUsed);
  state.upBurned = max(state.upBurned, record.upBurned);
  state.downUsed = max(state.downUsed, record.downUsed);
  state.downBurned = max(state.downBurned, record.downBurned);
  state.split = max(state.split, record.split);
  if (record.revision >= state.revision) {
    state.carried = record.revision === state.revision ? max(state.carried, record.carried) : record.carried;
    state.revision = record.revision;
  }
  state.answered = max(state.answered, record.answered);
  mergeReceipt(record);
  for (let at = epochs; at < epochs + EPOCHS_MAX * EPOCH_SIZE; at += EPOCH_SIZE) {
    const last = changetype<Epoch>(at);
    if (last.epoch && last.epoch !== record.epoch) continue;
    if (last.epoch && last.sequence > record.sequence) return;
    last.epoch = record.epoch;
    last.sequence = record.sequence;
    last.pendingOffset = record.pendingOffset;
    last.pendingLength = record.pendingLength;
    return;
  }
  // More epochs than there can be by cuts: not a journal that this core wrote.
  faulty(Section.JOURNAL);
}

/** A new pad has no receipt yet, and nothing was allowed. */
export function forgetReceipt(): void {
  memory.fill(changetype<usize>(state) + RECEIPT_AT, 0, RECEIPT_SIZE);
  state.openCaps = 0;
  state.answered = 0;
}

/** The receipt of the highest sequence; the open caps are the highest that a record holds with it. */
function mergeReceipt(record: Record): void {
  if (record.receiptSequence < state.receiptSequence) return;
  if (record.receiptSequence > state.receiptSequence) {
    memory.copy(changetype<usize>(state) + RECEIPT_AT, changetype<usize>(record) + RECEIPT_AT, RECEIPT_SIZE);
    state.openCaps = 0;
    place.holding = u32.MAX_VALUE;
  }
  state.openCaps = max(state.openCaps, record.openCaps);
  place.holding = min(place.holding, record.epoch);
}

/**
 * A receipt that a cut tore and that is readable only now says nothing of the caps that were promised in later boots beside an older receipt: these count as well.
 */
function heedNewerCaps(): void {
  for (let at: u32 = 0; at < chip.journalSectors * SECTOR_SIZE; at += RECORD_SIZE) {
    norRead(at, slice, RECORD_SIZE);
    const record = changetype<Record>(slice);
    if (record.generation !== state.generation || record.epoch <= place.holding) continue;
    if (record.openCaps > state.openCaps && valid(record)) state.openCaps = record.openCaps;
  }
}

/**
 * The high side alone may raise split, and it seals down towards it. A record torn by one cut and readable only after the next can claim what was given
 * away meanwhile. So when the plain maxima overlap, both are folded again from the newest record to the oldest, each raised only as far as the newer ones leave room.
 */
export function foldHigh(): void {
  if (state.split <= pad.downEnd - state.downUsed) return;
  state.split = 0;
  state.downUsed = 0;
  let record = newestBefore(u32.MAX_VALUE);
  while (record) {
    state.split = max(state.split, min(record.split, pad.downEnd - state.downUsed));
    state.downUsed = max(state.downUsed, min(record.downUsed, pad.downEnd - state.split));
    record = newestBefore(record.sequence);
  }
  state.downBurned = min(state.downBurned, state.downUsed);
}

/** The valid record of this generation with the highest sequence below `newer`, or null. Reads the whole journal: only for the rare fold. */
function newestBefore(newer: u32): Record | null {
  let best: u32 = 0;
  for (let at: u32 = 0; at < chip.journalSectors * SECTOR_SIZE; at += RECORD_SIZE) {
    norRead(at, slice, RECORD_SIZE);
    const record = changetype<Record>(slice);
    if (record.sequence >= newer || record.sequence <= best || record.generation !== state.generation) continue;
    if ((record.split <= state.split && record.downUsed <= state.downUsed) || !valid(record)) continue;
    best = record.sequence;
    memory.copy(page, slice, RECORD_SIZE);
  }
  return best ? changetype<Record>(page) : null;
}
