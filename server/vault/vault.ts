/**
 * The twins at rest. A pad is two files: `NAME.pad`, its pages, each encrypted under a key of its own, and `NAME.keys`, from which
 * exactly the keys of the pages that are still to be read can be had, wrapped under the epoch key. Burning a page is writing
 * `NAME.keys` anew without it. The claim is exactly this: a page is gone when it was burned and the epoch of that moment has
 * ended, if the disk of the epoch key forgets. Until the epoch ends an old copy of `NAME.keys`, which the disk may still
 * have somewhere, opens with the epoch key. The pages themselves stay where they are: to zero them would cost as much writing
 * again, and on a disk that moves its blocks it would destroy nothing that a forgotten key does not.
 *
 * There is no index and nothing else in common: each file of a pad is replaced whole or not at all, so that other processes may read
 * and create pads at any time. Burning, rotating and retiring are for one process: the first call of these takes a lock until
 * close(). What that process burns, others that have the pad open notice when they open it anew.
 *
 * Marks are not kept here. What was burned stays burned, whatever a later keep() says; which bytes of a page that is not
 * burned are used the store knows, and the limits.
 */
import { join } from "node:path";
import { type Cover, epochOf, unwrapCover, wrapCover } from "./cover.ts";
import { type Disk, systemDisk } from "./disk.ts";
import { EpochKeys } from "./epoch.ts";
import { isVaultError, onDisk, VaultError } from "./errors.ts";
import { destroy, openExisting, readWhole, removeIfThere, syncName, writeAllSynced } from "./file.ts";
import { Pad } from "./pad.ts";
import { PAGE } from "./page.ts";
import { common, count, equal, pagesOf, type Range } from "./ranges.ts";
import { clearUnfinished, PadWriter } from "./writer.ts";

/** Pads kept open; each has a file and at most four pages in memory. */
const PADS_OPEN = 1024;
/** Pads whose keys one flush() writes: some 20 ms. */
const PADS_FLUSHED = 64;

/** Pages of a pad that stay, and how many go at the next flush. */
interface Pending {
  readonly alive: readonly Range[];
  readonly pages: number;
}

export interface VaultOptions {
  /** Makes the directory and the epoch key when there is no pad yet; an existing vault is opened as it is. */
  readonly create?: boolean;
  /** Another disk, for tests. */
  readonly disk?: Disk;
}

export class Vault {
  private readonly disk: Disk;
  private readonly directory: string;
  private readonly keyPath: string;
  private readonly keys: EpochKeys;
  /** Open pads, in the order in which they are looked at when one has to go. */
  private readonly pads: Map<string, Pad> = new Map();
  private newestPad: Pad | null = null;
  private readonly burning: Map<string, Pending> = new Map();
  private pendingPages = 0;
  /** Pads that a rotation has still to look at; null: none is under way. */
  private rotation: string[] | null = null;
  private unlock: (() => void) | null = null;

  private constructor(disk: Disk, directory: string, keyPath: string) {
    this.disk = disk;
    this.directory = directory;
    this.keyPath = keyPath;
    this.keys = new EpochKeys(disk, keyPath);
  }

  /**
   * Opens a vault.
   * @param epochKeyPath the file of the epoch key, of this vault alone, best on a disk without snapshots and backups
   * @throws VaultError VAULT_MISSING, KEY_MISSING, KEY_WRONG, VAULT_READ_ONLY, VAULT_FULL, VAULT_FAILED
   */
  static open(directory: string, epochKeyPath: string, options: VaultOptions = {}): Vault {
    const disk = options.disk ?? systemDisk;
    if (options.create === true) create(disk, directory, epochKeyPath);
    else if (!disk.exists(directory)) throw new VaultError("VAULT_MISSING", { path: directory });
    return new Vault(disk, directory, epochKeyPath);
  }

  /**
   * Begins a new pad, behind what is left of unfinished ones. Any process may, also while a server runs.
   * @param name 16 hex digits
   * @param length bytes, a multiple of 4,096
   * @throws VaultError PAD_EXISTS, VAULT_FULL, VAULT_READ_ONLY, VAULT_FAILED
   */
  create(name: string, length: number): PadWriter {
    if (length <= 0 || length % PAGE !== 0 || length >= 2 ** 32) throw new Error(`A pad cannot have ${length} bytes`);
    this.clearUnfinished();
    return new PadWriter(this.disk, this.keys, this.path(name), name, length);
  }

  /**
   * Clears away what is left of pads whose making ended with its process. Any process may, also while others make pads.
   * @throws VaultError VAULT_READ_ONLY, VAULT_FAILED
   */
  clearUnfinished(): void {
    clearUnfinished(this.disk, this.directory);
  }

