/**
 * A model device: an end of a pad, the states and commands of docs/SPEC.md section 8, filling (10), sessions (7) and errors (9).
 * Flash never fails and power is never cut; work of the background is done at once.
 */
import { concat, equal, equalRun, Failure, LONGEST, poly1305, readU32, u16, u32 } from "./box.ts";
import { End, RESERVE, type Side } from "./end.ts";
import { decodeFrame, type Frame, LARGEST_PAYLOAD, plainFrame } from "./frame.ts";
import { encodeInfo, type Info, padInfo } from "./info.ts";
import { type Booted, type Chip, type Identity, identityPage, regions, SECTIONS, SECTOR, STATES } from "./journal.ts";

export const COMMANDS = {
  HELLO: 0x01,
  INFO: 0x02,
  PAGE: 0x03,
  FILL: 0x10,
  WRITE: 0x11,
  COMMIT: 0x12,
  BEGIN: 0x20,
  SEAL: 0x21,
  RAISE: 0x22,
  FIND: 0x30,
  OPEN: 0x31,
  RELEASE: 0x32,
  RELEASE_SLOT: 0x33,
} as const;

const ERRORS: string[] = [
  ...["", "BAD_FRAME", "NO_SESSION", "WRONG_SEQUENCE", "UNKNOWN_COMMAND", "BAD_ARGUMENT", "WRONG_STATE", "FAULTY"],
  ...["NEED_GRANT", "EXHAUSTED", "SLOTS_EXHAUSTED", "SLOT_UNKNOWN", "AUTH_FAILED", "BOX_USED", "NOT_VERIFIED"],
  ...["FLASH_FAULT", "SUPPLY_LOW", "FILL_REFUSED", "FILL_MISMATCH", "WRONG_SIDE", "BUSY", "SUITE_UNKNOWN"],
];

export class Device {
  readonly chip: Chip;
  end: End | undefined;
  private state: number;
  private generation: number;
  private journalSequence: number;
  private bootEpoch: number;
  private lastError = 0;
  private identity: Identity | undefined;
  private written: Uint8Array = new Uint8Array(0);
  private readonly booted: Pick<Booted, "info" | "pages">;

  /** As a boot left it; without one, blank and booted for the first time. */
  constructor(chip: Chip, booted: Omit<Booted, "pad"> = { info: FIRST_BOOT }) {
    this.chip = chip;
    this.booted = booted;
    this.end = booted.end;
    this.identity = booted.identity;
    this.state = booted.info.state as number;
    this.generation = booted.info.generation as number;
    this.journalSequence = booted.info.journalSequence as number;
    this.bootEpoch = booted.info.bootEpoch as number;
  }

  /** The power goes and comes between two commands. */
  reboot(): void {
    this.bootEpoch += 1;
    this.journalSequence += 1;
    this.lastError = 0;
    if (this.state === STATES.filling) this.end = undefined;
    else this.end?.forget();
  }

  /** What INFO answers, as fields; the serial that a fill makes, which is random, is zero. */
  info(): Info {
    const { state, generation, lastError, journalSequence, bootEpoch } = this;
    const work = state === STATES.filling && lastError === 0 && this.end ? FILLING : 0;
    const pad = this.identity && this.end ? padInfo(this.identity, this.end) : {};
    const chipSize = this.chip.sectors * SECTOR;
    const counters = { generation, journalSequence, bootEpoch };
    return {
      burnUnit: this.chip.burnUnit,
      ...this.booted.info,
      ...pad,
      state,
      ...counters,
      work,
      error: lastError,
      chipSize,
    };
  }

  /** The payload of the reply to a command other than HELLO, or a Failure. */
  execute(type: number, payload: Uint8Array): Uint8Array {
    const { state } = this;
    if (state === STATES.faulty && type > COMMANDS.PAGE) throw new Failure("FAULTY", this.section);
    if (!Object.values<number>(COMMANDS).includes(type)) throw new Failure("UNKNOWN_COMMAND");
    const [from, to] = statesOf(type);
    if (state < from || state > to) throw new Failure("WRONG_STATE", state);
    const split = this.end?.split;
    const reply = this.obey(type, payload);
    const raised = (type === COMMANDS.FIND || type === COMMANDS.RAISE) && this.end?.split !== split;
    if (RECORDED.includes(type) || raised) this.journalSequence += 1;
    return reply;
  }

  private get section(): number {
    return this.booted.info.section as number;
  }

  private obey(type: number, payload: Uint8Array): Uint8Array {
    if (type === COMMANDS.FILL) return this.fill(payload);
    if (type === COMMANDS.WRITE) return this.write(payload);
    if (type === COMMANDS.COMMIT) return this.commit(payload);
    if (type === COMMANDS.INFO) {
      fields(payload, 0);
      return encodeInfo(this.info());
    }
    if (type === COMMANDS.PAGE) return this.page(fields(payload, 1)[0] as number);
    try {
      return usePad(this.end as End, type, payload);
    } catch (failure) {
      if (!(failure instanceof Failure) || failure.code !== "FLASH_FAULT") throw failure;
      throw new Failure("FLASH_FAULT", failure.detail, regions(this.chip).pad + (failure.facts[0] as number));
    }
  }

