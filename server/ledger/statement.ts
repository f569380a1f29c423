// A statement: what moved on one account, with the balance after each entry, along the chain that its entries form.

import type { MoveRow, Statements } from "./statements.ts";

/** One line of a statement. */
export interface Entry {
  /** Its number in the journal; rises with time. */
  readonly id: number;
  /** Milliseconds since the epoch, by the clock of the server. */
  readonly at: number;
  /** Minor units: below zero when this account paid. */
  readonly amount: bigint;
  /** What the account had after it. */
  readonly balance: bigint;
  /** The account at the other end. */
  readonly other: number;
  readonly reason: string;
  readonly memo: string | null;
}

/** Which entries: the newest `limit` of those with a number above `after` and below `before`. */
export interface Span {
  readonly after: number;
  readonly before: number;
  readonly limit: number;
}

/** The entries of `account` within the span, newest last; `last` is the last that the account has. */
export function readStatement(
  { move }: Pick<Statements, "move">,
  account: number,
  last: number | null,
  { after, before, limit }: Span,
): Entry[] {
  const entries: Entry[] = [];
  const read = (id: number): MoveRow => {
    const row = move.get(id);
    if (row === undefined) throw new Error(`entry ${id} of account ${account} is not in the journal: audit the books`);
    return row;
  };
  let id = last;
  // A page begins where the one read before it began, without walking there.
  const newer = before <= (last ?? 0) ? move.get(before) : undefined;
  if (newer?.from === account || newer?.to === account) id = before;
  while (id !== null && id > after && entries.length < limit) {
    const row = read(id);
    const paid = row.from === account;
    const { at, reason, memo } = row;
    if (id < before) {
      const amount = paid ? -row.amount : row.amount;
      const balance = paid ? row.left : row.grown;
      entries.push({ id, at, amount, balance, other: paid ? row.to : row.from, reason, memo });
    }
    id = paid ? row.fromPrevious : row.toPrevious;
  }
  return entries.reverse();
}