  /**
   * The bytes of a pad from `offset`, as many as `into` has.
   * @throws VaultError PAD_MISSING, PAGE_BURNED (also when the page only waits for flush()), PAD_CORRUPT, KEY_WRONG, VAULT_FAILED
   */
  read(name: string, offset: number, into: Uint8Array): void {
    this.pad(name).read(offset, into);
  }

  /**
   * Says which bytes of a pad are still needed. Pages without any of them can be read no more from now on, and are burned by a later
   * flush(). Nothing that an earlier call left out comes back. Call it when the marks behind it are durable: it cannot be undone.
   * @throws VaultError PAD_MISSING, PAD_CORRUPT, KEY_WRONG, VAULT_BUSY, VAULT_FAILED
   */
  keep(name: string, alive: readonly Range[]): void {
    this.lock();
    const pad = this.pad(name);
    const before = pad.alive;
    const after = common(before, pagesOf(alive, PAGE));
    if (equal(before, after)) return;
    pad.keep(after);
    const gone = count(before) - count(after);
    this.burning.set(name, { alive: pad.alive, pages: gone + (this.burning.get(name)?.pages ?? 0) });
    this.pendingPages += gone;
  }

  /**
   * Burns the pages of the pads that wait longest, at most 64 pads in one call; durable when it returns their names. When it throws,
   * what was not burned waits on. Call it from time to time while pending() is not 0.
   * @throws VaultError VAULT_FULL, VAULT_BUSY, VAULT_READ_ONLY, VAULT_FAILED, and for a damaged pad PAD_CORRUPT or PAD_MISSING,
   *   when all others are burned
   */
  flush(): string[] {
    this.lock();
    const batch: Cover[] = [];
    let failure: unknown = null;
    for (const [name, { alive }] of this.burning) {
      if (batch.length === PADS_FLUSHED) break;
      try {
        batch.push(reduced(this.pad(name).cover, alive));
      } catch (error) {
        // What is lost or damaged needs no burning, and must not keep the others waiting.
        if (isVaultError(error, "PAD_MISSING") || isVaultError(error, "PAD_CORRUPT")) this.settle(name);
        failure = error;
      }
    }
    this.rewrite(batch);
    if (failure !== null) throw failure;
    return batch.map(({ name }) => name);
  }

  /**
   * Whether of this pad everything is burned that these bytes do not need.
   * @throws VaultError PAD_MISSING, PAD_CORRUPT, KEY_WRONG, VAULT_FAILED
   */
  hasBurned(name: string, alive: readonly Range[]): boolean {
    const left = this.pad(name).cover.tree.alive();
    return equal(left, common(left, pagesOf(alive, PAGE)));
  }

  /** Pages that can be read no more but are not burned yet. */
  pending(): number {
    return this.pendingPages;
  }

  /**
   * Ends the epoch, a step with each call: a new key is made, the keys of all pads are wrapped under it, 64 pads in one call (some
   * 20 ms), and the old key is destroyed. True when that is done. Anything else may be called in between. After a cut, or when
   * it threw, the next call goes on.
   * @throws VaultError VAULT_FULL, VAULT_BUSY, VAULT_READ_ONLY, VAULT_FAILED, PAD_CORRUPT: retire that pad; both keys are there until then
   */
  rotate(): boolean {
    this.lock();
    const left = this.rotation ?? this.beginRotation();
    // When this throws, pads may have been passed by: then all are looked at again.
    this.rotation = null;
    const batch = left.splice(-PADS_FLUSHED);
    this.rewrite(batch.map((name) => this.underOlderKey(name)).filter((cover) => cover !== null));
    if (left.length === 0) this.keys.end();
    else this.rotation = left;
    return this.rotation === null;
  }

  /** Whether a rotation has begun, now or before a cut, and is to be called again. */
  get rotating(): boolean {
    return this.keys.older !== null;
  }

  /** When the epoch began: milliseconds since 1970, by the disk's clock. @throws VaultError VAULT_FAILED */
  get epochBegan(): number {
    return onDisk("find", this.keyPath, () => this.disk.changedAt(this.keyPath));
  }

  /**
   * Burns a whole pad and removes its files; so does the rest of one whose making was cut short. A pad that is not there is no error.
   * @throws VaultError VAULT_BUSY, VAULT_READ_ONLY, VAULT_FAILED
   */
  retire(name: string): void {
    this.lock();
    this.drop(name);
    this.settle(name);
    const path = this.path(name);
    for (const ending of [".keys", ".keys.new", ".keys.next"]) destroy(this.disk, path + ending);
    for (const ending of [".pad", ".pad.new"]) removeIfThere(this.disk, path + ending);
    syncName(this.disk, path);
  }

  /** The pads that are there. @throws VaultError VAULT_FAILED */
  names(): string[] {
    const files = onDisk("list", this.directory, () => this.disk.list(this.directory));
    return files.map((file) => KEYS.exec(file)?.[1]).filter((name) => name !== undefined);
  }

