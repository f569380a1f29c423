/** Vectors of kind journal: what lies on a chip, and what a boot makes of it (docs/SPEC.md sections 4 to 6). */
import { concat, LAST, u32 } from "../box.ts";
import { type Bytes, bytesOf, hex } from "../bytes.ts";
import { Device } from "../device.ts";
import { crc32 } from "../frame.ts";
import {
  boot,
  type Chip,
  encodeRecord,
  type Identity,
  identityPage,
  type JournalRecord,
  RECORD_SIZE,
  regions,
  SECTIONS,
  SECTOR,
  STATES,
} from "../journal.ts";
import { NO_ADDRESSES } from "../link.ts";
import type { Vector } from "./vector.ts";
import { CHIP, type Command, fillOf, fillPayload, infoFields, World } from "./world.ts";

/** What lies at a chip address; everything else is erased. What comes later overwrites. */
export interface Placed {
  at: number;
  bytes: Bytes;
  is: string;
}

export interface Scene {
  flash: Placed[];
  chip?: Chip;
  traps?: number;
  /** When the boot ends in FAULTY: the section. */
  faulty?: keyof typeof SECTIONS;
  /** SPEC says that nothing is written. */
  unwritten?: boolean;
  /** Commands after the boot. */
  play?: (world: World) => void;
}

const PAD = regions(CHIP).pad;
/** Up base, down end and first split of the pair of 16,384 bytes; two slots on each side. */
const BASE = 384;
const END = 16000;
const SPLIT = 8192;

const ACTIVE: JournalRecord = {
  ...{ sequence: 1, bootEpoch: 1, generation: 1, state: STATES.active, nextSlot: 0, revision: 1 },
  ...{ upUsed: 0, upBurned: 0, downUsed: 0, downBurned: 0, split: SPLIT, pendingOffset: 0, pendingLength: 0 },
};

export const LOW: Identity = {
  ...{ revision: 1, side: "low", provenance: 1, claimed: Uint8Array.of(0x40, 0x1f), burnUnit: 1 },
  ...{ padId: bytesOf("202122232425262728292a2b2c2d2e2f"), serial: bytesOf("3031323334353637") },
  ...{ padLength: 16384, split: SPLIT, slotsLow: 2, slotsHigh: 2 },
  tested: concat(u32(1000, 0), u32(3), u32(17)),
  source: concat(bytesOf({ text: "a test" }), new Uint8Array(58)),
  // As release 0.1.0 filled it.
  ...{ asset: new Uint8Array(8), limit: 0n, generation: 0, list: NO_ADDRESSES },
};
const HIGH: Identity = { ...LOW, side: "high" };

export function journalVectors(): Vector[] {
  return [
    ...blank(),
    ...joins(),
    ...folds(),
    ...identities(),
    ...marks(),
    ...witness(),
    ...burning(),
    ...chips(),
    ...serving(),
  ];
}

export function vector(name: string, shows: string, section: string, scene: Scene): Vector {
  const { flash: placed, chip = CHIP, traps = 0, faulty, unwritten, play } = scene;
  const flash = new Uint8Array(chip.sectors * SECTOR).fill(0xff);
  for (const { at, bytes } of placed) flash.set(bytesOf(bytes), at);
  const booted = boot(chip, flash, traps);
  const { info, pad, end } = booted;
  const wanted = faulty ? SECTIONS[faulty] : undefined;
  if (info.section !== wanted) throw new Error(`${name}: section ${info.section} instead of ${wanted}`);
  const before = flash.subarray(regions(chip).pad);
  const outcome = faulty ? { unwritten: unwritten ?? false } : { burned: changedRanges(before, pad) };
  const noSession = end ? { noSession: [end.used.up, end.used.down, end.split, end.nextSlot] } : {};
  const expect = { info: infoFields(info, Object.keys(info)), ...outcome, ...noSession };
  const world = new World({}, chip, { device: new Device(chip, booted) });
  play?.(world);
  const steps = world.steps;
  return { name: `journal-${name}`, kind: "journal", shows, section, chip, traps, flash: placed, expect, steps };
}

