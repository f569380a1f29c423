// The ledger: durable debits a second, many tokens paying one account in groups of 256, against what the disk can do and
// against the store alone. All three in turns in one run, on one disk; the median of the turns counts.

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ledger, ledgerTables } from "../server/ledger/index.ts";
import { openStore } from "../server/store/index.ts";

const GROUP = 256;
const BLOCK = 4096;

export interface LedgerRow {
  readonly what: string;
  readonly perSecond: number;
  /** Times the rate of a raw write of 4 KiB and fdatasync. */
  readonly timesRaw: number;
  /** Share of the rate of the store with one INSERT as a work. */
  readonly shareOfStore: number;
}

/** Measures debits of 1,000 and of 10,000 tokens, by number and by text, and the audit of what came of it. */
export async function benchLedger({ quick }: { readonly quick: boolean }): Promise<LedgerRow[]> {
  const turns = quick ? 1 : 5;
  const groups = quick ? 8 : 100;
  const directory = mkdtempSync(join(tmpdir(), "tearpad-bench-"));
  const subjects: Subject[] = [];
  try {
    subjects.push(raw(join(directory, "raw")));
    subjects.push(bareStore(join(directory, "store.db")));
    subjects.push(debits(join(directory, "numbered.db"), 1000, (pad, number) => [`box ${pad}`, number]));
    subjects.push(debits(join(directory, "many.db"), 10_000, (pad, number) => [`box ${pad}`, number]));
    subjects.push(debits(join(directory, "text.db"), 1000, (pad, number) => `box ${pad} ${number}`));
    const rates = subjects.map((): number[] => []);
    for (let turn = 0; turn < turns; turn++) {
      for (const [index, subject] of subjects.entries()) rates[index]!.push(await rate(subject, groups));
    }
    const medians = rates.map((list) => list.sort((a, b) => a - b)[turns >> 1]!);
    return subjects.map(({ what }, index) => ({
      what,
      perSecond: Math.round(medians[index]!),
      timesRaw: Number((medians[index]! / medians[0]!).toFixed(2)),
      shareOfStore: Number((medians[index]! / medians[1]!).toFixed(2)),
    }));
  } finally {
    for (const { close } of subjects) close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** One thing that is measured: `group` does so much at once, durably, and returns how much. */
interface Subject {
  readonly what: string;
  readonly group: () => Promise<number>;
  readonly close: () => void;
}

async function rate({ group }: Subject, groups: number): Promise<number> {
  const begun = performance.now();
  let done = 0;
  for (let index = 0; index < groups; index++) done += await group();
  return (1000 * done) / (performance.now() - begun);
}

function raw(path: string): Subject {
  const file = openSync(path, "w");
  const block = new Uint8Array(BLOCK).fill(1);
  let blocks = 0;
  return {
    what: "raw 4 KiB write and fdatasync",
    group: async () => {
      writeSync(file, block, 0, BLOCK, BLOCK * (blocks++ % 4096));
      fdatasyncSync(file);
      return 1;
    },
    close: () => closeSync(file),
  };
}

function bareStore(path: string): Subject {
  const sql = "CREATE TABLE line (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT";
  const store = openStore(path, [{ name: "line", sql }], { create: true });
  const insert = store.db.prepare("INSERT INTO line (text) VALUES (?)");
  return {
    what: "the store, one INSERT as a work",
    group: () => together(() => store.commit(() => insert.run("a debit without a ledger"))),
    close: () => store.close(),
  };
}

function debits(
  path: string,
  tokens: number,
  key: (pad: number, number: number) => string | readonly [string, number],
): Subject {
  const store = openStore(path, [ledgerTables], { create: true });
  const ledger = new Ledger(store);
  const { fees, accounts } = store.transact(() => {
    const issue = ledger.named("issue", "CRED", "");
    const accounts = Array.from({ length: tokens }, (_, pad) => {
      const to = ledger.openAccount({ kind: "token", asset: "CRED", floor: 0n });
      ledger.transfer({ key: `issue ${pad}`, from: issue, to, amount: 1_000_000_000n, reason: "issue" });
      return to;
    });
    return { fees: ledger.named("fees", "CRED", ""), accounts };
  });
  const marks = new Uint32Array(tokens);
  const keys = typeof key(0, 0) === "string" ? "text" : "number";
  return {
    what: `debits of ${tokens} tokens, keyed by ${keys}`,
    group: () =>
      together(() => {
        // In no order, as devices call.
        const pad = Math.floor(Math.random() * tokens);
        marks[pad]! += 288;
        const t = { key: key(pad, marks[pad]!), from: accounts[pad]!, to: fees, amount: 3n, reason: "box" };
        return store.commit(() => ledger.transfer(t));
      }),
    close: () => {
      const wrong = store.transact(() => ledger.audit()).disagreements.length;
      store.close();
      if (wrong > 0) throw new Error(`the books of ${path} do not balance`);
    },
  };
}

async function together(commit: () => Promise<unknown>): Promise<number> {
  await Promise.all(Array.from({ length: GROUP }, commit));
  return GROUP;
}
