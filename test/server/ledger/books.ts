// Books in a real file, for one test.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Clock } from "../../../server/clock.ts";
import { type AccountId, Ledger, ledgerTables } from "../../../server/ledger/index.ts";
import { openStore, type Store, type StoreOptions } from "../../../server/store/index.ts";

/** A moment that does not pass. */
export const NOON = 1_800_000_000_000;
const noon: Clock = { now: () => NOON, after: () => () => {} };

export interface Books {
  readonly store: Store;
  readonly ledger: Ledger;
}

/** A directory of this test. */
export function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "tearpad-ledger-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The books at `path`, made if there are none; closed when the test ends. */
export function openBooks(path?: string, options: StoreOptions = { create: true }): Books {
  const store = openStore(path ?? join(directory(), "books.db"), [ledgerTables], options);
  onTestFinished(() => store.close());
  return { store, ledger: new Ledger(store, noon) };
}

/** Opens a token account that was issued with so much. */
export function issueToken({ store, ledger }: Books, amount: bigint, asset = "CRED"): AccountId {
  return store.transact(() => {
    const issue = ledger.named("issue", asset, "");
    const token = ledger.openAccount({ kind: "token", asset, floor: 0n });
    if (amount > 0n) ledger.transfer({ key: `issue ${token}`, from: issue, to: token, amount, reason: "issue" });
    return token;
  });
}

/** What the audit finds wrong, by name. */
export function disagreements({ store, ledger }: Books): string[] {
  return store.transact(() => ledger.audit()).disagreements.map(({ name }) => name);
}

/** Every row of the books. */
export function everything({ store }: Books): unknown {
  return ["account", "journal", "series", "hold"].map((table) =>
    store.db.prepare(`SELECT * FROM ${table} ORDER BY 1`).safeIntegers().all(),
  );
}