/** Offset and length of what differs. */
function changedRanges(before: Uint8Array, after: Uint8Array): [number, number][] {
  const ranges: [number, number][] = [];
  for (const [i, byte] of before.entries()) {
    const last = ranges.at(-1);
    if (byte === after[i]) continue;
    if (last && last[0] + last[1] >= i - 8) last[1] = i + 1 - last[0];
    else ranges.push([i, 1]);
  }
  return ranges;
}

/** A record in the n-th place of a sector. */
export function record(
  sector: number,
  place: number,
  change: Partial<JournalRecord>,
  altered?: (bytes: Uint8Array) => void,
): Placed {
  const fields = { ...ACTIVE, ...change };
  const bytes = encodeRecord(fields);
  altered?.(bytes);
  const { receipt, ...numbers } = fields;
  const is = Object.entries({ ...numbers, ...(receipt ? { receipt: receipt.sequence } : {}) })
    .map(([field, value]) => `${field} ${value}`)
    .join(", ");
  return { at: sector * SECTOR + place * RECORD_SIZE, bytes: hex(bytes), is: `record: ${is}` };
}

/** The three pages of an identity, in the copy of its revision. */
export function identity(change: Partial<Identity> = {}, chip: Chip = CHIP, copy?: 0 | 1): Placed[] {
  const whole = { ...LOW, ...change };
  const at = regions(chip).copies[copy ?? ((whole.revision % 2) as 0 | 1)];
  return [0, 1, 2].map((page) => {
    const is = `page ${page} of revision ${whole.revision}, ${whole.side}`;
    return { at: at + 256 * page, bytes: hex(identityPage(whole, page)), is };
  });
}

export function pad(length: number = 16384, at: number = PAD): Placed {
  return { at, bytes: { seed: "pad of journals", length }, is: "pad" };
}

/** Burned bytes of the pad. */
export function zeros(offset: number, length: number): Placed {
  return { at: PAD + offset, bytes: { zeros: length }, is: `burned: ${length} from ${offset}` };
}

/** A device of either side whose journal is these records. */
function device(of: Identity, ...flash: Placed[]): Placed[] {
  return [...identity(of), pad(), ...flash];
}

function blank(): Vector[] {
  const none = { at: 0, bytes: { seed: "noise", length: 4 * SECTOR }, is: "noise in the journal" };
  const byte = (at: number): Placed => ({ at, bytes: "fe", is: "one byte that is not erased" });
  const faulty = (name: string, shows: string, ...flash: Placed[]): Vector => {
    return vector(name, shows, "6.3", { flash, faulty: "journal", unwritten: true });
  };
  return [
    vector("blank", "An erased chip is blank; its first boot writes record 1 of epoch 1.", "6.3", { flash: [] }),
    vector("blank-noise", "Without a valid record only what lies outside the journal has to be erased.", "6.3", {
      flash: [none],
    }),
    faulty("pad-without-record", "A pad without a journal is not touched.", pad()),
    faulty("identity-without-record", "An identity without a journal is not touched.", ...identity()),
    faulty("first-byte", "One byte behind the journal that is not erased.", byte(4 * SECTOR)),
    faulty("last-byte", "One byte at the end of the chip that is not erased.", none, byte(10 * SECTOR - 1)),
    vector("blank-record", "A valid record says blank: what lies elsewhere does not matter.", "6.3", {
      flash: [pad(), record(0, 0, { generation: 0, state: STATES.blank, split: 0, revision: 0 })],
    }),
    vector("blank-again", "A blank device booted nine times.", "6", {
      flash: Array.from({ length: 9 }, (_, i) => {
        return record(i % 4, 0, { generation: 0, state: 0, split: 0, revision: 0, sequence: i + 1, bootEpoch: i + 1 });
      }).slice(5),
    }),
    vector("filling", "A fill that was cut: state filling, and no pad.", "6.8", {
      flash: [pad(5000), record(0, 0, { state: STATES.filling, sequence: 2, revision: 0 })],
    }),
    vector("filling-again", "The second fill was cut: the first generation is forgotten.", "5", {
      flash: device(
        LOW,
        record(0, 0, { upUsed: 100 }),
        record(0, 1, { state: STATES.filling, generation: 2, sequence: 2 }),
      ),
    }),
  ];
}

