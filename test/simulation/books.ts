// The books as somebody reads them who believes none of what is kept beside the journal: every balance derived again, what all
// accounts have together, and for each token what its answers say that it paid against what was taken from it.

import type { Statement } from "better-sqlite3";
import type { Server } from "../../server/index.ts";
import { HAND } from "./hand.ts";

/** A token as the books have it. */
export interface TokenBooks {
  readonly balance: bigint;
  readonly held: bigint;
  /** What the journal took from it, and what it gave it in corrections. */
  readonly taken: bigint;
  readonly corrected: bigint;
  /** What came in beside its issue: credits, sales, collected earnings. */
  readonly given: bigint;
  /** Credits and sales into value, and sales into earnings. */
  readonly credited: bigint;
  readonly sold: bigint;
  readonly earned: bigint;
  /** What it has of earnings, what of them waits for the operator, and what moved of them, restores aside. */
  readonly earnings: bigint;
  readonly aside: bigint;
  readonly earnedMoved: bigint;
  readonly row: PadRow;
}

export interface PadRow {
  readonly pad: number;
  readonly account: bigint;
  readonly issued: string;
  readonly worth: string;
  readonly up: number;
  readonly down: number;
  readonly released: number;
  readonly split: number;
  readonly heard: number;
  readonly receipt: number;
  readonly in_doubt: number;
  readonly closed: number;
  readonly epoch: number;
}

/** What all accounts of an asset have together is nothing: asked behind every commit. */
export function sumsAreZero(server: Server): boolean {
  return prepared(server, "SELECT 1 FROM account GROUP BY asset HAVING sum(balance) <> 0").all().length === 0;
}

/** What does not agree in the books, in sentences. */
export function auditBooks(server: Server): string[] {
  const { db } = server.token.store;
  const wrong: string[] = [];
  const derived = new Map<bigint, bigint>();
  const held = new Map<bigint, bigint>();
  const holds = new Map<bigint, { source: bigint; amount: bigint }>();
  const add = (map: Map<bigint, bigint>, account: bigint, amount: bigint) =>
    map.set(account, (map.get(account) ?? 0n) + amount);
  type Row = { id: bigint; kind: string; source: bigint; target: bigint; amount: bigint; hold: bigint | null };
  for (const row of db.prepare("SELECT * FROM journal ORDER BY id").safeIntegers().all() as Row[]) {
    const { id, kind, source, target, amount, hold } = row;
    if (kind === "hold") {
      holds.set(id, { source, amount });
      add(held, source, amount);
    }
    if (hold !== null) {
      const of = holds.get(hold);
      if (of === undefined) wrong.push(`entry ${id} ends hold ${hold}, which is not open`);
      else add(held, of.source, -of.amount);
      holds.delete(hold);
      if (kind === "post" && of !== undefined && amount > of.amount) wrong.push(`entry ${id} posts more than was held`);
    }
    if (kind !== "transfer" && kind !== "post") continue;
    add(derived, source, -amount);
    add(derived, target, amount);
  }
  type Account = { id: bigint; kind: string; balance: bigint; held: bigint; floor: bigint | null };
  for (const account of db.prepare("SELECT * FROM account").safeIntegers().all() as Account[]) {
    const { id, balance, floor } = account;
    if (balance !== (derived.get(id) ?? 0n))
      wrong.push(`account ${id} has ${balance}, and follows ${derived.get(id) ?? 0n}`);
    if (account.held !== (held.get(id) ?? 0n))
      wrong.push(`account ${id} holds ${account.held}, and follows ${held.get(id) ?? 0n}`);
    if (floor !== null && balance < floor) wrong.push(`account ${id} has ${balance}, below its floor`);
  }
  if (!sumsAreZero(server)) wrong.push("the accounts of an asset do not sum to zero");
  const { token } = server;
  const report = aside(() => token.store.transact(() => token.ledger.audit()));
  for (const { name, stated, derived } of report.disagreements)
    wrong.push(`audit: ${name} stands ${stated}, follows ${derived}`);
  return wrong;
}

