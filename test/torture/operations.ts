// Everything that writes flash, as commands with what they may change (ask) and what they promise once answered.

import type { Findings, Ideal, Incoming } from "./ideal.ts";
import {
  COMMAND,
  CONTROL_RESERVE,
  concat,
  decodePrefix,
  LOW,
  type Reply,
  type Rig,
  readU32,
  SLOT_SIZE,
  type Truth,
  u32,
} from "./rig.ts";

/** One command as the ideal device sees it. */
export interface Plan {
  readonly type: number;
  readonly payload: Uint8Array;
  /** What INFO will say if it is done. */
  readonly change: Partial<Truth>;
  /** The text that a box will hide. */
  readonly text?: Uint8Array;
  /** What a release takes away. */
  readonly releases?: Incoming;
  /** The slot under which a READY leaves. */
  readonly slot?: number;
}

let texts = 0;

/** Runs a command on device and ideal alike. The findings get what left the line; the reply is null when the power went. */
export function perform(rig: Rig, ideal: Ideal, plan: Plan, findings: Findings): Reply | null {
  const textId = ++texts;
  ideal.ask(plan.change);
  if (plan.releases) plan.releases.status = "doubt";
  const reply = rig.command(plan.type, plan.payload);
  watch(rig, ideal, plan, textId, findings);
  if (reply !== null && reply.error === 0) {
    ideal.promise(plan.change);
    if (plan.releases) plan.releases.status = "released";
  }
  return reply;
}

/** What an eavesdropper on the line got of a box or an opening, even if it broke off. */
function watch(rig: Rig, ideal: Ideal, plan: Plan, textId: number, findings: Findings): void {
  const { bytes, whole } = decodePrefix(rig.line);
  if ((bytes[0] === (COMMAND.SEAL | 0x80) || bytes[0] === (COMMAND.STATE | 0x80)) && bytes.length > 24) {
    const text = plan.text ?? new Uint8Array(0);
    const hidden = bytes.subarray(24, whole ? 24 + text.length : bytes.length);
    ideal.emit(readU32(bytes, 16), 32 + text.length, textId, hidden, text, findings);
  } else if (bytes[0] === (COMMAND.BEGIN | 0x80) && bytes.length > 24) {
    ideal.emit(ideal.slotAt(readU32(bytes, 12)), SLOT_SIZE, textId, new Uint8Array(0), new Uint8Array(0), findings);
  } else if (bytes[0] === (COMMAND.READY | 0x80) && bytes.length > 16) {
    const text = plan.text ?? new Uint8Array(0);
    const hidden = bytes.subarray(16, whole ? 16 + text.length : bytes.length);
    ideal.emitSlot(plan.slot ?? 0, textId, hidden, text, findings);
  }
}

export function seal(ideal: Ideal, text: Uint8Array, kind = 1): Plan {
  const mark = ideal.floor[ideal.own] + 32 + text.length;
  return { type: COMMAND.SEAL, payload: concat(u32(kind), text), change: { [ideal.own]: mark }, text };
}

export function begin(ideal: Ideal): Plan {
  return { type: COMMAND.BEGIN, payload: u32(0xffffffff, 0), change: { next: ideal.floor.next + 1 } };
}

export function raise(ideal: Ideal, by: number): Plan {
  const split = ideal.floor.split + by;
  return { type: COMMAND.RAISE, payload: u32(split), change: { split } };
}

/** FIND of a segment's first two items, which may carry a grant. */
export function find(ideal: Ideal, tagAndOpening: Uint8Array, split: number): Plan {
  const takes = ideal.side === LOW && split > ideal.floor.split && split <= ideal.ground.downEnd - CONTROL_RESERVE;
  return { type: COMMAND.FIND, payload: tagAndOpening, change: takes ? { split } : {} };
}

export function open(offset: number, box: Uint8Array): Plan {
  return { type: COMMAND.OPEN, payload: concat(u32(offset), box), change: {} };
}

export function release(ideal: Ideal, range: Incoming): Plan {
  const mark = ideal.other === "up" ? range.end - ideal.ground.upBase : ideal.ground.downEnd - range.start;
  return {
    type: COMMAND.RELEASE,
    payload: u32(range.start, range.end - range.start),
    change: { [ideal.other]: Math.max(mark, ideal.floor[ideal.other]) },
    releases: range,
  };
}

export function releaseSlot(slot: number, range: Incoming): Plan {
  return { type: COMMAND.RELEASE_SLOT, payload: u32(slot), change: {}, releases: range };
}
