// The server: how many requests a second are answered when each is durable with its debit and its sealed answer before it
// leaves. Many devices ask at once, over TCP, from a thread of their own. The baselines, in the same run: what the disk does
// with raw writes of 4 KiB, each synced, and what the bare store does with a row a work, in groups.

import { randomBytes, randomFillSync } from "node:crypto";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { encode, rfc8949EncodeOptions } from "cborg";
import { pino } from "pino";
import { activateToken, createServer, FIRST_CONFIG, openServer, type Server } from "../server/index.ts";
import { openStore } from "../server/store/index.ts";

export interface ServerRow {
  readonly devices: number;
  readonly requestsPerSecond: number;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
  /** How many times as many as synced writes of 4 KiB, one after the other. */
  readonly rawSyncTimes: number;
  readonly rawSyncsPerSecond: number;
  /** The share of what the bare store does with one row a work. */
  readonly ofBareStore: number;
  readonly bareStorePerSecond: number;
  /** What the devices' thread was busy, from 0 to 1. */
  readonly devicesLoad: number;
}

/** What the thread of the devices, test/server/devices.ts, takes and finds. */
interface DevicesTask {
  readonly port: number;
  readonly tokens: readonly {
    readonly pad: Uint8Array;
    readonly padId: Uint8Array;
    readonly receipt: { sequence: number; call: number; balance: bigint; up: number; mac: Uint8Array };
  }[];
  readonly request: Uint8Array;
  readonly seconds: number;
  readonly releaseEvery: number;
}
interface DevicesResult {
  readonly answers: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly load: number;
}

const PAGE = Buffer.alloc(4096, 1);
const TEXT_BYTES = 256;
const MIB = 1024 * 1024;

/** Measures one device and many, with requests of 256 bytes to the service echo. */
export async function benchServer({ quick }: { readonly quick: boolean }): Promise<ServerRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "tearpad-bench-"));
  try {
    const seconds = quick ? 0.5 : 5;
    const rows: ServerRow[] = [];
    for (const devices of quick ? [1, 16] : [1, 256]) {
      const raw = rawSyncs(directory, seconds / 2);
      const bare = await bareStore(join(directory, `${devices}.db`), devices, seconds / 2);
      const found = await answered(join(directory, `server-${devices}`), devices, seconds);
      const rate = found.answers / found.seconds;
      rows.push({
        devices,
        requestsPerSecond: Math.round(rate),
        p50Milliseconds: Number(found.p50.toFixed(2)),
        p99Milliseconds: Number(found.p99.toFixed(2)),
        rawSyncTimes: Number((rate / raw).toFixed(2)),
        rawSyncsPerSecond: Math.round(raw),
        ofBareStore: Number((rate / bare).toFixed(2)),
        bareStorePerSecond: Math.round(bare),
        devicesLoad: Number(found.load.toFixed(2)),
      });
    }
    return rows;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Synced writes of 4 KiB a second. */
function rawSyncs(directory: string, seconds: number): number {
  const file = openSync(join(directory, "raw"), "w");
  const begun = performance.now();
  let count = 0;
  for (; performance.now() - begun < seconds * 1000; count++) {
    writeSync(file, PAGE);
    fdatasyncSync(file);
  }
  closeSync(file);
  return (count * 1000) / (performance.now() - begun);
}

/** Works a second of so many callers, each with one on its way, that insert a row of the size of an answer. */
async function bareStore(path: string, callers: number, seconds: number): Promise<number> {
  const sql = "CREATE TABLE row (row INTEGER PRIMARY KEY, bytes BLOB) STRICT";
  const store = openStore(path, [{ name: "bare", sql }], { create: true });
  const insert = store.db.prepare("INSERT INTO row (bytes) VALUES (?)");
  const bytes = randomBytes(TEXT_BYTES);
  const begun = performance.now();
  let count = 0;
  const caller = async () => {
    for (; performance.now() - begun < seconds * 1000; count++) await store.commit(() => insert.run(bytes));
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const rate = (count * 1000) / (performance.now() - begun);
  store.close();
  return rate;
}

async function answered(directory: string, devices: number, seconds: number): Promise<DevicesResult> {
  createServer(directory, {
    ...FIRST_CONFIG,
    addresses: { number: 0, list: [] },
    tariffs: { bench: { asset: "TPD", perBox: 1, services: { echo: 0 } } },
    answerAfterMs: 1,
  });
  const server = await openServer(directory, { log: pino({ level: "silent" }) });
  try {
    const tokens = Array.from({ length: devices }, () => issue(server, devices === 1 ? 16 * MIB : MIB));
    const [address] = await server.listen(["tcp://127.0.0.1:0"]);
    const { port } = new URL(address!.replace("tcp:", "http:"));
    const empty = encode({ id: new Uint8Array(16), body: new Uint8Array(200), service: "echo" }, rfc8949EncodeOptions);
    const body = randomBytes(200 + TEXT_BYTES - empty.length);
    const request = encode({ id: new Uint8Array(16), body, service: "echo" }, rfc8949EncodeOptions);
    const task: DevicesTask = { port: Number(port), tokens, request, seconds, releaseEvery: 16 };
    return await inThread(task);
  } finally {
    await server.close();
  }
}

function issue(server: Server, padLength: number): DevicesTask["tokens"][number] {
  const issuing = server.issue({ padLength, burnUnit: 1, tariff: "bench", price: 1_000_000_000n });
  const pad = randomFillSync(new Uint8Array(padLength));
  issuing.write(pad);
  activateToken(server.token, issuing.finish());
  const { padId, token } = issuing.parameters;
  return { pad, padId, receipt: { ...token.receipt, call: 0, up: 0 } };
}

function inThread(task: DevicesTask): Promise<DevicesResult> {
  const thread = new Worker(new URL("../test/server/devices.ts", import.meta.url), { workerData: task });
  return new Promise((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
  });
}
