/**
 * A pad on its way into the vault. Its data and its keys are written and synced under temporary names, then named, the keys last:
 * a pad exists when `NAME.keys` does. What a cut leaves of an unfinished one is unreadable, keeps its name taken, and goes
 * with a retire().
 *
 * Any process may write a pad, also while a server burns in the same vault and even while it changes the epoch: after the keys are
 * named the writer looks whether the epoch is still the one that it took. If not, the rotation may have passed this pad by, and
 * the writer wraps its keys again. If it is, a rotation that begins later finds them.
 */
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
    this.file = onDisk("create", `${path}.pad.new`, () => {
      try {
        return disk.open(`${path}.pad.new`, "new");
      } catch (error) {
        if (errno(error) === "EEXIST") throw new VaultError("PAD_EXISTS", { pad: name });
        throw error;
      }
    });
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
   * Makes it a pad of the vault, durable when this returns. When it throws there is no such pad, unless only the last sync failed.
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
    } catch (error) {
      this.discard();
      if (!disk.exists(`${path}.keys`)) removeIfThere(disk, `${path}.pad`);
      throw error;
    }
  }

  /** Leaves nothing of it. */
  discard(): void {
    if (this.closed) return;
    this.close();
    // The keys first: without them nothing is a pad.
    for (const ending of [".keys.new", ".pad.new"]) removeIfThere(this.disk, this.path + ending);
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