  /** As it lies on the chip, valid or not. */
  private page(page: number): Uint8Array {
    const { pages } = this.booted;
    if (this.state === STATES.faulty && this.section < SECTIONS.identity) throw new Failure("FAULTY", this.section);
    if (this.state === STATES.faulty && this.section > SECTIONS.pad) throw new Failure("FAULTY", this.section);
    if (page > 2) throw new Failure("BAD_ARGUMENT");
    return pages ? pages.slice(256 * page, 256 * page + 256) : identityPage(this.identity as Identity, page);
  }

  private fill(payload: Uint8Array): Uint8Array {
    if (payload.length !== 112) throw new Failure("BAD_ARGUMENT");
    const byte = (at: number): number => payload[at] as number;
    const check = (right: boolean, at: number): void => {
      if (!right) throw new Failure("BAD_ARGUMENT", at);
    };
    const padLength = readU32(payload, 4);
    const split = readU32(payload, 8);
    const burnUnit = byte(14) + 256 * byte(15);
    check(byte(0) <= 1, 0);
    if (byte(1) !== 1) throw new Failure("SUITE_UNKNOWN", byte(1));
    check(byte(2) <= 3, 2);
    check(byte(3) === 1 || byte(3) === 2, 3);
    const region = this.chip.sectors * SECTOR - regions(this.chip).pad;
    check(padLength % 4096 === 0 && padLength >= 8192 && padLength <= region, 4);
    check([1, 2, 4, 8, 16, 32, 64].includes(burnUnit) && burnUnit % this.chip.burnUnit === 0, 14);
    const slots = (["low", "high"] as Side[]).filter((_, bit) => byte(2) & (1 << bit));
    const side: Side = byte(0) === 0 ? "low" : "high";
    const padId = payload.slice(16, 32);
    const end = new End({ side, padId, burnUnit, slots, split }, new Uint8Array(padLength));
    check(split % burnUnit === 0 && end.base <= split && split <= end.end - RESERVE, 8);
    const { low: slotsLow, high: slotsHigh } = end.slots;
    const health = { claimed: payload.slice(12, 14), tested: payload.slice(32, 48), source: payload.slice(48) };
    const pad = { side, padId, serial: new Uint8Array(8), padLength, split, burnUnit, slotsLow, slotsHigh };
    this.identity = { revision: 1, provenance: byte(3), ...pad, ...health };
    this.end = end;
    this.state = STATES.filling;
    this.generation += 1;
    this.lastError = 0;
    this.written = new Uint8Array(0);
    return new Uint8Array(0);
  }

  private write(payload: Uint8Array): Uint8Array {
    const end = this.filling();
    const bytes = payload.subarray(4);
    if (payload.length < 4) throw new Failure("BAD_ARGUMENT");
    if (bytes.length === 0 || bytes.length % 256 !== 0 || bytes.length > 4096) throw new Failure("BAD_ARGUMENT", 4);
    const all = concat(this.written, bytes);
    if (readU32(payload, 0) !== this.written.length || all.length > end.pad.length) throw new Failure("BAD_ARGUMENT");
    const run = equalRun(all);
    if (run >= 0) throw new Failure("FILL_REFUSED", 0, run);
    this.written = all;
    return u32(all.length);
  }

  private commit(payload: Uint8Array): Uint8Array {
    const end = this.filling();
    if (payload.length !== 48) throw new Failure("BAD_ARGUMENT");
    if (this.written.length !== end.pad.length) throw new Failure("WRONG_STATE", STATES.filling);
    if (equal(poly1305(payload.subarray(0, 32), this.written), payload.subarray(32))) {
      end.pad.set(this.written);
      this.state = STATES.active;
      this.journalSequence += 1;
    } else {
      this.lastError = ERRORS.indexOf("FILL_MISMATCH");
    }
    return new Uint8Array(0);
  }

  /** After a mismatch or a boot only a new FILL goes on. */
  private filling(): End {
    if (this.lastError !== 0 || this.end === undefined) throw new Failure("WRONG_STATE", STATES.filling);
    return this.end;
  }
}

/** The boot record is the first of the journal. */
const FIRST_BOOT: Info = { state: STATES.blank, generation: 0, journalSequence: 1, bootEpoch: 1 };
/** INFO: work 2, filling. */
const FILLING = 2;
/** These write one record each. COMMIT writes one when it succeeds. */
const RECORDED: number[] = [COMMANDS.FILL, COMMANDS.BEGIN, COMMANDS.SEAL, COMMANDS.RELEASE, COMMANDS.RELEASE_SLOT];

/** The first and the last state in which a command is permitted. */
function statesOf(type: number): [number, number] {
  if (type === COMMANDS.INFO) return [STATES.blank, STATES.faulty];
  if (type === COMMANDS.PAGE) return [STATES.inactive, STATES.faulty];
  if (type === COMMANDS.FILL) return [STATES.blank, STATES.filling];
  if (type === COMMANDS.WRITE || type === COMMANDS.COMMIT) return [STATES.filling, STATES.filling];
  return [STATES.active, STATES.active];
}

