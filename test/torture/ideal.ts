// The ideal device: what a pad must be after any cut, in a page. It knows nothing of journals or flash; it knows what was promised (the floor), what was
// asked for (the ceiling), what was handed over and what left.

import {
  CONTROL_RESERVE,
  type Ground,
  HIGH,
  LOW,
  PAD_BASE,
  PAIR,
  type Rig,
  type Side,
  SLOT_SIZE,
  type Truth,
} from "./rig.ts";

/** A range of the pad under which something of the other side lies here: a box or a slot. */
export interface Incoming {
  readonly start: number;
  readonly end: number;
  /** `kept` must open; `doubt`: a release was cut, all or nothing; `released` must be gone. */
  status: "kept" | "doubt" | "released";
}

/** Pad bytes that left the device as a box. */
interface Emission {
  readonly start: number;
  readonly end: number;
  /** Which text they hide; the same box sent again is the same text. */
  readonly text: number;
}

/** As many as any pad here has. */
const PAD_MAX = 65_536;
const ZEROS = new Uint8Array(PAD_MAX);
/** Where a pad is read to, and what it is held against: written anew by each look, since there are some hundred thousand. */
const read = new Uint8Array(PAD_MAX);
const due = new Uint8Array(PAD_MAX);

export interface Findings {
  /** Pad bytes that hid two texts. */
  reused: number;
  /** Boxes and slots of the other side that can no longer be opened though they were not released. */
  lost: number;
  /** Everything else that is not as it must be, in words. */
  wrong: string[];
}

export function noFindings(): Findings {
  return { reused: 0, lost: 0, wrong: [] };
}

export class Ideal {
  readonly side: Side;
  readonly ground: Ground;
  floor: Truth;
  ceiling: Truth;
  incoming: Incoming[] = [];
  emissions: Emission[] = [];

  constructor(side: Side, truth: Truth, ground: Ground = PAIR) {
    this.side = side;
    this.ground = ground;
    this.floor = truth;
    this.ceiling = truth;
  }

  clone(): Ideal {
    return this.copyTo(new Ideal(this.side, this.floor, this.ground));
  }

  protected copyTo<Copy extends Ideal>(copy: Copy): Copy {
    copy.ceiling = this.ceiling;
    copy.incoming = this.incoming.map((range) => ({ ...range }));
    copy.emissions = this.emissions.slice();
    return copy;
  }

  /** The offset of a slot of this side. */
  slotAt(slot: number): number {
    return this.side === LOW ? slot * SLOT_SIZE : this.ground.pad.length - (slot + 1) * SLOT_SIZE;
  }

  /** Something was asked for: from now on it may be so. */
  ask(change: Partial<Truth>): void {
    const raised = { ...this.ceiling };
    for (const [key, value] of Object.entries(change) as [keyof Truth, number][])
      raised[key] = Math.max(raised[key], value);
    this.ceiling = raised;
  }

  /** It was answered: from now on it must be so. */
  promise(change: Partial<Truth>): void {
    this.floor = { ...this.floor, ...change };
  }

  /** A box left: are these bytes new, and are they the pad's? `hidden` is the ciphertext as far as it left. */
  emit(start: number, size: number, textId: number, hidden: Uint8Array, text: Uint8Array, findings: Findings): void {
    const end = start + size;
    for (const earlier of this.emissions) {
      if (earlier.text === textId) continue;
      findings.reused += Math.max(0, Math.min(end, earlier.end) - Math.max(start, earlier.start));
    }
    this.emissions.push({ start, end, text: textId });
    for (let i = 0; i < Math.min(hidden.length, text.length); i++) {
      if ((hidden[i]! ^ text[i]!) === this.ground.pad[start + 32 + i]) continue;
      findings.wrong.push(`the box at ${start} does not lie under the pad bytes that it names`);
      return;
    }
  }

  /** An answer left under the ready key of a slot, whose welcome is used by that as well. */
  emitSlot(slot: number, textId: number, hidden: Uint8Array, text: Uint8Array, findings: Findings): void {
    const at = this.slotAt(slot);
    this.emit(at, 96, textId, hidden.subarray(0, 0), text, findings);
    this.emit(at + 96, 96, textId, hidden, text, findings);
  }

