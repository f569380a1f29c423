// `tearpad device flash`: an image onto a board in boot mode. Everything that can be known is known before the first byte
// goes: the file is whole, it is the one that was built, and it is for this chip. What cannot be had from the drive, the
// image as it lies on the board, is made up for by the device itself, where it answers: it says which core it runs.

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  BootError,
  checkUf2,
  findDrive,
  MANIFEST_NAME,
  type Manifest,
  parseManifest,
  readDrive,
  writeToDrive,
} from "../host/boot/index.ts";
import { DriverError, openDevice, openTransport } from "../host/driver/index.ts";
import { isImage } from "./address.ts";
import { bytes, type Io, parse, printJson } from "./command.ts";
import { CliError } from "./errors.ts";
import { line } from "./gauge.ts";
import { type Port, serialPorts } from "./ports.ts";
import { progressOn } from "./progress.ts";

/** Seen from `cli/` in a checkout and from `dist/cli/` in the package. */
const FIRMWARE = ["../build/firmware/pico/tearpad-pico.uf2", "../../build/firmware/pico/tearpad-pico.uf2"];

const ANSWER_SECONDS = 20;
const POLL_MS = 250;

export async function deviceFlash(args: string[], io: Io): Promise<number> {
  const options = { drive: { type: "string" }, device: { type: "string" } } as const;
  const { values, positionals } = parse(args, options, [0, 1]);
  const { path, file, manifest } = await load(positionals[0]);
  const drive = await (values.drive === undefined ? findDrive() : readDrive(values.drive));
  const before = await serialPorts();

  const progress = progressOn(io.stderr, values.json !== true);
  try {
    await writeToDrive(drive, file, { onProgress: (written) => progress.show("writing", written, file.length) });
    const answered = await answer(addressOf(values.device, io), before, manifest, (seconds) =>
      progress.show("waiting for the device", seconds, ANSWER_SECONDS),
    );
    progress.end();
    const result: Flashed = { image: path, drive: drive.path, bytes: file.length, manifest, answered };
    if (values.json) printJson(io.stdout, inJson(result));
    else io.stdout.write(`${inWords(result).join("\n")}\n`);
    return 0;
  } finally {
    progress.end();
  }
}

/** Where the board will answer, if somebody said so: an image in the environment is another device. */
function addressOf(option: string | undefined, { env }: Io): string | undefined {
  if (option !== undefined) return option;
  return env.TEARPAD_DEVICE && !isImage(env.TEARPAD_DEVICE) ? env.TEARPAD_DEVICE : undefined;
}

interface Flashed {
  readonly image: string;
  readonly drive: string;
  readonly bytes: number;
  readonly manifest: Manifest;
  readonly answered: Answered | null;
}

interface Answered {
  readonly address: string;
  readonly core: string;
}

/** The image and what its manifest says, which is true of it. @throws BootError, DriverError DISK_FAILED */
async function load(named: string | undefined): Promise<{ path: string; file: Uint8Array; manifest: Manifest }> {
  const places =
    named === undefined ? FIRMWARE.map((place) => fileURLToPath(new URL(place, import.meta.url))) : [named];
  for (const path of places) {
    const file = await contentOf(path);
    if (file === null) continue;
    const beside = join(dirname(path), MANIFEST_NAME);
    const text = await contentOf(beside);
    if (text === null) throw new BootError("MANIFEST_MISSING", { path: beside });
    const manifest = parseManifest(text.toString("utf8"));
    checkUf2(file, manifest);
    return { path, file, manifest };
  }
  if (named !== undefined) throw new CliError("NO_FILE", { path: named });
  throw new BootError("NO_FIRMWARE", { path: places[0]! });
}

/** null where there is no such file. */
async function contentOf(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new DriverError("DISK_FAILED", { path }, cause);
  }
}

/**
 * Waits for the device to come up: at the address that was named, or else at a serial port that was not there before. null
 * when none came: a board may be wired to a port that was there all the time.
 * @throws BootError BOARD_SILENT when it was named and does not answer, OTHER_FIRMWARE
 */
async function answer(
  named: string | undefined,
  before: readonly Port[] | null,
  manifest: Manifest,
  onWait: (seconds: number) => void,
): Promise<Answered | null> {
  if (named === undefined && before === null) return null;
  const known = new Set(before?.map(({ path }) => path));
  const began = performance.now();
  for (let seconds = 0; seconds < ANSWER_SECONDS; seconds = (performance.now() - began) / 1000) {
    onWait(seconds);
    for (const address of named === undefined ? await newPorts(known) : [named]) {
      const core = await coreAt(address);
      if (core === null) continue;
      if (core !== manifest.version) throw new BootError("OTHER_FIRMWARE", { expected: manifest.version, found: core });
      return { address, core };
    }
    await sleep(POLL_MS);
  }
  if (named === undefined) return null;
  throw new BootError("BOARD_SILENT", { address: named, seconds: ANSWER_SECONDS });
}

async function newPorts(known: ReadonlySet<string>): Promise<string[]> {
  return ((await serialPorts()) ?? []).map(({ path }) => path).filter((path) => !known.has(path));
}

/** The version of the core that answers at an address; null while none does. */
async function coreAt(address: string): Promise<string | null> {
  try {
    const device = await openDevice(await openTransport(address));
    try {
      return (await device.hello()).firmware;
    } finally {
      await device.close();
    }
  } catch (error) {
    if (error instanceof DriverError && error.code !== "BAD_ADDRESS") return null;
    throw error;
  }
}

const NOT_COMPARED = "the drive gives nothing back, so that the image on the board was not compared";

function inWords({ image, drive, bytes: size, manifest, answered }: Flashed): string[] {
  return [
    line("image", `${image}, ${manifest.board} ${manifest.version}`),
    line("written", `${bytes(size)} to ${drive}, synced; the board has restarted`),
    line("checked", `the file against its manifest, before; ${NOT_COMPARED}`),
    answered === null
      ? line("device", "no new serial port: see which core answers with tearpad device info ADDRESS")
      : line("device", `${answered.address} answers with core ${answered.core}, that of the image`),
  ];
}

function inJson({ image, drive, bytes: size, manifest, answered }: Flashed): object {
  const { board, version, core, image: imageDigest } = manifest;
  const verified = { file: true, onBoard: false, core: answered?.core ?? null };
  return { image, board, version, core, imageDigest, drive, bytes: size, verified, device: answered?.address ?? null };
}