function joins(): Vector[] {
  const used = { upUsed: 500, upBurned: 500, downUsed: 300, downBurned: 300, nextSlot: 1, split: 9000 };
  const burnt = [zeros(0, 192), zeros(BASE, 500), zeros(END - 300, 300)];
  return [
    vector("low", "One record of an active low device.", "6", { flash: device(LOW, ...burnt, record(0, 0, used)) }),
    vector("high", "One record of an active high device.", "6", {
      flash: device(HIGH, zeros(END, 192), ...burnt, record(0, 0, { ...used, nextSlot: 0 })),
    }),
    vector("maximum", "Each field is the maximum over the records, wherever it stands.", "5", {
      flash: device(
        LOW,
        ...burnt,
        record(0, 0, { upUsed: 500, upBurned: 100, split: 8500 }),
        record(0, 1, { sequence: 2, downUsed: 300, downBurned: 300 }),
        record(0, 2, { sequence: 3, nextSlot: 1, upBurned: 500, split: 9000 }),
        record(0, 3, { sequence: 4, split: 8192 }),
      ),
    }),
    vector("any-place", "The place of a record says nothing; sequence and epoch go on from the highest.", "5", {
      flash: device(
        LOW,
        ...burnt,
        record(3, 31, { ...used, sequence: 7, bootEpoch: 3 }),
        record(0, 0, { sequence: 40, bootEpoch: 6 }),
      ),
    }),
    vector("bad-crc", "A record whose CRC-32 is wrong is none.", "5", {
      flash: device(LOW, record(0, 0, { upUsed: 0 }), record(0, 1, { sequence: 2, upUsed: 700 }, flip(124))),
    }),
    vector("bad-field", "A record with a flipped bit in a field is none.", "5", {
      flash: device(LOW, record(0, 0, { upUsed: 0 }), record(0, 1, { sequence: 2, upUsed: 700 }, flip(26))),
    }),
    vector("bad-magic", "A record with another magic and the CRC-32 to it is none.", "5", {
      flash: device(LOW, record(0, 0, {}), record(0, 1, { sequence: 2, upUsed: 700 }, resealed(3, 0x32))),
    }),
    vector("bad-state", "A record with state 6 and the CRC-32 to it is none.", "5", {
      flash: device(LOW, record(0, 0, {}), record(0, 1, { sequence: 2, upUsed: 700 }, resealed(16, 6))),
    }),
    vector("reserved", "Reserved bytes are ignored when read.", "5", {
      flash: device(LOW, record(0, 0, { upUsed: 10, upBurned: 10 }, resealed(110, 0xaa)), zeros(BASE, 10)),
    }),
    vector("half-record", "A record of which half is programmed is none.", "5", {
      flash: device(
        LOW,
        record(0, 0, {}),
        record(0, 1, { sequence: 2, upUsed: 700 }, (bytes) => bytes.fill(0xff, 64)),
      ),
    }),
    vector("not-aligned", "A record that does not lie in a place of its own is none.", "5", {
      flash: device(LOW, record(0, 0, {}), { ...record(0, 2, { sequence: 2, upUsed: 700 }), at: 320 }),
    }),
    vector("generations", "Of an older generation only sequence and boot epoch count.", "5", {
      flash: device(
        LOW,
        record(0, 0, { ...used, generation: 1, sequence: 90, bootEpoch: 12, state: STATES.wiping }),
        record(0, 1, { generation: 2, sequence: 3, bootEpoch: 2 }),
      ),
    }),
    vector("inactive", "State inactive: the pad witnesses, but nothing is burned.", "6.7", {
      flash: device(
        LOW,
        record(0, 0, { state: STATES.inactive, pendingOffset: 4000, pendingLength: 10 }),
        zeros(BASE, 40),
      ),
    }),
    vector("cancelled", "State cancelled is above active.", "6.7", {
      flash: device(LOW, record(0, 0, { state: STATES.cancelled }), record(0, 1, { sequence: 2 })),
    }),
  ];
}

