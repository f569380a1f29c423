// Random histories against an ideal ledger of a few lines. Every answer and every refusal must be the ideal one's, also
// after the process was killed: a kill is what the files hold at that moment, between works or in the middle of a group.

import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Key, LedgerError, MOST } from "../../../server/ledger/index.ts";
import { Random } from "../../../simulator/index.ts";
import { type Books, directory, openBooks } from "./books.ts";

const SEED = Number(process.env.SEED ?? 20_261_120);
const HISTORIES = 8;
const GROUPS = 40;

interface IdealAccount {
  readonly asset: string;
  readonly floor: bigint | null;
  balance: bigint;
  readonly lines: { id: number; amount: bigint; balance: bigint }[];
}

interface IdealHold {
  readonly from: number;
  readonly to: number;
  readonly amount: bigint;
  readonly expires: number | undefined;
  ended: boolean;
}

interface Asked {
  readonly key: Key;
  readonly from: number;
  readonly to: number;
  readonly amount: bigint;
  readonly reason: string;
  readonly expires?: number;
}

/** The ledger as one would explain it. Methods return an entry or the code of a refusal. */
class Ideal {
  readonly accounts = new Map<number, IdealAccount>();
  readonly holds = new Map<number, IdealHold>();
  readonly keys = new Map<string, { body: string; entry: number }>();
  readonly lastOf = new Map<string, number>();
  entries = 0;

  held(account: number): bigint {
    return [...this.holds.values()].reduce(
      (sum, { from, amount, ended }) => (from === account && !ended ? sum + amount : sum),
      0n,
    );
  }

  ask(kind: "transfer" | "hold", asked: Asked): number | string {
    const { key, from, to, amount, reason, expires } = asked;
    if (amount <= 0n || amount > MOST) return "BAD_AMOUNT";
    const name = JSON.stringify(key);
    const body = [kind, from, to, amount, reason].join();
    const known = this.keys.get(name);
    if (known) return known.body === body ? known.entry : "KEY_REUSED";
    if (typeof key !== "string" && key[1] <= (this.lastOf.get(key[0]) ?? -1)) return "KEY_PASSED";
    const source = this.accounts.get(from);
    const target = this.accounts.get(to);
    if (!source || !target) return "ACCOUNT_UNKNOWN";
    if (source === target) return "SAME_ACCOUNT";
    if (source.asset !== target.asset) return "ASSET_MISMATCH";
    const left = source.balance - this.held(from) - amount;
    if (source.floor !== null && left < source.floor) return "INSUFFICIENT";
    if (left < -MOST) return "OVERFLOW";
    if (kind === "transfer" ? target.balance + amount > MOST : this.held(from) + amount > MOST) return "OVERFLOW";
    const entry = ++this.entries;
    this.keys.set(name, { body, entry });
    if (typeof key !== "string") this.lastOf.set(...key);
    if (kind === "transfer") this.move(entry, source, target, amount);
    else this.holds.set(entry, { from, to, amount, expires, ended: false });
    return entry;
  }

  end(hold: number, amount: bigint | null): number | string {
    const held = this.holds.get(hold);
    if (!held) return "HOLD_UNKNOWN";
    if (held.ended) return "HOLD_ENDED";
    if (amount !== null && (amount <= 0n || amount > held.amount)) return "BAD_AMOUNT";
    const target = this.accounts.get(held.to) as IdealAccount;
    if (amount !== null && target.balance + amount > MOST) return "OVERFLOW";
    held.ended = true;
    const entry = ++this.entries;
    if (amount !== null) this.move(entry, this.accounts.get(held.from) as IdealAccount, target, amount);
    return entry;
  }

  expire(now: number): number {
    const due = [...this.holds].filter(([, { ended, expires }]) => !ended && expires !== undefined && expires <= now);
    for (const [hold] of due) this.end(hold, null);
    return due.length;
  }

  private move(id: number, source: IdealAccount, target: IdealAccount, amount: bigint): void {
    source.balance -= amount;
    target.balance += amount;
    source.lines.push({ id, amount: -amount, balance: source.balance });
    target.lines.push({ id, amount, balance: target.balance });
  }
}

/** One thing that is done to both. */
type Step = { real: (books: Books) => number; ideal: (ideal: Ideal) => number | string };

const CHANGED_MIND = "CHANGED_MIND";

/** Draws the steps of a history. Amounts, keys and holds are few, so that they meet. */
class History {
  readonly random: Random;
  readonly series = new Map<string, number>();

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  below(bound: number): number {
    return this.random.u32() % bound;
  }

  amount(): bigint {
    const choice = this.below(20);
    if (choice === 0) return BigInt(this.below(3)) - 1n;
    if (choice === 1) return MOST - BigInt(this.below(3)) + 1n;
    return BigInt(1 + this.below(choice < 12 ? 20 : 2000));
  }

  key(): Key {
    if (this.below(3) === 0) return `key ${this.below(200)}`;
    const name = `series ${this.below(3)}`;
    const last = this.series.get(name) ?? 0;
    const number = this.below(6) === 0 ? this.below(last + 1) : last + 1 + this.below(3);
    this.series.set(name, Math.max(number, last));
    return [name, number];
  }

