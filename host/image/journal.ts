// The journal as it lies on a chip, and what its records say together (SPEC section 5).

import { crc32, type Receipt, type State } from "../protocol/index.ts";
import { bytesOf, type Chip } from "./chip.ts";
import { ImageError } from "./errors.ts";

const RECORD_BYTES = 128;
const CRC_AT = RECORD_BYTES - 4;
const MAGIC = "TPJ";
const VERSION = 1;
const STATES: readonly State[] = ["blank", "filling", "inactive", "active", "cancelled", "wiping"];

/** One valid record. Marks, offsets and lengths are in bytes. */
export interface JournalRecord {
  readonly address: number;
  /** Its CRC-32, in hexadecimal. */
  readonly checksum: string;
  readonly sequence: number;
  readonly bootEpoch: number;
  readonly generation: number;
  readonly state: State;
  readonly nextSlot: number;
  readonly up: { readonly used: number; readonly burned: number };
  readonly down: { readonly used: number; readonly burned: number };
  readonly split: number;
  readonly revision: number;
  /** The revision that the identity in force carries where that is below the other, else 0. */
  readonly carried: number;
  readonly pending: { readonly offset: number; readonly length: number };
  /** The newest receipt of a token's server; sequence 0 for none. Money in minor units. */
  readonly receipt: Pick<Receipt, "sequence" | "call" | "balance" | "up">;
  /** What the server may still have debited or debit beyond it. */
  readonly openCaps: bigint;
  /** The number of the last call that the server welcomed, 0 for none. */
  readonly answered: number;
}

/** What the valid records of the newest generation say together. */
export type Joined = Omit<JournalRecord, "address" | "checksum" | "pending">;

export interface Journal {
  /** Valid records, newest first. */
  readonly records: readonly JournalRecord[];
  /** Places that are neither valid nor blank: what cuts, or damage, left. */
  readonly unreadable: number;
}

/** @throws ImageError IMAGE_VERSION for records of another version where there is none of this one */
export function readJournal(chip: Chip, journalBytes: number): Journal {
  const bytes = bytesOf(chip, 0, journalBytes);
  const records: JournalRecord[] = [];
  let unreadable = 0;
  let otherVersion = 0;
  for (let address = 0; address < journalBytes; address += RECORD_BYTES) {
    const place = bytes.subarray(address, address + RECORD_BYTES);
    const version = versionOf(place);
    const record = version === VERSION ? decode(place, address) : null;
    if (record !== null) records.push(record);
    else if (place.some((byte) => byte !== 0xff)) unreadable++;
    otherVersion ||= version !== VERSION && hasRightChecksum(place) ? version : 0;
  }
  if (records.length === 0 && otherVersion > 0) {
    throw new ImageError("IMAGE_VERSION", { section: "journal", version: otherVersion });
  }
  return { records: records.sort((a, b) => b.sequence - a.sequence), unreadable };
}

/**
 * What the records say together.
 * @param downEnd for the high side, where down ends: it folds split and down by SPEC section 5; otherwise null
 */
export function joinRecords(all: readonly JournalRecord[], downEnd: number | null): Joined {
  const generation = Math.max(...all.map((record) => record.generation));
  const records = all.filter((record) => record.generation === generation);
  const most = (field: (record: JournalRecord) => number): number => Math.max(...records.map(field));
  const folded =
    downEnd === null
      ? { split: most(({ split }) => split), downUsed: most(({ down }) => down.used) }
      : foldHigh(records, downEnd);
  const revision = most((record) => record.revision);
  return {
    sequence: Math.max(...all.map(({ sequence }) => sequence)),
    bootEpoch: Math.max(...all.map(({ bootEpoch }) => bootEpoch)),
    generation,
    state: STATES[most(({ state }) => STATES.indexOf(state))] as State,
    nextSlot: most(({ nextSlot }) => nextSlot),
    up: { used: most(({ up }) => up.used), burned: most(({ up }) => up.burned) },
    down: { used: folded.downUsed, burned: most(({ down }) => down.burned) },
    split: folded.split,
    revision,
    carried: Math.max(...records.filter((record) => record.revision === revision).map(({ carried }) => carried)),
    answered: most(({ answered }) => answered),
    ...joinReceipts(records),
  };
}

/**
 * The receipt of the highest sequence, and the most that a record allows beside it; or a record of a boot behind the first that
 * holds it, which could not read it then.
 */
function joinReceipts(records: readonly JournalRecord[]): Pick<JournalRecord, "receipt" | "openCaps"> {
  const sequence = Math.max(...records.map(({ receipt }) => receipt.sequence));
  const holding = records.filter(({ receipt }) => receipt.sequence === sequence);
  const first = Math.min(...holding.map(({ bootEpoch }) => bootEpoch));
  const counted = records.filter((record) => record.bootEpoch > first || holding.includes(record));
  let openCaps = 0n;
  for (const record of counted) if (record.openCaps > openCaps) openCaps = record.openCaps;
  return { receipt: holding[0]!.receipt, openCaps };
}

/** From the newest record to the oldest, each raised only as far as the newer ones leave room. */
function foldHigh(newestFirst: readonly JournalRecord[], downEnd: number): { split: number; downUsed: number } {
  let split = 0;
  let downUsed = 0;
  for (const record of newestFirst) {
    split = Math.max(split, Math.min(record.split, downEnd - downUsed));
    downUsed = Math.max(downUsed, Math.min(record.down.used, downEnd - split));
  }
  return { split, downUsed };
}

/** The version in the magic of a record, 0 when it has none. */
function versionOf(place: Uint8Array): number {
  const magic = String.fromCharCode(...place.subarray(0, 4));
  return magic.startsWith(MAGIC) ? Number(magic.slice(3)) || 0 : 0;
}

function hasRightChecksum(place: Uint8Array): boolean {
  return new DataView(place.buffer, place.byteOffset).getUint32(CRC_AT, true) === crc32(place.subarray(0, CRC_AT));
}

function decode(place: Uint8Array, address: number): JournalRecord | null {
  const view = new DataView(place.buffer, place.byteOffset, RECORD_BYTES);
  const u32 = (offset: number): number => view.getUint32(offset, true);
  const state = STATES[view.getUint8(16)];
  if (state === undefined || !hasRightChecksum(place)) return null;
  return {
    address,
    checksum: u32(CRC_AT).toString(16).padStart(8, "0"),
    sequence: u32(4),
    bootEpoch: u32(8),
    generation: u32(12),
    state,
    nextSlot: u32(20),
    up: { used: u32(24), burned: u32(28) },
    down: { used: u32(32), burned: u32(36) },
    split: u32(40),
    revision: u32(44),
    pending: { offset: u32(48), length: u32(52) },
    receipt: { sequence: u32(60), call: u32(72), balance: view.getBigUint64(64, true), up: u32(76) },
    openCaps: view.getBigUint64(96, true),
    answered: u32(104),
    carried: u32(108),
  };
}