function flip(at: number): (bytes: Uint8Array) => void {
  return (bytes) => {
    bytes[at] = (bytes[at] as number) ^ 1;
  };
}

/** Another byte, and a CRC-32 that is right. */
export function resealed(at: number, byte: number): (bytes: Uint8Array) => void {
  return (bytes) => {
    bytes[at] = byte;
    bytes.set(u32(crc32(bytes.subarray(0, 124))), 124);
  };
}

function folds(): Vector[] {
  const down = (length: number): Placed => zeros(END - length, length);
  const marks = (downUsed: number): Partial<JournalRecord> => ({ downUsed, downBurned: downUsed });
  return [
    vector(
      "fold-split",
      "High: a torn raise that became readable reaches no further than what the newer record has used.",
      "5",
      {
        flash: device(
          HIGH,
          down(6000),
          record(0, 0, { sequence: 5, split: 12000 }),
          record(0, 1, { sequence: 6, ...marks(6000) }),
        ),
      },
    ),
    vector("fold-used", "High: torn use that became readable reaches no further than the newer record's split.", "5", {
      flash: device(
        HIGH,
        down(4000),
        record(0, 0, { sequence: 5, ...marks(6000) }),
        record(0, 1, { sequence: 6, split: 12000 }),
      ),
    }),
    vector("fold-both", "High: three records, from the newest to the oldest.", "5", {
      flash: device(
        HIGH,
        down(3000),
        record(0, 0, { sequence: 5, split: 14500 }),
        record(0, 1, { sequence: 6, split: 9000, ...marks(3000) }),
        record(0, 2, { sequence: 7, split: 11000, ...marks(1000) }),
      ),
    }),
    vector("fold-by-sequence", "High: the newest is the one with the highest sequence, not the last in place.", "5", {
      flash: device(
        HIGH,
        down(6000),
        record(2, 0, { sequence: 5, split: 12000 }),
        record(1, 9, { sequence: 6, ...marks(6000) }),
      ),
    }),
    vector("fold-room", "High: records that leave each other room are simply the maximum.", "5", {
      flash: device(
        HIGH,
        down(2000),
        record(0, 0, { sequence: 1, split: 9000 }),
        record(0, 1, { sequence: 2, split: 8192, ...marks(2000) }),
      ),
    }),
    vector("low-takes-maximum", "Low takes the maximum of split.", "5", {
      flash: device(LOW, record(0, 0, { sequence: 1, split: 14000 }), record(0, 1, { sequence: 2, split: 9000 })),
    }),
  ];
}

