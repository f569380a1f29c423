// What comes in: held in memory only, never run, overwritten after use; and nothing of it, or of who sent it, stays.

import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import * as z from "zod";
import type { LinkItem } from "../../../host/protocol/index.ts";
import { showToken } from "../../../server/index.ts";
import type { SlowService } from "../../../server/service/index.ts";
import { systemDisk } from "../../../server/vault/index.ts";
import {
  Caller,
  filesWith,
  issue,
  keptLog,
  linked,
  MONEY,
  newId,
  newServer,
  request,
  stop,
  until,
  Wire,
} from "./world.ts";

const MARK = "this-text-is-nowhere-on-the-disk";
const text = (length: number) => new Uint8Array(Buffer.alloc(length, MARK));

test("T-38 no part of a request or an answer is written in clear, finished or not", async () => {
  const server = await newServer();
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  expect(await caller.ask("echo", text(2000))).toMatchObject({ ok: true });
  expect(
    await caller.ask("store", { action: "put", name: MARK, offset: 0, bytes: text(9000), end: true }),
  ).toMatchObject({
    ok: true,
  });
  const [first] = low.sealRun(request("echo", text(9000)));
  const { up } = showToken(server.token, name);
  caller.wire.send(first!);
  await until(() => showToken(server.token, name).up > up);
  expect(filesWith(server.directory, MARK)).toEqual([]);
  caller.drop();
  await stop(server);
  expect(filesWith(server.directory, MARK)).toEqual([]);
});

test("T-38 what was decrypted is overwritten when its answer is made", async () => {
  const server = await newServer();
  const { low } = await issue(server);
  const opened = vi.spyOn(server.token.engine, "openItem");
  const caller = await linked(server, low);
  expect(await caller.ask("echo", text(500))).toMatchObject({ ok: true });
  expect(await caller.ask("echo", text(3000))).toMatchObject({ ok: true });
  expect(await caller.ask("echo", { script: text(500) })).toMatchObject({ ok: false });
  const texts = opened.mock.results
    .filter(({ type }) => type === "return")
    .map(({ value }) => value.text as Uint8Array);
  expect(texts.length).toBeGreaterThanOrEqual(4);
  for (const bytes of texts) expect(Buffer.from(bytes).includes(MARK.slice(0, 8))).toBe(false);
});

test("T-38 what a slow service works on stays as it came until it is done, and is overwritten then", async () => {
  const bodies: { bytes: Uint8Array }[] = [];
  const slow: SlowService<{ bytes: Uint8Array }> = {
    name: "slow",
    class: "calculation",
    schema: z.strictObject({ bytes: z.instanceof(Uint8Array) }),
    mostFee: () => 0n,
    work: async (body) => {
      bodies.push(body);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { body: body.bytes.slice() };
    },
  };
  const tariffs = { money: { ...MONEY, services: { slow: 0 } } };
  const server = await newServer({ tariffs }, { services: [slow] as unknown as [] });
  const { low } = await issue(server);
  const caller = await linked(server, low);
  for (const length of [300, 9000]) {
    expect(await caller.ask("slow", { bytes: text(length) })).toMatchObject({ ok: true, body: text(length) });
  }
  for (const { bytes } of bodies) expect(bytes).toEqual(new Uint8Array(bytes.length));
});

test("T-38 a program in a body is bytes: it comes back as it went, and nothing ran", async () => {
  const server = await newServer();
  const { low } = await issue(server);
  const caller = await linked(server, low);
  const script = new Uint8Array(Buffer.from("#!/bin/sh\ntouch /tmp/tearpad-was-here\n"));
  expect(await caller.ask("echo", script)).toMatchObject({ ok: true, body: script });
  const proto = await caller.ask("echo", JSON.parse('{"__proto__": {"polluted": true}}'));
  expect(proto).toMatchObject({ ok: false, error: { code: "BAD_BODY" } });
  expect(({} as { polluted?: boolean }).polluted).toBe(undefined);
});

test("T-42 neither the books nor the log have a tag or an id of a request; a field for a person is refused", async () => {
  const { log, logged } = keptLog();
  const server = await newServer({}, { log });
  const { low } = await issue(server);
  const slot = low.call();
  const caller = await linked(server, low);
  const id = new Uint8Array(Buffer.from("id-of-a-request!"));
  await caller.ask("echo", new Uint8Array(3), id);
  const personal = { action: "list", email: "somebody@example.org" };
  expect(await caller.ask("store", personal)).toMatchObject({ ok: false, error: { code: "BAD_BODY" } });
  await caller.end();
  await stop(server);
  expect(logged()).toContain('"link"');
  expect(filesWith(server.directory, "somebody@example.org")).toEqual([]);
  expect(logged()).not.toContain("somebody@example.org");
  for (const bytes of [slot.subarray(4), id]) {
    expect(logged()).not.toContain(Buffer.from(bytes).toString("hex"));
    expect(logged()).not.toContain(Buffer.from(bytes).toString("latin1"));
  }
  expect(filesWith(server.directory, slot.subarray(4))).toEqual([]);
});

