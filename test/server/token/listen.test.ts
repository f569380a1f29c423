// Lines over real sockets: who may come, how many, and for how long.

import { connect, createServer as listenOn, type Socket } from "node:net";
import { expect, test } from "vitest";
import WebSocket from "ws";
import { createServer, creditToken, openOffice, openServer, type Server, showToken } from "../../../server/index.ts";
import { Door } from "../../../server/listen/index.ts";
import type { LowEnd } from "../low-end.ts";
import {
  Caller,
  config,
  filesWith,
  issue,
  keptLog,
  newServer,
  request,
  StoppedClock,
  scratch,
  settled,
  silent,
  startServer,
  stop,
  until,
} from "./world.ts";

const ANY = "127.0.0.1:0";

function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}

function dial(address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: portOf(address), host: "127.0.0.1" }, () => resolve(socket));
    socket.on("error", reject);
  });
}

/** The next bytes of a socket; null when it has ended. */
function bytesOf(socket: Socket): Promise<Buffer | null> {
  return new Promise((resolve) => {
    socket.once("data", resolve);
    socket.once("close", () => resolve(null));
  });
}

async function listen(server: Server): Promise<{ tcp: string; ws: string }> {
  const [tcp, ws] = await server.listen([`tcp://${ANY}`, `ws://${ANY}`]);
  return { tcp: tcp!, ws: ws! };
}

async function talk(
  low: LowEnd,
  send: (bytes: Uint8Array) => void,
  next: () => Promise<Uint8Array | null>,
): Promise<string[]> {
  send(low.call());
  send(low.ready((await next())!, { cap: 100n }));
  const kinds = [low.open((await next())!)!.kind];
  send(low.seal("last", request("echo", new Uint8Array(5))));
  return [...kinds, low.open((await next())!)!.kind];
}

test("a link works over TCP, in pieces of one byte as well, and over WebSocket", async () => {
  const server = await newServer();
  const { tcp, ws } = await listen(server);
  const first = await issue(server);
  const socket = await dial(tcp);
  const send = (bytes: Uint8Array) => {
    for (const byte of bytes) socket.write(new Uint8Array([byte]));
  };
  expect(await talk(first.low, send, () => bytesOf(socket))).toEqual(["receipt", "last"]);
  socket.destroy();

  const second = await issue(server);
  const web = new WebSocket(ws);
  await new Promise((resolve) => web.once("open", resolve));
  const next = () => new Promise<Uint8Array>((resolve) => web.once("message", (bytes: Buffer) => resolve(bytes)));
  expect(await talk(second.low, (bytes) => web.send(bytes), next)).toEqual(["receipt", "last"]);
  web.terminate();
  await until(() => server.door.lines === 0);
});

test("T-42 behind calls over TCP and over WebSocket neither the books nor the log have where they came from", async () => {
  const { log, logged } = keptLog();
  const server = await newServer({}, { log });
  const { tcp, ws } = await listen(server);
  const socket = await dial(tcp);
  const from = [socket.localAddress!, `${socket.localPort}`];
  await talk(
    (await issue(server)).low,
    (bytes) => void socket.write(bytes),
    () => bytesOf(socket),
  );
  socket.destroy();
  const web = new WebSocket(ws, { headers: { "x-forwarded-for": "203.0.113.7", "user-agent": "somebody's browser" } });
  await new Promise((resolve) => web.once("open", resolve));
  const next = () => new Promise<Uint8Array>((resolve) => web.once("message", (bytes: Buffer) => resolve(bytes)));
  await talk((await issue(server)).low, (bytes) => web.send(bytes), next);
  web.terminate();
  const garbage = await dial(tcp);
  garbage.write("GET / HTTP/1.1\r\n\r\n");
  await bytesOf(garbage);
  await until(() => server.door.lines === 0);
  await stop(server);
  expect(logged().match(/"msg":"link"/g)).toHaveLength(2);
  for (const needle of [from[0]!, "203.0.113.7", "somebody's browser"]) {
    expect(filesWith(server.directory, needle).filter((file) => file !== "config.json")).toEqual([]);
    expect(logged()).not.toContain(needle);
  }
  expect(logged()).not.toMatch(new RegExp(`\\b${from[1]}\\b`));
});

test("lines that say nothing before they are WebSockets count like all others, and are cut in time", async () => {
  const clock = new StoppedClock();
  const { log, logged } = keptLog();
  const limits = { halfOpen: 20, connections: 30, halfOpenMs: 1000 };
  const server = await newServer({ limits }, { clock, log });
  const { ws } = await listen(server);
  const sockets = await Promise.all(Array.from({ length: 60 }, () => dial(ws)));
  const open = () => sockets.filter((socket) => !socket.closed).length;
  for (const socket of sockets) socket.on("error", () => {}).resume();
  await until(() => open() === 20);
  expect(server.door.lines).toBe(20);
  expect(logged()).toContain("lines that are no links give way to new ones");
  const web = new WebSocket(ws);
  await new Promise((resolve) => web.once("open", resolve));
  clock.pass(1000);
  clock.pass(1000);
  await until(() => open() === 0 && server.door.lines === 0);
  expect(logged()).not.toContain("127.0.0.1");
});

