/**
 * A flash whose content is a file: the raw bytes of the chip and nothing else.
 *
 * Every program and erase is written through at once. The machine calls {@link Image.sync} before it transmits, so a box leaves
 * only when its reservation and its burning are on the disk, even if the computer loses power the next moment. Between two
 * transmits the disk may take the writes in any order: nothing said depends on them yet. If the computer is lost there, a burning
 * may be on the disk without its record. The device then answers the next SEAL with FLASH_FAULT: those bytes left with no one, and
 * are not used again. To keep the order would cost a sync for every record.
 *
 * Nobody else may use the file meanwhile. Beside the lock, the image goes on only while its file is where it was opened and holds
 * what this process wrote last: a lock does not follow a file into another directory.
 */
import {
  type BigIntStats,
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { SimulatorError, type SimulatorErrorCode } from "./error.ts";
import type { Cells } from "./flash.ts";
import { lock } from "./lock.ts";
import { SECTOR } from "./sector.ts";

/** The smallest chip that holds a pad (SPEC section 4): journal 4, identity 2, pad 1. */
const SECTORS_MIN = 7;
/** Addresses have 32 bits. */
const SECTORS_MAX = 2 ** 20;

/** It numbers volumes in two ways and tells the time of a write late; only the number of the file can be compared there. */
const WINDOWS: boolean = process.platform === "win32";

/** An open image, locked against every other process until it is closed or this process ends. */
export interface Image extends Cells {
  readonly path: string;
  close(): void;
}

/**
 * Makes a blank image: every byte 0xFF, written and synced, so that a disk that is too small is met here and not in the middle of
 * a message. Leaves no file behind when it fails.
 * @param size bytes: a whole number of 4 KiB sectors
 * @throws SimulatorError IMAGE_SIZE, IMAGE_EXISTS, DISK_FULL, IMAGE_IO
 */
export function createImage(path: string, size: number): void {
  checkSize(path, size);
  try {
    writeBlank(path, size);
  } catch (error) {
    throw notMade(error);
  }
}

function writeBlank(path: string, size: number): void {
  const file = openFile(path, "wx");
  try {
    const blank = new Uint8Array(16 * SECTOR).fill(0xff);
    for (let done = 0; done < size; done += blank.length) {
      writeWhole(file, path, blank.subarray(0, Math.min(blank.length, size - done)), done);
    }
    guard("write", path, () => fsyncSync(file));
    closeSync(file);
    syncDirectory(dirname(path));
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

/**
 * Opens an image for this process alone.
 * @throws SimulatorError IMAGE_MISSING, IMAGE_BUSY, IMAGE_LINKED, IMAGE_CHANGED, IMAGE_SIZE, IMAGE_IO
 */
export function openImage(path: string): Image {
  const file = openFile(path, "r+");
  try {
    const stats = fstatSync(file, { bigint: true });
    checkSize(path, Number(stats.size));
    checkLinks(path, stats);
    const real = guard("find", path, () => realpathSync(path));
    const release = take(path, real, stats.ino);
    try {
      return new ImageFile(path, real, file, release);
    } catch (error) {
      release();
      throw error;
    }
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

class ImageFile implements Image {
  readonly path: string;
  readonly size: number;
  /** Its path without symbolic links. */
  private readonly real: string;
  private readonly file: number;
  private readonly release: () => void;
  /** When it was last written by this process, or before it was opened. */
  private written: bigint;
  private unsynced = false;

  constructor(path: string, real: string, file: number, release: () => void) {
    const { size, mtimeNs } = fstatSync(file, { bigint: true });
    this.path = path;
    this.size = Number(size);
    this.real = real;
    this.file = file;
    this.release = release;
    this.written = mtimeNs;
    this.mustBeThere();
  }

  read(address: number, into: Uint8Array): void {
    const count = guard("read", this.path, () => readSync(this.file, into, 0, into.length, address));
    if (count !== into.length) throw failure("IMAGE_IO", "read", this.path);
  }

  write(address: number, bytes: Uint8Array): void {
    if (!this.unsynced) this.mustBeOurs();
    this.unsynced = true;
    writeWhole(this.file, this.path, bytes, address);
  }

  sync(): void {
    this.flush();
    this.mustBeThere();
  }

  close(): void {
    try {
      this.flush();
    } finally {
      closeSync(this.file);
      this.release();
    }
  }

  private flush(): void {
    if (!this.unsynced) return;
    guard("write", this.path, () => fdatasyncSync(this.file));
    this.written = fstatSync(this.file, { bigint: true }).mtimeNs;
    this.unsynced = false;
  }

  /** Whoever opens the file at another place from now on finds in it all that was written before this returned. */
  private mustBeThere(): void {
    const mine = fstatSync(this.file, { bigint: true });
    const there = guard("find", this.path, () => statSync(this.real, { bigint: true, throwIfNoEntry: false }));
    if (there?.ino === mine.ino && (WINDOWS || there.dev === mine.dev)) return;
    throw changed(this.path, "moved, replaced or removed");
  }

  /** An image that was away and came back may have been used there. */
  private mustBeOurs(): void {
    this.mustBeThere();
    if (WINDOWS || fstatSync(this.file, { bigint: true }).mtimeNs === this.written) return;
    throw changed(this.path, "written to");
  }
}

function take(path: string, real: string, inode: bigint): () => void {
  const taken = guard("lock", path, () => lock(real, inode));
  if ("release" in taken) return taken.release;
  const { pid, path: lockFile } = taken.holder;
  throw new SimulatorError("IMAGE_BUSY", `Process ${pid} has ${path} open; two at once would use the same pad bytes.`, {
    facts: { path, pid, lock: lockFile },
    advice: `Wait until it is done, or end process ${pid}. If it ran on another computer or in a container that is gone for certain, remove ${lockFile}.`,
  });
}

/** A name in another directory has locks of its own. */
function checkLinks(path: string, { nlink }: BigIntStats): void {
  if (nlink <= 1n) return;
  throw new SimulatorError(
    "IMAGE_LINKED",
    `${path} has ${nlink} names (hard links); two at once would use the same pad bytes.`,
    {
      facts: { path, names: Number(nlink) },
      advice:
        "End whoever uses it by another name, and remove the other names. Do not copy the image: its pad would be there twice.",
    },
  );
}

function changed(path: string, what: string): SimulatorError {
  return new SimulatorError("IMAGE_CHANGED", `${path} was ${what} while this process had it open.`, {
    facts: { path },
    advice:
      "Find out who did it, and start again with the image itself: a copy of it would use the same pad bytes again.",
  });
}

function checkSize(path: string, size: number): void {
  const sectors = size / SECTOR;
  if (Number.isInteger(sectors) && sectors >= SECTORS_MIN && sectors <= SECTORS_MAX) return;
  const [least, most] = [SECTORS_MIN * SECTOR, SECTORS_MAX * SECTOR];
  throw new SimulatorError("IMAGE_SIZE", `${path} is not the size of a chip: ${size} bytes.`, {
    facts: { path, size, multiple: SECTOR, least, most },
    advice: `A chip has a multiple of ${SECTOR} bytes, from ${least} to ${most}. A file cut short is lost: fill a new pair.`,
  });
}

function openFile(path: string, flags: "wx" | "r+"): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" && flags === "r+") {
      throw new SimulatorError("IMAGE_MISSING", `There is no image ${path}.`, {
        facts: { path },
        advice: "Check the path, or create a blank image there.",
        cause: error,
      });
    }
    if (code === "EEXIST") {
      throw new SimulatorError("IMAGE_EXISTS", `${path} is there already and was left alone.`, {
        facts: { path },
        advice: "Choose another name. Remove the file only if no twin of its pad is in use.",
        cause: error,
      });
    }
    throw failure("IMAGE_IO", "open", path, error);
  }
}

/** The same failure where there is no device yet that could have begun something. */
function notMade(error: unknown): unknown {
  if (!(error instanceof SimulatorError) || !["IMAGE_IO", "DISK_FULL"].includes(error.code)) return error;
  const { code, message, facts, cause } = error;
  const advice = error.advice.replace(RECOVERS, "");
  return new SimulatorError(code, message, {
    facts,
    pad: "No device was made, and no pad bytes were used.",
    advice,
    cause,
  });
}

function writeWhole(file: number, path: string, bytes: Uint8Array, address: number): void {
  for (let done = 0; done < bytes.length; ) {
    const count = guard("write", path, () => writeSync(file, bytes, done, bytes.length - done, address + done));
    if (count === 0) throw failure("DISK_FULL", "write", path);
    done += count;
  }
}

/** On some systems a directory cannot be opened or synced; the file itself is synced in any case. */
function syncDirectory(path: string): void {
  try {
    const directory = openSync(path, "r");
    fsyncSync(directory);
    closeSync(directory);
  } catch {}
}

/** Does `work` and gives what the file system says against it a name. */
function guard<T>(what: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const full = ["ENOSPC", "EDQUOT", "EFBIG"].includes((error as NodeJS.ErrnoException).code ?? "");
    throw failure(full ? "DISK_FULL" : "IMAGE_IO", what, path, error);
  }
}

const RECOVERS = ": the device recovers by its journal";
const FORBIDDEN = ["EACCES", "EPERM", "EROFS"];

function failure(code: SimulatorErrorCode, what: string, path: string, cause?: unknown): SimulatorError {
  const sentence =
    code === "DISK_FULL" ? `The disk has no room for ${path}.` : `The system could not ${what} the image ${path}.`;
  return new SimulatorError(code, sentence, { facts: { path }, advice: adviceOn(code, path, cause), cause });
}

function adviceOn(code: SimulatorErrorCode, path: string, cause: unknown): string {
  if (code === "DISK_FULL") return `Make room and start again${RECOVERS}.`;
  const why = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  if (FORBIDDEN.includes(why)) {
    return `Have the right to read and write the image, and to make files in ${dirname(path)}: its lock lies beside it.`;
  }
  if (["EISDIR", "ENOTDIR", "ENOENT", "ENAMETOOLONG", "ELOOP"].includes(why)) return "Check the path.";
  return `Mend the disk and start again${RECOVERS}.`;
}
