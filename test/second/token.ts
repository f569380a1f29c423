/**
 * What a device is beyond an end of its pad when a server is at the other: calls, the link and the value (docs/SPEC.md sections 13 and 14).
 * As everywhere in this folder nothing has been changed when a Failure is thrown, but for a slot that a CALL gave up; writing and burning never fail.
 */
import * as box from "./box.ts";
import { concat, Failure, readU32, u32, u64 } from "./box.ts";
import { type End, SLOT_SIZE } from "./end.ts";
import {
  type AddressList,
  type HeldReceipt,
  readAddresses,
  readReceipt,
  readWelcome,
  readyText,
  stateText,
  type Welcome,
} from "./link.ts";

/** What the journal keeps of the value. */
export interface Value {
  receipt: HeldReceipt;
  openCaps: bigint;
  answered: number;
}

/** What the identity keeps of it. */
export interface Terms {
  /** 8 bytes. */
  asset: Uint8Array;
  limit: bigint;
  list: AddressList;
}

/** As the HAL has it: 0 not pressed, 1 pressed since the last look, 2 refused. */
export type Button = 0 | 1 | 2;

export const LINK = { none: 0, ready: 1, linked: 2 } as const;

export class Token {
  readonly end: End;
  readonly terms: Terms;
  readonly value: Value;
  /** Whether page 0 of the identity in force names the journal's generation. */
  private readonly namesFill: boolean;
  private readonly look: () => Button;
  link: number = LINK.none;
  /** What READY and every STATE of this link allowed together. */
  private caps = 0n;
  /** The up mark behind the last STATE that allowed more. */
  private raisedAt = 0;
  /** Of the welcome of this link. */
  private notes = 0;
  /** The button was asked for and has not answered. */
  private asked = false;

  constructor(end: End, terms: Terms, value: Value, namesFill: boolean, look: () => Button) {
    this.end = end;
    this.terms = terms;
    this.value = value;
    this.namesFill = namesFill;
    this.look = look;
    this.raisedAt = end.used.up;
  }

  /** A boot ends the link, and a question. */
  forget(): void {
    this.link = LINK.none;
    this.caps = 0n;
    this.raisedAt = this.end.used.up;
    this.asked = false;
  }

  get standing(): Standing {
    if (this.link === LINK.none) return { link: this.link, notes: 0, lost: 0 };
    return { link: this.link, notes: this.notes, lost: this.end.lost };
  }

  /** The slot of the call and its tag. */
  call(skip: boolean): { slot: number; tag: Uint8Array } {
    const { end, value } = this;
    if (skip && end.nextSlot - value.answered >= 12) throw new Failure("SLOT_KEPT", 0, end.nextSlot);
    const slot = end.nextSlot + (skip ? 1 : 0);
    if (slot >= end.slots.low) throw new Failure("SLOTS_EXHAUSTED", 0, end.slots.low);
    if (skip) end.burn(end.slotAt("low", end.nextSlot), SLOT_SIZE);
    end.nextSlot = slot;
    const at = end.slotAt("low", slot);
    box.refuseSuspicious(end.slice(at, SLOT_SIZE), at);
    return { slot, tag: end.slice(end.slotAt("low", slot), 16) };
  }

  /** The READY item. */
  ready(item: Uint8Array, again: number, number: number, cap: bigint): Uint8Array {
    const { end, value } = this;
    if (readU32(item, 0) !== 0x40030) throw new Failure("BAD_ARGUMENT", 0);
    if (end.nextSlot >= end.slots.low) throw new Failure("SLOTS_EXHAUSTED", 0, end.slots.low);
    const slot = end.slotAt("low", end.nextSlot);
    box.refuseSuspicious(end.slice(slot, SLOT_SIZE), slot);
    const { text } = end.openAt(slot + 16, 80, item);
    const welcome = readWelcome(text);
    this.refuseOlder(welcome);
    if (welcome.split > end.split && !end.canTake(welcome.split)) throw new Failure("BAD_ARGUMENT", 12);
    const aligned = again % end.facts.burnUnit === 0;
    if (!aligned || again < welcome.up || again > end.used.up) throw new Failure("BAD_ARGUMENT", 68);
    if (cap > this.terms.limit) this.askPresence();

    end.nextSlot += 1;
    end.split = welcome.split;
    value.answered = end.nextSlot;
    value.openCaps = sumOf(value.openCaps, cap);
    this.link = LINK.ready;
    this.notes = welcome.notes;
    end.lost = welcome.lost;
    this.caps = cap;
    this.raisedAt = 0;
    const marks = { again, next: end.used.up, number, down: end.used.down, split: end.split };
    const ready = readyText({ ...marks, cap, receipt: value.receipt });
    const sealed = end.sealAt(slot + 96, end.slice(slot + 96, 96), "up", box.READY, ready);
    end.burn(slot, SLOT_SIZE);
    return sealed;
  }

