// `tearpad pair`: makes two device images that hold one pad, or fills two blank devices with one.
//
// The images are made under names that end in .part and get their own names when both are whole and on the disk. What a run
// that was ended in between left, the next one removes; only when the first had its own name already does the next run name
// the second as well. So under the final names there never stays half of a pair.

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { openDevice } from "../host/driver/index.ts";
import { type Cells, createImage, type Image, lineTo, openImage, SimulatorError } from "../simulator/index.ts";
import { type Io, parse, parseSize, UsageError } from "./command.ts";
import { type Ends, type Filled, fillAddresses, fillBoth, printFilled } from "./fill.ts";
import { inspectFile } from "./image-file.ts";
import { bootImage } from "./local.ts";
import { chooseSource, SOURCE_OPTIONS, type SourceChoice } from "./source.ts";

const SIZE = "16M";
const FINISHED =
  "An earlier run was ended before it had named the second image: that pair is finished now, as it was made then. --size and the options of its source were not used.";
const SECTOR_BYTES = 4096;
/** A pad has at least two sectors (SPEC section 10), behind the six that the smallest chip keeps before it (section 4). */
const SIZE_MIN = 8 * SECTOR_BYTES;
/** Addresses on a chip have 32 bits (SPEC section 4). */
const SIZE_MAX = 2 ** 32 - SECTOR_BYTES;

export async function pair(args: string[], io: Io): Promise<number> {
  const options = { ...SOURCE_OPTIONS, size: { type: "string" }, devices: { type: "string" } } as const;
  const { values, positionals } = parse(args, options, [0, 1]);
  const [out] = positionals;
  const { devices, size } = values;
  const json = values.json === true;
  if ((out === undefined) === (devices === undefined)) {
    throw new UsageError("Give OUT for two images, or --devices LOW,HIGH for two devices.");
  }
  const choice = chooseSource(values);
  if (devices !== undefined) {
    if (size !== undefined) throw new UsageError("--size is for images: a device has the size that it has.");
    return fillAddresses(twoAddresses(devices), choice, json, io);
  }
  const paths = { low: `${out}.low.tearpad`, high: `${out}.high.tearpad` };
  const chipSize = sizeOf(size);
  const finished = finishEarlier(paths);
  if (finished !== null) io.stderr.write(`${FINISHED}\n`);
  printFilled(io, json, paths, finished ?? (await makeImages(paths, chipSize, choice, json, io)));
  return 0;
}

function twoAddresses(text: string): Ends<string> {
  const [low, high, ...more] = text.split(",");
  if (low && high && more.length === 0) return { low, high };
  throw new UsageError("--devices takes two addresses: LOW,HIGH.");
}

function sizeOf(text: string = SIZE): number {
  const size = parseSize("--size", text);
  if (size % SECTOR_BYTES === 0 && size >= SIZE_MIN && size <= SIZE_MAX) return size;
  throw new UsageError("--size takes a multiple of 4K, at least 32K and less than 4G.");
}

async function makeImages(
  paths: Ends<string>,
  size: number,
  choice: SourceChoice,
  json: boolean,
  io: Io,
): Promise<Filled> {
  for (const path of [paths.low, paths.high]) refuseExisting(path);
  const parts = { low: partOf(paths.low), high: partOf(paths.high) };
  const made: string[] = [];
  try {
    for (const part of [parts.low, parts.high]) {
      makeBlank(part, size);
      made.push(part);
    }
    const filled = await fillImages(parts, choice, json, io);
    publish(paths);
    return filled;
  } catch (error) {
    for (const part of made) rmSync(part, { force: true });
    throw error;
  }
}

/** Boots a device on each of the two images, fills both, and leaves them on the disk. */
async function fillImages(parts: Ends<string>, choice: SourceChoice, json: boolean, io: Io): Promise<Filled> {
  const low = bootImage(parts.low, unsynced);
  const high = bootImage(parts.high, unsynced);
  const devices = {
    low: await openDevice(lineTo(low.machine, low.close)),
    high: await openDevice(lineTo(high.machine, high.close)),
  };
  try {
    return await fillBoth(devices, parts, choice, json, io);
  } finally {
    await devices.low.close();
    await devices.high.close();
  }
}

/** An image that is synced when it is closed and not before: what is filled half is thrown away anyway. */
function unsynced(image: Image): Cells {
  return {
    size: image.size,
    read: (address, into) => image.read(address, into),
    write: (address, bytes) => image.write(address, bytes),
    sync: () => {},
  };
}

function partOf(path: string): string {
  return `${path}.part`;
}

/** A part that another process is filling is locked; one that nobody has was left behind. */
function makeBlank(part: string, size: number): void {
  if (existsSync(part)) {
    openImage(part).close();
    rmSync(part);
  }
  createImage(part, size);
}

function publish(paths: Ends<string>): void {
  for (const path of [paths.low, paths.high]) refuseExisting(path);
  renameSync(partOf(paths.low), paths.low);
  try {
    renameSync(partOf(paths.high), paths.high);
  } catch (error) {
    rmSync(paths.low);
    throw error;
  }
  syncDirectory(dirname(paths.low));
}

/** Names the second image of a run that was ended after it had named the first; null when there is nothing of the kind. */
function finishEarlier({ low, high }: Ends<string>): Filled | null {
  const part = partOf(high);
  if (!existsSync(low) || existsSync(high) || !existsSync(part)) return null;
  const first = inspectFile(low).identity?.content;
  const second = inspectFile(part).identity?.content;
  if (!first || !second || first.padId !== second.padId) return null;
  openImage(part).close();
  renameSync(part, high);
  syncDirectory(dirname(high));
  const { provenance, claimedMinEntropy, samplesTested, longestRepetition, highestProportion, sourceName } = second;
  const origin = { provenance, claimedMinEntropy, samplesTested, longestRepetition, highestProportion, sourceName };
  return { padBytes: first.padLength, origin, noise: null };
}

function refuseExisting(path: string): void {
  if (!existsSync(path)) return;
  throw new SimulatorError("IMAGE_EXISTS", `${path} is there already and was left alone.`, {
    facts: { path },
    advice: "Choose another name. Remove the file only if no twin of its pad is in use.",
  });
}

function syncDirectory(path: string): void {
  if (process.platform === "win32") return;
  const directory = openSync(path, "r");
  fsyncSync(directory);
  closeSync(directory);
}