  /** Overwrites what is in memory and gives the lock back. What is pending stays unburned: flush() first. */
  close(): void {
    for (const name of [...this.pads.keys()]) this.drop(name);
    this.burning.clear();
    this.pendingPages = 0;
    this.keys.close();
    this.unlock?.();
    this.unlock = null;
  }

  private beginRotation(): string[] {
    this.keys.begin();
    return this.names();
  }

  private path(name: string): string {
    if (!NAME.test(name)) throw new Error("The name of a pad is 16 hex digits");
    return join(this.directory, name);
  }

  /** An open pad, now the one used last. */
  private pad(name: string): Pad {
    if (this.newestPad?.cover.name === name) return this.newestPad;
    let pad = this.pads.get(name);
    if (pad === undefined) {
      pad = this.openPad(name);
      if (this.pads.size === PADS_OPEN) this.dropOne();
      this.pads.set(name, pad);
    }
    pad.used = true;
    this.newestPad = pad;
    return pad;
  }

  /** Closes the first pad that was not used since it was looked at last. */
  private dropOne(): void {
    for (const [name, pad] of this.pads) {
      if (!pad.used) {
        this.drop(name);
        return;
      }
      pad.used = false;
      this.pads.delete(name);
      this.pads.set(name, pad);
    }
  }

  private openPad(name: string): Pad {
    const { disk } = this;
    const path = `${this.path(name)}.pad`;
    const cover = this.readCover(name);
    const file = openExisting(disk, path, "read");
    if (file === null) throw new VaultError("PAD_MISSING", { pad: name });
    const pad = new Pad(disk, path, file, cover);
    const pending = this.burning.get(name);
    if (pending !== undefined) pad.keep(pending.alive);
    return pad;
  }

  private readCover(name: string): Cover {
    const file = readWhole(this.disk, `${this.path(name)}.keys`);
    if (file === null) throw new VaultError("PAD_MISSING", { pad: name });
    return unwrapCover(name, file, this.keys, this.keyPath);
  }

  /** The cover of a pad as it is to be written under the newest key; null when it is under that already. */
  private underOlderKey(name: string): Cover | null {
    const file = readWhole(this.disk, `${this.path(name)}.keys`);
    if (file === null || epochOf(file).equals(this.keys.newest.id)) return null;
    const cover = unwrapCover(name, file, this.keys, this.keyPath);
    const next = reduced(cover, this.burning.get(name)?.alive ?? cover.tree.alive());
    cover.tree.forget();
    return next;
  }

  /** Replaces the covers of these pads: all are written and synced before the first gets its name. */
  private rewrite(covers: readonly Cover[]): void {
    const { disk } = this;
    const files = covers.map(
      (cover) => [`${this.path(cover.name)}.keys.next`, wrapCover(cover, this.keys.newest)] as const,
    );
    writeAllSynced(disk, new Map(files));
    for (const cover of covers) {
      const path = `${this.path(cover.name)}.keys`;
      onDisk("rename", path, () => disk.rename(`${path}.next`, path));
      const pad = this.pads.get(cover.name);
      if (pad === undefined) cover.tree.forget();
      else pad.replace(cover);
      this.settle(cover.name);
    }
    if (covers.length > 0) syncName(disk, this.path((covers[0] as Cover).name));
  }

  private settle(name: string): void {
    this.pendingPages -= this.burning.get(name)?.pages ?? 0;
    this.burning.delete(name);
  }

  private drop(name: string): void {
    const pad = this.pads.get(name);
    if (pad === undefined) return;
    if (this.newestPad === pad) this.newestPad = null;
    this.pads.delete(name);
    pad.close();
  }

  /** The lock of the one process that burns. Another may have rotated since this one was opened. */
  private lock(): void {
    if (this.unlock !== null) return;
    const path = join(this.directory, "burner.lock");
    this.unlock = onDisk("lock", path, () => this.disk.lock(path, 0));
    if (this.unlock === null) throw new VaultError("VAULT_BUSY", { path: this.directory });
    for (const name of [...this.pads.keys()]) this.drop(name);
    this.keys.reload();
  }
}

const NAME = /^[0-9a-f]{16}$/;
const KEYS = /^([0-9a-f]{16})\.keys$/;

/** A key is made for an empty vault only: where there are pads, a missing key is a loss and not a beginning. */
function create(disk: Disk, directory: string, keyPath: string): void {
  onDisk("create", directory, () => disk.makeDirectory(directory));
  syncName(disk, directory);
  if (disk.exists(keyPath)) return;
  const files = onDisk("list", directory, () => disk.list(directory));
  if (!files.some((file) => KEYS.test(file))) EpochKeys.create(disk, keyPath);
}

function reduced(cover: Cover, alive: readonly Range[]): Cover {
  return { ...cover, revision: cover.revision + 1, tree: cover.tree.reduced(alive) };
}
