// A pair: what the token's end and the server's twin have in common, and nobody else.

import { randomBytes } from "node:crypto";
import { afterEach, expect, test, vi } from "vitest";
import { cancelToken, showToken } from "../../../server/index.ts";
import { Caller, issue, linked, newServer, Wire } from "./world.ts";

const REFUSAL_BYTES = 68;

/** What the next pad is called; null: as it comes. */
let nextId: Uint8Array | null = null;
vi.mock("node:crypto", async (original) => {
  const crypto = await original<typeof import("node:crypto")>();
  return {
    ...crypto,
    randomBytes: (size: number) => (size === 16 && nextId !== null ? Buffer.from(nextId) : crypto.randomBytes(size)),
  };
});
afterEach(() => {
  nextId = null;
});

test("T-01 what a token seals its server opens, and what the server seals the token opens, byte for byte", async () => {
  const server = await newServer();
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  for (const length of [0, 1, 4096, 9000]) {
    const body = new Uint8Array(randomBytes(length));
    expect(await caller.ask("echo", body)).toMatchObject({ ok: true, body });
  }
  expect(showToken(server.token, name)).toMatchObject({ up: low.up, down: low.down });
});

test("T-01 T-38 a box of another pair fails its check: the link ends, and nothing of it is used, opened or charged", async () => {
  const server = await newServer();
  const [one, other] = [await issue(server), await issue(server)];
  const caller = await linked(server, one.low);
  await linked(server, other.low);
  const before = showToken(server.token, one.name);
  caller.wire.send(other.low.seal("last", new Uint8Array(50)));
  expect(await caller.answer()).toBe(null);
  expect(showToken(server.token, one.name)).toEqual(before);
  // Of a box from the server a foreign device gets no text either, and the box is not lost for the right one.
  const again = await linked(server, one.low);
  const copy = one.low.copy();
  again.wire.send(one.low.seal("last", new Uint8Array(1)));
  const box = (await again.wire.next())!.bytes;
  expect(other.low.open(box)).toBe(null);
  expect(copy.open(box)).not.toBe(null);
});

test("T-01 an identity is given once: a second pair of the same name is refused, and the first one goes on", async () => {
  const server = await newServer();
  nextId = new Uint8Array(16).fill(7);
  const { low, name } = await issue(server);
  const order = { padLength: 32 * 1024, burnUnit: 1, tariff: "money", price: 1n };
  expect(() => server.issue(order)).toThrow(expect.objectContaining({ code: "TOKEN_EXISTS", facts: { name } }));
  expect(await (await linked(server, low)).ask("echo", new Uint8Array(1))).toMatchObject({ ok: true });
  // Also when its twin is destroyed the name stays taken: the books remember it.
  cancelToken(server.token, name);
  expect(() => server.issue(order)).toThrow(expect.objectContaining({ code: "TOKEN_EXISTS", facts: { name } }));
});

test("T-01 a cancelled pair is refused at its call, like one that never was", async () => {
  const server = await newServer();
  const { low, name } = await issue(server);
  cancelToken(server.token, name);
  const wire = new Wire(server);
  wire.send(low.call());
  const refusal = await wire.next();
  expect(refusal).toMatchObject({ kind: "welcome", bytes: { length: REFUSAL_BYTES } });
  expect(low.welcome(refusal!.bytes)).toBe(null);
  expect(await new Caller(server, low).connect()).toBe(null);
});
