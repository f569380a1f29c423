/**
 * The key that all keys of pages are wrapped under, in a file of its own, on a disk that may forget (no snapshots, no backups).
 *
 * A new epoch begins with its key in `KEY.next`; both are known then, and every cover that is written is under the new one.
 * When none is left under the old one, the new key is written over the old in its place, which is the end of the old one, and
 * `KEY.next` goes. A cut leaves at any moment at least one whole file with the newest key, and the old one as long as a
 * cover may need it. One key serves one vault.
 *
 * File: `TPEPOCH1` ‖ u32 number ‖ key(32) ‖ id(8), the id being the start of SHA-256 over what is before it.
 */
import { hash, randomBytes } from "node:crypto";
import type { Disk } from "./disk.ts";
import { onDisk, VaultError } from "./errors.ts";
import { createWhole, openExisting, readWhole, removeIfThere, syncName, writeAt, writeSynced } from "./file.ts";

const MAGIC = Buffer.from("TPEPOCH1");
const KEY_AT = 12;
const ID_AT = 44;
const SIZE = 52;
export const EPOCH_ID_SIZE = 8;

export interface EpochKey {
  readonly number: number;
  readonly key: Buffer;
  /** Names the key in what is wrapped under it. */
  readonly id: Buffer;
}

export class EpochKeys {
  /** The newest: what is written from now on is wrapped under it. */
  newest: EpochKey;
  /** The one before, while a rotation is not finished. */
  older: EpochKey | null = null;
  private readonly disk: Disk;
  private readonly path: string;
  private closed = false;

  constructor(disk: Disk, path: string) {
    this.disk = disk;
    this.path = path;
    this.newest = this.load();
  }

  /** Makes the first key, unless there is one. */
  static create(disk: Disk, path: string): void {
    createWhole(disk, path, encode(1));
  }

  /** The key with this id. Another process may have begun or ended an epoch: the files are read again before it is unknown. */
  find(id: Uint8Array): EpochKey | null {
    const known = () => [this.newest, this.older].find((epoch) => epoch?.id.equals(id)) ?? null;
    const found = known();
    if (found !== null) return found;
    this.reload();
    return known();
  }

  /** Reads the files again; returns whether this is still the newest key. */
  isNewest(epoch: EpochKey): boolean {
    this.reload();
    return this.newest.id.equals(epoch.id);
  }

  /** Reads the files again. */
  reload(): void {
    if (this.closed) throw new Error("The vault is closed");
    this.newest = this.load();
  }

  /** Begins an epoch, or goes on with one that was cut short. Only the process that burns may. */
  begin(): void {
    this.reload();
    if (this.older !== null) return;
    const next = `${this.path}.next`;
    const temporary = `${next}.new`;
    writeSynced(this.disk, temporary, encode(this.newest.number + 1));
    onDisk("rename", temporary, () => this.disk.rename(temporary, next));
    this.reload();
  }

  /** Destroys the older key. Nothing may be wrapped under it any more. */
  end(): void {
    const { newest, older, path, disk } = this;
    if (older === null) throw new Error("No epoch was begun");
    const file = openExisting(disk, path, "update");
    if (file === null) throw new VaultError("KEY_MISSING", { path });
    try {
      writeAt(disk, file, path, encode(newest.number, newest.key), 0);
      onDisk("sync", path, () => disk.sync(file));
    } finally {
      disk.close(file);
    }
    if (older !== newest) older.key.fill(0);
    this.older = null;
    removeIfThere(disk, `${path}.next`);
    syncName(disk, path);
  }

  close(): void {
    this.closed = true;
    this.newest.key.fill(0);
    this.older?.key.fill(0);
  }

  private load(): EpochKey {
    const { disk, path } = this;
    const stored = readWhole(disk, path);
    if (stored === null) throw new VaultError("KEY_MISSING", { path });
    const now = decode(stored);
    const after = readWhole(disk, `${path}.next`);
    if (after === null) {
      if (now === null) throw new VaultError("KEY_WRONG", { path });
      this.older = null;
      return now;
    }
    // Whoever wraps under it must find it again, also when the process that made it was cut before it had synced the name.
    syncName(disk, path);
    const next = decode(after);
    if (next === null) throw new VaultError("KEY_WRONG", { path: `${path}.next` });
    // Not readable, or the same: the end of the old key was cut short. The newest is the only one then, twice over.
    this.older = now ?? next;
    return next;
  }
}

function encode(number: number, key: Uint8Array = randomBytes(ID_AT - KEY_AT)): Buffer {
  const bytes = Buffer.alloc(SIZE);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(number, MAGIC.length);
  bytes.set(key, KEY_AT);
  idOf(bytes).copy(bytes, ID_AT);
  return bytes;
}

function decode(bytes: Buffer): EpochKey | null {
  if (bytes.length !== SIZE || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const id = bytes.subarray(ID_AT);
  if (!id.equals(idOf(bytes))) return null;
  return { number: bytes.readUInt32LE(MAGIC.length), key: bytes.subarray(KEY_AT, ID_AT), id };
}

function idOf(bytes: Buffer): Buffer {
  return hash("sha256", bytes.subarray(0, ID_AT), "buffer").subarray(0, EPOCH_ID_SIZE);
}
