// The drive that a board in boot mode shows. A file that is written to it goes into the board's flash block by block, and the
// board restarts by itself once it has them all; the drive is gone then, often before this computer has put away what it
// thinks a drive needs. It looks like a disk and is none: the drive gives nothing back of what was written (RP2040 data
// sheet, section 2.8.4.1: INFO_UF2.TXT and INDEX.HTM are all that there is to read), so that nothing can be compared here.
// The flash can be read over the other interface that boot mode has, PICOBOOT (section 2.8.5), with picotool.

import { type FileHandle, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BootError, isBootError } from "./errors.ts";

/** A board in boot mode, by its drive. */
export interface BootDrive {
  readonly path: string;
  /** What INFO_UF2.TXT calls the board. */
  readonly board: string;
}

/**
 * How a write ended. `restarted`: all of the file was synced, and the drive left behind it. `unknown`: it left during the
 * last piece, as it does when the board restarts with its last block, and as it does when somebody unplugs it.
 */
export type Outcome = "restarted" | "unknown";

const INFO = "INFO_UF2.TXT";
const RP2040_BOARD = "RPI-RP2";
/** The board reads the blocks, not the name. */
const FILE = "TEARPAD.UF2";
/** Written and synced at once: sixteen blocks of UF2, a sector of the board's flash. */
const PIECE = 8192;
const POLL_MS = 100;

const READ_ONLY: readonly (string | undefined)[] = ["EROFS", "EACCES", "EPERM"];
const FULL: readonly (string | undefined)[] = ["ENOSPC", "EDQUOT", "EFBIG"];

/**
 * The one drive of a board in boot mode among these places, by default where this computer mounts drives.
 * @throws BootError NO_DRIVE, SEVERAL_DRIVES or OTHER_BOARD
 */
export async function findDrive(places?: readonly string[]): Promise<BootDrive> {
  const mounted = places ?? (await mountedPlaces());
  const drives: BootDrive[] = [];
  let other: BootError | null = null;
  for (const path of mounted) {
    try {
      drives.push(await readDrive(path));
    } catch (error) {
      // Most places are no such drive at all; a board of another kind says more than that there is none.
      if (isBootError(error, "OTHER_BOARD")) other = error;
      else if (!isBootError(error, "NOT_A_DRIVE")) throw error;
    }
  }
  const [drive, ...more] = drives;
  if (more.length > 0) throw new BootError("SEVERAL_DRIVES", { paths: drives.map(({ path }) => path).join(", ") });
  if (drive === undefined) throw other ?? new BootError("NO_DRIVE", { places: mounted.length });
  return drive;
}

/** The drive at a path. @throws BootError NOT_A_DRIVE or OTHER_BOARD */
export async function readDrive(path: string): Promise<BootDrive> {
  const board = boardIn(await readFile(join(path, INFO), "latin1").catch(() => ""));
  if (board === null) throw new BootError("NOT_A_DRIVE", { path });
  if (board !== RP2040_BOARD) throw new BootError("OTHER_BOARD", { path, board });
  return { path, board };
}

/**
 * Writes a UF2 file to the drive, each piece synced before the next, and waits until the drive is gone.
 * @param onProgress called with the bytes that are on the drive
 * @param seconds for the restart
 * @throws BootError DRIVE_READ_ONLY, DRIVE_FULL, DRIVE_LOST or BOARD_STAYED
 */
export async function writeToDrive(
  { path }: BootDrive,
  file: Uint8Array,
  { onProgress = () => {}, seconds = 20 }: { onProgress?: (written: number) => void; seconds?: number } = {},
): Promise<Outcome> {
  let written = 0;
  const refused = (cause: unknown): BootError => refusal(path, written, file.length, cause);
  const handle = await open(join(path, FILE), "w").catch((cause: unknown) => {
    throw refused(cause);
  });
  let failure: unknown = null;
  try {
    for (; written < file.length; written += PIECE) {
      await writePiece(handle, file.subarray(written, written + PIECE), written);
      onProgress(Math.min(file.length, written + PIECE));
    }
  } catch (cause) {
    if (written + PIECE < file.length || !hasLeft(cause)) throw refused(cause);
    failure = cause;
  } finally {
    await handle.close().catch(() => {}); // What counts was synced; a drive that is gone cannot be closed well.
  }
  const left = await leaves(path, seconds);
  if (failure === null && !left) throw new BootError("BOARD_STAYED", { path, seconds });
  if (failure !== null && !left) throw refused(failure);
  return failure === null ? "restarted" : "unknown";
}

/** Where this computer has mounted drives: what comes from a device of its own, not over a network that may hang. */
async function mountedPlaces(): Promise<string[]> {
  if (process.platform === "darwin") return (await readdir("/Volumes")).map((name) => join("/Volumes", name));
  if (process.platform !== "linux") return [];
  const mounts = await readFile("/proc/mounts", "utf8");
  const lines = mounts.split("\n").map((line) => line.split(" "));
  const places = lines.filter(([device]) => device?.startsWith("/dev/")).map(([, place]) => unescaped(place!));
  return [...new Set(places)];
}

/** Blanks and the like are octal in /proc/mounts. */
function unescaped(place: string): string {
  return place.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function boardIn(info: string): string | null {
  return /^Board-ID:[ \t]*(\S+)/m.exec(info)?.[1] ?? null;
}

async function writePiece(handle: FileHandle, piece: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    done += (await handle.write(piece, done, piece.length - done, position + done)).bytesWritten;
  }
  await handle.datasync();
}

function hasLeft(cause: unknown): boolean {
  const { code } = cause as NodeJS.ErrnoException;
  return !FULL.includes(code) && !READ_ONLY.includes(code);
}

function refusal(path: string, written: number, needed: number, cause: unknown): BootError {
  const { code } = cause as NodeJS.ErrnoException;
  if (READ_ONLY.includes(code) && written === 0) return new BootError("DRIVE_READ_ONLY", { path }, cause);
  if (FULL.includes(code)) return new BootError("DRIVE_FULL", { path, written, needed }, cause);
  return new BootError("DRIVE_LOST", { path, written, needed }, cause);
}

/** Whether the drive goes within the seconds: a board that has its image shows none any more. */
async function leaves(path: string, seconds: number): Promise<boolean> {
  for (const until = performance.now() + seconds * 1000; performance.now() < until; await sleep(POLL_MS)) {
    if (boardIn(await readFile(join(path, INFO), "latin1").catch(() => "")) === null) return true;
  }
  return false;
}
