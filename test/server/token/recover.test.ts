// What the server remembers across a crash, and what it does when an older database, or an older device, is put back.

import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "cborg";
import { expect, test } from "vitest";
import * as z from "zod";
import { upBase } from "../../../host/protocol/index.ts";
import { placesIn } from "../../../server/directory.ts";
import { createServer, openOffice, resolveDoubt, type Server, showToken } from "../../../server/index.ts";
import type { SlowService } from "../../../server/service/index.ts";
import { Vault } from "../../../server/vault/index.ts";
import {
  Caller,
  config,
  crashed,
  expectBalanced,
  issue,
  linked,
  MONEY,
  newId,
  request,
  restore,
  scratch,
  startServer,
  stop,
  until,
  Wire,
} from "./world.ts";

async function begin(changes: object = {}): Promise<{ directory: string; server: Server }> {
  const directory = scratch();
  createServer(directory, config(changes));
  return { directory, server: await startServer(directory) };
}

const slow: SlowService<object> = {
  name: "slow",
  class: "calculation",
  schema: z.strictObject({}),
  mostFee: () => 50n,
  work: (_body, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("stopped")));
    }),
};

test("what was answered and not released goes out again after a crash, byte for byte, before a new receipt", async () => {
  const { directory, server } = await begin();
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  const before = low.copy();
  const sent = low.sealRun(request("echo", new Uint8Array([7])));
  caller.wire.send(...sent);
  const answer = (await caller.wire.next())!.bytes;
  const copy = crashed(directory);
  const other = await startServer(copy);
  expect(other.recovery).toEqual({ restored: 0, unknown: 0, cutOff: 0 });
  Object.assign(low, { down: before.down });
  low.release();
  const again = new Wire(other);
  again.send(low.call());
  const welcome = (await again.next())!.bytes;
  expect(low.welcome(welcome)).toMatchObject({ up: low.up, lastCall: 1, notes: { inDoubt: false } });
  again.send(low.ready(welcome, { cap: 1n }));
  expect((await again.next())!.bytes).toEqual(answer);
  expect((await again.next())!.kind).toBe("receipt");
  expect(showToken(other.token, name).balance).toBe(9996n);
});

test("a run that a crash cut goes on behind its accepted boxes", async () => {
  const { directory, server } = await begin();
  const { low, name } = await issue(server, { tariff: "free" });
  const caller = await linked(server, low);
  const boxes = low.sealRun(request("echo", new Uint8Array(9000)));
  caller.wire.send(boxes[0]!);
  await until(() => showToken(server.token, name).up > 4000);
  const other = await startServer(crashed(directory));
  const again = new Wire(other);
  again.send(low.call());
  const welcome = (await again.next())!.bytes;
  const { up, unfinished } = low.welcome(welcome)!;
  expect(unfinished).toBe(1);
  // The other two were sealed before: they are sent again as they are.
  again.send(low.ready(welcome, { again: low.up, number: 0 }), boxes[1]!, boxes[2]!);
  expect(up).toBe(4128);
  const kinds: string[] = [];
  for (let item = await again.next(); item !== null && kinds.length < 12; item = await again.next()) {
    kinds.push(low.open(item.bytes)!.kind);
    if (kinds.at(-1) === "last") break;
  }
  expect(kinds.filter((kind) => kind === "data" || kind === "last")).toEqual(["data", "data", "last"]);
});

test("T-13 a crash while a slow service works: its hold is voided, and the answer says unknown and not charged", async () => {
  const tariffs = { money: { ...MONEY, services: { slow: 3, echo: 0 } } };
  const directory = scratch();
  createServer(directory, config({ tariffs }));
  const services = [slow] as unknown as [];
  const server = await startServer(directory, { services });
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  const id = newId();
  caller.wire.send(...low.sealRun(request("slow", {}, id)));
  await until(() => showToken(server.token, name).held > 0n);
  const other = await startServer(crashed(directory), { services });
  expect(other.recovery).toEqual({ restored: 0, unknown: 0, cutOff: 1 });
  expect(showToken(other.token, name)).toMatchObject({ balance: 10_000n, held: 0n });
  const again = new Caller(other, low);
  expect(await again.connect()).toMatchObject({ balance: 10_000n });
  expect(await again.answer()).toMatchObject({ id, ok: false, charged: 0, error: { code: "OUTCOME_UNKNOWN" } });
  expect(await again.ask("slow", {}, id)).toMatchObject({ id, ok: false, error: { code: "OUTCOME_UNKNOWN" } });
  expectBalanced(other);
});

