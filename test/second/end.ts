/**
 * One end of a pad in memory: marks, split and slots (docs/SPEC.md sections 1 and 3), and what sealing, opening and releasing do to them (section 8).
 * Where a failure leaves the marks alone, nothing has been changed when it is thrown.
 */
import * as box from "./box.ts";
import { concat, type Direction, Failure, isZero, readU32, u32 } from "./box.ts";

export type Side = "low" | "high";

export interface PadFacts {
  side: Side;
  padId: Uint8Array;
  burnUnit: number;
  /** Which sides have slots. */
  slots: Side[];
  split: number;
}

export const SLOT_SIZE = 192;
export const RESERVE = 1024;
/** Where up and down of a token may first reach (section 1). */
export function firstSplitOfToken(padLength: number, burnUnit: number): number {
  const base = SLOT_SIZE * Math.floor(padLength / 8192);
  const split = base + Math.floor((padLength - base) / 16);
  return split - (split % burnUnit);
}

/** The same of a pair. */
export function firstSplitOfPair(padLength: number, burnUnit: number): number {
  const base = SLOT_SIZE * Math.floor(padLength / 8192);
  const split = base + Math.floor((padLength - 2 * base) / 2);
  return split - (split % burnUnit);
}

/** BEGIN: this segment starts the run. */
export const HERE = 0xffffffff;

export class End {
  readonly facts: PadFacts;
  readonly pad: Uint8Array;
  readonly slots: Record<Side, number>;
  readonly used: Record<Direction, number> = { up: 0, down: 0 };
  split: number;
  nextSlot = 0;
  failedTags = 0;
  verified: { start: number; end: number } = { start: 0, end: 0 };
  /** The mark below which down is lost, by the welcome of a token's link; 0 without one. */
  lost = 0;
  found = -1;

  constructor(facts: PadFacts, pad: Uint8Array) {
    const slotsOf = (side: Side): number => (facts.slots.includes(side) ? Math.floor(pad.length / 8192) : 0);
    this.facts = facts;
    this.pad = pad.slice();
    this.slots = { low: slotsOf("low"), high: slotsOf("high") };
    this.split = facts.split;
  }

  get side(): Side {
    return this.facts.side;
  }
  get otherSide(): Side {
    return this.side === "low" ? "high" : "low";
  }
  get sealing(): Direction {
    return this.side === "low" ? "up" : "down";
  }
  get opening(): Direction {
    return this.side === "low" ? "down" : "up";
  }
  get base(): number {
    return SLOT_SIZE * this.slots.low;
  }
  get end(): number {
    return this.pad.length - SLOT_SIZE * this.slots.high;
  }
  get room(): number {
    const { up, down } = this.used;
    return this.side === "low" ? this.split - this.base - up : Math.max(0, this.end - down - RESERVE - this.split);
  }

  /** Low, and slots on the low side only. */
  get isToken(): boolean {
    return this.side === "low" && this.slots.low > 0 && this.slots.high === 0;
  }

  slotAt(side: Side, index: number): number {
    return side === "low" ? SLOT_SIZE * index : this.pad.length - SLOT_SIZE * (index + 1);
  }

  begin(run: number, number: number): { slot: number; first: number; slotItem: Uint8Array; opening: Uint8Array } {
    const first = this.used[this.sealing];
    if (run === HERE ? number !== 0 : run > first) throw new Failure("BAD_ARGUMENT", run === HERE ? 4 : 0);
    if (this.nextSlot === this.slots[this.side]) throw new Failure("SLOTS_EXHAUSTED", 0, this.slots[this.side]);
    const slot = this.nextSlot;
    const at = this.slotAt(this.side, slot);
    box.refuseSuspicious(this.slice(at, SLOT_SIZE), at);
    const tag = this.slice(at, 16);
    const text = u32(first, run === HERE ? first : run, number, this.split);
    const opening = this.sealAt(at + 96, this.slice(at + 96, 96), this.sealing, box.OPENING, text);
    this.nextSlot += 1;
    this.burn(at, SLOT_SIZE);
    return { slot, first, slotItem: concat(u32(16), tag), opening };
  }

  /** What a box of `length` bytes of text consumes, when there is room for it. */
  needRoom(kind: number, length: number): number {
    const size = box.consumed(length, this.facts.burnUnit);
    const mark = this.used[this.sealing];
    const room = this.side === "high" && kind > box.LAST ? this.end - mark - this.split : this.room;
    if (size > room) {
      const grantable = this.side === "low" && this.base + mark + size <= this.end - RESERVE;
      throw new Failure(grantable ? "NEED_GRANT" : "EXHAUSTED", 0, size, room);
    }
    return size;
  }

  seal(kind: number, text: Uint8Array): { mark: number; offset: number; item: Uint8Array } {
    const size = this.needRoom(kind, text.length);
    const mark = this.used[this.sealing];
    const offset = this.offsetOf(this.sealing, mark, size);
    const item = this.sealAt(offset, this.slice(offset, size), this.sealing, kind, text);
    this.used[this.sealing] = mark + size;
    this.burn(offset, size);
    return { mark, offset, item };
  }

