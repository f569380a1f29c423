/**
 * What lies on the chip beside the pad, and what a boot makes of it: docs/SPEC.md sections 4 (regions, identity), 5 (records, join) and 6 (boot).
 * The flash is a byte array; sectors are never erased or worn here, and the boot record itself is not written.
 */
import { concat, isZero, readU32, readU64, u16, u32, u64 } from "./box.ts";
import { End, RESERVE, type Side, SLOT_SIZE } from "./end.ts";
import { crc32 } from "./frame.ts";
import { type Info, padInfo } from "./info.ts";
import { addressBytes, NO_RECEIPT, splitAddresses } from "./link.ts";
import type { Terms, Value } from "./token.ts";

export interface Chip {
  sectors: number;
  burnUnit: number;
  /** False: used bytes may not be programmed to zero. */
  overprogram?: boolean;
}

/** The value is nothing where it is not given. */
export interface JournalRecord extends Partial<Value> {
  sequence: number;
  bootEpoch: number;
  generation: number;
  state: number;
  nextSlot: number;
  upUsed: number;
  upBurned: number;
  downUsed: number;
  downBurned: number;
  split: number;
  revision: number;
  /** 0 where it is not given. */
  carried?: number;
  pendingOffset: number;
  pendingLength: number;
}

export interface Identity extends Terms {
  revision: number;
  /** Of the fill. */
  generation: number;
  side: Side;
  provenance: number;
  /** u16, as in FILL. */
  claimed: Uint8Array;
  padId: Uint8Array;
  serial: Uint8Array;
  padLength: number;
  split: number;
  /** u64 samples, u32 longest repetition, u32 highest count, as in FILL. */
  tested: Uint8Array;
  source: Uint8Array;
  slotsLow: number;
  slotsHigh: number;
  burnUnit: number;
}

export const RECORD_SIZE = 128;
export const SECTOR = 4096;
export const STATES = { blank: 0, filling: 1, inactive: 2, active: 3, cancelled: 4, wiping: 5, faulty: 6 } as const;
export const SECTIONS = { core: 1, journal: 2, identity: 3, connection: 4, encryption: 5, pad: 6, chip: 7 } as const;

/** Where the regions begin, in bytes. */
export function regions(chip: Chip): { copies: [number, number]; pad: number } {
  const [journal, copy] = chip.sectors * SECTOR >= 1_048_576 ? [16, 8] : [4, 1];
  return { copies: [journal * SECTOR, (journal + copy) * SECTOR], pad: (journal + 2 * copy) * SECTOR };
}

export function encodeRecord(record: JournalRecord): Uint8Array {
  const { sequence, bootEpoch, generation, state, nextSlot, split, revision } = record;
  const bytes = new Uint8Array(RECORD_SIZE);
  bytes.set(Buffer.from("TPJ1"), 0);
  bytes.set(u32(sequence, bootEpoch, generation, state, nextSlot), 4);
  bytes.set(u32(record.upUsed, record.upBurned, record.downUsed, record.downBurned, split, revision), 24);
  bytes.set(u32(record.pendingOffset, record.pendingLength), 48);
  const { receipt = NO_RECEIPT, openCaps = 0n, answered = 0 } = record;
  bytes.set(concat(u32(receipt.sequence), u64(receipt.balance), u32(receipt.call, receipt.up), receipt.mac), 60);
  bytes.set(concat(u64(openCaps), u32(answered, record.carried ?? 0)), 96);
  bytes.set(u32(crc32(bytes.subarray(0, 124))), 124);
  return bytes;
}

/** The record, or nothing when it is not valid. */
function decodeRecord(bytes: Uint8Array): Required<JournalRecord> | undefined {
  const valid = Buffer.from(bytes.subarray(0, 4)).toString("latin1") === "TPJ1" && hasCrc(bytes);
  if (!valid || (bytes[16] as number) > STATES.wiping) return undefined;
  const at = (offset: number): number => readU32(bytes, offset);
  return {
    ...{ sequence: at(4), bootEpoch: at(8), generation: at(12), state: bytes[16] as number, nextSlot: at(20) },
    ...{ upUsed: at(24), upBurned: at(28), downUsed: at(32), downBurned: at(36), split: at(40), revision: at(44) },
    ...{ pendingOffset: at(48), pendingLength: at(52), openCaps: readU64(bytes, 96), answered: at(104) },
    carried: at(108),
    receipt: { sequence: at(60), balance: readU64(bytes, 64), call: at(72), up: at(76), mac: bytes.slice(80, 96) },
  };
}

