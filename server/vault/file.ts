// Whole files on a disk: read, written so that they are there completely or not at all, and destroyed.

import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import type { Disk } from "./disk.ts";
import { errno, onDisk } from "./errors.ts";

/** The whole content; null when there is no such file. */
export function readWhole(disk: Disk, path: string): Buffer | null {
  const file = openExisting(disk, path, "read");
  if (file === null) return null;
  try {
    return onDisk("read", path, () => {
      const bytes = Buffer.alloc(disk.size(file));
      return bytes.subarray(0, readAt(disk, file, bytes, 0));
    });
  } finally {
    disk.close(file);
  }
}

/** Opens a file that may be missing: null then. */
export function openExisting(disk: Disk, path: string, how: "read" | "update" | "append"): number | null {
  return onDisk("open", path, () => {
    try {
      return disk.open(path, how);
    } catch (error) {
      if (errno(error) === "ENOENT") return null;
      throw error;
    }
  });
}

/** Fills `into` from a position; returns how much there was. */
export function readAt(disk: Disk, file: number, into: Uint8Array, position: number): number {
  let done = 0;
  while (done < into.length) {
    const count = disk.read(file, into.subarray(done), position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Writes all of it or throws. */
export function writeAt(disk: Disk, file: number, path: string, bytes: Uint8Array, position: number): void {
  onDisk("write", path, () => {
    // A full disk may take a part; the next write then says so.
    for (let done = 0; done < bytes.length; ) done += disk.write(file, bytes.subarray(done), position + done);
  });
}

/** Writes and syncs a file under a temporary name; no such file is left behind when it fails. */
export function writeSynced(disk: Disk, path: string, bytes: Uint8Array, how: "new" | "empty" = "empty"): void {
  writeAllSynced(disk, new Map([[path, bytes]]), how);
}

/** The same for many files: all are written before the first is synced, which takes a third of the time. */
export function writeAllSynced(
  disk: Disk,
  files: ReadonlyMap<string, Uint8Array>,
  how: "new" | "empty" = "empty",
): void {
  const open = new Map<string, number>();
  try {
    try {
      for (const [path, bytes] of files) {
        const file = onDisk("create", path, () => disk.open(path, how));
        open.set(path, file);
        writeAt(disk, file, path, bytes, 0);
      }
      for (const [path, file] of open) onDisk("sync", path, () => disk.sync(file));
    } finally {
      for (const file of open.values()) disk.close(file);
    }
  } catch (error) {
    for (const path of open.keys()) removeIfThere(disk, path);
    throw error;
  }
}

/** Gives a new file its content and its name at once, durable when this returns. A file that has the name stays as it is. */
export function createWhole(disk: Disk, path: string, bytes: Uint8Array): void {
  const temporary = `${path}.new-${randomBytes(4).toString("hex")}`;
  writeSynced(disk, temporary, bytes, "new");
  try {
    onDisk("create", path, () => {
      try {
        disk.link(temporary, path);
      } catch (error) {
        if (errno(error) !== "EEXIST") throw error;
      }
    });
  } finally {
    removeIfThere(disk, temporary);
  }
  syncName(disk, path);
}

/** Overwrites a file with zeros and removes it; the name is gone for good after a sync of its directory. */
export function destroy(disk: Disk, path: string): void {
  const file = openExisting(disk, path, "update");
  if (file === null) return;
  try {
    const size = onDisk("read", path, () => disk.size(file));
    writeAt(disk, file, path, new Uint8Array(size), 0);
    onDisk("sync", path, () => disk.sync(file));
  } finally {
    disk.close(file);
  }
  removeIfThere(disk, path);
}

export function removeIfThere(disk: Disk, path: string): void {
  onDisk("remove", path, () => {
    try {
      disk.unlink(path);
    } catch (error) {
      if (errno(error) !== "ENOENT") throw error;
    }
  });
}

/** Makes the name of this file durable, or that it is gone. */
export function syncName(disk: Disk, path: string): void {
  const directory = dirname(path);
  onDisk("sync", directory, () => disk.syncDirectory(directory));
}