test("T-51 T-04 an older database is put back: no pad byte is used again, and the device's receipt restores the balance", async () => {
  const { directory, server } = await begin();
  const { low, name } = await issue(server);
  const backup = crashed(directory);
  for (let link = 0; link < 3; link++) {
    const caller = await linked(server, low);
    for (let i = 0; i < 5; i++) await caller.ask("echo", new Uint8Array(50));
    await caller.end();
  }
  const before = showToken(server.token, name);
  await stop(server);
  restore(backup, directory);

  const other = await startServer(directory);
  expect(other.recovery.restored).toBe(1);
  const { up, down, split, receipt } = before;
  expect(showToken(other.token, name)).toMatchObject({ up, down, split, receipt, inDoubt: true, balance: 10_000n });
  const caller = new Caller(other, low);
  caller.wire.send(low.call());
  const welcome = (await caller.wire.next())!.bytes;
  expect(low.welcome(welcome)).toMatchObject({ up, down, notes: { inDoubt: true } });
  caller.wire.send(low.ready(welcome, { cap: 100n }));
  expect(await caller.receipt()).toMatchObject({ balance: before.balance });
  expect(showToken(other.token, name)).toMatchObject({ inDoubt: false, balance: before.balance });
  expect(await caller.ask("store", { action: "list" })).toMatchObject({ ok: true });
  expectBalanced(other);
});

test("T-51 a device that claims less use than the limits know is not believed: its session is limited until the operator resolves it", async () => {
  const { directory, server } = await begin();
  const { low, name } = await issue(server);
  const backup = crashed(directory);
  const lower = await linked(server, low);
  await lower.ask("echo", new Uint8Array(1));
  await lower.end();
  const claimed = low.receipt;
  const later = await linked(server, low);
  for (let i = 0; i < 5; i++) await later.ask("echo", new Uint8Array(1));
  await later.end();
  await stop(server);
  restore(backup, directory);

  const other = await startServer(directory);
  low.receipt = claimed;
  const caller = new Caller(other, low);
  await caller.connect();
  expect(showToken(other.token, name)).toMatchObject({ inDoubt: true });
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ ok: true });
  expect(await caller.ask("store", { action: "list" })).toMatchObject({
    ok: false,
    charged: 0,
    error: { code: "IN_DOUBT" },
  });
  // What the books say its owner can still read.
  expect(await caller.ask("statement", { last: 9 })).toMatchObject({
    ok: true,
    body: { entries: [{ reason: "issue", amount: 10_000 }, { reason: "correction" }, { reason: "traffic" }] },
  });
  caller.drop();
  // The receipt of the session in doubt proves nothing either.
  const again = await linked(other, low);
  expect(await again.ask("store", { action: "list" })).toMatchObject({ ok: false, error: { code: "IN_DOUBT" } });
  resolveDoubt(other.token, name);
  const resolved = await linked(other, low);
  expect(await resolved.ask("store", { action: "list" })).toMatchObject({ ok: true });
  expectBalanced(other);
});

