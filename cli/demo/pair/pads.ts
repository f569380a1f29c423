// The pair of the demonstration on the disk: two images as `tearpad pair` makes them, the observer's copy of the pad as it
// was then, and what the observer knows. All of it is in one directory that appears whole or not at all.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { runCost } from "../../../host/driver/index.ts";
import type { IdentityContent } from "../../../host/image/index.ts";
import type { Side } from "../../../host/protocol/index.ts";
import { openImage, SimulatorError } from "../../../simulator/index.ts";
import { exitOf } from "../../exit.ts";
import { commandLine } from "../command-line.ts";
import { DemoError } from "../errors.ts";
import { bytesOf, type OriginalPad, padOf } from "../original.ts";
import { chipBytesFor } from "../simulated.ts";
import { freshLedger, type Ledger, readLedger, writeLedger } from "./ledger.ts";

/** The pair and what belongs to it. */
export interface Pads {
  readonly directory: string;
  /** It was made by this start. */
  readonly fresh: boolean;
  readonly images: Readonly<Record<Side, string>>;
  readonly original: OriginalPad;
  /** What the devices record about the pad's origin. */
  readonly identity: IdentityContent;
  readonly ledger: Ledger;
  /** Where the pad begins on a chip. */
  readonly padAddress: number;
}

/** A fresh pair is good for the file so many times; each start seals it twice. */
const FILES = 6;
const IMAGES: Readonly<Record<Side, string>> = { low: "pad.low.tearpad", high: "pad.high.tearpad" };
const ORIGINAL = "observer.pad";
const LEDGER = "observer.json";
const TRACES = "traces";

/**
 * The pair in a home directory: the one that is there, or a fresh one.
 *
 * `anew` makes a fresh one in any case, and destroys the one that is there; a fresh one has room for a text of `textBytes` a
 * few times; `stop` gives up.
 * @throws DemoError PAIR_IN_USE, PAIR_DAMAGED, PAIR_NOT_MADE, INTERRUPTED
 */
export async function openPads(
  home: string,
  { anew, textBytes, stop }: { anew: boolean; textBytes: number; stop: Promise<void> },
): Promise<Pads> {
  const directory = join(home, "start");
  if (anew) destroy(directory);
  const fresh = !existsSync(directory);
  if (fresh) await make(home, directory, textBytes, stop);
  try {
    return { ...read(directory), fresh };
  } catch (error) {
    if (error instanceof DemoError) throw error;
    throw new DemoError("PAIR_DAMAGED", { directory, reason: (error as Error).message });
  }
}

/** A file of a directory of pads. */
export function fileIn({ directory }: Pads, ...names: string[]): string {
  return join(directory, ...names);
}

/** Makes what the observer knows durable, with the traces up to a session in it; these are not needed any more. */
export function saveLedger(pads: Pads, session: number): void {
  pads.ledger.session = session;
  writeLedger(fileIn(pads, LEDGER), pads.ledger);
  for (const earlier of sessionsOf(pads)) if (earlier <= session) rmSync(tracesOf(pads, earlier), { recursive: true });
}

/** The sessions of which there are traces, oldest first. */
export function sessionsOf(pads: Pads): number[] {
  return readdirSync(fileIn(pads, TRACES))
    .map(Number)
    .sort((a, b) => a - b);
}

/** The directory of a session's traces. */
export function tracesOf(pads: Pads, session: number): string {
  return fileIn(pads, TRACES, String(session));
}

/** The pad as it lies on the chip of one end now. */
export async function padOnChip({ images, padAddress, original }: Pads, side: Side): Promise<Buffer> {
  return bytesOf(images[side], padAddress, original.bytes.length);
}

/** Pads are never kept for later: what is replaced is gone, once nobody uses it. */
function destroy(directory: string): void {
  if (!existsSync(directory)) return;
  try {
    for (const image of Object.values(IMAGES)) {
      if (existsSync(join(directory, image))) openImage(join(directory, image)).close();
    }
  } catch (error) {
    if (error instanceof SimulatorError && error.code === "IMAGE_BUSY") {
      throw new DemoError("PAIR_IN_USE", { directory });
    }
    // A damaged image is in nobody's use.
  }
  rmSync(directory, { recursive: true });
}

async function make(home: string, directory: string, textBytes: number, stop: Promise<void>): Promise<void> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const making = mkdtempSync(join(home, "making-"));
  try {
    await runPair(join(making, "pad"), chipBytesFor(FILES * runCost(textBytes, 1).padBytes), home, stop);
    const { shape, address } = padOf(join(making, IMAGES.low));
    const pads = await Promise.all(
      Object.values(IMAGES).map((image) => bytesOf(join(making, image), address, shape.padLength)),
    );
    const [low, high] = pads as [Buffer, Buffer];
    if (!low.equals(high)) throw new DemoError("PAIR_NOT_MADE", { reason: "The two devices hold different pads." });
    await writeFile(join(making, ORIGINAL), low, { mode: 0o600, flush: true });
    writeLedger(join(making, LEDGER), freshLedger(shape));
    for (const name of [TRACES, "received"]) mkdirSync(join(making, name), { mode: 0o700 });
    renameSync(making, directory);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    throw error;
  }
}

/** As a user would make it; its progress shows on the terminal. */
async function runPair(out: string, size: number, home: string, stop: Promise<void>): Promise<void> {
  const [node, ...args] = commandLine("pair", out, "--size", String(size));
  const env = { ...process.env, TEARPAD_HOME: home };
  const child = spawn(node as string, args, { stdio: ["ignore", "ignore", "inherit"], env });
  void stop.then(() => child.kill("SIGINT"));
  const [code] = (await once(child, "exit")) as [number | null];
  if (code === exitOf("INTERRUPTED")) throw new DemoError("INTERRUPTED", {});
  if (code !== 0) throw new DemoError("PAIR_NOT_MADE", { reason: "tearpad pair failed." });
}

function read(directory: string): Omit<Pads, "fresh"> {
  const images = { low: join(directory, IMAGES.low), high: join(directory, IMAGES.high) };
  const { shape, address, identity } = padOf(images.low);
  const bytes = readFileSync(join(directory, ORIGINAL));
  const ledger = readLedger(join(directory, LEDGER));
  if (
    bytes.length !== shape.padLength ||
    padOf(images.high).identity.padId !== identity.padId ||
    ledger.version !== 1
  ) {
    throw new DemoError("PAIR_DAMAGED", { directory, reason: "its parts do not belong together." });
  }
  return {
    directory,
    images,
    original: { bytes, shape, padId: identity.padId },
    identity,
    ledger,
    padAddress: address,
  };
}