  raise(split: number): number {
    if (this.side === "low") throw new Failure("WRONG_SIDE");
    if (split % this.facts.burnUnit !== 0) throw new Failure("BAD_ARGUMENT");
    if (split > this.split && split > this.end - this.used.down - RESERVE) {
      throw new Failure("EXHAUSTED", 0, split - this.split, this.room);
    }
    this.split = Math.max(this.split, split);
    return this.split;
  }

  find(tag: Uint8Array, item: Uint8Array): { slot: number; first: number; run: number; number: number; split: number } {
    if (readU32(item, 0) !== 0x30010) throw new Failure("BAD_ARGUMENT", 16);
    const slot = this.lookUp(tag);
    const at = this.slotAt(this.otherSide, slot) + 96;
    const { text } = this.openAt(at, 96, item);
    this.found = slot;
    const [first, run, number, split] = [0, 4, 8, 12].map((field) => readU32(text, field)) as [
      number,
      number,
      number,
      number,
    ];
    if (this.side === "low" && this.canTake(split)) this.split = Math.max(this.split, split);
    return { slot, first, run, number, split: this.split };
  }

  /** Whether low may take this split from high (FIND). */
  canTake(split: number): boolean {
    const { start, end } = this.verified;
    const opened = start < end ? start : this.end;
    const most = Math.min(this.end - RESERVE, this.end - this.used.down, opened);
    return split <= most && split % this.facts.burnUnit === 0;
  }

  private lookUp(tag: Uint8Array): number {
    for (let slot = 0; slot < this.slots[this.otherSide]; slot++) {
      const at = this.slotAt(this.otherSide, slot);
      const unused = !isZero(this.slice(at, 32)) && !isZero(this.slice(at + 96, 32));
      if (unused && box.equal(this.slice(at, 16), tag)) return slot;
    }
    throw new Failure("SLOT_UNKNOWN");
  }

  open(offset: number, item: Uint8Array): { kind: number; text: Uint8Array } {
    const { kind, length } = box.shape(item);
    const control = kind === box.RECEIPT || kind === box.GRANT || kind === box.ADDRESSES;
    const opens = kind === box.DATA || kind === box.LAST || (control && this.isToken);
    if (!opens) throw new Failure("BAD_ARGUMENT", 4);
    const size = box.consumed(length, this.facts.burnUnit);
    const [from, to] = this.side === "low" ? [this.split, this.end] : [this.base, this.split];
    if (offset % this.facts.burnUnit !== 0 || offset < from || offset + size > to) throw new Failure("BAD_ARGUMENT");
    const opened = this.openAt(offset, size, item);
    this.verified = extended(this.verified, offset, this.reach(offset + size));
    return opened;
  }

  /** Where the range ends that a box brings which ends here: what a server lost of down may go with the first box behind it. */
  private reach(end: number): number {
    const behind = this.lost > this.used.down && end === this.end - this.lost;
    return behind ? this.end - this.used.down : end;
  }

  release(offset: number, length: number): number {
    const unit = this.facts.burnUnit;
    if (length < 1 || length > 65536 || length % unit !== 0) throw new Failure("BAD_ARGUMENT", 4);
    if (offset % unit !== 0) throw new Failure("BAD_ARGUMENT");
    const { start, end } = this.verified;
    if (offset < start || offset + length > end) throw new Failure("NOT_VERIFIED", 0, start, end);
    const mark = this.opening === "up" ? offset + length - this.base : this.end - offset;
    this.used[this.opening] = Math.max(this.used[this.opening], mark);
    this.burn(offset, length);
    return this.used[this.opening];
  }

  releaseSlot(slot: number): void {
    if (slot !== this.found) throw new Failure("NOT_VERIFIED");
    this.burn(this.slotAt(this.otherSide, slot), SLOT_SIZE);
  }

  /** What a device remembers since its boot only. */
  forget(): void {
    this.verified = { start: 0, end: 0 };
    this.lost = 0;
    this.found = -1;
    this.failedTags = 0;
  }

  /** Where a box of `size` bytes lies whose direction has used `mark` bytes before it. */
  offsetOf(direction: Direction, mark: number, size: number): number {
    return direction === "up" ? this.base + mark : this.end - mark - size;
  }

  sealAt(offset: number, slice: Uint8Array, direction: Direction, kind: number, text: Uint8Array): Uint8Array {
    return box.seal(slice, { padId: this.facts.padId, direction, offset }, kind, text);
  }

  openAt(offset: number, size: number, item: Uint8Array): { kind: number; text: Uint8Array } {
    try {
      return box.open(this.slice(offset, size), { padId: this.facts.padId, direction: this.opening, offset }, item);
    } catch (failure) {
      if (failure instanceof Failure && failure.code === "AUTH_FAILED") {
        this.failedTags += 1;
        throw new Failure("AUTH_FAILED", 0, this.failedTags);
      }
      throw failure;
    }
  }

  slice(offset: number, length: number): Uint8Array {
    return this.pad.slice(offset, offset + length);
  }

  burn(offset: number, length: number): void {
    this.pad.fill(0, offset, offset + length);
  }
}

/** The verified range after a box at [start, end): extended where they touch, kept when it lies inside, otherwise replaced. */
function extended(range: { start: number; end: number }, start: number, end: number): { start: number; end: number } {
  if (range.start <= start && end <= range.end) return range;
  if (start === range.end) return { start: range.start, end };
  if (end === range.start) return { start, end: range.end };
  return { start, end };
}