function identities(): Vector[] {
  const revised = { revision: 2, padId: bytesOf("404142434445464748494a4b4c4d4e4f"), provenance: 2 };
  const faulty = (
    name: string,
    section: "identity" | "connection" | "encryption",
    shows: string,
    ...flash: Placed[]
  ): Vector => {
    return vector(name, shows, "6.4", { flash: [pad(), ...flash, record(0, 0, {})], faulty: section, unwritten: true });
  };
  const without = (page: number): Placed[] => identity().filter((_, i) => i !== page);
  const damaged = (page: number, at: number): Placed[] => {
    return identity().map((placed, i) => {
      const bytes = bytesOf(placed.bytes);
      if (i === page) flip(at)(bytes);
      return { ...placed, bytes: hex(bytes) };
    });
  };
  return [
    vector("revision-2", "Revision 2 lies in copy 0; the old one in copy 1 no longer counts.", "4", {
      flash: [pad(), ...identity(), ...identity(revised), record(0, 0, {}), record(0, 1, { sequence: 2, revision: 2 })],
    }),
    vector("revision-maximum", "The revision in force is the highest of the records.", "5", {
      flash: [pad(), ...identity(), ...identity(revised), record(0, 0, { revision: 2 }), record(0, 1, { sequence: 2 })],
    }),
    vector("revision-1", "A newer revision that no record names is not in force.", "4", {
      flash: [pad(), ...identity(), ...identity(revised), record(0, 0, {})],
    }),
    faulty("identity-missing", "identity", "Page 0 is erased.", ...without(0)),
    faulty("connection-missing", "connection", "Page 1 is erased.", ...without(1)),
    faulty("encryption-missing", "encryption", "Page 2 is erased.", ...without(2)),
    faulty("identity-damaged", "identity", "A flipped bit in the pad id.", ...damaged(0, 20)),
    faulty("connection-damaged", "connection", "A flipped bit in the number of slots.", ...damaged(1, 12)),
    faulty("encryption-damaged", "encryption", "A flipped bit in the last byte of the CRC-32.", ...damaged(2, 255)),
    faulty("two-pages-damaged", "connection", "The first page that is not valid is named.", ...without(1).slice(0, 1)),
    faulty(
      "other-revision",
      "identity",
      "Pages of revision 3 where revision 1 is in force.",
      ...identity({ revision: 3 }),
    ),
    faulty("other-copy", "identity", "Revision 1 in copy 0, where it is not looked for.", ...identity({}, CHIP, 0)),
  ];
}

function marks(): Vector[] {
  const faulty = (name: string, shows: string, of: Identity, change: Partial<JournalRecord>): Vector => {
    return vector(`outside-${name}`, shows, "6.4", { flash: device(of, record(0, 0, change)), faulty: "journal" });
  };
  return [
    faulty("split-low", "A split below the up base.", LOW, { split: 383 }),
    faulty("split-high", "A split beyond the down end.", LOW, { split: 16001 }),
    faulty("up", "Up has used more than up to the split.", LOW, { upUsed: SPLIT - BASE + 1 }),
    faulty("down", "Down has used more than down to the split.", LOW, { downUsed: END - SPLIT + 1 }),
    faulty("slot", "More slots used than there are.", LOW, { nextSlot: 3 }),
    faulty("up-at-high", "High has released more of up than there is.", HIGH, { upUsed: SPLIT - BASE + 1 }),
    vector("at-their-ends", "Every mark at the furthest that it may be.", "6.4", {
      flash: device(
        LOW,
        zeros(0, SPLIT),
        record(0, 0, {
          ...{
            upUsed: SPLIT - BASE,
            upBurned: SPLIT - BASE,
            downUsed: END - SPLIT,
            downBurned: END - SPLIT,
            nextSlot: 2,
          },
        }),
      ),
    }),
  ];
}

