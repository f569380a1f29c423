/**
 * A pad on its way into the vault. Its data and its keys are written and synced under temporary names, then named, the keys last:
 * a pad exists when `NAME.keys` does. What a cut leaves of an unfinished one is unreadable and keeps its name taken. While it
 * is made, `making/NAME.PROCESS` says who is at it, so that what a process left that is gone can be told and cleared away.
 *
 * Any process may write a pad, also while a server burns in the same vault and even while it changes the epoch: after the keys are
 * named the writer looks whether the epoch is still the one that it took. If not, the rotation may have passed this pad by, and
 * the writer wraps its keys again. If it is, a rotation that begins later finds them.
 */
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { type Cover, wrapCover } from "./cover.ts";
import type { Disk } from "./disk.ts";
import type { EpochKeys } from "./epoch.ts";
import { errno, onDisk, VaultError } from "./errors.ts";
import { removeIfThere, syncName, writeAt, writeSynced } from "./file.ts";
import { encryptPage, PAGE, PAGE_AT_REST } from "./page.ts";
import { KeyTree } from "./tree.ts";

export class PadWriter {
  private readonly disk: Disk;
  private readonly keys: EpochKeys;
  private readonly path: string;
  private readonly file: number;
  private readonly cover: Cover;
  private readonly page: Buffer = Buffer.alloc(PAGE);
  private readonly atRest: Buffer = Buffer.alloc(PAGE_AT_REST);
  private readonly mark: string;
  private written = 0;
  private closed = false;

  /**
   * @param path of the pad's files, without their ending
   * @throws VaultError PAD_EXISTS, VAULT_FULL, VAULT_READ_ONLY, VAULT_FAILED
   */
  constructor(disk: Disk, keys: EpochKeys, path: string, name: string, length: number) {
    this.disk = disk;
    this.keys = keys;
    this.path = path;
    this.mark = markMaking(disk, path);
    try {
      this.file = createNew(disk, `${path}.pad.new`, name);
    } catch (error) {
      removeIfThere(disk, this.mark);
      throw error;
    }
    this.cover = { name, length, revision: 1, tree: KeyTree.grow(length / PAGE) };
    // The temporary name keeps another writer out until the final one does.
    if (disk.exists(`${path}.pad`) || disk.exists(`${path}.keys`)) {
      this.discard();
      throw new VaultError("PAD_EXISTS", { pad: name });
    }
  }

  /**
   * The next bytes of the pad. When it throws the pad is discarded.
   * @throws VaultError VAULT_FULL, VAULT_FAILED
   */
  write(bytes: Uint8Array): void {
    if (this.closed) throw new Error("This pad is finished or discarded");
    if (this.written + bytes.length > this.cover.length) throw new Error("More bytes than the pad has");
    for (let at = 0; at < bytes.length; ) {
      const filled = this.written % PAGE;
      const piece = bytes.subarray(at, at + PAGE - filled);
      this.page.set(piece, filled);
      at += piece.length;
      this.written += piece.length;
      if (this.written % PAGE === 0) this.writePage(this.written / PAGE - 1);
    }
  }

  /**
   * Makes it a pad of the vault, durable when this returns. When it throws there is no such pad, unless only the last sync failed, or the
   * removal of the mark.
   * @throws VaultError VAULT_FULL, VAULT_FAILED
   */
  finish(): void {
    if (this.closed || this.written !== this.cover.length) throw new Error("Bytes of the pad are missing");
    const { disk, path, file } = this;
    try {
      this.keys.reload();
      onDisk("sync", `${path}.pad.new`, () => disk.sync(file));
      writeSynced(disk, `${path}.keys.new`, wrapCover(this.cover, this.keys.newest));
      onDisk("rename", `${path}.pad.new`, () => disk.rename(`${path}.pad.new`, `${path}.pad`));
      this.nameKeys();
      this.close();
      removeIfThere(disk, this.mark);
    } catch (error) {
      if (!disk.exists(`${path}.keys`)) removeIfThere(disk, `${path}.pad`);
      this.discard();
      throw error;
    }
  }

  /** Leaves nothing of it. */
  discard(): void {
    if (this.closed) return;
    this.close();
    // The keys first: without them nothing is a pad.
    for (const ending of [".keys.new", ".pad.new"]) removeIfThere(this.disk, this.path + ending);
    removeIfThere(this.disk, this.mark);
  }

  private writePage(number: number): void {
    const key = this.cover.tree.leaf(number) as Buffer;
    encryptPage(key, this.page, this.atRest);
    try {
      writeAt(this.disk, this.file, `${this.path}.pad.new`, this.atRest, number * PAGE_AT_REST);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  private nameKeys(): void {
    const { disk, keys, path } = this;
    for (let epoch = keys.newest; ; epoch = keys.newest) {
      onDisk("rename", `${path}.keys.new`, () => disk.rename(`${path}.keys.new`, `${path}.keys`));
      syncName(disk, path);
      if (keys.isNewest(epoch)) return;
      writeSynced(disk, `${path}.keys.new`, wrapCover(this.cover, keys.newest));
    }
  }

  private close(): void {
    this.closed = true;
    this.page.fill(0);
    this.cover.tree.forget();
    this.disk.close(this.file);
  }
}

/** The directory of a vault in which a file stands for each pad that is being made. */
const MAKING = "making";
const MARK = /^([0-9a-f]{16})\.([1-9][0-9]*)$/;

/** Says, durably, that this process makes a pad. Returns the file that says so. */
function markMaking(disk: Disk, path: string): string {
  const mark = join(dirname(path), MAKING, `${basename(path)}.${process.pid}`);
  onDisk("create", dirname(mark), () => disk.makeDirectory(dirname(mark)));
  disk.close(createNew(disk, mark, basename(path)));
  syncName(disk, mark);
  return mark;
}

/** Creates a file that must not exist. @throws VaultError PAD_EXISTS when it does */
function createNew(disk: Disk, path: string, pad: string): number {
  return onDisk("create", path, () => {
    try {
      return disk.open(path, "new");
    } catch (error) {
      if (errno(error) === "EEXIST") throw new VaultError("PAD_EXISTS", { pad });
      throw error;
    }
  });
}

/**
 * Clears away what processes left in a vault that ended while they made a pad. Any process may, at any time.
 * @throws VaultError VAULT_READ_ONLY, VAULT_FAILED
 */
export function clearUnfinished(disk: Disk, vault: string): void {
  const making = join(vault, MAKING);
  if (!disk.exists(making)) return;
  for (const mark of onDisk("list", making, () => disk.list(making))) {
    const [, name, maker] = MARK.exec(mark) ?? [];
    if (name === undefined || isRunning(Number(maker))) continue;
    const path = join(vault, name);
    for (const ending of [".keys.new", ".pad.new"]) removeIfThere(disk, path + ending);
    // The pages get their name before the keys do.
    if (!disk.exists(`${path}.keys`)) removeIfThere(disk, `${path}.pad`);
    removeIfThere(disk, join(making, mark));
  }
}

/** Whether there is a process of this number. It may be another one by now: then what was left stays a while longer. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
