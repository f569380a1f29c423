// The server: how many requests a second are answered when each is durable with its debit and its sealed answer before it
// leaves. It is a process of its own, `tearpad serve`, in its usual settings. Devices ask it over TCP, all from one thread of
// this process: one alone; many at once, each of which waits for its answer before it asks again; many that have several
// requests on their way; and one with large requests. A small request is one box up, one debit, and one box down. The
// baselines, in the same run: what the disk does with raw writes of 4 KiB, each synced, and what the bare store does with a
// row a work, in groups. Where devices and server share the processors, the time that the server computes for one request
// says what it could do alone.

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomFillSync } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { encode, rfc8949EncodeOptions } from "cborg";
import { pino } from "pino";
import { activateToken, createServer, FIRST_CONFIG, type Office, openOffice } from "../server/index.ts";
import { openStore } from "../server/store/index.ts";

export interface ServerRow {
  readonly devices: number;
  /** Requests of a device that are on their way at once. */
  readonly inFlight: number;
  /** Bytes of a request, and about as many of its answer. */
  readonly bytes: number;
  readonly requestsPerSecond: number;
  /** Text in both directions: of boxes each of which is durable before the next thing is said. */
  readonly mebibytesPerSecond: number;
  /** Computing time of the server's process for one request; null where the system does not say. */
  readonly serverMicroseconds: number | null;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
  /** How many times as many as synced writes of 4 KiB, one after the other. */
  readonly rawSyncTimes: number;
  readonly rawSyncsPerSecond: number;
  /** From a request to its answer, in the time of one synced write. */
  readonly p50Syncs: number;
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
  readonly most: number;
  readonly inFlight: number;
  readonly releaseEvery: number;
}
interface DevicesResult {
  readonly answers: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly load: number;
}
/** Their result, with the microseconds that the server computed meanwhile. */
type Measured = DevicesResult & { readonly computed: number | null };

interface Load {
  readonly devices: number;
  readonly inFlight: number;
  readonly bytes: number;
  readonly padLength: number;
  readonly releaseEvery: number;
  readonly most: number;
}

const PAGE = Buffer.alloc(4096, 1);
const TEXT_BYTES = 256;
const MIB = 1024 * 1024;

/** Requests of 64 boxes each way: so often that both fit into a pad of 64 MiB. */
const LARGE: Load = { devices: 1, inFlight: 1, bytes: 63 * 4096, padLength: 64 * MIB, releaseEvery: 1, most: 64 };

function small(devices: number, inFlight = 1): Load {
  const padLength = devices === 1 ? 16 * MIB : 2 * MIB;
  // A request takes some 300 bytes of the pad each way.
  return { devices, inFlight, bytes: TEXT_BYTES, padLength, releaseEvery: 16, most: Math.floor(padLength / 700) };
}

/** Measures these loads, with requests to the service echo. */
export async function benchServer({ quick }: { readonly quick: boolean }): Promise<ServerRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "tearpad-bench-"));
  try {
    const seconds = quick ? 0.5 : 5;
    const rows: ServerRow[] = [];
    const many = quick ? 16 : 256;
    for (const [number, load] of [small(1), small(many), small(many, 8), LARGE].entries()) {
      const { devices, inFlight, bytes } = load;
      const raw = rawSyncs(directory, seconds / 2);
      const bare = await bareStore(join(directory, `${number}.db`), devices, seconds / 2);
      const found = await answered(join(directory, `server-${number}`), load, seconds);
      const rate = found.answers / found.seconds;
      rows.push({
        devices,
        inFlight,
        bytes,
        requestsPerSecond: Math.round(rate),
        mebibytesPerSecond: Number(((2 * bytes * rate) / MIB).toFixed(2)),
        serverMicroseconds: found.computed === null ? null : Number((found.computed / found.answers).toFixed(1)),
        p50Milliseconds: Number(found.p50.toFixed(2)),
        p99Milliseconds: Number(found.p99.toFixed(2)),
        rawSyncTimes: Number((rate / raw).toFixed(2)),
        rawSyncsPerSecond: Math.round(raw),
        p50Syncs: Number(((found.p50 * raw) / 1000).toFixed(1)),
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

async function answered(directory: string, load: Load, seconds: number): Promise<Measured> {
  createServer(directory, {
    ...FIRST_CONFIG,
    addresses: { number: 0, list: [] },
    tariffs: { bench: { asset: "TPD", perBox: 1, services: { echo: 0 } } },
    answerAfterMs: 1,
  });
  const office = await openOffice(directory, { log: pino({ level: "silent" }) });
  const tokens = Array.from({ length: load.devices }, () => issue(office, load.padLength));
  await office.close();
  const { server, port } = await serve(directory);
  try {
    const { releaseEvery, most, inFlight } = load;
    const request = requestOf(load.bytes);
    return await inThread({ port, tokens, request, seconds, most, inFlight, releaseEvery }, server.pid!);
  } finally {
    server.kill("SIGTERM");
    if (server.exitCode === null) await once(server, "exit");
  }
}

/** Starts a server, as an operator does. */
async function serve(directory: string): Promise<{ server: ChildProcess; port: number }> {
  const command = fileURLToPath(new URL("../cli/tearpad.ts", import.meta.url));
  const asked = ["serve", directory, "--listen", "tcp://127.0.0.1:0", "--json"];
  const server = spawn(process.execPath, [...process.execArgv, command, ...asked], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = (await once(server.stdout!, "data")) as [Buffer];
  const [address] = JSON.parse(line.toString()).addresses as [string];
  return { server, port: Number(new URL(address.replace("tcp:", "http:")).port) };
}

/** What a process has computed, in microseconds, of the kernel's time too; null where the system does not say. */
function computed(pid: number): number | null {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return null;
  // Behind the name in brackets; in ticks of 10 ms.
  const fields = readFileSync(file, "latin1").replace(/.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** A request of so many bytes. */
function requestOf(size: number): Uint8Array {
  const asked = (body: Uint8Array) => encode({ id: new Uint8Array(16), body, service: "echo" }, rfc8949EncodeOptions);
  const less = asked(randomBytes(size - 64));
  return asked(randomBytes(2 * size - 64 - less.length));
}

function issue(office: Office, padLength: number): DevicesTask["tokens"][number] {
  const issuing = office.issue({ padLength, burnUnit: 1, tariff: "bench", price: 1_000_000_000n });
  const pad = randomFillSync(new Uint8Array(padLength));
  issuing.write(pad);
  activateToken(office.token, issuing.finish());
  const { padId, token } = issuing.parameters;
  return { pad, padId, receipt: { ...token.receipt, call: 0, up: 0 } };
}

function inThread(task: DevicesTask, pid: number): Promise<Measured> {
  const thread = new Worker(new URL("../test/server/devices.ts", import.meta.url), { workerData: task });
  return new Promise((resolve, reject) => {
    thread.once("message", () => {
      // All are linked.
      const before = computed(pid);
      thread.once("message", (found: DevicesResult) => {
        const after = computed(pid);
        resolve({ ...found, computed: before === null || after === null ? null : after - before });
      });
    });
    thread.once("error", reject);
  });
}
