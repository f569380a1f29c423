// A server of very many tokens: how long it takes to open, what a token that does not talk costs it in memory, and how long
// it takes to know who calls. The tokens that are only there are written into its database directly, with all their tags.

import { execFileSync } from "node:child_process";
import { randomBytes, randomFillSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { type Engine, loadEngine } from "../host/engine/index.ts";
import { slotItem, WELCOME_AT } from "../host/protocol/index.ts";
import { activateToken, createServer, FIRST_CONFIG, Link, openServer, type Server } from "../server/index.ts";

export interface CallsRow {
  readonly tokens: number;
  readonly tags: number;
  /** From a closed server to one that serves; every token's limit is compared meanwhile. */
  readonly openSeconds: number;
  /** Memory that a process keeps when it has opened the server, beyond the store's own, for one token. */
  readonly bytesPerToken: number;
  /** To look for a tag among all of them: mean. */
  readonly findMicroseconds: number;
  /** From a tag to its welcome: the server's computing, and all of it with the disk. Medians. */
  readonly callMicroseconds: number;
  readonly callMilliseconds: number;
}

interface Caller {
  readonly pad: Uint8Array;
  readonly padId: Uint8Array;
}

const PAD_LENGTH = 64 * 1024;
const TAGS_EACH = 16;
const CALLERS = 64;
const silent = pino({ level: "silent" });

/** Measures a server of a thousand tokens, and one of a million. */
export async function benchCalls({ quick }: { readonly quick: boolean }): Promise<CallsRow[]> {
  const rows: CallsRow[] = [];
  for (const tokens of [1000, quick ? 20_000 : 1_000_000]) rows.push(await withTokens(tokens));
  return rows;
}

async function withTokens(tokens: number): Promise<CallsRow> {
  const directory = mkdtempSync(join(tmpdir(), "tearpad-bench-"));
  let server: Server | null = null;
  try {
    const at = join(directory, "server");
    createServer(at, {
      ...FIRST_CONFIG,
      addresses: { number: 0, list: [] },
      tariffs: { bench: { asset: "TPD", perBox: 1, services: { echo: 0 } } },
      answerAfterMs: 0,
    });
    server = await openServer(at, { log: silent });
    const engine = await loadEngine();
    const callers = Array.from({ length: CALLERS }, () => {
      const issuing = server!.issue({ padLength: PAD_LENGTH, burnUnit: 1, tariff: "bench", price: 1_000_000n });
      const pad = randomFillSync(new Uint8Array(PAD_LENGTH));
      issuing.write(pad);
      activateToken(server!.token, issuing.finish());
      return { pad, padId: issuing.parameters.padId };
    });
    fill(server, tokens);
    await server.close();
    // The limits of those that were written directly get into their log.
    await (await openServer(at, { log: silent })).close();

    const bytesPerToken = opened(at) / tokens;
    const begun = performance.now();
    server = await openServer(at, { log: silent });
    const openSeconds = (performance.now() - begun) / 1000;
    const tags = server.token.store.db.prepare<[], number>("SELECT count(*) FROM tag").pluck().get()!;
    const findMicroseconds = find(server);
    const computed: number[] = [];
    const taken: number[] = [];
    for (const caller of callers) {
      const before = process.threadCpuUsage();
      const called = performance.now();
      await welcome(server, engine, caller);
      taken.push(performance.now() - called);
      const { user, system } = process.threadCpuUsage(before);
      computed.push(user + system);
    }
    return {
      tokens,
      tags,
      openSeconds: Number(openSeconds.toFixed(2)),
      bytesPerToken: Math.round(bytesPerToken),
      findMicroseconds: Number(findMicroseconds.toFixed(1)),
      callMicroseconds: median(computed),
      callMilliseconds: Number(median(taken).toFixed(2)),
    };
  } finally {
    await server?.close();
    rmSync(directory, { recursive: true });
  }
}

/** What a process of its own keeps in memory, in bytes. */
function opened(directory: string): number {
  const program = fileURLToPath(new URL("opened.ts", import.meta.url));
  const words = [...process.execArgv, "--expose-gc", program, directory];
  return Number(execFileSync(process.execPath, words, { encoding: "utf8" }));
}

/** Tags that nobody has, each somewhere else among those that are there. */
function find({ token: { tags } }: Server): number {
  const wanted = Array.from({ length: 1000 }, () => randomBytes(WELCOME_AT));
  const begun = performance.now();
  for (const tag of wanted) tags.find(tag);
  return (1000 * (performance.now() - begun)) / wanted.length;
}

/** The first call of a token, to its welcome; the line is gone then. */
async function welcome({ token }: Server, engine: Engine, { pad, padId }: Caller): Promise<void> {
  const item = await new Promise<Uint8Array>((send) => {
    const link = new Link(token, { send, end: () => {} });
    link.receive(slotItem(pad.subarray(0, WELCOME_AT)));
  });
  engine.openItem({ padId, direction: "down", offset: WELCOME_AT }, pad.subarray(WELCOME_AT), item);
}

/** Adds tokens like those that are there, each with its tags, until there are so many. Their twins do not exist. */
function fill({ token }: Server, tokens: number): void {
  token.store.transact(() => {
    const { db } = token.store;
    // The index is made anew behind them: in the order of the tags it would be written all over.
    const index = db.prepare<[], string>("SELECT sql FROM sqlite_schema WHERE name = 'tag_pad'").pluck().get()!;
    db.exec(`
      DROP INDEX tag_pad;
      WITH RECURSIVE number (n) AS (SELECT ${CALLERS + 1} UNION ALL SELECT n + 1 FROM number WHERE n < ${tokens})
        INSERT INTO pad (name, pad_id, asset, account, tariff, length, slots, burn_unit, issued, state, split, receipt, booked, worth)
        SELECT printf('%016x', n), randomblob(16), asset, account, tariff, length, slots, burn_unit, issued, state, split,
          receipt, booked, worth FROM number, pad WHERE pad = 1;
      WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < ${TAGS_EACH - 1})
        INSERT INTO tag (start, pad, slot) SELECT random() AS start, pad, n FROM number, pad WHERE pad > ${CALLERS} ORDER BY start;
      ${index};
    `);
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
