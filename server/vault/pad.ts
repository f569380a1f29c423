// One pad as it is being read: its keys, its open file, and the few pages that were read last.

import type { Cover } from "./cover.ts";
import type { Disk } from "./disk.ts";
import { onDisk, VaultError } from "./errors.ts";
import { readAt } from "./file.ts";
import { decryptPage, PAGE, PAGE_AT_REST } from "./page.ts";
import { common, contains, type Range } from "./ranges.ts";

/** Decrypted pages kept of a pad: where up and down are, the slots, and one for a box that lies across. */
const PAGES_KEPT = 4;
const atRest: Buffer = Buffer.alloc(PAGE_AT_REST);

export class Pad {
  cover: Cover;
  /** Whether it was asked for since the vault looked at it last. */
  used = false;
  /** Pages that may be read: those that have keys, less those whose keys are to be forgotten. */
  alive: readonly Range[];
  private readonly disk: Disk;
  private readonly path: string;
  private readonly file: number;
  private readonly pages: Map<number, Buffer> = new Map();

  constructor(disk: Disk, path: string, file: number, cover: Cover) {
    this.disk = disk;
    this.path = path;
    this.file = file;
    this.cover = cover;
    this.alive = cover.tree.alive();
  }

  /** @throws VaultError PAGE_BURNED, PAD_CORRUPT, VAULT_FAILED */
  read(offset: number, into: Uint8Array): void {
    const end = offset + into.length;
    if (offset < 0 || end > this.cover.length) throw new Error(`Pad has no bytes ${offset} to ${end}`);
    for (let at = offset; at < end; ) {
      const page = Math.floor(at / PAGE);
      const from = at - page * PAGE;
      const to = Math.min(PAGE, end - page * PAGE);
      into.set((this.pages.get(page) ?? this.decrypt(page)).subarray(from, to), at - offset);
      at += to - from;
    }
  }

  /** Of the pages that may be read, only those in `alive` may be from now on. */
  keep(alive: readonly Range[]): void {
    this.alive = common(this.alive, alive);
    for (const [number, page] of this.pages) {
      if (!contains(this.alive, number)) this.forgetPage(number, page);
    }
  }

  /** Takes a newer cover of the same pad and overwrites the one that was. */
  replace(cover: Cover): void {
    this.cover.tree.forget();
    this.cover = cover;
  }

  /** Closes the file and overwrites everything of the pad in memory. */
  close(): void {
    this.cover.tree.forget();
    for (const [number, page] of this.pages) this.forgetPage(number, page);
    this.disk.close(this.file);
  }

  private decrypt(number: number): Buffer {
    const pad = this.cover.name;
    const key = contains(this.alive, number) ? this.cover.tree.leaf(number) : null;
    if (key === null) throw new VaultError("PAGE_BURNED", { pad, page: number });
    const size = onDisk("read", this.path, () => readAt(this.disk, this.file, atRest, number * PAGE_AT_REST));
    const page = size === PAGE_AT_REST ? decryptPage(key, atRest) : null;
    if (page === null) throw new VaultError("PAD_CORRUPT", { pad, page: number });
    if (this.pages.size === PAGES_KEPT) {
      const [oldest, bytes] = this.pages.entries().next().value as [number, Buffer];
      this.forgetPage(oldest, bytes);
    }
    this.pages.set(number, page);
    return page;
  }

  private forgetPage(number: number, page: Buffer): void {
    page.fill(0);
    this.pages.delete(number);
  }
}
