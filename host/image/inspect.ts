// What lies on a chip, without starting a device on it: for a chip that was read out, and for an image whose device will
// not serve. It changes nothing, takes no lock and judges as the device does at boot (SPEC section 6), so that it names
// the same section.

import {
  CONTROL_RESERVE_BYTES,
  downEnd,
  isToken,
  type PadPosition,
  type PadShape,
  type Section,
  SLOT_BYTES,
  type State,
  slotsAtIssue,
  TEXT_MAX_BYTES,
  upBase,
} from "../protocol/index.ts";
import { bytesOf, type Chip, LARGE, type Regions, regionsOf } from "./chip.ts";
import { ImageError } from "./errors.ts";
import { type Identity, readIdentity } from "./identity.ts";
import { type Joined, type Journal, type JournalRecord, joinRecords, readJournal } from "./journal.ts";
import { examinePad, type PadFinding } from "./pad.ts";

/** What was found. Addresses are of the chip, offsets and marks of the pad; all in bytes. */
export interface Inspection {
  readonly size: number;
  /** The state that the device would take, or "faulty". */
  readonly state: State;
  /** The section that makes it faulty, and why; null when none does. */
  readonly fault: { readonly section: Section; readonly why: string } | null;
  /**
   * True when the device takes itself for one that was not filled, though a filled pad lies here: a record that cannot be read
   * may be the one that said so. A new fill would destroy that pad.
   */
  readonly lostPad: boolean;
  readonly journal: JournalFinding;
  /** null while there is no pad, not even a lost one. */
  readonly identity: Identity["identity"] | null;
  readonly connection: Identity["connection"] | null;
  readonly encryption: Identity["encryption"] | null;
  readonly pad: PadFinding | null;
}

export interface JournalFinding {
  readonly address: number;
  readonly bytes: number;
  readonly version: number;
  readonly validRecords: number;
  readonly unreadableRecords: number;
  readonly newest: JournalRecord | null;
  /** What the valid records say together. */
  readonly joined: Joined | null;
}

const SCAN_BYTES = 65_536;
const SECTOR_BYTES = 4096;
const RECORD_BYTES = 128;
const BURN_UNITS: readonly number[] = [1, 2, 4, 8, 16, 32, 64];

/** @throws ImageError IMAGE_SIZE, IMAGE_TRUNCATED, IMAGE_VERSION or NOT_AN_IMAGE */
export function inspectChip(chip: Chip): Inspection {
  const regions = regionsOfFile(chip);
  const journal = readJournal(chip, regions.journalBytes);
  const [newest] = journal.records;
  if (newest === undefined) return withoutJournal(chip, regions, journal);

  const joined = joinRecords(journal.records, null);
  if (!isFilled(joined)) return unfilled(chip, regions, journal, joined);
  return withPad(chip, regions, journal, joined);
}

/** A file that has nothing of a chip in it was not cut short, whatever its size. */
function regionsOfFile(chip: Chip): Regions {
  try {
    return regionsOf(chip.size);
  } catch (error) {
    throw hasTraces(chip) ? error : new ImageError("NOT_AN_IMAGE", {});
  }
}

/** Whether a record or an identity begins where one can, or all of it is erased. */
function hasTraces(chip: Chip): boolean {
  const head = bytesOf(chip, 0, Math.min(chip.size, LARGE.pad));
  for (let at = 0; at < head.length; at += RECORD_BYTES) {
    if (["TPJ1", "TPID"].includes(String.fromCharCode(...head.subarray(at, at + 4)))) return true;
  }
  return head.length > 0 && head.every((byte) => byte === 0xff);
}

/**
 * Whether all of a pad is there, before a device is started on it: one that was cut would take its pad for damaged.
 * @throws ImageError IMAGE_SIZE, IMAGE_TRUNCATED, or IMAGE_VERSION
 */