test("a house that is full turns away who comes, says so once, and takes the next when there is room", async () => {
  const { log, logged } = keptLog();
  const server = await newServer({ limits: { connections: 2 } }, { log });
  const { tcp } = await listen(server);
  const talking = async () => {
    const socket = await dial(tcp);
    await talk(
      (await issue(server)).low,
      (bytes) => void socket.write(bytes),
      () => bytesOf(socket),
    );
    return socket;
  };
  const links = [await talking(), await talking()];
  for (let i = 0; i < 3; i++) expect(await bytesOf(await dial(tcp))).toBe(null);
  expect(logged().match(/all lines are taken/g)).toHaveLength(1);
  links[0]!.destroy();
  await until(() => server.door.lines === 1);
  const again = await talking();
  for (const socket of [links[1]!, again]) socket.destroy();
});

test("where the system allows few open files there are fewer lines, half of them for links, and the log says so", async () => {
  const { log, logged } = keptLog();
  const server = await newServer({}, { log });
  const door = new Door(server.token, 70);
  for (let i = 0; i < 9; i++) {
    const link = door.admit({ send: () => true, end: () => void setImmediate(() => door.leave(link!)) });
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(logged()).toMatch(/"descriptors":70,"connections":6,"halfOpen":3/);
  expect(door.lines).toBeLessThanOrEqual(4);
  door.close();
});

test("thousands of half-open calls stay within their bound, and a device still gets through", async () => {
  const server = await newServer({ limits: { halfOpen: 50, connections: 200 } });
  const { tcp } = await listen(server);
  const sockets = await Promise.all(Array.from({ length: 150 }, () => dial(tcp)));
  await until(() => server.door.lines <= 51);
  const { low } = await issue(server);
  const socket = await dial(tcp);
  expect(
    await talk(
      low,
      (bytes) => void socket.write(bytes),
      () => bytesOf(socket),
    ),
  ).toEqual(["receipt", "last"]);
  for (const each of [...sockets, socket]) each.destroy();
});

test("a line that stays silent is ended: before the link soon, in the link later", async () => {
  const clock = new StoppedClock();
  const server = await newServer({ limits: { halfOpenMs: 100, idleMs: 1500 } }, { clock });
  const { tcp } = await listen(server);
  const { low } = await issue(server);
  const silentLine = await dial(tcp);
  const linkedLine = await dial(tcp);
  const moving = setInterval(() => clock.pass(0), 1);
  await talk(
    low,
    (bytes) => void linkedLine.write(bytes),
    () => bytesOf(linkedLine),
  );
  clearInterval(moving);
  await until(() => server.door.lines === 2);
  clock.pass(1000);
  expect(await bytesOf(silentLine)).toBe(null);
  expect(linkedLine.readableEnded).toBe(false);
  clock.pass(1000);
  expect(await bytesOf(linkedLine)).toBe(null);
});

test("garbage ends its line at once", async () => {
  const server = await newServer();
  const { tcp, ws } = await listen(server);
  const socket = await dial(tcp);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await bytesOf(socket)).toBe(null);
  const plain = await fetch(ws.replace("ws:", "http:"));
  expect(plain.status).toBe(426);
  const web = new WebSocket(ws);
  await new Promise((resolve) => web.once("open", resolve));
  web.send("text");
  await new Promise((resolve) => web.once("close", resolve));
});

