// The window of tags: which calls of which pad may come next (SPEC section 13). The table is an index only: it holds the
// first eight bytes of each tag, and whoever finds a row compares the whole tag with the vault. The tags of calls that were
// answered stay for a while, so that one heard again is noticed.

import type { Statement } from "better-sqlite3";
import { slotOffset } from "../../host/protocol/index.ts";
import type { Store } from "../store/index.ts";
import type { Vault } from "../vault/index.ts";
import type { Pad } from "./pads.ts";

/** Slots behind the highest that called in which a call is known. */
const WINDOW_SLOTS = 16;
const TAG_BYTES = 16;

export interface TagPlace {
  readonly pad: number;
  readonly slot: number;
}

export class Tags {
  readonly #vault: Vault;
  readonly #find: Statement<[bigint], TagPlace>;
  readonly #last: Statement<[number], number | null>;
  readonly #insert: Statement;
  readonly #forget: Statement;

  constructor({ db }: Store, vault: Vault) {
    this.#vault = vault;
    this.#find = db.prepare<[bigint], TagPlace>("SELECT pad, slot FROM tag WHERE start = ?");
    this.#last = db.prepare<[number], number | null>("SELECT max(slot) FROM tag WHERE pad = ?").pluck();
    this.#insert = db.prepare("INSERT INTO tag (start, pad, slot) VALUES (?, ?, ?)");
    this.#forget = db.prepare("DELETE FROM tag WHERE pad = ? AND slot < ?");
  }

  /** The places whose tag begins as this one does. */
  find(tag: Uint8Array): TagPlace[] {
    return this.#find.all(startOf(tag));
  }

  /** Moves the window of a pad to the slots behind the highest that called, and forgets what is long before it. */
  slide(pad: Pick<Pad, "pad" | "name" | "heard" | "padLength" | "slots" | "burnUnit">): void {
    const tag = new Uint8Array(TAG_BYTES);
    const end = Math.min(pad.heard + WINDOW_SLOTS, pad.slots.low);
    for (let slot = Math.max((this.#last.get(pad.pad) ?? -1) + 1, pad.heard); slot < end; slot++) {
      this.#vault.read(pad.name, slotOffset(pad, "low", slot), tag);
      this.#insert.run(startOf(tag), pad.pad, slot);
    }
    this.#forget.run(pad.pad, pad.heard - WINDOW_SLOTS);
  }

  /** Forgets all calls of a pad. */
  forget(pad: number): void {
    this.#forget.run(pad, 2 ** 32);
  }
}

function startOf(tag: Uint8Array): bigint {
  return new DataView(tag.buffer, tag.byteOffset).getBigInt64(0, true);
}
