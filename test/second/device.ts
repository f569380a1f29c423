/**
 * A model device: an end of a pad, the states and commands of docs/SPEC.md section 8, and filling (10).
 * Flash never fails and power is never cut; work of the background is done at once.
 */
import { concat, equal, equalRun, Failure, poly1305, readU32, readU64, u32 } from "./box.ts";
import { COMMANDS, fields, usePad, useToken } from "./commands.ts";
import { End, RESERVE, type Side } from "./end.ts";
import { encodeInfo, type Info, padInfo } from "./info.ts";
import {
  type Booted,
  type Chip,
  type Identity,
  identityPage,
  identityPages,
  isWhole,
  regions,
  SECTIONS,
  SECTOR,
  STATES,
} from "./journal.ts";
import { NO_ADDRESSES, NO_RECEIPT, splitAddresses } from "./link.ts";
import { askBody, Selftest } from "./selftest.ts";
import { type Button, LINK, type Terms, Token, type Value, valueReply } from "./token.ts";

/** By their numbers. */
export const ERRORS: string[] = [
  ...["", "BAD_FRAME", "NO_SESSION", "WRONG_SEQUENCE", "UNKNOWN_COMMAND", "BAD_ARGUMENT", "WRONG_STATE", "FAULTY"],
  ...["NEED_GRANT", "EXHAUSTED", "SLOTS_EXHAUSTED", "SLOT_UNKNOWN", "AUTH_FAILED", "BOX_USED", "NOT_VERIFIED"],
  ...["FLASH_FAULT", "SUPPLY_LOW", "FILL_REFUSED", "FILL_MISMATCH", "WRONG_SIDE", "BUSY", "SUITE_UNKNOWN"],
  ...["CALL_FIRST", "PRESENCE", "OLDER", "SLOT_KEPT"],
];