  private refuseOlder(welcome: Welcome): void {
    const { end, value } = this;
    const comparisons: [which: 0 | 1, device: number, server: number][] = [
      [0, end.used.up, welcome.up],
      [0, end.used.down, welcome.released],
      [0, end.nextSlot, welcome.lastCall],
      [1, end.used.down, welcome.down],
      [1, end.split, welcome.split],
      [1, value.receipt.sequence, welcome.receiptSequence],
    ];
    for (const [i, [which, device, server]] of comparisons.entries()) {
      const holds = which === 0 ? device >= server : server >= device;
      if (!holds) throw new Failure("OLDER", which, i + 1, device, server);
    }
  }

  private askPresence(): void {
    const button = this.look();
    const answered = this.asked && button !== 0;
    this.asked = !answered;
    if (!answered || button === 2) throw new Failure("PRESENCE", answered ? 1 : 0);
  }

  needLink(): void {
    if (this.link !== LINK.linked) throw new Failure("CALL_FIRST");
  }

  state(cap: bigint, flags: number): ReturnType<End["seal"]> {
    this.needLink();
    if (flags > 3) throw new Failure("BAD_ARGUMENT", 8);
    const { end, value, terms } = this;
    const sum = sumOf(this.caps, cap);
    end.needRoom(box.STATE, 20);
    if (cap > 0n && sum > terms.limit) this.askPresence();
    const text = { down: end.used.down, receiptSequence: value.receipt.sequence, cap: sum, flags };
    const sealed = end.seal(box.STATE, stateText(text));
    this.caps = sum;
    value.openCaps = sumOf(value.openCaps, cap);
    if (cap > 0n) this.raisedAt = end.used.up;
    return sealed;
  }

  /** Any box that OPEN takes; what a control box says is done. */
  open(offset: number, item: Uint8Array): { kind: number; text: Uint8Array; refused: boolean } {
    const { kind, text } = this.end.open(offset, item);
    return { kind, text, refused: !this.apply(kind, text) };
  }

  /** False when it was refused. */
  private apply(kind: number, text: Uint8Array): boolean {
    if (kind === box.RECEIPT) return this.takeReceipt(text);
    if (kind === box.GRANT) return this.takeGrant(readU32(text, 0));
    if (kind === box.ADDRESSES) return this.takeAddresses(text);
    return true;
  }

  private takeReceipt(text: Uint8Array): boolean {
    const { value } = this;
    const { open, flags, ...receipt } = readReceipt(text);
    const mine = receipt.call === value.answered;
    if (mine && this.link === LINK.ready) this.link = LINK.linked;
    if (receipt.sequence <= value.receipt.sequence) return false;
    value.receipt = receipt;
    if (mine && receipt.up >= this.raisedAt) value.openCaps = open;
    return true;
  }

  private takeGrant(split: number): boolean {
    if (!this.end.canTake(split) || split <= this.end.split) return false;
    this.end.split = split;
    return true;
  }

  private takeAddresses(text: Uint8Array): boolean {
    const list = readAddresses(text);
    if (list === undefined || list.number <= this.terms.list.number || !this.namesFill) return false;
    this.terms.list = list;
    return true;
  }
}

/** Of amounts: at most what 64 bits hold, so that what a device shows stays true. */
function sumOf(a: bigint, b: bigint): bigint {
  const most = 2n ** 64n - 1n;
  return a + b > most ? most : a + b;
}

/** How a device stands to its server. */
export interface Standing {
  link: number;
  notes: number;
  /** The mark below which down is lost, by its welcome. */
  lost: number;
}

/** The 56 bytes of VALUE. */
export function valueReply(
  { receipt, openCaps, answered }: Value,
  { limit, asset }: Terms,
  { link, notes, lost }: Standing,
): Uint8Array {
  const { sequence, call, balance, up } = receipt;
  const money = concat(u32(sequence, call), u64(balance), u64(openCaps), u32(up, answered), u64(limit), asset);
  return concat(money, Uint8Array.of(link, notes, 0, 0), u32(lost));
}