function usePad(end: End, type: number, payload: Uint8Array): Uint8Array {
  switch (type) {
    case COMMANDS.BEGIN: {
      const [run, number] = fields(payload, 2) as [number, number];
      const { slot, first, slotItem, opening } = end.begin(run, number);
      return concat(u32(slot, first), slotItem, opening);
    }
    case COMMANDS.SEAL: {
      if (payload.length < 4) throw new Failure("BAD_ARGUMENT");
      const kind = readU32(payload, 0);
      if (kind !== 1 && kind !== 2) throw new Failure("BAD_ARGUMENT");
      if (payload.length > 4 + LONGEST) throw new Failure("BAD_ARGUMENT", 4);
      const { mark, offset, item } = end.seal(kind, payload.subarray(4));
      return concat(u32(mark, offset), item);
    }
    case COMMANDS.RAISE:
      return u32(end.raise(fields(payload, 1)[0] as number));
    case COMMANDS.FIND: {
      if (payload.length !== 52) throw new Failure("BAD_ARGUMENT");
      const { slot, first, run, number, split } = end.find(payload.subarray(0, 16), payload.subarray(16));
      return u32(slot, first, run, number, split);
    }
    case COMMANDS.OPEN: {
      if (payload.length < 4) throw new Failure("BAD_ARGUMENT");
      const { kind, text } = end.open(readU32(payload, 0), payload.subarray(4));
      return concat(u32(kind), text);
    }
    case COMMANDS.RELEASE: {
      const [offset, length] = fields(payload, 2) as [number, number];
      return u32(end.release(offset, length));
    }
    default:
      end.releaseSlot(fields(payload, 1)[0] as number);
      return new Uint8Array(0);
  }
}

function fields(payload: Uint8Array, count: number): number[] {
  if (payload.length !== 4 * count) throw new Failure("BAD_ARGUMENT");
  return Array.from({ length: count }, (_, i) => readU32(payload, 4 * i));
}

function errorPayload(failure: Failure, command: number): Uint8Array {
  const [a = 0, b = 0, c = 0, d = 0] = failure.facts;
  return concat(Uint8Array.of(ERRORS.indexOf(failure.code), command), u16(failure.detail), u32(a, b, c, d));
}

/** The serial line of a device in its first boot: the frames that it sends back for the bytes it is fed (section 7). */
export class Line {
  private readonly device: Device;
  private input: number[] = [];
  private hellos = 0;
  private session = 0;
  private next = 1;
  private kept: { sequence: number; crc: number; reply: Frame } | undefined;

  constructor(device: Device) {
    this.device = device;
  }

  feed(bytes: Uint8Array): Frame[] {
    const replies: Frame[] = [];
    for (const byte of bytes) {
      if (byte !== 0) this.input.push(byte);
      else if (this.input.length > 0) {
        replies.push(this.answer(Uint8Array.from(this.input)));
        this.input = [];
      }
    }
    return replies;
  }

  private answer(encoded: Uint8Array): Frame {
    let frame: Frame = { type: 0, sequence: 0, session: 0, payload: new Uint8Array(0) };
    try {
      frame = decodeFrame(encoded);
      if (frame.flags !== 0) throw new Failure("BAD_FRAME", 5);
      return this.obey(frame);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      return { ...frame, type: 0xff, flags: 0, payload: errorPayload(failure, frame.type) };
    }
  }

  private obey(frame: Frame): Frame {
    const { type, sequence, session, payload } = frame;
    const reply = (content: Uint8Array): Frame => ({ type: type + 0x80, sequence, session, payload: content });
    if (type === COMMANDS.HELLO) return reply(this.hello(payload));
    if (type === COMMANDS.INFO || type === COMMANDS.PAGE) return reply(this.device.execute(type, payload));
    if (this.session === 0 || session !== this.session) {
      const { used, split, nextSlot } = this.device.end ?? { used: { up: 0, down: 0 }, split: 0, nextSlot: 0 };
      throw new Failure("NO_SESSION", 0, used.up, used.down, split, nextSlot);
    }
    const crc = readU32(plainFrame(frame), 12 + payload.length);
    if (this.kept?.sequence === sequence && this.kept.crc === crc) return this.kept.reply;
    if (sequence !== this.next) throw new Failure("WRONG_SEQUENCE", 0, this.next);
    this.kept = { sequence, crc, reply: reply(this.device.execute(type, payload)) };
    this.next += 1;
    return this.kept.reply;
  }

  private hello(payload: Uint8Array): Uint8Array {
    const nonce = fields(payload, 1)[0] as number;
    this.hellos += 1;
    this.session = 65536 + this.hellos;
    this.next = 1;
    this.kept = undefined;
    return concat(u32(nonce), u16(1), u16(LARGEST_PAYLOAD), u32(this.session), VERSION, Uint8Array.of(1));
  }
}

/** Vectors leave the version of the core open. */
const VERSION = Uint8Array.of(0, 0, 0);
