// `tearpad device flash`: an image onto a board in boot mode. Everything that can be known is known before the first byte
// goes: the file is whole, it is the one that was built, and it is for this chip. Which board it is, the drive does not say:
// a Pico with a chip for the pad and one without look alike there, so that a person has to. What cannot be had from the
// drive, the image as it lies on the board, is made up for by the device itself, where it answers: it says which board it is
// and which version it runs.

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
  type Outcome,
  parseManifest,
  readDrive,
  writeToDrive,
} from "../host/boot/index.ts";
import { type Device, DriverError, type Info, openDevice, openTransport } from "../host/driver/index.ts";
import { commands, isDeviceError } from "../host/protocol/index.ts";
import { isImage } from "./address.ts";
import { bytes, type Io, parse, printJson, UsageError } from "./command.ts";
import { choose } from "./confirm.ts";
import { CliError } from "./errors.ts";
import { line } from "./gauge.ts";
import { DEVICE_USB, type Port, serialPorts } from "./ports.ts";
import { progressOn } from "./progress.ts";

const BOARDS = {
  pico: "a Pico with a chip of its own for the pad, wired to it",
  "pico-bare": "a Pico and nothing else",
} as const;
type BoardName = keyof typeof BOARDS;

/** Where a build lies, seen from `cli/` in a checkout and from `dist/cli/` in the package. */
const BUILDS = ["../build/firmware", "../../build/firmware"];

const ANSWER_SECONDS = 20;
const POLL_MS = 250;

export async function deviceFlash(args: string[], io: Io): Promise<number> {
  const options = { board: { type: "string" }, drive: { type: "string" }, device: { type: "string" } } as const;
  const { values, positionals } = parse(args, options, [0, 1]);
  const board = await boardOf(values.board, positionals[0], io);
  const { path, file, manifest } = await load(positionals[0], board);
  const drive = await (values.drive === undefined ? findDrive() : readDrive(values.drive));
  const before = await serialPorts();
  const address = addressOf(values.device, io);

  const progress = progressOn(io.stderr, values.json !== true);
  try {
    const outcome = await writeToDrive(drive, file, {
      onProgress: (written) => progress.show("writing", written, file.length),
    });
    const answered = await answer(address, before, manifest, (seconds) =>
      progress.show("waiting for the device", seconds, ANSWER_SECONDS),
    );
    progress.end();
    if (answered === null && outcome === "unknown") {
      throw new BootError("RESTART_UNKNOWN", { path: drive.path, bytes: file.length });
    }
    if (answered === null && address !== undefined) {
      throw new BootError("BOARD_SILENT", { address, seconds: ANSWER_SECONDS });
    }
    const result: Flashed = { image: path, drive: drive.path, bytes: file.length, manifest, outcome, answered };
    if (values.json) printJson(io.stdout, inJson(result));
    else io.stdout.write(`${inWords(result).join("\n")}\n`);
    return 0;
  } finally {
    progress.end();
  }
}

/** Which board somebody says it is; null where an image says it. @throws UsageError where nobody does */
async function boardOf(option: string | undefined, image: string | undefined, io: Io): Promise<BoardName | null> {
  if (option !== undefined && !Object.hasOwn(BOARDS, option)) {
    throw new UsageError(`--board is ${Object.keys(BOARDS).join(" or ")}, not "${option}".`);
  }
  if (option !== undefined) return option as BoardName;
  if (image !== undefined) return null;
  const chosen = await choose(io, "Which board is it?", BOARDS);
  if (chosen !== null) return chosen;
  const names = Object.entries(BOARDS).map(([name, what]) => `--board ${name} (${what})`);
  throw new UsageError(`Which board? Give ${names.join(" or ")}, or name an image.`);
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
  readonly outcome: Outcome;
  readonly answered: Answered | null;
}

/** What a device says of itself: which board it is, and the version of its core. */
interface Answered {
  readonly address: string;
  readonly board: string;
  readonly core: string;
  readonly state: Info["state"];
}