/** Page 0, 1 or 2 of an identity. */
export function identityPage(identity: Identity, page: number): Uint8Array {
  const { side, provenance, claimed, padId, serial, padLength, split, tested, source } = identity;
  const { asset, limit, generation, list } = identity;
  const bodies = [
    concat(
      Uint8Array.of(side === "low" ? 0 : 1, provenance),
      claimed,
      padId,
      serial,
      u32(padLength, split),
      tested,
      source,
      asset,
      u64(limit),
      u32(generation),
    ),
    concat(
      u32(identity.slotsLow, identity.slotsHigh, SLOT_SIZE, list.addresses.length, list.number),
      addressBytes(list.addresses),
    ),
    concat(Uint8Array.of(1, 0), u16(identity.burnUnit), u32(4096, 1024)),
  ];
  const bytes = new Uint8Array(256);
  bytes.set(concat(Buffer.from(MAGICS[page] as string), u16(1), u16(256), u32(identity.revision)));
  bytes.set(bodies[page] as Uint8Array, 12);
  bytes.set(u32(crc32(bytes.subarray(0, 252))), 252);
  return bytes;
}

const MAGICS = ["TPID", "TPCN", "TPEN"];

/** The section of the first page that is not valid. */
function invalidPage(copy: Uint8Array, revision: number): number | undefined {
  for (const [page, magic] of MAGICS.entries()) {
    const bytes = copy.subarray(256 * page, 256 * page + 256);
    const head = concat(Buffer.from(magic), u16(1), u16(256), u32(revision));
    if (!head.every((byte, i) => byte === bytes[i]) || !hasCrc(bytes)) return SECTIONS.identity + page;
  }
  return undefined;
}

/** What three valid pages say, unless they say nothing that can be. */
function decodeIdentity(copy: Uint8Array): Identity | undefined {
  const connection = copy.subarray(256, 512);
  const addresses = addressesOn(connection);
  if ((copy[12] !== 0 && copy[12] !== 1) || copy[512 + 12] !== 1 || addresses === undefined) return undefined;
  return {
    revision: readU32(copy, 8),
    ...{ side: copy[12] === 0 ? "low" : "high", provenance: copy[13] as number, claimed: copy.slice(14, 16) },
    ...{
      padId: copy.slice(16, 32),
      serial: copy.slice(32, 40),
      padLength: readU32(copy, 40),
      split: readU32(copy, 44),
    },
    ...{ tested: copy.slice(48, 64), source: copy.slice(64, 128) },
    ...{ asset: copy.slice(128, 136), limit: readU64(copy, 136), generation: readU32(copy, 144) },
    ...{ slotsLow: readU32(connection, 12), slotsHigh: readU32(connection, 16) },
    list: { number: readU32(connection, 28), addresses },
    burnUnit: (copy[512 + 14] as number) + 256 * (copy[512 + 15] as number),
  };
}

/** The addresses of page 1, which end where their number says. */
function addressesOn(page: Uint8Array): string[] | undefined {
  const count = readU32(page, 24);
  let end = 32;
  for (let i = 0; i < Math.min(count, 16) && end < 252; i++) end += 1 + (page[end] as number);
  return end > 252 ? undefined : splitAddresses(page.subarray(32, end), count);
}

/** Whether section 10 would have taken this pad on this chip. */
function wouldBeFilled(identity: Identity, chip: Chip): boolean {
  const { provenance, padLength, split, burnUnit, slotsLow, slotsHigh } = identity;
  const slots = Math.floor(padLength / 8192);
  const region = chip.sectors * SECTOR - regions(chip).pad;
  return (
    (provenance === 1 || provenance === 2) &&
    padLength % 4096 === 0 &&
    padLength >= 8192 &&
    padLength <= region &&
    [1, 2, 4, 8, 16, 32, 64].includes(burnUnit) &&
    burnUnit % chip.burnUnit === 0 &&
    [slotsLow, slotsHigh].every((count) => count === 0 || count === slots) &&
    split % burnUnit === 0 &&
    split >= SLOT_SIZE * slotsLow &&
    split <= padLength - SLOT_SIZE * slotsHigh - RESERVE
  );
}

function hasCrc(bytes: Uint8Array): boolean {
  return crc32(bytes.subarray(0, bytes.length - 4)) === readU32(bytes, bytes.length - 4);
}