function witness(): Vector[] {
  const low = (name: string, shows: string, flash: Placed[], change: Partial<JournalRecord> = {}): Vector => {
    return vector(`witness-${name}`, shows, "6.5", { flash: device(LOW, ...flash, record(0, 0, change)) });
  };
  const coarse = (of: Identity, ...flash: Placed[]): Placed[] =>
    device({ ...of, burnUnit: 64 }, ...flash, record(0, 0, {}));
  return [
    low("slot", "A slot that begins with 32 zeros is used.", [zeros(0, 32)]),
    low("slots", "Two slots that are burned are used.", [zeros(0, 384)]),
    low("slot-of-31", "31 zeros at the start of a slot are none.", [zeros(0, 31)]),
    low("slot-later", "Only the next slot is looked at.", [zeros(192, 192)]),
    vector("witness-slot-high", "High's slots lie downward from the end.", "6.5", {
      flash: device(HIGH, zeros(16384 - 192, 192), record(0, 0, {})),
    }),
    low("up", "Zeros above the mark of up were used.", [zeros(BASE, 100)]),
    low("up-later", "Zeros above a mark that is not 0.", [zeros(BASE, 250)], { upUsed: 200, upBurned: 200 }),
    low("up-of-31", "31 zeros are none.", [zeros(BASE, 31)]),
    low("up-of-32", "32 zeros are used.", [zeros(BASE, 32)]),
    low("up-not-next", "Zeros that do not touch the mark say nothing.", [zeros(BASE + 1, 100)]),
    low("up-to-split", "The mark does not move beyond the split.", [zeros(SPLIT - 64, 128)], {
      upUsed: SPLIT - 64 - BASE,
      upBurned: SPLIT - 64 - BASE,
    }),
    vector("witness-down", "Zeros below the mark of down were used.", "6.5", {
      flash: device(HIGH, zeros(END - 100, 100), record(0, 0, {})),
    }),
    vector("witness-down-only-of-high", "Low does not look at down.", "6.5", {
      flash: device(LOW, zeros(END - 100, 100), record(0, 0, {})),
    }),
    vector("witness-rounded-up", "With burn unit 64, 70 zeros are 128 used bytes, and the rest is burned.", "6.5", {
      flash: coarse(LOW, zeros(BASE, 70)),
    }),
    vector("witness-rounded-down", "The same downward.", "6.5", { flash: coarse(HIGH, zeros(END - 70, 70)) }),
  ];
}

function burning(): Vector[] {
  const pending = (sequence: number, bootEpoch: number, pendingOffset: number, pendingLength: number): Placed => {
    return record(0, sequence, { sequence, bootEpoch, pendingOffset, pendingLength });
  };
  return [
    vector("burn-up", "What was reserved and not burned is burned: up.", "6.7", {
      flash: device(LOW, zeros(BASE, 100), record(0, 0, { upUsed: 400, upBurned: 100 })),
    }),
    vector("burn-down", "What was reserved and not burned is burned: down.", "6.7", {
      flash: device(HIGH, zeros(END - 100, 100), record(0, 0, { downUsed: 400, downBurned: 100 })),
    }),
    vector("burn-half", "A burning that was cut in the middle is finished.", "6.7", {
      flash: device(LOW, zeros(BASE, 150), record(0, 0, { upUsed: 400, upBurned: 0 })),
    }),
    vector("burn-across-pages", "A range across many pages.", "6.7", {
      flash: device(LOW, record(0, 0, { upUsed: 4128, upBurned: 0 })),
    }),
    vector("pending", "A pending range is burned again.", "6.7", { flash: device(LOW, pending(1, 1, 12000, 300)) }),
    vector("pending-of-each-epoch", "The last record of every boot epoch has a pending range to burn.", "6.7", {
      flash: device(LOW, pending(1, 1, 12000, 50), pending(2, 2, 13000, 50), pending(3, 3, 14000, 50)),
    }),
    vector(
      "pending-earlier",
      "Of one epoch only the last record counts: the others were burned before it was written.",
      "6.7",
      {
        flash: device(LOW, pending(1, 1, 12000, 50), pending(2, 1, 13000, 50)),
      },
    ),
    vector("pending-none", "A last record without a pending range.", "6.7", {
      flash: device(LOW, pending(1, 1, 12000, 50), pending(2, 1, 0, 0)),
    }),
    vector("pending-slot", "The pending range of a BEGIN is its slot.", "6.7", {
      flash: device(LOW, record(0, 0, { nextSlot: 1, pendingOffset: 0, pendingLength: 192 })),
    }),
    vector("pending-of-older-generation", "Pending ranges of an older generation are not burned.", "6.7", {
      flash: device(LOW, pending(1, 1, 12000, 50), record(0, 2, { sequence: 2, bootEpoch: 2, generation: 2 })),
    }),
  ];
}

