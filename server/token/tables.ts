// The tables of the token server. A row of `pad` is everything that the server knows of a token: it has no column for a
// name, an address or a time of use, so that there is nothing of the kind to lose. Marks are in bytes.
//
// What grows with every request (answers, accepted boxes) is stored in the order in which it came: the
// rows of one group of requests lie on the same few pages, whichever tokens they are of. Answers have no index, which each
// of them would touch elsewhere: a pad names its newest box, and every box the one before it.

import type { Migration } from "../store/index.ts";

export const tokenTables: Migration = {
  name: "token",
  sql: `
CREATE TABLE pad (
  pad INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  pad_id BLOB NOT NULL UNIQUE,
  asset TEXT NOT NULL,
  account INTEGER NOT NULL,
  tariff TEXT NOT NULL,
  length INTEGER NOT NULL,
  slots INTEGER NOT NULL,
  burn_unit INTEGER NOT NULL,
  issued TEXT NOT NULL,                 -- value at issue, minor units
  state TEXT NOT NULL CHECK (state IN ('inactive', 'active', 'held', 'cancelled')),
  epoch INTEGER NOT NULL DEFAULT 0,     -- rises with every accepted call and READY: an older link cannot commit
  heard INTEGER NOT NULL DEFAULT 0,     -- the highest call heard
  linked INTEGER NOT NULL DEFAULT 0,    -- the last call that became a link
  opened INTEGER NOT NULL DEFAULT 0,    -- 1: a box of that link was opened
  again INTEGER NOT NULL DEFAULT 0,     -- 1: an earlier call was heard again, 2: and the last welcome says so
  welcome BLOB,                         -- the welcome of the call last heard
  in_doubt INTEGER NOT NULL DEFAULT 0,
  closed INTEGER NOT NULL DEFAULT 0,
  up INTEGER NOT NULL DEFAULT 0,
  down INTEGER NOT NULL DEFAULT 0,
  released INTEGER NOT NULL DEFAULT 0,
  split INTEGER NOT NULL,
  receipt INTEGER NOT NULL,             -- the sequence of the newest receipt
  receipt_call INTEGER NOT NULL DEFAULT 0,
  booked INTEGER NOT NULL,              -- the newest receipt that these books agree with
  worth TEXT NOT NULL,                  -- of a tied token: what of its value is not debited yet
  unfinished INTEGER NOT NULL DEFAULT 0, -- boxes of the unfinished run, their pad bytes and their text
  run_bytes INTEGER NOT NULL DEFAULT 0,
  run_text INTEGER NOT NULL DEFAULT 0,
  answer INTEGER,                       -- its newest box down, when that is kept
  retired INTEGER NOT NULL DEFAULT 0,   -- 1: the twin of a cancelled pad is destroyed
  addresses INTEGER NOT NULL DEFAULT 0  -- the number of the list of addresses that it was given
) STRICT;
CREATE INDEX pad_account ON pad (account);
CREATE INDEX pad_to_retire ON pad (name) WHERE state = 'cancelled' AND retired = 0;

CREATE TABLE tag (
  start INTEGER NOT NULL,               -- the first 8 bytes of the tag
  pad INTEGER NOT NULL REFERENCES pad,
  slot INTEGER NOT NULL,
  PRIMARY KEY (start, pad, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_pad ON tag (pad, slot);

CREATE TABLE answer (
  answer INTEGER PRIMARY KEY,
  pad INTEGER NOT NULL,
  mark INTEGER NOT NULL,
  previous INTEGER,                     -- the box before it, which may be gone, and its number another box's
  id BLOB,                              -- of the request, with the first box of its answer
  box BLOB NOT NULL                     -- as it was sealed
) STRICT;

CREATE TABLE part (
  part INTEGER PRIMARY KEY,
  pad INTEGER NOT NULL,
  number INTEGER NOT NULL,              -- of the box in its run
  text BLOB NOT NULL                    -- encrypted under the storage key
) STRICT;
CREATE UNIQUE INDEX part_place ON part (pad, number);

CREATE TABLE request (
  request INTEGER PRIMARY KEY,
  pad INTEGER NOT NULL,
  id BLOB NOT NULL,
  hold INTEGER,
  lost INTEGER NOT NULL DEFAULT 0       -- 1: its work was cut off, and it waits for the answer that says so
) STRICT;
CREATE UNIQUE INDEX request_id ON request (pad, id);
`,
};

/** What came later. */
export const laterTokenTables: Migration = {
  name: "token 2",
  sql: `
ALTER TABLE pad ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;  -- boxes of down below it are not sent: some went with a database
ALTER TABLE pad ADD COLUMN torn INTEGER NOT NULL DEFAULT 0;  -- 1: what comes up may be the rest of a run that went likewise
CREATE TABLE burning (pad INTEGER PRIMARY KEY) STRICT;        -- of these some pages are used and not burned yet
`,
};

/** And what came behind that. */
export const doubtTables: Migration = {
  name: "token 3",
  sql: `
CREATE TABLE doubt (
  pad INTEGER PRIMARY KEY,
  stood TEXT NOT NULL,                  -- what its account had when an older database was put back
  aside INTEGER                         -- the account of earnings that may have been collected since
) STRICT;
INSERT INTO doubt (pad, stood)
  SELECT pad, CAST(balance AS TEXT) FROM pad JOIN account ON account.id = pad.account WHERE in_doubt = 1;

CREATE TABLE refusal (count INTEGER NOT NULL) STRICT;  -- one row: what a call that is refused writes
INSERT INTO refusal (count) VALUES (0);
`,
};
