// Calls: who is welcomed, who is not, and that nobody can tell why.

import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { KIND_NUMBER, slotItem } from "../../../host/protocol/index.ts";
import { activateToken, cancelToken, holdToken, showToken } from "../../../server/index.ts";
import { Caller, issue, linked, newServer, request, StoppedClock, settled, until, Wire } from "./world.ts";

const REFUSAL_BYTES = 68;

async function refused(wire: Wire, slot: Uint8Array): Promise<Uint8Array> {
  wire.send(slot);
  const item = await wire.next();
  expect(item).toMatchObject({ kind: "welcome", bytes: { length: REFUSAL_BYTES } });
  return item!.bytes;
}

test("T-23 what a line shows is a random-looking tag and sealed items; the server finds the twin by the tag", async () => {
  const server = await newServer();
  const tokens = [await issue(server), await issue(server), await issue(server)];
  const caller = await linked(server, tokens[1]!.low);
  await caller.ask("echo", new Uint8Array(40));
  const shown = Buffer.concat(caller.wire.seen);
  for (const { low } of tokens) expect(shown.includes(Buffer.from(low.padId))).toBe(false);
  expect(showToken(server.token, tokens[1]!.name)).toMatchObject({ calls: 1 });
  expect(showToken(server.token, tokens[0]!.name)).toMatchObject({ calls: 0 });
});

test("T-23 an unknown, a used, an inactive, a held and a cancelled token get the same 68 bytes, and no two are equal", async () => {
  const server = await newServer();
  const inactive = await issue(server, { active: false });
  const held = await issue(server);
  holdToken(server.token, held.name);
  const cancelled = await issue(server);
  cancelToken(server.token, cancelled.name);
  const used = await issue(server);
  const first = used.low.call();
  const caller = await linked(server, used.low);
  await caller.ask("echo", new Uint8Array(1));
  caller.drop();

  const slots = [slotItem(randomBytes(16)), first, inactive.low.call(), held.low.call(), cancelled.low.call()];
  const answers = await Promise.all(slots.map((slot) => refused(new Wire(server), slot)));
  for (const answer of answers) expect([...answer.subarray(0, 4)]).toEqual([48, 0, KIND_NUMBER.welcome, 0]);
  expect(new Set(answers.map((answer) => Buffer.from(answer).toString("hex"))).size).toBe(answers.length);

  activateToken(server.token, held.name);
  expect(await new Caller(server, held.low).connect()).not.toBe(null);
});

test("T-23 while a link opens boxes a second one with the same token is refused, and welcomed once that has been silent for 30 s", async () => {
  const clock = new StoppedClock();
  const server = await newServer({}, { clock });
  const { low } = await issue(server);
  const calling = linked(server, low);
  const moving = setInterval(() => clock.pass(1), 1);
  const first = await calling;
  await first.ask("echo", new Uint8Array(1));
  const second = new Wire(server);
  const refusal = await refused(second, low.call());
  expect(low.welcome(refusal)).toBe(null);
  expect(first.wire.ended).toBe(false);

  clock.pass(30_000);
  second.send(low.call());
  const welcome = await second.next();
  expect(low.welcome(welcome!.bytes)).toMatchObject({ lastCall: 1 });
  expect(first.wire.ended).toBe(true);
  clearInterval(moving);
});

test("T-01 the twin of a cancelled token is destroyed, at the latest when the server starts, and its pair is refused", async () => {
  const server = await newServer();
  const { name, low } = await issue(server);
  const caller = await linked(server, low);
  cancelToken(server.token, name);
  expect(caller.wire.ended).toBe(true);
  await refused(new Wire(server), low.call());
  expect(() => server.token.vault.read(name, 0, new Uint8Array(16))).toThrow(
    expect.objectContaining({ code: "PAD_MISSING" }),
  );
});

test("the same tag gets the same welcome and the same ready is accepted again, until a box of the link was opened", async () => {
  const server = await newServer();
  const { low } = await issue(server);
  const slot = low.call();
  const lines = [new Wire(server), new Wire(server), new Wire(server)] as const;
  lines[0].send(slot);
  const welcome = (await lines[0].next())!.bytes;
  const ready = low.ready(welcome, { cap: 100n });
  lines[0].send(ready);
  const receipt = (await lines[0].next())!.bytes;

  lines[1].send(slot);
  expect((await lines[1].next())!.bytes).toEqual(welcome);
  lines[1].send(ready);
  expect((await lines[1].next())!.bytes).toEqual(receipt);
  expect(lines[0].ended).toBe(true);

  expect(low.open(receipt)?.kind).toBe("receipt");
  lines[1].send(low.state());
  await settled(server);
  expect(await refused(lines[2], slot)).not.toEqual(welcome);
});

