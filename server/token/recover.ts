// Before the server serves: books and limits are brought together, and what a crash cut off is settled.
//
// Limits are written after the books, so a limit that is ahead of them means that an older database was put back. Pads are
// never restored, money is: the marks come from the limits, and nothing is sealed or opened there again; what was said
// meanwhile is lost, and the token's books are in doubt until its device, or the operator, has said what was owed.

import type { LimitEntry } from "../vault/index.ts";
import type { TokenServer } from "./core.ts";
import { beginDoubt } from "./doubt.ts";
import type { Pad } from "./pads.ts";
import { isTied } from "./tariff.ts";

/** What start-up found. */
export interface Recovery {
  /** Tokens whose limits were ahead of the books. */
  readonly restored: number;
  /** Twins of which the books know nothing: their tokens are refused. */
  readonly unknown: number;
  /** Requests that were cut off: their holds were voided. */
  readonly cutOff: number;
}

/** @throws StoreError, VaultError */
export function recover(server: TokenServer): Recovery {
  const { store, limits, ledger, requests } = server;
  const latest = limits.latest();
  const recovery = store.transact(() => {
    server.openAccounts();
    let [restored, known] = [0, 0];
    const doubted = new Set<number>();
    for (const pad of server.pads.all()) {
      const limit = latest.get(pad.name);
      if (limit !== undefined) known++;
      if (limit !== undefined && isAhead(limit, pad)) {
        restored++;
        catchUp(server, pad, limit);
        if (pad.inDoubt && pad.state !== "cancelled" && !isTied(server.tariff(pad.tariff))) doubted.add(pad.account);
      }
      // Of nearly all the limits know everything: a note of each would be a million of them.
      if (limit === undefined || isAhead(pad, limit)) server.note(pad);
    }
    if (doubted.size > 0) doubtSharers(server, doubted);
    const orphans = requests.working();
    for (const { request, hold } of orphans) {
      if (hold !== null) ledger.void(hold);
      requests.lose(request);
    }
    const unknown = known < latest.size ? unknownTwins(server) : 0;
    return { restored, unknown, cutOff: orphans.length };
  });
  limits.sync();
  server.retireCancelled();
  server.burning.begin();
  if (recovery.restored > 0)
    server.log.warn(recovery, "the database is older than the limits: marks were taken from there");
  if (recovery.unknown > 0)
    server.log.warn(
      recovery,
      "twins are unknown to the books: an older database was put back, and these were issued since",
    );
  return recovery;
}

const FIELDS = ["heard", "up", "down", "split", "receipt"] as const;

type Marks = Pick<LimitEntry, (typeof FIELDS)[number]>;

function isAhead(one: Marks, other: Marks): boolean {
  return FIELDS.some((field) => one[field] > other[field]);
}

function catchUp(server: TokenServer, pad: Pad, limit: LimitEntry): void {
  const { epoch } = pad;
  pad.epoch++;
  // The welcome that is kept says what is true no more, or is lost, and its key is used: in this slot nobody is welcomed again.
  pad.heard = Math.max(pad.heard, limit.heard);
  pad.welcome = null;
  if (limit.up > pad.up || limit.down > pad.down || limit.receipt > pad.receipt) beginDoubt(server, pad);
  if (limit.up > pad.up) {
    if (pad.unfinished > 0) server.parts.drop(pad.pad);
    pad.unfinished = pad.runBytes = pad.runText = 0;
    pad.torn = true;
    pad.up = limit.up;
  }
  if (limit.down > pad.down) {
    pad.down = pad.lost = limit.down;
    pad.addresses = 0; // Whether the device was told the list is not known.
  }
  pad.split = Math.max(pad.split, limit.split);
  pad.receipt = Math.max(pad.receipt, limit.receipt);
  server.pads.save(pad, epoch);
  server.burning.note(pad);
  if (pad.state === "active" || pad.state === "held" || pad.state === "inactive") server.tags.slide(pad);
}

/** Twins without a row: asked only when the limits know of more pads than the books. */
function unknownTwins({ vault, pads }: TokenServer): number {
  return vault.names().filter((name) => pads.named(name) === undefined).length;
}

/** Who shares an account with a token in doubt must not spend what that one may have spent. */
function doubtSharers(server: TokenServer, accounts: ReadonlySet<number>): void {
  for (const pad of server.pads.all()) {
    if (pad.inDoubt || pad.state === "cancelled" || !accounts.has(pad.account)) continue;
    const { epoch } = pad;
    pad.epoch++;
    beginDoubt(server, pad);
    server.pads.save(pad, epoch);
  }
}
