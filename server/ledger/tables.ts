// The books as tables. The journal is the truth and is only ever appended to; what stands in the other tables follows
// from it, is kept because it is asked for all the time, and is derived again by the audit.
//
// The journal has no index on its accounts: thousands of tokens would each touch a page of it with every debit. Instead
// an entry names the one before it of the same account, and an account its last: a statement follows that chain.

import type { Migration } from "../store/index.ts";

/** The most that an amount or a balance can be: a signed 64-bit integer, and its negative. */
export const MOST: bigint = 2n ** 63n - 1n;

export const ledgerTables: Migration = {
  name: "ledger",
  sql: `
CREATE TABLE account (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  asset TEXT NOT NULL,
  name TEXT,
  floor INTEGER CHECK (floor >= -${MOST}),
  balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= -${MOST}),
  held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  last INTEGER,
  CHECK (floor IS NULL OR balance - held >= floor)
) STRICT;
CREATE UNIQUE INDEX account_name ON account (kind, asset, name) WHERE name IS NOT NULL;

-- Balances and predecessors stand with the entries that move money: 'transfer' and 'post'. A 'hold' sets its amount
-- aside; 'post', 'void' and 'expire' end it, once. (A check by IN would build its list anew for every entry.)
CREATE TABLE journal (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind = 'transfer' OR kind = 'hold' OR kind = 'post' OR kind = 'void' OR kind = 'expire'),
  source INTEGER NOT NULL,
  target INTEGER NOT NULL CHECK (target <> source),
  amount INTEGER NOT NULL CHECK (amount > 0),
  reason TEXT NOT NULL,
  memo TEXT,
  at INTEGER NOT NULL,
  key TEXT,
  series TEXT,
  number INTEGER,
  series_previous INTEGER,
  source_balance INTEGER,
  source_previous INTEGER,
  target_balance INTEGER,
  target_previous INTEGER,
  hold INTEGER,
  expires INTEGER
) STRICT;
CREATE UNIQUE INDEX journal_key ON journal (key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX journal_hold ON journal (hold) WHERE hold IS NOT NULL;

CREATE TRIGGER journal_is_not_changed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'an entry of the journal is never changed'); END;
CREATE TRIGGER journal_is_not_shortened BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'an entry of the journal is never deleted'); END;
CREATE TRIGGER account_keeps_its_terms BEFORE UPDATE OF id, kind, asset, floor ON account
BEGIN SELECT RAISE(ABORT, 'the terms of an account are never changed'); END;
CREATE TRIGGER account_is_not_deleted BEFORE DELETE ON account
BEGIN SELECT RAISE(ABORT, 'an account is never deleted'); END;

-- The last number of each series of keys, and its entry.
CREATE TABLE series (
  name TEXT PRIMARY KEY,
  number INTEGER NOT NULL,
  last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The holds that have not ended.
CREATE TABLE hold (
  id INTEGER PRIMARY KEY,
  expires INTEGER
) STRICT;
CREATE INDEX hold_expires ON hold (expires) WHERE expires IS NOT NULL;
`,
};