export function mustBeWhole(chip: Chip): void {
  const regions = regionsOf(chip.size);
  const { records } = readJournal(chip, regions.journalBytes);
  if (records.length === 0) return;
  const joined = joinRecords(records, null);
  if (isFilled(joined)) mustNotBeCut(chip, regions, joined, readInForce(chip, regions, joined));
}

function isFilled({ state }: Joined): boolean {
  return state !== "blank" && state !== "filling";
}

/** A fill lays its identity down last before the records that make the pad active: behind it only they can be missing. */
function unfilled(chip: Chip, regions: Regions, journal: Journal, joined: Joined): Inspection {
  const found = { ...nothing(chip), state: joined.state, journal: journalFinding(regions, journal, joined) };
  if (journal.unreadable === 0) return found;
  const next = joined.revision + 1;
  const pages = readIdentity(chip, regions.identityCopies[next % 2] as number, next);
  const generation = pages.identity.content?.generation;
  // Release 0.1.0 did not say of which fill an identity is.
  const lostPad = generation !== undefined && (generation === 0 || generation >= joined.generation);
  return lostPad ? { ...found, ...pages, lostPad } : found;
}

/**
 * The identity of the journal's revision; when that cannot be read, an earlier one of the same fill: the one that the record
 * names, or the one before.
 */
function readInForce(chip: Chip, regions: Regions, { revision, carried, generation }: Joined): Identity {
  const [pages, ...earlier] = [revision, carried, revision - 1].map((each) =>
    readIdentity(chip, regions.identityCopies[each % 2] as number, each),
  ) as [Identity, ...Identity[]];
  if (Object.values(pages).every(({ problem }) => problem === null || problem === "contents")) return pages;
  const named = (it: Identity): boolean => shapeOf(it) !== null && it.identity.content?.generation === generation;
  return (generation > 0 && earlier.find(named)) || pages;
}

function withPad(chip: Chip, regions: Regions, journal: Journal, plain: Joined): Inspection {
  const pages = readInForce(chip, regions, plain);
  mustNotBeCut(chip, regions, plain, pages);
  const shape = shapeOf(pages);
  if (shape === null || !couldBeFilled(pages)) {
    const finding = journalFinding(regions, journal, plain);
    return { ...nothing(chip), ...pages, state: "faulty", fault: pageFault(pages), journal: finding };
  }
  const { side } = pages.identity.content!;
  const joined = joinRecords(journal.records, side === "high" ? downEnd(shape) : null);
  const marks: PadPosition = { ...shape, ...joined, side };
  const found = { ...nothing(chip), ...pages, journal: journalFinding(regions, journal, joined) };
  if (!fits(marks)) {
    return { ...found, state: "faulty", fault: { section: "journal", why: "what it says cannot be true of this pad" } };
  }
  return { ...found, state: joined.state, pad: examinePad(chip, regions.pad, marks) };
}

function nothing(chip: Chip): Omit<Inspection, "state" | "journal"> {
  return {
    size: chip.size,
    fault: null,
    lostPad: false,
    identity: null,
    connection: null,
    encryption: null,
    pad: null,
  };
}

/** Without a record only a chip that was never filled may be taken as new. */
function withoutJournal(chip: Chip, regions: Regions, journal: Journal): Inspection {
  const finding = journalFinding(regions, journal, null);
  if (isErased(chip, regions.journalBytes)) return { ...nothing(chip), state: "blank", journal: finding };
  const looksFilled = [regions, LARGE].some(({ identityCopies }) =>
    identityCopies.some((address) => hasIdentityMagic(chip, address)),
  );
  if (!looksFilled) throw new ImageError("NOT_AN_IMAGE", {});
  const fault = { section: "journal", why: "it has no valid record, and the rest of the chip is not blank" } as const;
  return { ...nothing(chip), state: "faulty", fault, journal: finding };
}