test("a port that is taken, and an address that is none, are named, and the server listens nowhere then", async () => {
  const server = await newServer();
  const other = listenOn();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { port: number };
  await expect(server.listen([`tcp://${ANY}`, `tcp://127.0.0.1:${port}`])).rejects.toMatchObject({
    code: "ADDRESS_IN_USE",
  });
  for (const address of ["udp://127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "ws://:1"]) {
    await expect(server.listen([address])).rejects.toMatchObject({ code: "BAD_LISTEN_ADDRESS" });
  }
  other.close();
});

test("a configuration with a key that does not exist, or a value that cannot be, is refused by name", async () => {
  const cases: [object, object][] = [
    [{ limit: {} }, { code: "CONFIG_UNKNOWN_KEY", facts: { key: "limit" } }],
    [{ limits: { conections: 1 } }, { code: "CONFIG_UNKNOWN_KEY", facts: { key: "limits.conections" } }],
    [
      { tariffs: { a: { asset: "TPD", perbox: 1 } } },
      { code: "CONFIG_UNKNOWN_KEY", facts: { key: "tariffs.a.perbox" } },
    ],
    [{ listen: [] }, { code: "CONFIG_INVALID", facts: { at: "listen" } }],
    [{ listen: ["tcp://127.0.0.1"] }, { code: "CONFIG_INVALID", facts: { at: "listen.0" } }],
    [
      { addresses: { number: 1, list: ["tcp://host:1", "tcp://host:0"] } },
      { code: "CONFIG_INVALID", facts: { at: "addresses.list.1" } },
    ],
    [{ tariffs: { a: { asset: "XXX" } } }, { code: "CONFIG_INVALID", facts: { at: "tariffs.a" } }],
    [{ tariffs: { a: { asset: "TPD", exhaustion: "erasing", perBox: 1 } } }, { code: "CONFIG_INVALID" }],
    [{ tariffs: { a: { asset: "TPD", perBox: -1 } } }, { code: "CONFIG_INVALID" }],
    [{ vault: { epochDays: 0 } }, { code: "CONFIG_INVALID", facts: { at: "vault.epochDays" } }],
  ];
  for (const [changes, error] of cases) {
    const directory = scratch();
    createServer(directory, config(changes));
    await expect(openServer(directory, { log: silent })).rejects.toMatchObject(error);
  }
  await expect(openServer(scratch())).rejects.toMatchObject({ code: "SERVER_MISSING" });
  const { directory } = await newServer();
  expect(() => createServer(directory)).toThrow(expect.objectContaining({ code: "SERVER_EXISTS" }));
});

test("more addresses than a device takes, 16 and 220 bytes with one more for each, are refused by the place in the configuration", async () => {
  const of = (...lengths: number[]) => lengths.map((length) => `${"tcp://".padEnd(length - 2, "x")}:1`);
  const start = async (list: string[]) => {
    const directory = scratch();
    createServer(directory, config({ addresses: { number: 1, list } }));
    await stop(await startServer(directory));
  };
  const refused = { code: "CONFIG_INVALID", facts: { at: "addresses.list" } };
  await start(of(109, 109));
  await expect(start(of(109, 110))).rejects.toMatchObject(refused);
  await start(of(...Array.from({ length: 16 }, () => 12)));
  await expect(start(of(...Array.from({ length: 17 }, () => 11)))).rejects.toMatchObject(refused);
});

test("a line that sends faster than the disk takes is asked to wait, and loses nothing", async () => {
  const directory = scratch();
  createServer(directory, config());
  const server = await startServer(directory);
  const { low } = await issue(server, { tariff: "free", padLength: 4 * 1024 * 1024 });
  const caller = new Caller(server, low);
  await caller.connect();
  const requests = Array.from({ length: 300 }, () => low.seal("last", request("echo", new Uint8Array(10))));
  caller.wire.send(Buffer.concat(requests));
  for (let i = 0; i < requests.length; i++) expect(await caller.answer()).toMatchObject({ ok: true });
});

test("a line that does not take its answers gets no more of them, and the server does nothing more for it", async () => {
  const server = await newServer();
  const { low, name } = await issue(server, { tariff: "free", padLength: 4 * 1024 * 1024 });
  const caller = new Caller(server, low, true);
  await caller.connect();
  caller.wire.link.drained();
  for (let i = 0; i < 12; i++) caller.wire.send(...low.sealRun(request("echo", new Uint8Array(20_000))));
  const { up } = showToken(server.token, name);
  await until(() => showToken(server.token, name).up > up);
  // Until many turns of the server have changed nothing.
  let stood = showToken(server.token, name);
  for (let same = 0; same < 50; same++) {
    await settled(server);
    const stands = showToken(server.token, name);
    if (stands.up !== stood.up || stands.down !== stood.down) same = 0;
    stood = stands;
  }
  expect(stood.up).toBeLessThan(low.up);
  for (let i = 0; i < 12; i++) {
    const draining = setInterval(() => caller.wire.link.drained(), 1);
    expect(await caller.answer()).toMatchObject({ ok: true });
    clearInterval(draining);
  }
});

test("a link that is silent hears of a credit that another process has booked", async () => {
  const server = await newServer();
  const { low, name } = await issue(server);
  const { tcp } = await listen(server);
  const socket = await dial(tcp);
  await talk(
    low,
    (bytes) => void socket.write(bytes),
    () => bytesOf(socket),
  );
  const office = await openOffice(server.directory, { log: silent });
  creditToken(office.token, name, 7n, "beside");
  await office.close();
  expect(low.open((await bytesOf(socket))!)?.kind).toBe("receipt");
  expect(low.receipt.balance).toBe(10_007n - 4n);
  socket.destroy();
});
