/**
 * How far every pad was used, in an append-only file beside the database and never restored with it. An entry is synced behind
 * the database's commit of what it stands for, and before anything of that leaves. So a crash never leaves it ahead of the
 * database; when it is ahead, an older database was put back, and the marks come from here: no pad byte is used twice.
 *
 * File: header `TPLIMITS` ‖ u32 version = 1 ‖ u32 0, then entries of 40 bytes: `TL` ‖ u48 durable ‖ name(8) ‖ u32 heard ‖ up ‖ down ‖
 * split ‖ receipt ‖ CRC-32 of the 36 bytes before. Of one pad the field-wise maximum counts, so entries may come in any
 * order and more than once. `durable` is a position up to which the file was durable when the entry was written. It tells apart
 * what looks alike: bytes that are no entry are what is left of a write that a cut tore, unless a later entry says that they
 * had been durable, or that it once lay further behind. Then the file was damaged or cut: LIMITS_CORRUPT. (Less than an
 * entry is always a torn write. A file that lost its end looks like an older one: compare it with the database.)
 *
 * Several processes may append. Nothing is ever truncated, since what looks torn may be an entry on its way; torn bytes are
 * skipped, and go with compact(). That puts a new file in place while others may append to the old one: the old one gets the
 * name `LIMITS.old` first, and goes when everything that came late was appended to the new one; and whoever appended looks
 * afterwards whether the file still has its name, or else appends again.
 */
import { crc32 } from "node:zlib";
import { type Disk, systemDisk } from "./disk.ts";
import { onDisk, VaultError } from "./errors.ts";
import { createWhole, openExisting, readAt, removeIfThere, syncName, writeSynced } from "./file.ts";
import { ENTRY_BYTES, LimitTable, type LimitWords, wordsOf } from "./limit-table.ts";

/** How far a pad was used, as far as was made known; all numbers have 32 bits. */
export interface LimitEntry {
  /** 16 hex digits. */
  readonly pad: string;
  /** The last call that was heard. */
  readonly heard: number;
  /** Mark of up: opened. */
  readonly up: number;
  /** Mark of down: used. May be ahead, when bytes are reserved for what comes. */
  readonly down: number;
  readonly split: number;
  /** Sequence of the last receipt. */
  readonly receipt: number;
}

export interface LimitsOptions {
  /** Begins a new log when there is none. For a new server only: a log that is missing is a loss. */
  readonly create?: boolean;
  /** Another disk, for tests. */
  readonly disk?: Disk;
}

const HEADER = 16;
const VERSION = 1;
const WORDS_AT = 8;
const CRC_AT: number = WORDS_AT + ENTRY_BYTES;
const ENTRY: number = CRC_AT + 4;
const HEAD: Buffer = Buffer.alloc(HEADER);
HEAD.write("TPLIMITS");
HEAD.writeUInt32LE(VERSION, 8);
/** `TL` */
const MAGIC = 0x4c54;
const CHUNK = 1 << 20;
/** A smaller file is not worth a compact(). */
const TIDY_BYTES = 1 << 20;
/** How long another process may take for its compact(). */
const WAIT_MS = 10_000;

/** An open file and how far it is known. */
interface Log {
  readonly file: number;
  /** End of the last entry that was read. */
  read: number;
  /** Everything before this is durable for certain. */
  durable: number;
  /** There are torn bytes in it. */
  torn: boolean;
  /** Where the first torn bytes begin that are longer than an entry. */
  gap: number;
}

export class Limits {
  private readonly disk: Disk;
  private readonly path: string;
  private readonly oldPath: string;
  /** Never has what the file has not, except for the moment in which late entries are moved. */
  private readonly table: LimitTable = new LimitTable();
  private noted: LimitTable = new LimitTable();
  private log: Log;

