// Defects planted in the core, one at a time: a step left out, an order swapped, a field lost, a bound off by one. A torture that does not find them proves nothing.
// Each is a replacement in the source, which must apply exactly once.

import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { type Core, compileCore } from "../../simulator/index.ts";

export interface Defect {
  readonly name: string;
  /** Relative to assembly/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const CORE_DEFECTS: readonly Defect[] = [
  {
    name: "the newest record wins instead of the maximum: up used",
    file: "device/journal.ts",
    from: "state.upUsed = max(state.upUsed, record.upUsed);",
    to: "state.upUsed = record.upUsed;",
  },
  {
    name: "the newest record wins instead of the maximum: down used",
    file: "device/journal.ts",
    from: "state.downUsed = max(state.downUsed, record.downUsed);\n  state.downBurned",
    to: "state.downUsed = record.downUsed;\n  state.downBurned",
  },
  {
    name: "the join loses the next slot",
    file: "device/journal.ts",
    from: "  state.nextSlot = max(state.nextSlot, record.nextSlot);\n",
    to: "",
  },
  {
    name: "the join loses the split",
    file: "device/journal.ts",
    from: "  state.split = max(state.split, record.split);\n",
    to: "",
  },
  {
    name: "the join loses the revision of the identity",
    file: "device/journal.ts",
    from: "    state.revision = record.revision;\n",
    to: "",
  },
  {
    name: "the join loses what is burned",
    file: "device/journal.ts",
    from: "  state.upBurned = max(state.upBurned, record.upBurned);\n",
    to: "  state.upBurned = state.upUsed;\n",
  },
  {
    name: "split and down are not folded when a torn record makes them overlap",
    file: "device/journal.ts",
    from: "if (state.split <= pad.downEnd - state.downUsed) return;",
    to: "return;",
  },
  {
    name: "a record's checksum is not looked at",
    file: "device/journal.ts",
    from: "load<u32>(changetype<usize>(record) + CRC_AT) === crc32(changetype<usize>(record), CRC_AT)",
    to: "true",
  },
  {
    name: "the next journal sector is not erased",
    file: "device/journal.ts",
    from: "const code = erase(next * SECTOR_SIZE, SECTOR_SIZE);",
    to: "const code: u32 = 0;",
  },
  {
    name: "boot erases the sector of the newest record instead of the next one",
    file: "device/journal.ts",
    from: "        sequence = record.sequence;\n        place.sector = sector;",
    to: "        sequence = record.sequence;\n        place.sector = sector === 0 ? chip.journalSectors - 1 : sector - 1;",
  },
  {
    name: "a record is not read back",
    file: "device/flash.ts",
    from: "return equal(page, data, length) ? Code.OK : fail(Code.FLASH_FAULT, Section.PAD, address);",
    to: "return Code.OK;",
  },
  {
    name: "burning ends one byte early",
    file: "device/flash.ts",
    from: "export function zero(address: u32, length: u32): u32 {\n  const end = address + length;",
    to: "export function zero(address: u32, length: u32): u32 {\n  const end = address + length - 1;",
  },
  {
    name: "burning forgets that pages end",
    file: "device/flash.ts",
    from: "export function zero(address: u32, length: u32): u32 {\n  const end = address + length;\n  while (address < end) {\n    const part = min(PAGE_SIZE - (address & (PAGE_SIZE - 1)), end - address);",
    to: "export function zero(address: u32, length: u32): u32 {\n  const end = address + length;\n  while (address < end) {\n    const part = min(PAGE_SIZE, end - address);",
  },
  {
    name: "a box leaves without a record",
    file: "device/seal.ts",
    from: "  setUsed(direction, mark + size);\n  let code = commit();",
    to: "  setUsed(direction, mark + size);\n  let code: u32 = Code.OK;",
  },
  {
    name: "the record of a box is written before the mark is raised",
    file: "device/seal.ts",
    from: "  setUsed(direction, mark + size);\n  let code = commit();",
    to: "  let code = commit();\n  setUsed(direction, mark + size);",
  },
  {
    name: "a box leaves without being burned",
    file: "device/seal.ts",
    from: "  code = burn(offset, size);\n  if (code) return code;\n",
    to: "",
  },
  {
    name: "the mark rises by one byte too few",
    file: "device/seal.ts",
    from: "  setUsed(direction, mark + size);\n  let code",
    to: "  setUsed(direction, mark + size - 1);\n  let code",
  },
  {
    name: "a slot is taken without a record",
    file: "device/seal.ts",
    from: "  state.nextSlot++;\n  return commit();\n",
    to: "  state.nextSlot++;\n  return Code.OK;\n",
  },
  {
    name: "a slot is not pending while it is burned",
    file: "device/seal.ts",
    from: "  state.pendingLength = SLOT_SIZE;\n  state.nextSlot++;\n  return commit();\n",
    to: "  state.nextSlot++;\n  const code = commit();\n  state.pendingLength = SLOT_SIZE;\n  return code;\n",
  },
  {
    name: "a raised split is answered before it is durable",
    file: "device/seal.ts",
    from: "    state.split = split;\n    code = commit();",
    to: "    state.split = split;\n    code = Code.OK;",
  },
  {
    name: "a raise is not held against what high has used",
    file: "device/seal.ts",
    from: "if (given > room()) return",
    to: "if (given > pad.length) return",
  },
  {
    name: "a grant is used before it is durable",
    file: "device/open.ts",
    from: "  state.split = split;\n  return commit();",
    to: "  state.split = split;\n  return Code.OK;",
  },
  {
    name: "a release burns before it is durable",
    file: "device/open.ts",
    from: "  const code = commit();\n  return code ? code : settle();",
    to: "  const code = settle();\n  return code ? code : commit();",
  },
  {
    name: "a release forgets its range",
    file: "device/open.ts",
    from: "  state.pendingOffset = offset;\n  state.pendingLength = length;\n",
    to: "",
  },
  {
    name: "a release moves the mark by where the box begins",
    file: "device/open.ts",
    from: "const mark = direction === UP ? offset + length - pad.upBase : pad.downEnd - offset;",
    to: "const mark = direction === UP ? offset - pad.upBase : pad.downEnd - offset - length;",
  },
  {
    name: "the slot of the wrong side is released",
    file: "device/open.ts",
    from: "code = destroy(slotAt(other(), slot), SLOT_SIZE);",
    to: "code = destroy(slotAt(pad.side, slot), SLOT_SIZE);",
  },
  {
    name: "the verified range ends one byte late",
    file: "device/open.ts",
    from: "    verified.start = start;\n    verified.end = end;",
    to: "    verified.start = start;\n    verified.end = end + 1;",
  },
  {
    name: "the tag of a box is not compared",
    file: "engine/box.ts",
    from: "if (frameMatches(item, aad)) return true;",
    to: "frameMatches(item, aad);\n  return true;",
  },
  {
    name: "boot does not burn again",
    file: "device/boot.ts",
    from: "  if (state.state > State.FILLING) code = burnAgain();\n",
    to: "",
  },
  {
    name: "boot forgets pending ranges",
    file: "device/journal.ts",
    from: "    last.pendingLength = record.pendingLength;\n",
    to: "    last.pendingLength = 0;\n",
  },
  {
    name: "boot writes no record",
    file: "device/boot.ts",
    from: "let code = commit();",
    to: "let code: u32 = 0;",
  },
  {
    name: "the epoch stays the same over boots",
    file: "device/boot.ts",
    from: "  state.epoch++;\n",
    to: "",
  },
  {
    name: "a fill makes no new generation",
    file: "device/fill.ts",
    from: "  state.generation++;\n",
    to: "",
  },
  {
    name: "a fill is done before its identity is written",
    file: "device/fill.ts",
    from: "work.pages < PAGES ? writePage(state.revision + 1, work.pages) : activate()",
    to: "activate()",
  },
  {
    name: "a fill says only once that there is a pad",
    file: "device/fill.ts",
    from: "    const code = commit();\n",
    to: "    const code: u32 = Code.OK;\n",
  },
  {
    name: "a fill begins without a record",
    file: "device/fill.ts",
    from: "const committed = commit();",
    to: "const committed: u32 = 0;",
  },
  {
    name: "a fill's first record already says the split",
    file: "device/fill.ts",
    from: "  state.split = 0;\n",
    to: "  state.split = load<u32>(payload, 8);\n",
  },
  {
    name: "what a record with too low a supply would have said is believed",
    file: "device/journal.ts",
    from: "  memory.copy(changetype<usize>(state), committed, RECORD_SIZE);\n",
    to: "",
  },
  {
    name: "the journal erases the sector of its newest record when no other takes one",
    file: "device/journal.ts",
    from: "if (next === place.newest) break;",
    to: "if (next === chip.journalSectors) break;",
  },
  {
    name: "pad bytes stay in memory behind a command",
    file: "device/frame.ts",
    from: "  forgetBuffers();\n",
    to: "",
  },
  {
    name: "a repeated frame is executed again",
    file: "device/frame.ts",
    from: "  if (line.kept && sequence === line.lastSequence && crc === line.lastCrc) {",
    to: "  if (line.kept && sequence === line.lastSequence && crc === line.lastCrc) line.nextSequence = sequence;\n  if (false) {",
  },
  {
    name: "a frame of an earlier session is executed",
    file: "device/frame.ts",
    from: "if (session === 0 || session !== line.session) {",
    to: "line.nextSequence = sequence;\n  if (false) {",
  },
  {
    name: "what a ready allows is not in its record",
    file: "device/link.ts",
    from: "  state.openCaps = plus(state.openCaps, cap);\n  state.split = split;\n  code = takeSlot();\n",
    to: "  state.split = split;\n  code = takeSlot();\n  state.openCaps = plus(state.openCaps, cap);\n",
  },
  {
    name: "the split of a welcome is not in the record",
    file: "device/link.ts",
    from: "  state.split = split;\n  code = takeSlot();\n",
    to: "  code = takeSlot();\n  state.split = split;\n",
  },
  {
    name: "a ready leaves without its call being answered",
    file: "device/link.ts",
    from: "  state.answered = slot + 1;\n",
    to: "",
  },
  {
    name: "a ready leaves and its slot is not in the record",
    file: "device/link.ts",
    from: "  code = takeSlot();\n  if (state.nextSlot !== slot)",
    to: "  state.nextSlot++;\n  readPad(slotAt(LOW, slot), slice, SLOT_SIZE);\n  if (state.nextSlot !== slot)",
  },
  {
    name: "a slot that is given up is not in the record",
    file: "device/link.ts",
    from: "    code = reserveSlot();\n    if (code) return code;\n",
    to: "    state.nextSlot++;\n",
  },
  {
    name: "what a state allows is not in its record",
    file: "device/link.ts",
    from: "  state.openCaps = plus(state.openCaps, more);\n",
    to: "",
  },
  {
    name: "a receipt from before a raise lowers the caps",
    file: "device/value.ts",
    from: "if (ofThisCall && state.receiptUp >= link.raisedAt) state",
    to: "if (ofThisCall) state",
  },
  {
    name: "a receipt is answered before it is durable",
    file: "device/value.ts",
    from: "    code = commit();\n",
    to: "    code = Code.OK;\n",
  },
  {
    name: "an older receipt is taken",
    file: "device/value.ts",
    from: "const newer = load<u32>(text) > state.receiptSequence;",
    to: "const newer = load<u32>(text) !== state.receiptSequence;",
  },
  {
    name: "the join loses the receipt",
    file: "device/journal.ts",
    from: "  mergeReceipt(record);\n",
    to: "",
  },
  {
    name: "the join takes the lowest open caps",
    file: "device/journal.ts",
    from: "  state.openCaps = max(state.openCaps, record.openCaps);\n",
    to: "  state.openCaps = min(state.openCaps, record.openCaps);\n",
  },
  {
    name: "the join loses the call that was answered",
    file: "device/journal.ts",
    from: "  state.answered = max(state.answered, record.answered);\n",
    to: "",
  },
  {
    name: "caps that were promised while a receipt could not be read are forgotten with it",
    file: "device/journal.ts",
    from: "  if (state.receiptSequence) heedNewerCaps();\n",
    to: "",
  },
  {
    name: "a list of addresses is written over the one in force",
    file: "device/addresses.ts",
    from: "(other ^ pad.revision) & 1 ? other : other + 1",
    to: "(other ^ pad.revision) & 1 ? other + 1 : other",
  },
  {
    name: "a list of addresses is in force without a record",
    file: "device/addresses.ts",
    from: "const committed = commit();",
    to: "const committed: u32 = 0;",
  },
  {
    name: "the copy that a list takes is not erased first",
    file: "device/addresses.ts",
    from: "  code = erase(pageAddress(revision, 0), SECTOR_SIZE);\n  if (code) return code;\n",
    to: "",
  },
  {
    name: "a torn list of addresses puts the device out of service",
    file: "device/identity.ts",
    from: "return corrupt && !loadEarlier(state.carried) && !loadEarlier(state.revision - 1) ? corrupt : 0;",
    to: "return corrupt;",
  },
  {
    name: "a list takes the copy of an earlier one whose record may turn up",
    file: "device/addresses.ts",
    from: "  if (!isUntouched(revision)) {",
    to: "  if (false) {",
  },
  {
    name: "a token seals before it is linked",
    file: "device/seal.ts",
    from: "  if (isToken() && link.status !== LinkStatus.LINKED) return fail(Code.CALL_FIRST);\n",
    to: "",
  },
];

const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** The core with one defect in it. Throws when the source has no such place, or more than one. */
export async function plant(defect: Defect): Promise<Core> {
  return compileCore(await compileDefect(defect));
}

/** The same as WebAssembly. */
export async function compileDefect(defect: Defect): Promise<Uint8Array<ArrayBuffer>> {
  const path = join(ROOT, "assembly", defect.file);
  const source = await readFile(path, "utf8");
  if (source.split(defect.from).length !== 2)
    throw new Error(`${defect.file} has not exactly one place for: ${defect.name}`);
  let planted = false;
  let wasm: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(
    [
      "assembly/device.ts",
      "--target",
      "device",
      "--baseDir",
      ROOT,
      "--outFile",
      "core.wasm",
      "--textFile",
      "core.wat",
      "-O1",
    ],
    {
      readFile: async (name: string, base: string) => {
        const full = resolve(base, name);
        if (full !== path) return readFile(full, "utf8").catch(() => null);
        planted = true;
        return source.replace(defect.from, () => defect.to);
      },
      writeFile: (name: string, data: Uint8Array | string) => {
        if (name === "core.wasm") wasm = Uint8Array.from(data as Uint8Array);
      },
      listFiles: () => [],
    },
  );
  if (error || !wasm || !planted) throw new Error(`${defect.name} does not compile: ${stderr.toString()}`);
  return wasm;
}