/** Nothing strikes at what is only looked at. */
function aside<Result>(look: () => Result): Result {
  const { strike } = HAND;
  HAND.strike = () => {};
  try {
    return look();
  } finally {
    HAND.strike = strike;
  }
}

const MOVES = `SELECT sum(CASE WHEN source = $account AND reason <> 'correction' THEN amount END) AS taken,
    sum(CASE WHEN reason <> 'correction' THEN 0 WHEN source = $account THEN -amount ELSE amount END) AS corrected,
    sum(CASE WHEN target = $account AND reason NOT IN ('correction', 'issue') THEN amount END) AS given,
    sum(CASE WHEN target = $account AND reason = 'credit' THEN amount END) AS credited,
    sum(CASE WHEN target = $account AND reason = 'sale' THEN amount END) AS sold,
    sum(CASE WHEN reason IN ('doubt', 'resolve earnings') THEN 0 WHEN source = $account THEN -amount ELSE amount END) AS moved
  FROM journal WHERE kind IN ('transfer', 'post') AND (source = $account OR target = $account)`;

interface Moves {
  readonly taken: bigint | null;
  readonly corrected: bigint | null;
  readonly given: bigint | null;
  readonly credited: bigint | null;
  readonly sold: bigint | null;
  readonly moved: bigint | null;
}

/** Statements by their text, for as long as their database is open. */
const statements = new WeakMap<object, Map<string, Statement>>();

function prepared(server: Server, sql: string, money = false): Statement {
  const { db } = server.token.store;
  const known = statements.get(db) ?? new Map<string, Statement>();
  statements.set(db, known);
  const statement = known.get(sql) ?? db.prepare(sql).safeIntegers(money);
  known.set(sql, statement);
  return statement;
}

/** A token in the books. */
export function readToken(server: Server, name: string): TokenBooks {
  const row = prepared(server, "SELECT * FROM pad WHERE name = ?").get(name) as PadRow;
  const account = prepared(server, "SELECT balance, held FROM account WHERE id = ?", true).get(row.account) as {
    balance: bigint;
    held: bigint;
  };
  const moves = prepared(server, MOVES, true).get({ account: row.account }) as Moves;
  const { earner, aside } = prepared(server, EARNERS).get({ pad: row.pad }) as Record<
    "earner" | "aside",
    number | null
  >;
  const earned = earner === null ? null : (prepared(server, MOVES, true).get({ account: earner }) as Moves);
  const balanceOf = (id: number | null) =>
    id === null ? 0n : (prepared(server, "SELECT balance FROM account WHERE id = ?", true).pluck().get(id) as bigint);
  return {
    ...account,
    taken: moves.taken ?? 0n,
    corrected: moves.corrected ?? 0n,
    given: moves.given ?? 0n,
    credited: moves.credited ?? 0n,
    sold: moves.sold ?? 0n,
    earned: earned?.sold ?? 0n,
    earnings: balanceOf(earner),
    aside: balanceOf(aside),
    earnedMoved: earned?.moved ?? 0n,
    row,
  };
}

const EARNERS = `SELECT (SELECT account FROM earnings WHERE pad = $pad) AS earner,
  (SELECT aside FROM doubt WHERE pad = $pad) AS aside`;

/** The boxes down that the server keeps of a pad, in their order. */
export function keptBoxes(server: Server, pad: number): { readonly mark: number; readonly box: Uint8Array }[] {
  return prepared(server, "SELECT mark, box FROM answer WHERE pad = ? ORDER BY mark").all(pad) as never;
}

/** How many requests the service that fails has served. */
export function servedByFails(server: Server): number {
  return server.token.store.db.prepare("SELECT count(*) FROM fails").pluck().get() as number;
}
