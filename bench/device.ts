// The device: what a box costs it in flash operations, wear and time. The machine counts its HAL calls and its clock passes the chip's typical busy times (data sheet of
// the W25Q128JV), so wear and flash time are exact; the processor's own time is not in them. The baseline is the same text sealed by the engine on this host.

import { setTimeout } from "node:timers/promises";
import { type Device, fillDevice, firstSplitOfPair, openDevice } from "../host/driver/index.ts";
import { loadEngine } from "../host/engine/index.ts";
import { builtCore, Flash, lineTo, Machine, Random, SECTOR } from "../simulator/index.ts";

const MIB = 1024 * 1024;
/** Erases that the data sheet promises of a sector. */
const ENDURANCE = 100_000;
/** A record, and the pages on which the largest box may lie. */
const PROGRAMS_OF_LARGEST = 18;
/** Sectors of the journal, and the records of a sector (SPEC sections 4 and 5). */
const JOURNAL_SECTORS = 16;
const RECORDS_PER_SECTOR = 32;
const JOURNAL_BYTES = JOURNAL_SECTORS * SECTOR;
const REFERENCE_PAD_BYTES = 16_646_144;

export interface DeviceRow {
  readonly textPerBox: number;
  readonly boxes: number;
  readonly padBytesPerTextByte: number;
  readonly halCallsPerMiB: number;
  readonly programsPerMiB: number;
  readonly erasesPerMiB: number;
  readonly refillsUntilWorn: number;
  /** Text through the flash, at typical busy times, without the processor. */
  readonly flashKilobytesPerSecond: number;
  readonly boxesPerSecondSimulated: number;
  /** How many boxes the engine seals on this host while the simulated device seals one. */
  readonly engineIsTimes: number;
}

/** What a device does between power and its first answer. */
export interface BootRow {
  readonly bootAfter: string;
  readonly bytesRead: number;
  readonly programs: number;
  readonly erases: number;
  /** Time of the chip, without the processor. */
  readonly flashMilliseconds: number;
  /** Against one read of the journal, without which no boot can do. */
  readonly journalReads: number;
}

/** Measures boots: after a clean end, and after the power went in the middle of burning the largest box. */
export async function benchBoot(): Promise<BootRow[]> {
  const flash = new Flash({ sectors: (2 * MIB) / SECTOR, seed: 1 });
  const machine = new Machine({ core: builtCore(), flash });
  machine.powerOn();
  const device = await openDevice(lineTo(machine));
  await fill(device, flash.size - 128 * 1024);
  machine.powerCut();
  const rows = [bootOf(machine, "a clean end")];
  await device.hello();
  machine.cutAt({ call: PROGRAMS_OF_LARGEST / 2, name: "norProgram", when: "during", kind: "power", tear: "random" });
  const lost = device.seal("data", new Uint8Array(4096)).catch(() => undefined);
  while (machine.state === "on") await setTimeout(1);
  await device.close();
  await lost;
  rows.push(bootOf(machine, "a cut in the middle of burning 4,128 bytes"));
  return rows;
}

function bootOf(machine: Machine, bootAfter: string): BootRow {
  const { flash } = machine;
  let bytesRead = 0;
  machine.observe = ({ name, length }) => {
    if (name === "norRead") bytesRead += length;
  };
  const before = { ...machine.calls };
  const begun = flash.clock.now();
  machine.powerOn();
  const took = flash.clock.now() - begun;
  machine.observe = null;
  const journal = new Uint8Array(JOURNAL_BYTES);
  const idle = flash.clock.now();
  for (let at = 0; at < JOURNAL_BYTES; at += SECTOR) flash.read(at, journal, at, SECTOR);
  return {
    bootAfter,
    bytesRead,
    programs: machine.calls.norProgram - before.norProgram,
    erases: machine.calls.norErase - before.norErase,
    flashMilliseconds: Number((took / 1000).toFixed(1)),
    journalReads: Number((took / (flash.clock.now() - idle)).toFixed(2)),
  };
}

/** Measures boxes of 115 and of 4,096 bytes on a chip that is divided like the reference chip. */
export async function benchDevice({ quick }: { readonly quick: boolean }): Promise<DeviceRow[]> {
  const rows: DeviceRow[] = [];
  for (const textPerBox of [115, 4096]) rows.push(await measure(textPerBox, (quick ? 0.1 : 1) * MIB));
  return rows;
}

