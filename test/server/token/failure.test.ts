// Disks that fail under the server: nothing leaves that is not durable, nothing is lost, and it goes on by itself.

import { spawnSync } from "node:child_process";
import process from "node:process";
import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, test, vi } from "vitest";
import * as z from "zod";
import { type Server, showToken } from "../../../server/index.ts";
import type { SlowService } from "../../../server/service/index.ts";
import { systemDisk, VaultError } from "../../../server/vault/index.ts";
import { Caller, expectBalanced, issue, linked, MONEY, newId, newServer, request, until, Wire } from "./world.ts";

/** Calls again, and sends the boxes again that the server has not opened, as a host does. */
async function again(caller: Caller, boxes: readonly Uint8Array[]): Promise<Caller> {
  const next = caller;
  next.wire.send(caller.low.call());
  const welcome = (await next.wire.next())!.bytes;
  const { up } = caller.low.welcome(welcome)!;
  const resent = up < caller.low.up ? boxes : [];
  caller.wire.send(caller.low.ready(welcome, { cap: 1_000_000n, again: caller.low.up }), ...resent);
  return next;
}

test("a database that cannot grow ends the link and nothing else; when there is room again the same boxes are taken once", async () => {
  let logged = "";
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      logged += chunk;
      done();
    },
  });
  const server = await newServer({}, { log: pino(sink) });
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  await caller.ask("echo", new Uint8Array(1));
  const before = showToken(server.token, name);
  const seen = caller.wire.seen.length;
  const { db } = server.token.store;
  const pages = db.pragma("page_count", { simple: true }) as number;
  db.pragma(`max_page_count = ${pages}`);
  const id = newId();
  const boxes: Uint8Array[] = [];
  for (let i = 0; i < 40 && !caller.wire.ended; i++) {
    const box = low.seal("last", request("echo", new Uint8Array(3000), i === 0 ? id : newId()));
    boxes.push(box);
    caller.wire.send(box);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until(() => caller.wire.ended);
  expect(logged).toContain("STORE_FULL");
  expectBalanced(server);
  const answered = caller.wire.seen.length - seen;
  const stood = showToken(server.token, name);
  expect(Number(before.balance - stood.balance)).toBe(answered * 16);

  db.pragma("max_page_count = 1000000");
  const next = new Caller(server, low);
  await again(next, boxes.slice(answered));
  for (let i = 0; i < boxes.length; i++) expect(await next.answer()).toMatchObject({ ok: true, charged: 16 });
  expect(showToken(server.token, name).balance).toBe(before.balance - BigInt(16 * boxes.length));
  expectBalanced(server);
});

test("limits that cannot be synced keep everything of their group back; it leaves when they can be", async () => {
  const server = await newServer();
  const tokens = [await issue(server), await issue(server), await issue(server)];
  const callers = await Promise.all(tokens.map(({ low }) => linked(server, low)));
  const seen = callers.map(({ wire }) => wire.seen.length);
  const { limits } = server.token;
  failOnce(limits, () => true);
  for (const { wire, low } of callers) wire.send(low.seal("last", request("echo", new Uint8Array(1))));
  await until(() => callers.every(({ wire }) => wire.ended));
  expect(callers.map(({ wire }) => wire.seen.length)).toEqual(seen);
  for (const { low, name } of tokens) {
    expect(showToken(server.token, name).balance).toBe(9996n);
    const next = new Caller(server, low);
    await again(next, []);
    expect(await next.answer()).toMatchObject({ ok: true, balance: 9996 });
    expect(limits.latest().get(name)?.down).toBe(showToken(server.token, name).down);
  }
});

test("a welcome whose limits could not be synced does not leave without them either, when the same tag comes again", async () => {
  const server = await newServer();
  const { low, name } = await issue(server);
  const { limits } = server.token;
  const heard = () => limits.latest().get(name)?.heard ?? 0;
  fullOnce();
  const first = new Wire(server);
  first.send(low.call());
  // It is refused, in as many bytes as anybody.
  const refusal = (await first.next())!.bytes;
  expect([refusal.length, low.welcome(refusal)]).toEqual([68, null]);
  expect(heard()).toBe(0);
  const second = new Wire(server);
  second.send(low.call());
  expect(low.welcome((await second.next())!.bytes)).not.toBe(null);
  expect(heard()).toBe(1);
});

test("a token whose twin is lost is refused like any other, and the operator is told", async () => {
  let logged = "";
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      logged += chunk;
      done();
    },
  });
  const server = await newServer({}, { log: pino(sink) });
  const { low, name } = await issue(server);
  server.token.vault.retire(name);
  const wire = new Wire(server);
  wire.send(low.call());
  const refusal = (await wire.next())!.bytes;
  expect(refusal.length).toBe(68);
  expect(low.welcome(refusal)).toBe(null);
  expect(logged).toContain("PAD_MISSING");
});

test("T-42 what a server logs by itself names neither the machine nor the process", async () => {
  const { directory } = await newServer();
  const module = new URL("../../../server/index.ts", import.meta.url).href;
  const script = `const { openOffice } = await import(${JSON.stringify(module)});
    const office = await openOffice(${JSON.stringify(directory)});
    office.token.log.warn("a line");
    await office.close();`;
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" });
  const line = stderr.split("\n").find((each) => each.startsWith("{"));
  expect(Object.keys(JSON.parse(line ?? "{}"))).toEqual(["level", "time", "msg"]);
});

/** The disk takes nothing for one write. */
function fullOnce(): void {
  vi.spyOn(systemDisk, "write").mockImplementationOnce(() => {
    throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  });
}

function failOnce(limits: Server["token"]["limits"], when: () => boolean): void {
  const sync = limits.sync.bind(limits);
  let done = false;
  vi.spyOn(limits, "sync").mockImplementation(() => {
    if (done || !when()) return sync();
    done = true;
    throw new VaultError("VAULT_FULL", { path: "limits.log" });
  });
}

test("a disk that fails behind a slow service, or before it began, leaves neither a hold nor a request without an answer", async () => {
  let phase: "begin" | "work" | "answer" = "work";
  const slow: SlowService<object> = {
    name: "slow",
    class: "calculation",
    schema: z.strictObject({}),
    mostFee: () => 50n,
    work: async () => {
      phase = "answer";
      return { body: "done", fee: 20n };
    },
  };
  const tariffs = { money: { ...MONEY, services: { slow: 0, echo: 0 } } };
  const server = await newServer({ tariffs }, { services: [slow] as unknown as [] });
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  failOnce(server.token.limits, () => phase === "answer");
  expect(await caller.ask("slow", {})).toMatchObject({ ok: true, charged: 24 });
  expect(showToken(server.token, name)).toMatchObject({ balance: 9976n, held: 0n });

  vi.restoreAllMocks();
  phase = "begin";
  failOnce(server.token.limits, () => phase === "begin");
  expect(await caller.ask("slow", {})).toBe(null);
  expect(showToken(server.token, name).held).toBeGreaterThan(0n);
  phase = "work";
  const next = new Caller(server, low);
  await again(next, []);
  expect(await next.answer()).toMatchObject({ ok: false, charged: 0, error: { code: "OUTCOME_UNKNOWN" } });
  expect(showToken(server.token, name)).toMatchObject({ balance: 9976n, held: 0n });
  expectBalanced(server);
});