test("the same ready is accepted again also when boxes before it are lost, until a box of the link was opened", async () => {
  const server = await newServer();
  const { low, name } = await issue(server);
  const first = await linked(server, low);
  await first.ask("echo", new Uint8Array(1));
  first.drop();
  low.seal("last", new Uint8Array(100)); // It never leaves.
  const slot = low.call();
  const lines = [new Wire(server), new Wire(server), new Wire(server)] as const;
  lines[0].send(slot);
  const welcome = (await lines[0].next())!.bytes;
  const ready = low.ready(welcome, { cap: 100n });
  for (const line of lines.slice(0, 2)) {
    if (line !== lines[0]) {
      line.send(slot);
      expect((await line.next())!.bytes).toEqual(welcome);
    }
    line.send(ready);
    expect(await line.next()).toMatchObject({ kind: "receipt" });
  }
  expect(lines[0].ended).toBe(true);
  const { up } = showToken(server.token, name);
  expect(up).toBe(low.up);
  lines[1].send(low.seal("last", request("echo", new Uint8Array(1))));
  expect((await lines[1].next())!.kind).toBe("last");
  await refused(lines[2], slot);
});

test("a call of an earlier slot is refused, and the next welcome says that it was heard again", async () => {
  const server = await newServer();
  const { low } = await issue(server);
  const copy = low.copy();
  for (let link = 0; link < 2; link++) {
    const caller = await linked(server, low);
    await caller.ask("echo", new Uint8Array(1));
    caller.drop();
  }
  await refused(new Wire(server), copy.call());
  const wire = new Wire(server);
  wire.send(low.call());
  expect(low.welcome((await wire.next())!.bytes)).toMatchObject({ notes: { heardAgain: true }, lastCall: 2 });
});

test("10,000 calls that fail, and the next one connects", async () => {
  const server = await newServer();
  const { low } = await issue(server);
  const fail50 = async () => {
    const wire = new Wire(server);
    for (let call = 0; call < 50; call++) {
      wire.send(slotItem(randomBytes(16)));
      expect((await wire.next())!.bytes.length).toBe(REFUSAL_BYTES);
    }
  };
  await Promise.all(Array.from({ length: 200 }, fail50));
  expect(await new Caller(server, low).connect()).not.toBe(null);
});

test("a token that gave up 12 slots in a row is still heard", async () => {
  const server = await newServer();
  const { low, name } = await issue(server);
  low.nextSlot = 12;
  await linked(server, low);
  expect(showToken(server.token, name)).toMatchObject({ calls: 13 });
});

test("what is no item, or belongs elsewhere, ends the line and nothing else", async () => {
  const server = await newServer();
  const { low, name } = await issue(server);
  const caller = await linked(server, low);
  await caller.ask("echo", new Uint8Array(1));
  const before = showToken(server.token, name);
  const bad = [
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    new Uint8Array(4).fill(255),
    new Uint8Array([64, 0, 5, 0, ...randomBytes(80)]),
    new Uint8Array([0, 0, 1, 0, ...randomBytes(16)]),
    slotItem(randomBytes(16)),
  ];
  for (const bytes of bad.slice(0, 4)) {
    const wire = new Wire(server);
    wire.send(bytes);
    expect(await wire.next()).toBe(null);
  }
  caller.wire.send(bad[4]!);
  expect(await caller.answer()).toBe(null);
  expect(showToken(server.token, name)).toEqual(before);
});

test("a box that was changed, repeated, or left out ends the link, and what came before it stands", async () => {
  const server = await newServer();
  const { low, name } = await issue(server);
  const changes: ((boxes: Uint8Array[]) => Uint8Array[])[] = [
    ([a, b]) => [a!, b!.map((byte, at) => (at === 9 ? byte ^ 1 : byte))],
    ([a]) => [a!, a!],
    ([, b]) => [b!],
  ];
  for (const change of changes) {
    const caller = await linked(server, low);
    await caller.ask("echo", new Uint8Array(1));
    const up = showToken(server.token, name).up;
    const boxes = [low.seal("data", new Uint8Array(5)), low.seal("data", new Uint8Array(6))];
    const sent = change(boxes);
    caller.wire.send(...sent);
    expect(await caller.answer()).toBe(null);
    const accepted = sent[0] === boxes[0] ? 37 : 0;
    expect(showToken(server.token, name).up).toBe(up + accepted);
  }
});

test("T-23 a welcome and a refusal leave at the same time by the clock, however long each took", async () => {
  const clock = new StoppedClock();
  const server = await newServer({ answerAfterMs: 25 }, { clock });
  const { low } = await issue(server);
  const lines = [low.call(), slotItem(randomBytes(16))].map((slot) => {
    const wire = new Wire(server);
    wire.send(slot);
    return wire;
  });
  const quiet = () => new Promise((resolve) => setTimeout(resolve, 30));
  clock.pass(24);
  await quiet();
  expect(lines.map(({ seen }) => seen.length)).toEqual([0, 0]);
  clock.pass(1);
  // What is only now under way finds its time come.
  await until(() => {
    clock.pass(0);
    return lines.every(({ seen }) => seen.length > 0);
  });
  expect(lines.map(({ seen }) => seen.map(({ length }) => length))).toEqual([[REFUSAL_BYTES], [REFUSAL_BYTES]]);
});