/** Section 5: what the records of the highest generation say together. On the high side, split and down-used are folded from the newest to the oldest. */
function join(records: Required<JournalRecord>[], side: Side | undefined, end: number): JournalRecord {
  const newestFirst = records.toSorted((a, b) => b.sequence - a.sequence);
  const joined = { ...(newestFirst[0] as Required<JournalRecord>) };
  for (const record of newestFirst) {
    for (const field of [
      "state",
      "nextSlot",
      "upUsed",
      "upBurned",
      "downUsed",
      "downBurned",
      "split",
      "revision",
    ] as const) {
      joined[field] = Math.max(joined[field], record[field]);
    }
  }
  joined.carried = Math.max(...records.map(({ revision, carried }) => (revision === joined.revision ? carried : 0)));
  if (side !== "high") return joined;
  joined.split = 0;
  joined.downUsed = 0;
  for (const record of newestFirst) {
    joined.split = Math.max(joined.split, Math.min(record.split, end - joined.downUsed));
    joined.downUsed = Math.max(joined.downUsed, Math.min(record.downUsed, end - joined.split));
  }
  return joined;
}

/** The same for the value. */
function joinValue(records: Required<JournalRecord>[]): Value {
  const highest = Math.max(...records.map(({ receipt }) => receipt.sequence));
  const holding = records.filter(({ receipt }) => receipt.sequence === highest);
  const { receipt } = holding[0] as Required<JournalRecord>;
  const since = Math.min(...holding.map(({ bootEpoch }) => bootEpoch));
  const later = records.filter(({ bootEpoch }) => bootEpoch > since);
  let openCaps = 0n;
  for (const record of [...holding, ...later]) if (record.openCaps > openCaps) openCaps = record.openCaps;
  return { receipt, openCaps, answered: Math.max(...records.map(({ answered }) => answered)) };
}

export interface Booted {
  info: Info;
  /** The pad region as the boot leaves it. */
  pad: Uint8Array;
  /** The three identity pages as they lie there, when a revision is in force. */
  pages?: Uint8Array;
  end?: End;
  identity?: Identity;
  value?: Value;
  /** Of the journal; that of the identity in force may be an earlier one. */
  revision?: number;
  /** Both identity copies as they lie there, of even revisions and of odd ones. */
  copies?: [Uint8Array, Uint8Array];
}

/** Section 6. The flash is not changed. */
export function boot(chip: Chip, flash: Uint8Array, traps = 0): Booted {
  const padRegion = regions(chip).pad;
  const pad = flash.slice(padRegion);
  const faulty = (section: number): Booted => {
    return { info: { state: STATES.faulty, section }, pad: flash.slice(padRegion) };
  };
  if (traps >= 3) return faulty(SECTIONS.core);
  if (chip.overprogram === false || pad.length < SECTOR) return faulty(SECTIONS.chip);

  const all = validRecords(flash.subarray(0, regions(chip).copies[0]));
  const behindJournal = flash.subarray(regions(chip).copies[0]);
  if (all.length === 0 && !behindJournal.every((byte) => byte === 0xff)) return faulty(SECTIONS.journal);
  const highest = (field: "sequence" | "bootEpoch" | "generation"): number => {
    return Math.max(0, ...all.map((record) => record[field]));
  };
  const generation = highest("generation");
  const counters = { bootEpoch: highest("bootEpoch") + 1, generation, journalSequence: highest("sequence") + 1 };
  const common = { ...counters, traps, chipSize: chip.sectors * SECTOR };
  const noPad = { side: 255, suite: 0, padLength: 0, split: 0, room: 0, burnUnit: chip.burnUnit };
  if (all.length === 0) return { info: { state: STATES.blank, ...common, ...noPad }, pad };

  const records = all.filter((record) => record.generation === generation);
  const { state, revision, carried = 0 } = join(records, undefined, 0);
  if (state <= STATES.filling) return { info: { state, ...common, ...noPad }, pad };

  const { pages, section } = identityInForce(chip, flash, [revision, carried, revision - 1], generation);
  const identity = decodeIdentity(pages);
  if (section !== undefined) return { ...faulty(section), pages };
  if (!identity || !wouldBeFilled(identity, chip)) return { ...faulty(SECTIONS.identity), pages };
  const slots: Side[] = [
    ...(identity.slotsLow ? ["low" as const] : []),
    ...(identity.slotsHigh ? ["high" as const] : []),
  ];
  const end = new End({ ...identity, slots }, pad.subarray(0, identity.padLength));
  const joined = join(records, end.side, end.end);
  Object.assign(end, { split: joined.split, nextSlot: joined.nextSlot });
  Object.assign(end.used, { up: joined.upUsed, down: joined.downUsed });
  if (!marksInside(end)) return faulty(SECTIONS.journal);
  const burned = end.sealing === "up" ? joined.upBurned : joined.downBurned;
  witness(end);
  if (state >= STATES.inactive) burnAgain(end, records, burned);
  pad.set(end.pad);
  const value = joinValue(records);
  const copies = copiesOn(chip, flash);
  return { info: { state, ...common, ...padInfo(identity, end) }, pad, pages, end, identity, value, revision, copies };
}

