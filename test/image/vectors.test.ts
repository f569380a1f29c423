// The inspector and the device judge a chip alike. What a device makes of a chip at boot is in the vectors of kind journal;
// the inspector is shown the same chips and may not contradict.

import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ImageError, type Inspection, inspectChip } from "../../host/image/index.ts";
import { SECTIONS, STATES } from "../../host/protocol/errors.ts";
import { type Bytes, bytesOf } from "../second/bytes.ts";

const VECTORS = new URL("../vectors/", import.meta.url);

interface Vector {
  readonly chip: { readonly sectors: number; readonly overprogram?: boolean };
  readonly traps: number;
  readonly flash: readonly { readonly at: number; readonly bytes: Bytes }[];
  /** The first may be VALUE. */
  readonly steps: readonly { readonly command: string; readonly reply?: string }[];
  readonly expect: { readonly info: Readonly<Record<string, number | string>> };
}

test.each(readdirSync(VECTORS).filter((name) => name.startsWith("journal-")))("%s", (name) => {
  const vector = JSON.parse(readFileSync(new URL(name, VECTORS), "utf8")) as Vector;
  const { info } = vector.expect;
  // What the chip's kind or earlier traps decide does not lie on the chip.
  if (vector.traps >= 3 || vector.chip.overprogram === false) return;
  const content = chipOf(vector);
  const inspect = () =>
    inspectChip({ size: content.length, read: (at, into) => into.set(content.subarray(at, at + into.length)) });

  const sectionOfFault = SECTIONS[info.section as number] ?? "none";
  if (sectionOfFault === "chip") return expect(inspect).toThrow(ImageError);
  if (sectionOfFault === "journal" && !hasRecord(content)) {
    return hasIdentity(content)
      ? expect(inspect().fault?.section).toBe("journal")
      : expect(inspect).toThrow(ImageError);
  }
  const found = inspect();
  expect(found.state).toBe(STATES[info.state as number]);
  expect(found.fault?.section ?? "none").toBe(sectionOfFault);
  // The boot itself writes a record and counts as one.
  if (found.state !== "faulty") {
    expect(found.journal.joined?.sequence ?? 0).toBe((info.journalSequence as number) - 1);
    expect(found.journal.joined?.bootEpoch ?? 0).toBe((info.bootEpoch as number) - 1);
  }
  const [step] = vector.steps;
  if (step?.command === "VALUE" && found.fault === null && found.pad !== null) expect(valueBy(found)).toBe(step.reply);
  if (found.pad === null) return expect(info.padLength ?? 0).toBe(0);
  const { marks, room } = found.pad;
  expect({
    nextSlot: marks.nextSlot,
    upUsed: marks.up.used,
    downUsed: marks.down.used,
    split: marks.split,
    room: room.now,
    padLength: marks.padLength,
    padId: found.identity?.content?.padId,
    serial: found.identity?.content?.serial,
  }).toEqual({
    nextSlot: info.nextSlot,
    upUsed: info.upUsed,
    downUsed: info.downUsed,
    split: info.split,
    room: info.room,
    padLength: info.padLength,
    padId: info.padId,
    serial: info.serial,
  });
  return undefined;
});

/** What the device answers to VALUE, from what the inspector found. */
function valueBy({ journal, identity }: Inspection): string {
  const { receipt, openCaps, answered } = journal.joined!;
  const { limit, asset } = identity!.content!;
  const bytes = Buffer.alloc(56);
  for (const [at, value] of [
    [0, receipt.sequence],
    [4, receipt.call],
    [24, receipt.up],
    [28, answered],
  ] as const) {
    bytes.writeUInt32LE(value, at);
  }
  bytes.writeBigUInt64LE(receipt.balance, 8);
  bytes.writeBigUInt64LE(openCaps, 16);
  bytes.writeBigUInt64LE(limit, 32);
  bytes.write(asset, 40);
  return bytes.toString("hex");
}

function chipOf({ chip, flash }: Vector): Uint8Array {
  const content = new Uint8Array(chip.sectors * 4096).fill(0xff);
  for (const { at, bytes } of flash) content.set(bytesOf(bytes), at);
  return content;
}

function hasRecord(content: Uint8Array): boolean {
  return Buffer.from(content).includes("TPJ1");
}

function hasIdentity(content: Uint8Array): boolean {
  return Buffer.from(content).includes("TPID");
}