test("T-51 behind a restore every link says where down goes on, and answers that were not released come again unasked", async () => {
  const { directory, server } = await begin({ limits: { recordedBytes: 0 } });
  const { low, name } = await issue(server, { tariff: "free" });
  const first = await linked(server, low);
  const heard = low.down;
  const kept = newId();
  await first.ask("echo", new Uint8Array(7), kept);
  const backup = crashed(directory);
  first.wire.send(...low.sealRun(request("echo", new Uint8Array(300))));
  await first.answer();
  const { down } = showToken(server.token, name);
  Object.assign(low, { down: heard, released: heard }); // It lost its power before it released anything.
  await stop(server);
  restore(backup, directory);

  const other = await startServer(directory);
  for (const line of [1, 2, 3]) {
    const wire = new Wire(other);
    wire.send(low.call());
    const { bytes } = (await wire.next())!;
    expect(low.welcome(bytes)).toMatchObject({ lost: down });
    // The first two are cut before anything has come down.
    wire.send(low.ready(bytes));
    expect(low.open((await wire.next())!.bytes)!.kind).toBe("last");
    expect(low.down).toBeGreaterThan(down);
    if (line < 3) low.down = heard;
    wire.link.closed();
  }
  low.down = heard;
  const caller = new Caller(other, low);
  await caller.connect();
  expect(await caller.answer()).toMatchObject({ id: kept, ok: true, body: new Uint8Array(7) });
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ ok: true });
  await caller.end();
  // It came once: what was sealed anew is not sealed anew again.
  expect(caller.receipts).toHaveLength(5);
  expect(await new Caller(other, low).connect()).not.toBe(null);
});

test("T-51 the rest of a run that went with a database is not taken for a request, and a new run is", async () => {
  const { directory, server } = await begin();
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  const backup = crashed(directory);
  caller.wire.send(low.seal("data", new Uint8Array(4096)));
  await until(() => showToken(server.token, name).up > 4096);
  caller.drop();
  await stop(server);
  restore(backup, directory);

  const other = await startServer(directory);
  // To the server it begins here, and it reads as a request.
  const rest = low.seal("last", request("echo", new Uint8Array([1])));
  const again = new Wire(other);
  again.send(low.call());
  const { bytes } = (await again.next())!;
  const { up, unfinished } = low.welcome(bytes)!;
  expect({ up, unfinished }).toEqual({ up: 4128, unfinished: 0 });
  low.up = up;
  again.send(low.ready(bytes, { number: 1, cap: 100n }), rest);
  low.up = up + rest.length + 12;
  const id = newId();
  again.send(...low.sealRun(request("echo", new Uint8Array([2]), id)));
  const answers: Uint8Array[] = [];
  while (answers.length === 0) {
    const heard = low.open((await again.next())!.bytes)!;
    if (heard.kind === "last") answers.push(heard.text);
  }
  expect(decode(answers[0]!)).toMatchObject({ id, ok: true, charged: 4 });
  expect(showToken(other.token, name).balance).toBe(9996n);
});

test("T-51 the welcome of a call that a restore has made untrue is not told again", async () => {
  const { directory, server } = await begin();
  const { low, name } = await issue(server);
  const wire = new Wire(server);
  wire.send(low.call());
  const { bytes } = (await wire.next())!;
  const backup = crashed(directory);
  const called = low.call();
  wire.send(low.ready(bytes, { cap: 5n }));
  await wire.next();
  const { receipt } = showToken(server.token, name);
  await stop(server);
  restore(backup, directory);

  const other = await startServer(directory);
  const again = new Wire(other);
  again.send(called);
  expect((await again.next())!.bytes).not.toEqual(bytes);
  expect(await new Caller(other, low).connect()).toMatchObject({ sequence: receipt + 1 });
});

test("pages that waited to be burned when the server crashed are burned at its next start, and no note of them stays", async () => {
  const { directory, server } = await begin({ limits: { burnLagMs: 3_600_000 } });
  const { low, name } = await issue(server, { tariff: "free" });
  const caller = await linked(server, low);
  await caller.ask("echo", new Uint8Array(9000));
  const noted = ({ token }: Server) => token.store.db.prepare("SELECT count(*) FROM burning").pluck().get();
  expect(noted(server)).toBe(1);
  const { up } = showToken(server.token, name);
  const copy = crashed(directory);
  const page = Math.ceil(upBase(low.shape) / 4096);
  expect((page + 1) * 4096).toBeLessThan(upBase(low.shape) + up);
  const left = () => {
    const { vault, epochKey } = placesIn(copy);
    const twins = Vault.open(vault, epochKey);
    try {
      twins.read(name, page * 4096, new Uint8Array(16));
    } finally {
      twins.close();
    }
  };
  expect(left).not.toThrow();
  const other = await startServer(copy);
  expect(left).toThrow(expect.objectContaining({ code: "PAGE_BURNED" }));
  await until(() => noted(other) === 0);
  // In order it ends without any.
  await stop(server);
  const next = await startServer(directory);
  expect(noted(next)).toBe(0);
});

