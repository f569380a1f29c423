// What was used before, so that it is not used again: the bytes of source files, and what the generator gave. One small
// file per fact, in a directory of its own; a fact is there whole and durable, or not at all, and two programs that
// record the same fact at once find out about each other.
//
// A source file is known by the SHA-256 of its first 4 KiB: noise so long occurs once, and so a copy, and the file with more
// noise at its end, or with less, are known as well. Its reservations form a chain: each record is named by the offset where it
// begins and says where it ends; then it lists landmarks of what lies between, by which that is known in any other file, where
// no chain leads to it.

import { createHash, randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { EntropyError } from "./errors.ts";

/** Bytes at the start of a source file by which it is known. */
export const FINGERPRINT_BYTES = 4096;

const DRAFT = ".new";

/** The records of one user. */
export class UseRecords {
  readonly #directory: string;

  /** @param directory is made when something is to be recorded */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** How many bytes of the file with this start are used: those before the returned offset. */
  usedBytes(start: Uint8Array): number {
    const name = nameOf("file", start);
    for (let used = 0; ; ) {
      const end = this.#read(`${name}.${used}`);
      if (end === null) return used;
      // A record that makes no sense counts as everything used: that loses bytes and reuses none.
      if (!(end > used)) return Number.POSITIVE_INFINITY;
      used = end;
    }
  }

  /**
   * Records that [offset, end) is spoken for, where `offset` is what {@link usedBytes} gave; it is on the disk on return.
   * False when another program was faster: then ask again.
   * @param landmarks of these bytes
   * @throws EntropyError ENTROPY_UNRECORDED
   */
  async reserve(start: Uint8Array, offset: number, end: number, landmarks: Iterable<string>): Promise<boolean> {
    return this.#record(`${nameOf("file", start)}.${offset}`, `${[end, ...landmarks].join("\n")}\n`);
  }

  /** Those of these landmarks that stand in bytes which are used. @throws EntropyError ENTROPY_UNRECORDED */
  usedAmong(landmarks: Iterable<string>): string[] {
    const used = this.#usedLandmarks();
    return [...landmarks].filter((landmark) => used.has(landmark));
  }

  /**
   * Records a draw of the generator that is used for nothing else. False when it was seen before.
   * @throws EntropyError ENTROPY_UNRECORDED
   */
  async witness(draw: Uint8Array): Promise<boolean> {
    return this.#record(nameOf("draw", draw), "");
  }

  #usedLandmarks(): Set<string> {
    const names = orNull(this.#directory, () => readdirSync(this.#directory)) ?? [];
    const records = names.filter((name) => name.startsWith("file-") && !name.endsWith(DRAFT));
    return new Set(records.flatMap((name) => this.#lines(name)?.slice(1) ?? []));
  }

  #read(name: string): number | null {
    const [end] = this.#lines(name) ?? [];
    return end === undefined ? null : Number.parseInt(end, 10);
  }

  #lines(name: string): string[] | null {
    const path = join(this.#directory, name);
    return (
      orNull(path, () => readFileSync(path, "utf8"))
        ?.trimEnd()
        .split("\n") ?? null
    );
  }

  async #record(name: string, content: string): Promise<boolean> {
    const path = join(this.#directory, name);
    const draft = `${path}.${randomUUID()}${DRAFT}`;
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      await synced(await open(draft, "w", 0o600), (file) => file.writeFile(content));
      if (!linkUnlessThere(draft, path)) return false;
      if (process.platform !== "win32") await synced(await open(this.#directory, "r"), async () => {});
      return true;
    } catch (cause) {
      throw new EntropyError("ENTROPY_UNRECORDED", { path }, cause);
    } finally {
      removeDraft(draft);
    }
  }
}

/** False when something has this name already. */
function linkUnlessThere(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** What `read` gives, or null where there is nothing at the path. @throws EntropyError ENTROPY_UNRECORDED */
function orNull<Found>(path: string, read: () => Found): Found | null {
  try {
    return read();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new EntropyError("ENTROPY_UNRECORDED", { path }, cause);
  }
}

/** It is in nobody's way where it cannot be removed. */
function removeDraft(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {}
}

/** What is recorded under a name does not tell what it was. */
function nameOf(kind: string, bytes: Uint8Array): string {
  return `${kind}-${createHash("sha256").update(bytes).digest("hex")}`;
}

async function synced(file: FileHandle, write: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}