/**
 * Step 4: the pages of the journal's revision, the first one, and the section of the first that is not valid; or, when there is one, those of
 * the next revision that is whole and of the same fill.
 */
function identityInForce(
  chip: Chip,
  flash: Uint8Array,
  [revision, ...others]: [number, ...number[]],
  generation: number,
): { pages: Uint8Array; section: number | undefined } {
  const load = (which: number): { pages: Uint8Array; section: number | undefined } => {
    const pages = copiesOn(chip, flash)[which & 1] as Uint8Array;
    return { pages, section: invalidPage(pages, which) };
  };
  const named = load(revision);
  if (named.section === undefined || generation === 0) return named;
  const whole = others.map(load).filter(({ section }) => section === undefined);
  return whole.find(({ pages }) => generationOf(pages) === generation) ?? named;
}

/** What page 0 says of the fill. */
function generationOf(pages: Uint8Array): number {
  return readU32(pages, 144);
}

/** The pages of both identity copies, valid or not. */
function copiesOn(chip: Chip, flash: Uint8Array): [Uint8Array, Uint8Array] {
  const [even, odd] = regions(chip).copies.map((at) => flash.slice(at, at + 3 * 256));
  return [even as Uint8Array, odd as Uint8Array];
}

/** All three. */
export function identityPages(identity: Identity): Uint8Array {
  return concat(...[0, 1, 2].map((page) => identityPage(identity, page)));
}

/** Whether three pages are valid as a revision. */
export function isWhole(pages: Uint8Array, revision: number): boolean {
  return invalidPage(pages, revision) === undefined;
}

function validRecords(journal: Uint8Array): Required<JournalRecord>[] {
  const records: Required<JournalRecord>[] = [];
  for (let at = 0; at < journal.length; at += RECORD_SIZE) {
    const record = decodeRecord(journal.subarray(at, at + RECORD_SIZE));
    if (record) records.push(record);
  }
  return records;
}

function marksInside({ facts, split, base, end, used, nextSlot, slots, side }: End): boolean {
  const unit = facts.burnUnit;
  const aligned = [split, used.up, used.down].every((mark) => mark % unit === 0);
  return aligned && base <= split && base + used.up <= split && split <= end - used.down && nextSlot <= slots[side];
}

/** Step 5: zeros next to what is known as used were used. */
function witness(end: End): void {
  const zero = (at: number, length: number): boolean => isZero(end.pad.subarray(at, at + length));
  while (end.nextSlot < end.slots[end.side] && zero(end.slotAt(end.side, end.nextSlot), 32)) end.nextSlot += 1;
  const up = end.sealing === "up";
  const from = end.offsetOf(end.sealing, end.used[end.sealing], 0);
  const reach = Math.abs(end.split - from);
  const next = (count: number): number => (up ? from + count : from - 1 - count);
  let zeros = 0;
  while (zeros < reach && end.pad[next(zeros)] === 0) zeros += 1;
  const unit = end.facts.burnUnit;
  if (zeros >= 32) end.used[end.sealing] += Math.min(reach, Math.ceil(zeros / unit) * unit);
}

/** Step 7: what the pending ranges and the marks say was to be burned. */
function burnAgain(end: End, records: JournalRecord[], burned: number): void {
  const lastOfEpoch = new Map<number, JournalRecord>();
  for (const record of records.toSorted((a, b) => a.sequence - b.sequence)) lastOfEpoch.set(record.bootEpoch, record);
  for (const { pendingOffset, pendingLength } of lastOfEpoch.values()) {
    end.pad.fill(0, pendingOffset, pendingOffset + pendingLength);
  }
  const marks = [Math.min(burned, end.used[end.sealing]), end.used[end.sealing]];
  const [from, to] = marks.map((mark) => end.offsetOf(end.sealing, mark, 0)).toSorted((a, b) => a - b);
  end.pad.fill(0, from, to);
}
