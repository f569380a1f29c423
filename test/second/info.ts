/** The 112 bytes of INFO (docs/SPEC.md section 8), in the order of their offsets. */
import { concat, u32 } from "./box.ts";
import type { End } from "./end.ts";
import type { Identity } from "./journal.ts";

export type Info = Record<string, number | Uint8Array>;

/** Offsets 0 to 7, one byte each. */
const BYTES = ["state", "side", "suite", "section", "work", "error", "traps", "provenance"];
/** From offset 8, four bytes each; pad id and serial follow at 32. */
const COUNTERS = ["reason", "workDone", "workAll", "bootEpoch", "generation", "journalSequence"];
/** From offset 56, four bytes each. */
const PAD = [
  ...["padLength", "slotsLow", "slotsHigh", "nextSlot", "upUsed", "upBurned", "downUsed", "downBurned"],
  ...["split", "room", "burnUnit", "failedTags", "chipSize"],
];

export function encodeInfo(info: Info): Uint8Array {
  const all: Info = { side: 255, padId: new Uint8Array(16), serial: new Uint8Array(8), ...info };
  const numbers = (names: string[]): number[] => names.map((name) => (all[name] ?? 0) as number);
  const [padId, serial] = [all.padId, all.serial] as [Uint8Array, Uint8Array];
  return concat(Uint8Array.of(...numbers(BYTES)), u32(...numbers(COUNTERS)), padId, serial, u32(...numbers(PAD), 0));
}

/** What INFO says of an identity and of an end whose burning is finished. */
export function padInfo(identity: Identity, end: End): Info {
  const { padId, serial, padLength, slotsLow, slotsHigh, provenance, burnUnit } = identity;
  const { nextSlot, split, room, failedTags, used } = end;
  const marks = { upUsed: used.up, upBurned: used.up, downUsed: used.down, downBurned: used.down };
  const pad = { suite: 1, padId, serial, padLength, slotsLow, slotsHigh, provenance, burnUnit };
  return { side: end.side === "low" ? 0 : 1, ...pad, nextSlot, split, room, failedTags, ...marks };
}