  /** Looks at the device after a boot, or between commands, and takes what it says as the new floor. */
  check(rig: Rig, findings: Findings): void {
    const info = rig.info();
    if (info.state === 6) {
      findings.wrong.push(`faulty, section ${info.fault}`);
      return;
    }
    const { state, generation, next, up, down, split } = info;
    for (const key of ["state", "generation", "next", "up", "down", "split"] as const) {
      // Until a fill is done its pad has no marks.
      if (state <= 1 && key !== "generation" && key !== "state") continue;
      if (info[key] < this.floor[key]) findings.wrong.push(`${key} fell from ${this.floor[key]} to ${info[key]}`);
      if (info[key] > this.ceiling[key])
        findings.wrong.push(`${key} rose to ${info[key]}, beyond ${this.ceiling[key]}`);
    }
    this.floor = { state, generation, next, up, down, split };
    if (state !== 3) return;
    const [own, burned] = this.side === LOW ? [up, info.burned[0]] : [down, info.burned[1]];
    if (burned !== own) findings.wrong.push(`burned ${burned} of ${own} used`);
    if (this.ground.upBase + up > split || this.ground.downEnd - down < split)
      findings.wrong.push(`up ${up}, down ${down} and split ${split} overlap`);
    this.checkPad(rig, own, findings);
  }

  /** Takes what the device says between two commands as the floor, without a look at the chip: its burning may be unfinished. */
  believe(rig: Rig): void {
    const { state, generation, next, up, down, split } = rig.info();
    this.floor = { state, generation, next, up, down, split };
  }

  /** What is used is firmly zero, what is not is the pad, and nothing in between. */
  private checkPad(rig: Rig, own: number, findings: Findings): void {
    const { pad } = this.ground;
    const content = rig.flash.content(PAD_BASE, pad.length, read);
    const expected = due.subarray(0, pad.length);
    expected.set(pad);
    for (let slot = 0; slot < this.floor.next; slot++) {
      expected.fill(0, this.slotAt(slot), this.slotAt(slot) + SLOT_SIZE);
    }
    if (this.side === LOW) expected.fill(0, this.ground.upBase, this.ground.upBase + own);
    else expected.fill(0, this.ground.downEnd - own, this.ground.downEnd);
    for (const range of this.incoming) {
      if (range.status === "doubt") {
        const { start, end } = range;
        if (Buffer.compare(content.subarray(start, end), ZEROS.subarray(start, end)) === 0)
          expected.fill(0, start, end);
      } else if (range.status === "released") {
        expected.fill(0, range.start, range.end);
      } else if (Buffer.compare(content.subarray(range.start, range.end), pad.subarray(range.start, range.end)) !== 0) {
        findings.lost++;
      }
    }
    if (Buffer.compare(content, expected) !== 0) {
      const at = content.findIndex((byte, i) => byte !== expected[i]);
      findings.wrong.push(`pad byte ${at} reads ${content[at]} instead of ${expected[at] === 0 ? "zero" : "the pad"}`);
    }
    if (!rig.flash.stable(PAD_BASE, pad.length)) {
      const at = rig.flash.unstable(PAD_BASE, pad.length).findIndex(Boolean);
      findings.wrong.push(`pad byte ${at} is undecided`);
    }
  }

  /** The room for the next box, as SPEC section 1 has it. */
  room(): number {
    const { up, down, split } = this.floor;
    return this.side === LOW
      ? split - this.ground.upBase - up
      : Math.max(0, this.ground.downEnd - down - CONTROL_RESERVE - split);
  }

  /** Where a box of `size` bytes would lie now. */
  position(size: number): number {
    return this.side === LOW ? this.ground.upBase + this.floor.up : this.ground.downEnd - this.floor.down - size;
  }

  /** The mark of the direction in which this side seals. */
  get own(): "up" | "down" {
    return this.side === HIGH ? "down" : "up";
  }

  get other(): "up" | "down" {
    return this.side === HIGH ? "up" : "down";
  }
}