function chips(): Vector[] {
  const reference = { sectors: 256, burnUnit: 1 };
  const large = regions(reference).pad;
  const short = { padLength: 8192, slotsLow: 1, slotsHigh: 1, split: 4096 };
  return [
    vector("traps", "After three traps nothing is read.", "6.1", {
      flash: device(LOW, record(0, 0, {})),
      traps: 3,
      faulty: "core",
      unwritten: true,
    }),
    vector("two-traps", "After two traps the device still serves, and says so.", "6.1", {
      flash: device(LOW, record(0, 0, {})),
      traps: 2,
    }),
    vector("no-overprogram", "A chip on which used bytes may not be programmed to zero.", "6.2", {
      flash: [],
      chip: { ...CHIP, overprogram: false },
      faulty: "chip",
    }),
    vector("too-small", "A chip without a sector for the pad.", "6.2", {
      flash: [],
      chip: { sectors: 6, burnUnit: 1 },
      faulty: "chip",
    }),
    vector("smallest", "A chip with one sector of pad.", "4", { flash: [], chip: { sectors: 7, burnUnit: 1 } }),
    vector("reference-map", "From 1 MiB on the journal has 16 sectors and each identity copy 8.", "4", {
      flash: [...identity(short, reference), pad(8192, large), record(15, 31, { split: 4096 })],
      chip: reference,
    }),
    vector("just-below-reference", "One sector less has the small map.", "4", {
      flash: [...identity(short), pad(8192), record(3, 31, { split: 4096 })],
      chip: { sectors: 255, burnUnit: 1 },
    }),
    vector("short-pad", "A pad shorter than its region ends where it ends.", "4", {
      flash: [
        ...identity(short),
        pad(8192),
        zeros(8000 - 50, 50),
        record(0, 0, { split: 4096, downUsed: 50, downBurned: 50 }),
      ],
    }),
  ];
}