  step(ideal: Ideal): Step {
    // Mostly accounts 1 to 5, of one asset; 6 and 7 are of another, and 0 and 8 are none.
    const account = () => (this.below(8) === 0 ? this.below(9) : 1 + this.below(5));
    const hold = () => [...ideal.holds.keys()].at(-1 - this.below(6)) ?? this.below(50);
    const choice = this.below(16);
    const asked = { key: this.key(), from: account(), to: account(), amount: this.amount(), reason: "box" };
    if (choice < 7) return { real: ({ ledger }) => ledger.transfer(asked), ideal: (it) => it.ask("transfer", asked) };
    if (choice < 10) {
      const expiring = this.below(2) === 0 ? asked : { ...asked, expires: this.below(100) };
      return { real: ({ ledger }) => ledger.hold(expiring), ideal: (it) => it.ask("hold", expiring) };
    }
    const id = hold();
    if (choice < 12)
      return { real: ({ ledger }) => ledger.post(id), ideal: (it) => it.end(id, it.holds.get(id)?.amount ?? null) };
    if (choice < 13) {
      const part = BigInt(this.below(20));
      return { real: ({ ledger }) => ledger.post(id, part), ideal: (it) => it.end(id, part) };
    }
    if (choice < 15) return { real: ({ ledger }) => ledger.void(id), ideal: (it) => it.end(id, null) };
    const now = this.below(100);
    return { real: ({ ledger }) => ledger.expire(now), ideal: (it) => it.expire(now) };
  }
}

/** The books as a process that starts after a kill finds them: the files as they are now. */
function afterKill({ store }: Books): Books {
  const path = join(directory(), "books.db");
  for (const suffix of ["", "-wal"]) {
    if (existsSync(store.db.name + suffix)) copyFileSync(store.db.name + suffix, path + suffix);
  }
  return openBooks(path);
}

/** Both must say the same of every account, and the audit must find nothing. */
function compare({ store, ledger }: Books, ideal: Ideal, where: string): void {
  for (const [id, { balance, lines }] of ideal.accounts) {
    expect(ledger.balance(id), where).toEqual({ balance, held: ideal.held(id) });
    const shown = ledger.statement(id, 0, 10_000).map(({ id, amount, balance }) => ({ id, amount, balance }));
    expect(shown, where).toEqual(lines);
  }
  const report = store.transact(() => ledger.audit());
  expect(report.disagreements, where).toEqual([]);
  expect(report.entries, where).toBe(ideal.entries);
  expect(
    report.assets.map(({ sum }) => sum),
    where,
  ).toEqual([0n, 0n]);
}

async function play(seed: number): Promise<{ entries: number; codes: Set<string>; kills: number }> {
  const history = new History(seed);
  const ideal = new Ideal();
  const codes = new Set<string>();
  let books = openBooks();
  let kills = 0;
  books.store.transact(() => {
    const floors = [null, 0n, 0n, 0n, -100n, null, 0n];
    for (const [index, floor] of floors.entries()) {
      const asset = index < 5 ? "CRED" : "EUR";
      const id = books.ledger.openAccount({ kind: "token", asset, floor });
      ideal.accounts.set(id, { asset, floor, balance: 0n, lines: [] });
    }
  });
  for (let group = 0; group < GROUPS; group++) {
    const where = `seed ${seed}, group ${group}`;
    const before = kills;
    const begun = books;
    const ends: Promise<{ expected: number | string; found: number | string }>[] = [];
    for (let index = history.below(20); index >= 0; index--) {
      const fails = history.below(10) === 0;
      const step = history.step(ideal);
      const copy = fails ? structuredClone(ideal) : null;
      if (copy) Object.setPrototypeOf(copy, Ideal.prototype);
      const outcome = step.ideal(copy ?? ideal);
      const expected = fails && typeof outcome === "number" ? CHANGED_MIND : outcome;
      const work = begun.store.commit(() => {
        const found = step.real(begun);
        if (fails) throw new Error(CHANGED_MIND);
        return found;
      });
      ends.push(
        work.then(
          (found) => ({ expected, found }),
          (error) => ({ expected, found: error instanceof LedgerError ? error.code : error.message }),
        ),
      );
    }
    if (history.below(8) === 0) {
      // The kill comes after the works of the group and before its commit: none of them was done.
      const without = begun.store.transact(() => begun.ledger.audit()).entries;
      let killed: Books | undefined;
      const kill = begun.store.commit(() => {
        killed = afterKill(begun);
      });
      await kill;
      expect(
        killed?.store.transact(() => killed?.ledger.audit()),
        where,
      ).toMatchObject({ entries: without, disagreements: [] });
      kills++;
    }
    for (const { expected, found } of await Promise.all(ends)) {
      expect(found, where).toBe(expected);
      if (typeof found === "string") codes.add(found);
    }
    if (history.below(5) === 0) {
      books = afterKill(books);
      kills++;
    }
    if (kills > before || group === GROUPS - 1) compare(books, ideal, where);
  }
  return { entries: ideal.entries, codes, kills };
}

describe("random histories", () => {
  it("give the answers, the refusals and the books of the ideal ledger, through kills between works and within groups", async () => {
    const codes = new Set<string>();
    let entries = 0;
    let kills = 0;
    for (let index = 0; index < HISTORIES; index++) {
      const played = await play(SEED + index);
      entries += played.entries;
      kills += played.kills;
      for (const code of played.codes) codes.add(code);
    }
    // A history in which nothing happened would show nothing.
    expect(entries).toBeGreaterThan(50 * HISTORIES);
    expect(kills).toBeGreaterThan(5 * HISTORIES);
    const all = ["BAD_AMOUNT", "KEY_REUSED", "KEY_PASSED", "ACCOUNT_UNKNOWN", "SAME_ACCOUNT", "ASSET_MISMATCH"];
    all.push("INSUFFICIENT", "OVERFLOW", "HOLD_UNKNOWN", "HOLD_ENDED", CHANGED_MIND);
    expect([...codes].sort()).toEqual(all.sort());
  });
});