async function measure(textPerBox: number, textBytes: number): Promise<DeviceRow> {
  const flash = new Flash({ sectors: (4 * MIB) / SECTOR, seed: 1 });
  const machine = new Machine({ core: builtCore(), flash });
  machine.powerOn();
  const device = await openDevice(lineTo(machine));
  await fill(device, flash.size - 128 * 1024);

  const boxes = Math.floor(textBytes / textPerBox);
  const text = new Uint8Array(textPerBox);
  const before = { ...machine.calls };
  const erases = journalErases(flash);
  const flashBegun = flash.clock.now();
  const begun = performance.now();
  for (let box = 0; box < boxes; box++) await device.seal("data", text);
  const seconds = (performance.now() - begun) / 1000;
  const flashSeconds = (flash.clock.now() - flashBegun) / 1e6;
  await device.close();

  const mib = (boxes * textPerBox) / MIB;
  const calls = Object.keys(before).reduce(
    (sum, name) => sum + machine.calls[name as "norRead"] - before[name as "norRead"],
    0,
  );
  // What refillsUntilWorn takes for granted: a record for each box, and the sectors of the journal in turn.
  const turned = journalErases(flash) - erases;
  if (Math.abs(turned - boxes / RECORDS_PER_SECTOR) > 1) {
    throw new Error(`${boxes} boxes erased ${turned} sectors of the journal`);
  }
  return {
    textPerBox,
    boxes,
    padBytesPerTextByte: (textPerBox + 32) / textPerBox,
    halCallsPerMiB: Math.round(calls / mib),
    programsPerMiB: Math.round((machine.calls.norProgram - before.norProgram) / mib),
    erasesPerMiB: Number(((machine.calls.norErase - before.norErase) / mib).toFixed(2)),
    refillsUntilWorn: refillsUntilWorn(textPerBox),
    flashKilobytesPerSecond: Math.round((boxes * textPerBox) / 1000 / flashSeconds),
    boxesPerSecondSimulated: Math.round(boxes / seconds),
    engineIsTimes: Number((seconds / boxes / (await engineSeconds(textPerBox))).toFixed(1)),
  };
}

/**
 * How often a whole pad of the reference chip can be filled and used up in such boxes before a sector is beyond what its data sheet promises. That is one of the journal:
 * a pad sector is erased once for each fill, a journal sector once for each 512 records, and each box is one. A fill and the start behind it begin a sector each, for
 * which one more erase is counted; whoever starts the device more often than that pays one for every 16 starts.
 */
export function refillsUntilWorn(textPerBox: number): number {
  const records = REFERENCE_PAD_BYTES / (textPerBox + 32);
  return Math.floor(ENDURANCE / (Math.ceil(records / (RECORDS_PER_SECTOR * JOURNAL_SECTORS)) + 1));
}

/** Erases of the sectors of the journal, all together. */
function journalErases(flash: Flash): number {
  return Array.from({ length: JOURNAL_SECTORS }, (_, sector) => flash.erases(sector)).reduce((a, b) => a + b);
}

/** Seconds that the engine takes for one box of this size. */
async function engineSeconds(textPerBox: number): Promise<number> {
  const engine = await loadEngine();
  const place = { padId: new Uint8Array(16), direction: "up", offset: 0 } as const;
  const slice = crypto.getRandomValues(new Uint8Array(textPerBox + 32));
  const text = new Uint8Array(textPerBox);
  const turns = 20_000;
  const begun = performance.now();
  for (let turn = 0; turn < turns; turn++) engine.seal(place, "data", slice, text);
  return (performance.now() - begun) / 1000 / turns;
}

/** Fills one end of a pad without slots, always with the same bytes. */
export async function fill(device: Device, padLength: number, side: "low" | "high" = "low"): Promise<void> {
  const slots = { low: 0, high: 0 };
  const random = new Random(7);
  async function* pad(): AsyncGenerator<Uint8Array> {
    for (let done = 0; done < padLength; done += 65_536) {
      const piece = new Uint8Array(Math.min(65_536, padLength - done));
      random.fill(piece);
      yield piece;
    }
  }
  await fillDevice(
    device,
    {
      side,
      provenance: "csprng",
      claimedMinEntropy: 0,
      sourceName: "",
      samplesTested: 0,
      longestRepetition: 0,
      highestProportion: 0,
      padLength,
      burnUnit: 1,
      slots: { low: false, high: false },
      firstSplit: firstSplitOfPair({ padLength, burnUnit: 1, slots }),
      padId: new Uint8Array(16),
    },
    pad(),
  );
}