/** What a device answers after the boot. */
function serving(): Vector[] {
  const seal: Bytes = [{ u32: LAST }, { text: "Hello" }];
  const here: Bytes = [{ u32: 0xffffffff }, { u32: 0 }];
  const damaged = [...identity().slice(0, 2), pad(), record(0, 0, {})];
  const refuses = (...commands: Command[]): ((world: World) => void) => {
    return (world) => {
      for (const command of commands) world.fails("device", command, "", "FAULTY");
    };
  };
  const MARKS = ["journalSequence", "nextSlot", "upUsed", "upBurned", "downUsed", "downBurned"];
  return [
    vector("serve-low", "Low goes on behind what it had reserved before the cut.", "6", {
      flash: device(LOW, zeros(BASE, 100), record(0, 0, { upUsed: 400, upBurned: 100, nextSlot: 1 })),
      play: (world) => {
        world.does("device", "BEGIN", here);
        world.does("device", "SEAL", seal);
        world.shows("device", ...MARKS);
        world.fails("device", "BEGIN", here, "SLOTS_EXHAUSTED");
      },
    }),
    vector("serve-high", "High goes on below what it had reserved before the cut.", "6", {
      flash: device(HIGH, record(0, 0, { downUsed: 400, downBurned: 100, split: 9000 })),
      play: (world) => {
        world.does("device", "BEGIN", here);
        world.does("device", "SEAL", seal);
        world.shows("device", ...MARKS);
        world.does("device", "RAISE", { u32: 9001 });
        world.does("device", "PAGE", { u32: 0 });
      },
    }),
    vector("serve-witness", "What the pad witnesses as used is not sealed under again.", "6.5", {
      flash: device(LOW, zeros(BASE, 100), record(0, 0, {})),
      play: (world) => {
        world.does("device", "SEAL", seal);
        world.shows("device", ...MARKS);
      },
    }),
    vector(
      "serve-after-fold",
      "After a fold high seals and grants nothing: its split has come down to what it used.",
      "5",
      {
        flash: device(
          HIGH,
          zeros(END - 6000, 6000),
          record(0, 0, { sequence: 5, split: 12000 }),
          record(0, 1, { sequence: 6, downUsed: 6000, downBurned: 6000 }),
        ),
        play: (world) => {
          world.fails("device", "SEAL", seal, "EXHAUSTED");
          world.fails("device", "RAISE", { u32: 10001 }, "EXHAUSTED");
        },
      },
    ),
    vector("serve-nothing-verified", "What was verified before a boot is not verified after it.", "8 RELEASE", {
      flash: device(LOW, record(0, 0, {})),
      play: (world) => {
        world.fails("device", "RELEASE", [{ u32: 15000 }, { u32: 32 }], "NOT_VERIFIED");
        world.fails("device", "RELEASE_SLOT", { u32: 0 }, "NOT_VERIFIED");
      },
    }),
    vector("serve-filling", "A fill that a boot interrupted starts over, in the next generation.", "10", {
      flash: [pad(), record(0, 0, { state: STATES.filling, revision: 0, sequence: 2 })],
      play: (world) => {
        const fill = fillOf("low", { padLength: 8192, split: 2048 });
        world.fails("device", "WRITE", [{ u32: 0 }, { seed: "pad", length: 256 }], "WRONG_STATE");
        world.fails("device", "COMMIT", [fill.key, fill.tag], "WRONG_STATE");
        world.does("device", "FILL", fillPayload(fill));
        world.does("device", "WRITE", [{ u32: 0 }, { ...fill.pad, length: 4096 }]);
        world.does("device", "WRITE", [{ u32: 4096 }, { ...fill.pad, from: 4096, length: 4096 }]);
        world.does("device", "COMMIT", [fill.key, fill.tag]);
        world.shows("device", "state", "generation", "side", "padLength");
        world.does("device", "SEAL", seal);
      },
    }),
    vector("serve-inactive", "An inactive device shows its pages and seals nothing.", "8", {
      flash: device(LOW, record(0, 0, { state: STATES.inactive })),
      play: (world) => {
        world.does("device", "PAGE", { u32: 2 });
        world.fails("device", "SEAL", seal, "WRONG_STATE");
      },
    }),
    vector(
      "serve-faulty-encryption",
      "A faulty device refuses all but HELLO, INFO and PAGE, and gives its pages as they are.",
      "8",
      {
        flash: damaged,
        faulty: "encryption",
        play: (world) => {
          refuses(
            "SEAL",
            "FILL",
            "WRITE",
            "COMMIT",
            "BEGIN",
            "RAISE",
            "FIND",
            "OPEN",
            "RELEASE",
            "RELEASE_SLOT",
          )(world);
          world.does("device", "PAGE", { u32: 0 });
          world.does("device", "PAGE", { u32: 2 });
          world.fails("device", "PAGE", { u32: 3 }, "BAD_ARGUMENT");
        },
      },
    ),
    vector("serve-faulty-journal", "Without a journal no page is in force.", "8", {
      flash: [pad()],
      faulty: "journal",
      play: (world) => {
        refuses("SEAL", "FILL")(world);
        world.fails("device", "PAGE", { u32: 0 }, "FAULTY");
      },
    }),
    vector(
      "serve-faulty-selftest",
      "What chip and body are can be asked of a faulty device; they are not tried.",
      "8 SELFTEST",
      {
        flash: [pad()],
        faulty: "journal",
        play: (world) => {
          world.does("device", "SELFTEST", { u32: 0 }, [12, 24]);
          world.fails("device", "SELFTEST", { u32: 1 }, "FAULTY");
          world.fails("device", "SELFTEST", { u32: 5 }, "FAULTY");
          world.fails("device", "SELFTEST", "", "FAULTY");
        },
      },
    ),
    vector("serve-faulty-core", "After three traps only HELLO and INFO answer.", "6.1", {
      flash: device(LOW, record(0, 0, {})),
      traps: 3,
      faulty: "core",
      play: (world) => {
        refuses("SEAL", "BEGIN")(world);
        world.fails("device", "PAGE", { u32: 0 }, "FAULTY");
      },
    }),
  ];
}