test("T-51 a receipt that was tampered with is refused with the link", async () => {
  const { server } = await begin();
  const { low } = await issue(server);
  low.receipt = { ...low.receipt, balance: 1_000_000n };
  const caller = new Caller(server, low);
  expect(await caller.connect()).toBe(null);
  expect(caller.wire.ended).toBe(true);
});

test("T-04 an older image of the device is told from the server's marks, and is blocked before it uses a byte", async () => {
  const { server } = await begin();
  const { low } = await issue(server);
  const warmUp = await linked(server, low);
  await warmUp.ask("echo", new Uint8Array(1));
  warmUp.drop();
  const older = low.copy();
  const caller = await linked(server, low);
  await caller.ask("echo", new Uint8Array(1));
  await caller.end();
  caller.drop();
  const wire = new Wire(server);
  wire.send(older.call());
  const refusal = (await wire.next())!.bytes;
  expect(older.welcome(refusal)).toBe(null);
  older.nextSlot++;
  wire.send(older.call());
  const welcome = (await wire.next())!.bytes;
  expect(() => older.ready(welcome)).toThrow("OLDER 1");
});

test("limits that are behind the books are brought up before anything leaves", async () => {
  const { directory, server } = await begin();
  const { low, name } = await issue(server);
  await (await linked(server, low)).ask("echo", new Uint8Array(1));
  const { up, down } = showToken(server.token, name);
  await stop(server);
  rmSync(join(directory, "limits.log"));
  const { Limits } = await import("../../../server/vault/index.ts");
  Limits.open(join(directory, "limits.log"), { create: true }).close();
  const other = await startServer(directory);
  expect(other.token.limits.latest().get(name)).toMatchObject({ up, down });
});

test("T-51 a damaged log of limits is named, and what its error advises begins a new one that the server fills", async () => {
  const { directory, server } = await begin();
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  for (let i = 0; i < 3; i++) await caller.ask("echo", new Uint8Array(1));
  await caller.end();
  const { up, down } = showToken(server.token, name);
  await stop(server);
  const log = join(directory, "limits.log");
  writeFileSync(log, readFileSync(log).fill(0, 20, 90));
  const error = await startServer(directory).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "LIMITS_CORRUPT", facts: { path: log } });
  const command = /printf '[^']+' > limits\.log/.exec((error as { advice: string }).advice);
  renameSync(log, `${log}.damaged`);
  execFileSync("sh", ["-c", command![0]], { cwd: directory });
  const other = await startServer(directory);
  expect(other.token.limits.latest().get(name)).toMatchObject({ up, down });
  expect(await (await linked(other, low)).ask("echo", new Uint8Array(1))).toMatchObject({ ok: true });
});

test("an operator's commands work beside the server, and a link notices", async () => {
  const { directory, server } = await begin();
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  const office = await openOffice(directory);
  const { cancelToken, creditToken } = await import("../../../server/index.ts");
  creditToken(office.token, name, 5n, "beside");
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ balance: 10_001 });
  const other = await issue(office as Server);
  expect(await new Caller(server, other.low).connect()).not.toBe(null);
  cancelToken(office.token, name);
  expect(await caller.ask("echo", new Uint8Array(1))).toBe(null);
  await office.close();
});

test("a second process does not serve the same directory", async () => {
  const { directory } = await begin();
  await expect(startServer(directory)).rejects.toMatchObject({ code: "SERVER_BUSY" });
});