/** The image and what its manifest says, which is true of it. @throws BootError, DriverError DISK_FAILED */
async function load(
  named: string | undefined,
  board: BoardName | null,
): Promise<{ path: string; file: Uint8Array; manifest: Manifest }> {
  const built = `${board}/tearpad-${board}.uf2`;
  const places = named === undefined ? BUILDS.map((folder) => place(`${folder}/${built}`)) : [named];
  for (const path of places) {
    const file = await contentOf(path);
    if (file === null) continue;
    const beside = join(dirname(path), MANIFEST_NAME);
    const text = await contentOf(beside);
    if (text === null) throw new BootError("MANIFEST_MISSING", { path: beside });
    const manifest = parseManifest(text.toString("utf8"));
    checkUf2(file, manifest);
    if (board !== null && manifest.board !== board) {
      throw new BootError("OTHER_IMAGE", { path, expected: board, found: manifest.board });
    }
    return { path, file, manifest };
  }
  if (named !== undefined) throw new CliError("NO_FILE", { path: named });
  throw new BootError("NO_FIRMWARE", { path: places[0]! });
}

function place(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
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
 * Waits for the device to come up: at the address that was named, or else at a port of a device that was not there before.
 * null when none came: a board may be wired to a port that was there all the time.
 * @throws BootError OTHER_FIRMWARE
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
      const answered = await whoAnswers(address);
      if (answered === null) continue;
      const [expected, found] = [`${manifest.board} ${manifest.version}`, `${answered.board} ${answered.core}`];
      if (found !== expected) throw new BootError("OTHER_FIRMWARE", { expected, found });
      return answered;
    }
    await sleep(POLL_MS);
  }
  return null;
}

/** What else has been plugged in meanwhile is not spoken to. */
async function newPorts(known: ReadonlySet<string>): Promise<string[]> {
  const ports = (await serialPorts()) ?? [];
  return ports.filter(({ path, usb }) => usb === DEVICE_USB && !known.has(path)).map(({ path }) => path);
}

/** null while none does. */
async function whoAnswers(address: string): Promise<Answered | null> {
  try {
    const device = await openDevice(await openTransport(address));
    try {
      const [{ firmware: core }, { state }] = [await device.hello(), await device.info()];
      return { address, board: await boardAt(device), core, state };
    } finally {
      await device.close();
    }
  } catch (error) {
    if (error instanceof DriverError && error.code !== "BAD_ADDRESS") return null;
    throw error;
  }
}

/** Cores from before the self test do not say it. */
async function boardAt(device: Device): Promise<string> {
  try {
    return (await device.request(commands.selftestBody, undefined)).body;
  } catch (error) {
    if (isDeviceError(error, "UNKNOWN_COMMAND") || isDeviceError(error, "FAULTY")) return "unknown";
    throw error;
  }
}

const NOT_COMPARED = "the drive gives nothing back, so that the image on the board was not compared";
const OUTCOMES: Readonly<Record<Outcome, string>> = {
  restarted: "synced; the board has restarted",
  unknown: "the drive went during the last of them",
};

function inWords({ image, drive, bytes: size, manifest, outcome, answered }: Flashed): string[] {
  const firmware = `${manifest.board} ${manifest.version}`;
  const device =
    answered === null
      ? [line("device", "no new port of a device: see which one answers with tearpad device info ADDRESS")]
      : [line("device", `${answered.address} answers as ${firmware}, as the image would; it does not say which build`)];
  if (answered?.state === "faulty") {
    device.push(
      line("", "it is FAULTY: tearpad device selftest says why; a Pico without a chip takes --board pico-bare"),
    );
  }
  return [
    line("image", `${image}, ${firmware}`),
    line("written", `${bytes(size)} to ${drive}, ${OUTCOMES[outcome]}`),
    line("checked", `the file against its manifest, before; ${NOT_COMPARED}`),
    line("", `to compare it, in boot mode again: picotool verify ${image}`),
    ...device,
  ];
}

function inJson({ image, drive, bytes: size, manifest, outcome, answered }: Flashed): object {
  const { board, version, core, image: imageDigest } = manifest;
  const restarted = outcome === "restarted" ? true : outcome;
  const verified = { file: true, onBoard: false, board: answered?.board ?? null, core: answered?.core ?? null };
  const device = { device: answered?.address ?? null, state: answered?.state ?? null };
  return { image, board, version, core, imageDigest, drive, bytes: size, restarted, verified, ...device };
}