  private constructor(disk: Disk, path: string) {
    this.disk = disk;
    this.path = path;
    this.oldPath = `${path}.old`;
    this.log = openLog(disk, path, "append");
    try {
      this.catchUp();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Opens a log and reads it.
   * @throws VaultError LIMITS_MISSING, LIMITS_FOREIGN, LIMITS_CORRUPT, VAULT_BUSY, VAULT_READ_ONLY, VAULT_FULL, VAULT_FAILED
   */
  static open(path: string, options: LimitsOptions = {}): Limits {
    const disk = options.disk ?? systemDisk;
    if (options.create === true && !disk.exists(path)) createWhole(disk, path, HEAD);
    return new Limits(disk, path);
  }

  /** Takes an entry for the next sync(). */
  note(limit: LimitEntry): void {
    const words = wordsOf(limit);
    if (this.table.isRaisedBy(words)) this.noted.raise(words);
  }

  /** Takes an entry that the log has once more: the next sync() then writes and waits for the disk as for any other. */
  repeat(): void {
    const [words] = this.table.rows();
    if (words !== undefined) this.noted.raise(words);
  }

  /**
   * Makes what was noted durable, in one write and one sync; without anything new it does nothing. When it throws, what was
   * noted may be in the file or not, and waits for the next one.
   * @throws VaultError VAULT_FULL, VAULT_READ_ONLY, VAULT_FAILED, VAULT_BUSY, LIMITS_MISSING when the file was taken away
   */
  sync(): void {
    const { noted } = this;
    if (noted.size === 0) return;
    // Behind torn bytes nothing is written: only at the end can they be told from damage.
    if (this.log.torn) this.compact();
    this.append(noted);
    this.noted = new LimitTable();
  }

  /** The field-wise maximum of every pad over the entries of all processes: a view that goes on changing. */
  latest(): ReadonlyMap<string, LimitEntry> {
    this.catchUp();
    return this.table;
  }

  /** Bytes of the file. Compacted it has 16, and 40 a pad. */
  get bytes(): number {
    return onDisk("read", this.path, () => this.disk.size(this.log.file));
  }

  /** Compacts a file that is not small, and of which less than half is needed. @throws VaultError as compact() */
  tidy(): void {
    if (this.bytes > Math.max(TIDY_BYTES, 2 * (HEADER + ENTRY * this.table.size))) this.compact();
  }

  /**
   * Replaces the file by one with one entry a pad. A cut leaves the old or the new one.
   * @throws VaultError VAULT_BUSY, LIMITS_CORRUPT, LIMITS_MISSING, VAULT_FULL, VAULT_READ_ONLY, VAULT_FAILED
   */
  compact(): void {
    const { disk, path } = this;
    this.alone(() => {
      this.refresh();
      const bytes = Buffer.concat([HEAD, encode(this.table, HEADER)]);
      const old = this.log;
      writeSynced(disk, `${path}.new`, bytes);
      onDisk("link", path, () => disk.link(path, this.oldPath));
      syncName(disk, path);
      onDisk("rename", path, () => disk.rename(`${path}.new`, path));
      syncName(disk, path);
      this.log = { ...openLog(disk, path, "append"), read: bytes.length };
      this.moveLate(old);
    });
  }

  close(): void {
    this.disk.close(this.log.file);
  }

  /** Reads what was appended, by whichever process. */
  private catchUp(): void {
    this.refresh();
    if (this.disk.exists(this.oldPath)) this.alone(() => undefined);
    // A compact() of another process may have moved late entries in between.
    this.refresh();
  }

  private refresh(): void {
    this.reopenIfReplaced();
    readLog(this.disk, this.path, this.log, (limit) => this.table.raise(limit));
  }

  /** Runs `work` while no other process compacts, after the end of what a compact() that was cut short has begun. */
  private alone(work: () => void): void {
    const { disk, path, oldPath } = this;
    const unlock = onDisk("lock", path, () => disk.lock(`${path}.lock`, WAIT_MS));
    if (unlock === null) throw new VaultError("VAULT_BUSY", { path });
    try {
      if (disk.exists(oldPath)) {
        this.refresh();
        this.moveLate(openLog(disk, oldPath, "read"));
      }
      work();
    } finally {
      unlock();
    }
  }

  /** Appends to the file what the old one has and it has not, and removes the old one. */
  private moveLate(old: Log): void {
    const { disk, oldPath } = this;
    const late = new LimitTable();
    try {
      readLog(disk, oldPath, old, (limit) => {
        if (this.table.isRaisedBy(limit)) late.raise(limit);
      });
    } finally {
      disk.close(old.file);
    }
    if (late.size > 0) this.append(late);
    removeIfThere(disk, oldPath);
    syncName(disk, oldPath);
  }

  private append(limits: LimitTable): void {
    const { disk, path } = this;
    do {
      const { log } = this;
      const bytes = encode(limits, log.durable);
      onDisk("write", path, () => {
        const before = disk.size(log.file);
        // Until it is whole and durable nobody knows what the disk has.
        const { torn } = log;
        log.torn = true;
        for (let done = 0; done < bytes.length; ) done += disk.write(log.file, bytes.subarray(done), null);
        const after = disk.size(log.file);
        disk.sync(log.file);
        log.torn = torn;
        log.durable = after;
        if (log.read === before && after === before + bytes.length) log.read = after;
      });
    } while (this.reopenIfReplaced());
    for (const limit of limits.rows()) this.table.raise(limit);
  }

  private reopenIfReplaced(): boolean {
    const { disk, path, log } = this;
    const there = onDisk("find", path, () => disk.identityAt(path));
    if (there === disk.identity(log.file)) return false;
    this.log = openLog(disk, path, "append");
    disk.close(log.file);
    return true;
  }
}

function openLog(disk: Disk, path: string, how: "append" | "read"): Log {
  const file = openExisting(disk, path, how);
  if (file === null) throw new VaultError("LIMITS_MISSING", { path });
  try {
    // Another process may have put it in place a moment ago: what is appended is no more durable than the name.
    if (how === "append") syncName(disk, path);
    const head = Buffer.alloc(HEADER);
    const size = onDisk("read", path, () => readAt(disk, file, head, 0));
    if (!head.subarray(0, size).equals(HEAD.subarray(0, size))) throw new VaultError("LIMITS_FOREIGN", { path });
    if (size < HEADER) throw new VaultError("LIMITS_CORRUPT", { path, position: size });
  } catch (error) {
    disk.close(file);
    throw error;
  }
  return { file, read: HEADER, durable: HEADER, torn: false, gap: Number.POSITIVE_INFINITY };
}

/** Hands over the entries from where the log was last read to its end. */
function readLog(disk: Disk, path: string, log: Log, take: (limit: LimitWords) => void): void {
  const end = onDisk("read", path, () => disk.size(log.file));
  const chunk = Buffer.alloc(Math.min(CHUNK, end - log.read));
  for (let at = log.read; at + ENTRY <= end; ) {
    const bytes = chunk.subarray(
      0,
      onDisk("read", path, () => readAt(disk, log.file, chunk, at)),
    );
    const start = at;
    while (at - start + ENTRY <= bytes.length) {
      const entry = bytes.subarray(at - start, at - start + ENTRY);
      if (!isEntry(entry)) {
        at++;
        continue;
      }
      if (at > log.read) log.torn = true;
      if (at - log.read >= ENTRY) log.gap = Math.min(log.gap, log.read);
      const durable = entry.readUIntLE(2, 6);
      if (durable > at || durable > log.gap) {
        throw new VaultError("LIMITS_CORRUPT", { path, position: Math.min(at, log.gap) });
      }
      take(decode(entry));
      at += ENTRY;
      log.read = at;
    }
    if (at === start) break;
  }
  if (log.read < end) log.torn = true;
}

function isEntry(bytes: Buffer): boolean {
  return bytes.readUInt16LE(0) === MAGIC && bytes.readUInt32LE(CRC_AT) === crc32(bytes.subarray(0, CRC_AT));
}

/** The name is eight bytes in the order of its digits, and the fields are numbers like all others. */
function decode(entry: Buffer): LimitWords {
  for (let i = 0; i < decoded.length; i++) {
    const at = WORDS_AT + 4 * i;
    decoded[i] = i < 2 ? entry.readUInt32BE(at) : entry.readUInt32LE(at);
  }
  return decoded;
}

const decoded: LimitWords = new Uint32Array(ENTRY_BYTES / 4);

function encode(limits: LimitTable, durable: number): Buffer {
  const bytes = Buffer.alloc(limits.size * ENTRY);
  let at = 0;
  for (const words of limits.rows()) {
    const entry = bytes.subarray(at, at + ENTRY);
    entry.writeUInt16LE(MAGIC);
    entry.writeUIntLE(durable, 2, 6);
    for (const [i, word] of words.entries()) {
      if (i < 2) entry.writeUInt32BE(word, WORDS_AT + 4 * i);
      else entry.writeUInt32LE(word, WORDS_AT + 4 * i);
    }
    entry.writeUInt32LE(crc32(entry.subarray(0, CRC_AT)), CRC_AT);
    at += ENTRY;
  }
  return bytes;
}