/** A large image that was cut to less than 1 MiB has its identity where a large chip has it. */
function mustNotBeCut(chip: Chip, regions: Regions, { revision }: Joined, pages: Identity): void {
  const bytes = chip.size;
  const shape = shapeOf(pages);
  if (shape !== null) {
    const needed = regions.pad + shape.padLength;
    if (needed > bytes) throw new ImageError("IMAGE_TRUNCATED", { bytes, needed });
    return;
  }
  const address = LARGE.identityCopies[revision % 2] as number;
  if (regions === LARGE || !hasIdentityMagic(chip, address)) return;
  const { identity } = readIdentity(chip, address, revision);
  if (identity.content === null) return;
  throw new ImageError("IMAGE_TRUNCATED", { bytes, needed: LARGE.pad + identity.content.padLength });
}

function hasIdentityMagic(chip: Chip, address: number): boolean {
  return address + 4 <= chip.size && String.fromCharCode(...bytesOf(chip, address, 4)) === "TPID";
}

function shapeOf({ identity, connection, encryption }: Identity): PadShape | null {
  if (identity.content === null || connection.content === null || encryption.content === null) return null;
  const { padLength } = identity.content;
  return { padLength, slots: connection.content.slots, burnUnit: encryption.content.burnUnit };
}

/** A page that is damaged is named; what whole pages say together is a matter of the identity. */
function pageFault(pages: Identity): Inspection["fault"] {
  for (const section of ["identity", "connection", "encryption"] as const) {
    const { problem } = pages[section];
    if (problem !== null && problem !== "contents") return { section, why: WHY[problem] };
  }
  return { section: "identity", why: WHY.contents };
}

/** Whether a fill lays down such a pad (SPEC section 10). */
function couldBeFilled({ identity, connection, encryption }: Identity): boolean {
  const { padLength, firstSplit, side, asset, limit } = identity.content!;
  const { slots, slotBytes, list } = connection.content!;
  const { suite, burnUnit, longestText, controlReserve } = encryption.content!;
  const shape: PadShape = { padLength, slots, burnUnit };
  const noValue = asset === "" && limit === 0n && list.number === 0 && list.addresses.length === 0;
  return (
    suite === 1 &&
    BURN_UNITS.includes(burnUnit) &&
    padLength % SECTOR_BYTES === 0 &&
    padLength >= 2 * SECTOR_BYTES &&
    [slots.low, slots.high].every((count) => count === 0 || count === slotsAtIssue(padLength)) &&
    firstSplit % burnUnit === 0 &&
    firstSplit >= upBase(shape) &&
    firstSplit <= downEnd(shape) - controlReserve &&
    slotBytes === SLOT_BYTES &&
    longestText === TEXT_MAX_BYTES &&
    controlReserve === CONTROL_RESERVE_BYTES &&
    (noValue || (side === "low" && isToken(shape)))
  );
}

const WHY = {
  "no magic": "it does not begin as such a page does",
  version: "it is of another version",
  length: "its length is wrong",
  revision: "it is not of the revision in force",
  checksum: "its checksum is wrong",
  contents: "it holds what no fill writes",
} as const;

function fits(marks: PadPosition): boolean {
  const base = upBase(marks);
  const end = downEnd(marks);
  return (
    base <= marks.split &&
    marks.split <= end &&
    base + marks.up.used <= marks.split &&
    end - marks.down.used >= marks.split &&
    marks.nextSlot <= marks.slots[marks.side]
  );
}

function journalFinding(regions: Regions, journal: Journal, joined: Joined | null): JournalFinding {
  return {
    address: 0,
    bytes: regions.journalBytes,
    version: 1,
    validRecords: journal.records.length,
    unreadableRecords: journal.unreadable,
    newest: journal.records[0] ?? null,
    joined,
  };
}

function isErased(chip: Chip, from: number): boolean {
  for (let at = from; at < chip.size; at += SCAN_BYTES) {
    if (bytesOf(chip, at, Math.min(SCAN_BYTES, chip.size - at)).some((byte) => byte !== 0xff)) return false;
  }
  return true;
}