test("T-23 who is refused has waited for the same of the disk as who is welcomed, and gets as many bytes, whatever failed", async () => {
  const server = await newServer();
  const { low } = await issue(server);
  const other = await issue(server);
  const synced = vi.spyOn(systemDisk, "sync");
  const stands = () => ["tearpad.db-wal", "limits.log"].map((file) => statSync(join(server.directory, file)).size);
  /** What a call makes the disk do, and what it is answered. */
  const cost = async (tag: Uint8Array): Promise<{ grew: boolean[]; syncs: number; answer: LinkItem | null }> => {
    const before = stands();
    synced.mockClear();
    const wire = new Wire(server);
    wire.send(tag);
    const answer = await wire.next();
    wire.link.closed();
    return { grew: stands().map((size, i) => size > before[i]!), syncs: synced.mock.calls.length, answer };
  };
  const nobody = () => new Uint8Array([...low.call().subarray(0, 4), ...randomBytes(16)]);
  const refused = (answer: LinkItem | null) =>
    expect([answer?.kind, answer?.bytes.length, low.welcome(answer!.bytes)]).toEqual(["welcome", 68, null]);

  const welcomed = await cost(low.call());
  expect(welcomed.answer?.kind).toBe("welcome");
  expect(welcomed).toMatchObject({ grew: [true, true], syncs: 1 });
  const unknown = await cost(nobody());
  refused(unknown.answer);
  expect({ ...unknown, answer: null }).toEqual({ ...welcomed, answer: null });

  const { tariffs } = server.token.config as unknown as { tariffs: Map<string, unknown> };
  const tariff = tariffs.get("money");
  tariffs.delete("money");
  const fallen = await cost(other.low.call());
  tariffs.set("money", tariff);
  refused(fallen.answer);
  expect({ ...fallen, answer: null }).toEqual({ ...welcomed, answer: null });

  synced.mockImplementation(() => {
    throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  });
  refused((await cost(other.low.call())).answer);
  refused((await cost(nobody())).answer);
  synced.mockRestore();
  expect(await new Caller(server, other.low).connect()).not.toBe(null);
});

test("bytes that are no request are answered BAD_REQUEST with an id of zeros, and the link goes on", async () => {
  const server = await newServer();
  const { low } = await issue(server);
  const caller = await linked(server, low);
  const good = request("echo", new Uint8Array(1));
  const bad = [
    new Uint8Array(0),
    new Uint8Array([0xff]),
    new Uint8Array(4000).fill(0x81),
    good.subarray(0, good.length - 1),
    Buffer.concat([good, good]),
    Buffer.from([0xbf, ...good.subarray(1), 0xff]),
    Buffer.concat([Buffer.from([0xa4]), good.subarray(1), Buffer.from([0x61, 0x78, 0x00])]),
  ];
  for (const bytes of bad) {
    caller.wire.send(low.seal("last", bytes));
    expect(await caller.answer()).toMatchObject({ id: new Uint8Array(16), ok: false, error: { code: "BAD_REQUEST" } });
  }
  expect(await caller.ask("echo", new Uint8Array(1))).toMatchObject({ ok: true });
});

test("a request above the bound is answered so, and does not stay in memory or in the store", async () => {
  const server = await newServer({ limits: { largestRequest: 10_000 } });
  const { low } = await issue(server, { tariff: "free", padLength: 4 * 1024 * 1024 });
  const caller = await linked(server, low);
  caller.wire.send(...low.sealRun(request("echo", new Uint8Array(60_000))));
  expect(await caller.answer()).toMatchObject({ ok: false, error: { code: "REQUEST_TOO_LARGE" } });
  expect(server.token.store.db.prepare("SELECT count(*) FROM part").pluck().get()).toBe(0);
  expect(await caller.ask("echo", new Uint8Array(9000))).toMatchObject({ ok: true });
});

test("answers that were released are forgotten, but for the newest, under which a request that comes again is known", async () => {
  const server = await newServer({ limits: { recordedBytes: 2000 } });
  const { low, name } = await issue(server, { padLength: 4 * 1024 * 1024 });
  const caller = await linked(server, low);
  const first = newId();
  await caller.ask("echo", new Uint8Array(1), first);
  for (let round = 0; round < 10; round++) {
    caller.wire.send(...Array.from({ length: 20 }, () => low.seal("last", request("echo", new Uint8Array(1)))));
    for (let i = 0; i < 20; i++) await caller.answer();
  }
  const rows = () => server.token.store.db.prepare("SELECT count(*) FROM answer").pluck().get() as number;
  expect(rows()).toBeGreaterThan(200);
  // Nothing was acknowledged yet: everything is known.
  expect(await caller.ask("echo", new Uint8Array(1), first)).toMatchObject({ balance: 9996 });
  caller.wire.send(low.state());
  const last = newId();
  const answer = await caller.ask("echo", new Uint8Array(1), last);
  expect(rows()).toBeLessThan(40);
  const { balance } = showToken(server.token, name);
  expect(await caller.ask("echo", new Uint8Array(1), last)).toEqual(answer);
  expect(showToken(server.token, name).balance).toBe(balance);
  expect(await caller.ask("echo", new Uint8Array(1), first)).toMatchObject({
    charged: 4,
    balance: answer!.balance - 4,
  });
});