export class Device {
  readonly chip: Chip;
  end: End | undefined;
  /** What the next look at the button finds, once. */
  button: Button = 0;
  private token: Token | undefined;
  private value: Value;
  /** Of the journal. */
  private revision: number;
  private state: number;
  private generation: number;
  private journalSequence: number;
  private bootEpoch: number;
  private lastError = 0;
  private selftest = new Selftest();
  private identity: Identity | undefined;
  private written: Uint8Array = new Uint8Array(0);
  /** The identity pages as they lay there at boot, until others are written. */
  private pages: Uint8Array | undefined;
  /** The identity copies, of even revisions and of odd ones. */
  private copies: [Uint8Array, Uint8Array];
  private readonly booted: Pick<Booted, "info">;

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
    this.pages = booted.pages;
    this.value = booted.value ?? noValue();
    this.revision = booted.revision ?? 0;
    this.copies = booted.copies ?? [ERASED, ERASED];
    this.token = this.tokenOf();
  }

  private look(): Button {
    const found = this.button;
    this.button = 0;
    return found;
  }

  private tokenOf(): Token | undefined {
    const { end, identity, value } = this;
    const look = (): Button => this.look();
    const namesFill = identity !== undefined && identity.generation === this.generation && this.generation !== 0;
    return end?.isToken && identity ? new Token(end, identity, value, namesFill, look) : undefined;
  }

  /** The power goes and comes between two commands. */
  reboot(): void {
    this.bootEpoch += 1;
    this.journalSequence += 1;
    this.lastError = 0;
    this.selftest = new Selftest();
    if (this.state === STATES.filling) this.end = undefined;
    else this.end?.forget();
    this.token?.forget();
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
    if (type === COMMANDS.SELFTEST && payload.length === 4 && readU32(payload, 0) === 0) return askBody(this.chip);
    if (state === STATES.faulty && type > COMMANDS.VALUE) throw new Failure("FAULTY", this.section);
    if (!Object.values<number>(COMMANDS).includes(type)) throw new Failure("UNKNOWN_COMMAND");
    const [from, to] = statesOf(type);
    if (state < from || state > to) throw new Failure("WRONG_STATE", state);
    const held = this.held();
    const { nextSlot } = this.end ?? { nextSlot: 0 };
    let reply: Uint8Array;
    try {
      reply = this.obey(type, payload);
    } finally {
      // A slot that was given up stays given up also when the one behind it cannot be called with.
      if (type === COMMANDS.CALL && this.end?.nextSlot !== nextSlot) this.journalSequence += 1;
    }
    const taken = TAKING.includes(type) && this.held() !== held;
    if (RECORDED.includes(type) || taken) this.journalSequence += 1;
    return reply;
  }

  /** What RAISE, FIND and OPEN may change. */
  private held(): string {
    return [this.end?.split, this.value.receipt.sequence, this.identity?.list.number].join();
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
    if (type === COMMANDS.VALUE) return this.worth(payload);
    if (type === COMMANDS.SELFTEST) return this.selftest.run(fields(payload, 1)[0] as number, () => this.look());
    try {
      if (this.token) return this.useToken(this.token, type, payload);
      return usePad(this.end as End, type, payload);
    } catch (failure) {
      if (!(failure instanceof Failure) || failure.code !== "FLASH_FAULT") throw failure;
      throw new Failure("FLASH_FAULT", failure.detail, regions(this.chip).pad + (failure.facts[0] as number));
    }
  }

  /** As it lies on the chip, valid or not. */
  private page(page: number): Uint8Array {
    const { pages } = this;
    if (this.state === STATES.faulty && this.section < SECTIONS.identity) throw new Failure("FAULTY", this.section);
    if (this.state === STATES.faulty && this.section > SECTIONS.pad) throw new Failure("FAULTY", this.section);
    if (page > 2) throw new Failure("BAD_ARGUMENT");
    return pages ? pages.slice(256 * page, 256 * page + 256) : identityPage(this.identity as Identity, page);
  }

  private worth(payload: Uint8Array): Uint8Array {
    fields(payload, 0);
    const { state, identity, value, token } = this;
    const pad = state > STATES.filling && state < STATES.faulty;
    const none = { link: LINK.none, notes: 0, lost: 0 };
    return valueReply(pad ? value : noValue(), (pad && identity) || NO_TERMS, token?.standing ?? none);
  }

  private useToken(token: Token, type: number, payload: Uint8Array): Uint8Array {
    const { list } = token.terms;
    const reply = useToken(token, type, payload);
    if (token.terms.list !== list) this.rewriteIdentity();
    return reply;
  }

  /** Section 4: into the copy that is not in force, with one record before it where a torn one may name that copy. */
  private rewriteIdentity(): void {
    const identity = this.identity as Identity;
    const inForce = identity.revision;
    const first = this.revision + ((this.revision + 1 - inForce) % 2 === 0 ? 2 : 1);
    const spared = this.isSpared(this.copies[(first & 1) as 0 | 1], first, inForce);
    if (!spared) this.journalSequence += 1;
    this.revision = spared ? first : first + 2;
    identity.revision = this.revision;
    this.copies[(first & 1) as 0 | 1] = identityPages(identity);
    this.pages = undefined;
  }

  /** Whether no try of revision `wanted` came so far in this copy that its record may turn up. */
  private isSpared(copy: Uint8Array, wanted: number, inForce: number): boolean {
    const named = readU32(copy, 8);
    if (named === 0xffffffff) return inForce === 1;
    if (inForce === this.revision - 1) return named !== wanted;
    return named < inForce && isWhole(copy, named);
  }

  private fill(payload: Uint8Array): Uint8Array {
    const long = payload.length > 112;
    if (payload.length !== 112 && (payload.length < 168 || payload.length > 388)) throw new Failure("BAD_ARGUMENT");
    const byte = (at: number): number => payload[at] as number;
    const check = (right: boolean, at: number): void => {
      if (!right) throw new Failure("BAD_ARGUMENT", at);
    };
    const padLength = readU32(payload, 4);
    const split = readU32(payload, 8);
    const burnUnit = byte(14) + 256 * byte(15);
    check(long ? byte(0) === 0 : byte(0) <= 1, 0);
    if (byte(1) !== 1) throw new Failure("SUITE_UNKNOWN", byte(1));
    check(long ? byte(2) === 1 : byte(2) <= 3, 2);
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
    const addresses = long ? splitAddresses(payload.subarray(168), readU32(payload, 160)) : [];
    check(addresses !== undefined, 160);
    const list = long && addresses ? { number: readU32(payload, 164), addresses } : NO_ADDRESSES;
    const terms = long ? { asset: payload.slice(112, 120), limit: readU64(payload, 120), list } : NO_TERMS;
    this.value = noValue();
    if (long) {
      const money = { sequence: readU32(payload, 128), balance: readU64(payload, 136), mac: payload.slice(144, 160) };
      if (money.sequence > 0) this.value.receipt = { ...NO_RECEIPT, ...money };
    }
    const health = { claimed: payload.slice(12, 14), tested: payload.slice(32, 48), source: payload.slice(48, 112) };
    const pad = { side, padId, serial: new Uint8Array(8), padLength, split, burnUnit, slotsLow, slotsHigh };
    this.generation += 1;
    this.revision = 1;
    this.identity = { revision: 1, generation: this.generation, provenance: byte(3), ...pad, ...health, ...terms };
    this.end = end;
    this.token = undefined;
    this.pages = undefined;
    this.state = STATES.filling;
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
      this.copies = [ERASED, identityPages(this.identity as Identity)];
      this.token = this.tokenOf();
      this.journalSequence += 2;
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
/** An identity copy that was never written. */
const ERASED: Uint8Array = new Uint8Array(3 * 256).fill(0xff);
const NO_TERMS: Terms = { asset: new Uint8Array(8), limit: 0n, list: NO_ADDRESSES };

function noValue(): Value {
  return { receipt: NO_RECEIPT, openCaps: 0n, answered: 0 };
}

/** INFO: work 2, filling. */
const FILLING = 2;
/** These write one record each. COMMIT writes two when it succeeds, CALL one when it skips. */
const RECORDED: number[] = [
  ...[COMMANDS.FILL, COMMANDS.BEGIN, COMMANDS.SEAL, COMMANDS.RELEASE, COMMANDS.RELEASE_SLOT],
  ...[COMMANDS.READY, COMMANDS.STATE],
];
/** These write one when they take something. */
const TAKING: number[] = [COMMANDS.RAISE, COMMANDS.FIND, COMMANDS.OPEN];

/** The first and the last state in which a command is permitted. */
function statesOf(type: number): [number, number] {
  if (type === COMMANDS.INFO || type === COMMANDS.VALUE) return [STATES.blank, STATES.faulty];
  if (type === COMMANDS.PAGE) return [STATES.inactive, STATES.faulty];
  if (type === COMMANDS.FILL) return [STATES.blank, STATES.filling];
  if (type === COMMANDS.SELFTEST) return [STATES.blank, STATES.blank];
  if (type === COMMANDS.WRITE || type === COMMANDS.COMMIT) return [STATES.filling, STATES.filling];
  return [STATES.active, STATES.active];
}
