// The link's client against the real server: with a token in a simulated device, over lines in memory, TCP and WebSocket.

import { cpSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { type Device, DriverError, openDevice } from "../../host/driver/index.ts";
import { isLinkFailure, type LinkEvent, type LinkOptions, openLink } from "../../host/link/index.ts";
import {
  activateToken,
  cancelToken,
  holdToken,
  resolveDoubt,
  type Server,
  type ServerOptions,
} from "../../server/index.ts";
import { lineTo } from "../../simulator/index.ts";
import { scratchDirectory } from "../host/pair.ts";
import { config, MONEY, newServer, startServer, stop } from "../server/token/world.ts";
import { issueToken, lineToServer, type RealToken } from "./real.ts";
import { deviceOf, quickClock } from "./token.ts";

const noise = (length: number) => crypto.getRandomValues(new Uint8Array(length));

async function optionsFor(server: Server, more: Partial<LinkOptions> = {}): Promise<LinkOptions> {
  return {
    directory: await scratchDirectory(),
    addresses: ["tcp://token.test:1"],
    connect: async () => lineToServer(server),
    clock: quickClock,
    ...more,
  };
}

/** An address at which nobody listens. */
async function deadPort(): Promise<string> {
  const { address, close } = await listenOn(() => {});
  await close();
  return address;
}

/** A server of something else. */
async function listenOn(serve: (socket: Socket) => void): Promise<{ address: string; close(): Promise<void> }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { address: `tcp://127.0.0.1:${port}`, close };
}

/** The same server with other things in its configuration. */
async function newServerOf(server: Server & { directory: string }, changes: object): Promise<Server> {
  writeFileSync(join(server.directory, "config.json"), JSON.stringify(config(changes)));
  return startServer(server.directory);
}

/** A device that goes away in the middle of a frame, and is not there as long as `away` says so. */
async function pluggable(token: RealToken, away: () => boolean): Promise<Device> {
  return openDevice(
    async () => {
      if (away()) throw new DriverError("NO_DEVICE", { address: "test" });
      let tell = (_reason?: Error) => {};
      const line = lineTo(token.machine);
      return {
        ...line,
        write: async (bytes) => {
          if (!away()) return line.write(bytes);
          await line.write(bytes.subarray(0, bytes.length / 2));
          tell(new Error("unplugged"));
        },
        onClose: (listener) => {
          tell = listener;
        },
      };
    },
    { clock: quickClock },
  );
}

/** After a session both ends and the books say the same. */
async function agree(server: Server, token: RealToken): Promise<void> {
  const device = await deviceOf(token.machine);
  const [info, value] = [await device.info(), await device.value()];
  await device.close();
  const view = token.view(server);
  expect(value.receipt.balance).toBe(view.balance);
  expect(info.up.used).toBe(view.up);
  expect(info.down.used).toBe(view.down);
  expect(info.split).toBe(view.split);
  expect(view.held).toBe(0n);
}

describe("the value of a token", () => {
  test("T-20 what the device shows equals the server's after each session", async () => {
    const server = await newServer();
    const token = await issueToken(server);
    const options = await optionsFor(server);
    let balance = 10_000n;
    for (let session = 0; session < 3; session++) {
      const device = await deviceOf(token.machine);
      const link = await openLink(device, options);
      expect(link.value.receipt.balance).toBe(balance);
      const answer = await link.request("echo", noise(100 + session));
      expect(answer.charged).toBeGreaterThan(0n);
      balance -= answer.charged;
      expect(answer.balance).toBe(balance);
      expect((await link.close()).balance).toBe(balance);
      expect(link.value.receipt.balance).toBe(balance);
      await device.close();
      await agree(server, token);
    }
  });

  test("T-21 a program without a person completes a purchase over TCP and over WebSocket", async () => {
    const goods = [{ item: "stamp", asset: "TPD", price: 300 }];
    const tariff = { asset: "TPD", services: { goods: 1, echo: 0 } };
    const server = await newServer({ services: { goods }, tariffs: { money: tariff } });
    const token = await issueToken(server);
    const listening = await server.listen(["tcp://127.0.0.1:0", "ws://127.0.0.1:0"]);
    let balance = 10_000n;
    for (const address of listening) {
      const device = await deviceOf(token.machine);
      const link = await openLink(device, { directory: await scratchDirectory(), addresses: [address] });
      const { body, charged } = await link.request("goods", { action: "order", item: "stamp", count: 2 });
      expect(body).toBeTypeOf("object");
      expect(charged).toBe(601n);
      balance -= charged;
      expect((await link.close()).balance).toBe(balance);
      await device.close();
      await agree(server, token);
    }
  });
});

describe("the addresses of a server", () => {
  test("T-19 the first three of five are dead: the fourth answers, and the order is told", async () => {
    const server = await newServer();
    const [address] = (await server.listen(["tcp://127.0.0.1:0"])) as [string];
    // One that refuses connections, one that takes them and says nothing we know, one that hangs up.
    const refusing = await deadPort();
    const babbling = await listenOn((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const hangingUp = await listenOn((socket) => socket.destroy());
    const fifth = await listenOn((socket) => socket.destroy());
    const list = [refusing, babbling.address, hangingUp.address, address, fifth.address];
    const token = await issueToken(server);
    const device = await deviceOf(token.machine);
    const before = await device.info();
    const events: LinkEvent[] = [];
    const onEvent = (event: LinkEvent) => events.push(event);
    const link = await openLink(device, { directory: await scratchDirectory(), addresses: list, onEvent });
    expect(events.filter(({ kind }) => kind === "trying")).toEqual(
      list.slice(0, 4).map((address) => ({ kind: "trying", address })),
    );
    expect(events.filter(({ kind }) => kind === "dead")).toHaveLength(3);
    expect(events.at(-1)).toMatchObject({ kind: "linked", address });
    expect((await device.info()).nextSlot).toBe(before.nextSlot + 1);
    await link.close();
    for (const { close } of [babbling, hangingUp, fifth]) await close();
  });

  test("T-19 all dead: one error that names each, and nothing of the pad was used", async () => {
    const server = await newServer();
    const token = await issueToken(server);
    const device = await deviceOf(token.machine);
    const before = await device.info();
    const addresses = [await deadPort(), await deadPort(), "gopher://token.test"];
    const opening = openLink(device, { directory: await scratchDirectory(), addresses });
    await expect(opening).rejects.toSatisfy(
      (error) =>
        isLinkFailure(error, "NO_ADDRESS_ANSWERED") &&
        error.facts.tried.map(({ address }) => address).join() === addresses.join() &&
        error.message.includes(addresses[0] as string),
    );
    expect(await device.info()).toEqual(before);
  });

  test("T-19 a new list comes within a link, is on the device, and is in force at the next call", async () => {
    const server = await newServer({ addresses: { number: 0, list: ["tcp://old.test:1"] } });
    const token = await issueToken(server);
    const device = await deviceOf(token.machine);
    await stop(server);
    const list = ["tcp://new.test:1", "ws://new.test:2"];
    const changed = await newServerOf(server, { addresses: { number: 7, list } });
    const tried: string[] = [];
    const connect = async (address: string) => {
      tried.push(address);
      return lineToServer(changed);
    };
    const events: LinkEvent[] = [];
    const onEvent = (event: LinkEvent) => events.push(event);
    const options = { directory: await scratchDirectory(), clock: quickClock, connect, onEvent };
    await (await openLink(device, options)).close();
    expect(events).toContainEqual({ kind: "addresses", list: { number: 7, addresses: list }, refused: false });
    await (await openLink(device, options)).close();
    expect(tried).toEqual(["tcp://old.test:1", "tcp://new.test:1"]);
  });
});

describe("a call", () => {
  test("T-23 shows a tag and then sealed items only, and the server finds the token by it", async () => {
    const server = await newServer();
    const [token] = [await issueToken(server), await issueToken(server)];
    const seen: Uint8Array[] = [];
    const device = await deviceOf(token.machine);
    const connect = async () => {
      const line = lineToServer(server);
      return {
        ...line,
        write: (bytes: Uint8Array) => {
          seen.push(bytes.slice());
          return line.write(bytes);
        },
      };
    };
    const link = await openLink(device, await optionsFor(server, { connect }));
    const secret = new TextEncoder().encode("nobody on the way reads this text");
    await link.request("echo", secret);
    await link.close();
    expect(seen.map((item) => item[2])).toEqual([0, 5, 2, 9]);
    const wire = Buffer.concat(seen);
    expect(wire.includes(Buffer.from((await device.info()).padId, "hex"))).toBe(false);
    expect(wire.includes(Buffer.from(secret.subarray(0, 8)))).toBe(false);
    expect(token.view(server).calls).toBe(1);
  });

  test("T-23 of a token that is not known, held or cancelled is refused in the same words, and the pad stays as it is", async () => {
    const server = await newServer();
    const other = await newServer();
    const token = await issueToken(server);
    const device = await deviceOf(token.machine);
    const options = await optionsFor(server);
    const before = await device.info();
    const refused = async (to: Server) =>
      expect(openLink(device, { ...options, connect: async () => lineToServer(to) })).rejects.toSatisfy((error) =>
        isLinkFailure(error, "CALL_REFUSED"),
      );
    await refused(other);
    holdToken(server.token, token.name);
    await refused(server);
    cancelToken(server.token, token.name);
    await refused(server);
    const after = await device.info();
    expect({ ...after, failedTags: 0 }).toEqual({ ...before, failedTags: 0 });
  });

  test("a token that is held while it has a link learns that the server ended it, and goes on when it is taken again", async () => {
    const server = await newServer();
    const token = await issueToken(server);
    const device = await deviceOf(token.machine);
    const options = await optionsFor(server);
    const link = await openLink(device, options);
    await link.request("echo", noise(10));
    holdToken(server.token, token.name);
    const lost = await link.request("echo", noise(10)).catch((error: unknown) => error);
    expect(lost).toMatchObject({ code: "LINK_LOST", facts: { reason: "the server ended it, and takes no other" } });
    expect((lost as Error).cause).toMatchObject({ code: "CALL_REFUSED", facts: { linked: true } });
    expect(String((lost as Error).cause)).toMatch(/ended the link/);
    const closed = await link.close().catch((error: unknown) => error);
    expect(closed).toMatchObject({ code: "CALL_REFUSED", pad: expect.stringMatching(/kept on this disk/) });
    activateToken(server.token, token.name);
    const again = await openLink(device, options);
    const pending = await again.pending();
    expect(await Promise.all(pending.map(({ answer }) => answer()))).toHaveLength(1);
    await again.close();
    await agree(server, token);
  });

  test("T-23 of a token that has a link is refused as long as that link is used", async () => {
    const server = await newServer();
    const token = await issueToken(server);
    const device = await deviceOf(token.machine);
    const link = await openLink(device, await optionsFor(server));
    await link.request("echo", noise(10));
    await expect(openLink(device, await optionsFor(server))).rejects.toSatisfy((error) =>
      isLinkFailure(error, "CALL_REFUSED"),
    );
    await expect(link.request("echo", noise(10))).resolves.toMatchObject({ charged: expect.anything() });
    await link.close();
  });
});

describe("a copy of a device", () => {
  test("T-04 that calls with what the device has used is refused, and the owner is told with the next link", async () => {
    const server = await newServer();
    const token = await issueToken(server);
    const { machine } = token;
    const filled = machine.snapshot();
    const notices: LinkEvent[] = [];
    const onEvent = (event: LinkEvent) => {
      if (event.kind === "notice") notices.push(event);
    };
    const options = await optionsFor(server, { onEvent });
    const session = async () => {
      const device = await deviceOf(machine);
      const link = await openLink(device, options);
      const { notes } = link.value;
      await link.request("echo", noise(10));
      await link.close();
      await device.close();
      return notes.heardAgain;
    };
    expect([await session(), await session()]).toEqual([false, false]);
    const now = machine.snapshot();
    machine.restore(filled);
    const copy = await deviceOf(machine);
    const elsewhere = await optionsFor(server, { onEvent });
    await expect(openLink(copy, elsewhere)).rejects.toSatisfy((error) => isLinkFailure(error, "CALL_REFUSED"));
    await copy.close();
    machine.restore(now);
    expect(notices).toEqual([]);
    expect(await session()).toBe(true);
    expect(notices).toEqual([{ kind: "notice", heardAgain: true, inDoubt: false, nothingLeft: false }]);
    expect(await session()).toBe(false);
    expect(notices).toHaveLength(1);
    await agree(server, token);
  });
});

describe("a device that is unplugged", () => {
  test("T-21 within a frame fails with DEVICE_LOST when it stays away, and the next session uses no pad byte twice", async () => {
    const server = await newServer();
    const token = await issueToken(server);
    const options = await optionsFor(server);
    let pull = false;
    const device = await pluggable(token, () => pull);
    const link = await openLink(device, options);
    await link.request("echo", noise(10));
    pull = true;
    const body = noise(6000);
    const failed = link.request("echo", body);
    await expect(failed).rejects.toMatchObject({ code: "DEVICE_LOST" });
    await link.close().catch(() => {});
    pull = false;
    const again = await deviceOf(token.machine);
    const next = await openLink(again, options);
    const [left] = await next.pending();
    expect(left?.service).toBe("echo");
    expect((await left!.answer()).body).toEqual(body);
    await next.close();
    await agree(server, token);
  });
});

describe("a link to the real server", () => {
  test("stores a file in parts and gets it back, through grants and acknowledgements", async () => {
    const server = await newServer();
    const token = await issueToken(server, { padLength: 2 * 1024 * 1024, price: 100_000n, limit: 100_000n });
    const device = await deviceOf(token.machine);
    const link = await openLink(device, await optionsFor(server));
    const file = Buffer.concat([1, 2, 3, 4].map(() => noise(50_000)));
    const PART = 25_000;
    for (let offset = 0; offset < file.length; offset += PART) {
      const bytes = new Uint8Array(file.subarray(offset, offset + PART));
      const end = offset + PART >= file.length;
      await link.request("store", { action: "put", name: "file", offset, bytes, end });
    }
    const parts: Uint8Array[] = [];
    for (let offset = 0; offset < file.length; offset += PART) {
      const { body } = await link.request("store", { action: "get", name: "file", offset, length: PART });
      parts.push((body as { bytes: Uint8Array }).bytes);
    }
    expect(Buffer.concat(parts).equals(file)).toBe(true);
    await link.close();
    await agree(server, token);
  });

  test("that costs more than its cap says so, charges nothing for it, and goes on when the cap is raised", async () => {
    const server = await newServer();
    const token = await issueToken(server);
    const device = await deviceOf(token.machine);
    const link = await openLink(device, await optionsFor(server, { cap: 10n }));
    await expect(link.request("echo", noise(9000))).rejects.toMatchObject({
      code: "CAP_EXCEEDED",
      facts: { charged: 0n },
    });
    await link.raise(1000n);
    const { charged } = await link.request("echo", noise(9000));
    expect((await link.close()).balance).toBe(10_000n - charged);
    await agree(server, token);
  });

  test("that stops and starts again is called again: a request under way is answered and charged once", async () => {
    const first = await newServer();
    const token = await issueToken(first);
    const device = await deviceOf(token.machine);
    let server: Server = first;
    const link = await openLink(device, await optionsFor(first, { connect: async () => lineToServer(server) }));
    const one = await link.request("echo", noise(100));
    const two = link.request("echo", noise(5000));
    await stop(first);
    server = await startServer(first.directory);
    const answers = [one, await two, await link.request("echo", noise(50))];
    const charged = answers.reduce((sum, { charged }) => sum + charged, 0n);
    expect((await link.close()).balance).toBe(10_000n - charged);
    await agree(server, token);
  });

  test("T-51 asks once more, under the same id, what the server had opened and forgot with its database, and gets a word on it", async () => {
    const slow = {
      name: "slow",
      class: "calculation",
      schema: z.instanceof(Uint8Array),
      mostFee: () => 50n,
      work: async (body: Uint8Array, signal: AbortSignal) => {
        if (!restored) await new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
        return { body: body.length, fee: 20n };
      },
    } as const;
    let restored = false;
    const services = [slow] as unknown as NonNullable<ServerOptions["services"]>;
    const tariffs = { money: { ...MONEY, services: { slow: 0, echo: 0 } } };
    const first = await newServer({ tariffs }, { services });
    const token = await issueToken(first);
    const device = await deviceOf(token.machine);
    let server: Server = first;
    const calls: number[] = [];
    const onEvent = (event: LinkEvent) => void (event.kind === "linked" && calls.push(event.call));
    const link = await openLink(
      device,
      await optionsFor(first, { connect: async () => lineToServer(server), onEvent }),
    );
    const one = await link.request("echo", noise(10));
    const backup = await scratchDirectory();
    const files = ["", "-wal", "-shm"].map((ending) => `tearpad.db${ending}`);
    for (const file of files) cpSync(join(first.directory, file), join(backup, file));
    const asked = link.request("slow", noise(9000));
    await expect.poll(() => token.view(first).held).toBeGreaterThan(50n);
    const { up } = token.view(first);
    await stop(first);
    for (const file of files) {
      rmSync(join(first.directory, file), { force: true });
      cpSync(join(backup, file), join(first.directory, file));
    }
    restored = true;
    server = await startServer(first.directory, { services });
    expect(token.view(server)).toMatchObject({ up, inDoubt: true });
    await expect(asked).rejects.toMatchObject({ code: "SERVICE_ERROR", facts: { error: "IN_DOUBT", charged: 0n } });
    // The first link, one in which nothing came unless that was known before, and the one in which it was asked again.
    expect(calls.length).toBeLessThanOrEqual(3);
    expect(token.view(server).up).toBeGreaterThan(up + 9000);
    resolveDoubt(server.token, token.name);
    const { charged, body } = await link.request("slow", noise(9000));
    expect(body).toBe(9000);
    expect((await link.close()).balance).toBe(10_000n - one.charged - charged);
    await agree(server, token);
  });

  test("T-51 goes on behind the answers that were sealed, never arrived, and were lost with the database", async () => {
    const first = await newServer();
    const token = await issueToken(first);
    const device = await deviceOf(token.machine);
    let server: Server = first;
    let deaf = false;
    const connect = async () => {
      const line = lineToServer(server);
      return { ...line, onData: (hear: (bytes: Uint8Array) => void) => line.onData((bytes) => deaf || hear(bytes)) };
    };
    const link = await openLink(device, await optionsFor(first, { connect }));
    await link.request("echo", noise(10));
    const backup = await scratchDirectory();
    const files = ["", "-wal", "-shm"].map((end) => `tearpad.db${end}`);
    for (const file of files) cpSync(join(first.directory, file), join(backup, file));
    const { up, down } = token.view(first);
    deaf = true;
    const body = noise(9000);
    const asked = link.request("echo", body);
    await expect.poll(() => token.view(first).up).toBeGreaterThan(up + 9000);
    await expect.poll(() => token.view(first).down).toBeGreaterThan(down + 9000);
    await stop(first);
    for (const file of files) {
      rmSync(join(first.directory, file), { force: true });
      cpSync(join(backup, file), join(first.directory, file));
    }
    server = await startServer(first.directory);
    deaf = false;
    expect((await asked).body).toEqual(body);
    await link.close();
    expect((await device.info()).down.used).toBe(token.view(server).down);
  });

  test("a request that is asked again while its first work goes on is done and charged once", async () => {
    let works = 0;
    let finish = () => {};
    const slow = {
      name: "slow",
      class: "calculation",
      schema: z.instanceof(Uint8Array),
      mostFee: () => 50n,
      work: async (body: Uint8Array, signal: AbortSignal) => {
        works++;
        await new Promise<void>((resolve) => {
          finish = resolve;
          signal.addEventListener("abort", () => resolve());
        });
        return { body: body.length, fee: 20n };
      },
    } as const;
    const services = [slow] as unknown as NonNullable<ServerOptions["services"]>;
    const tariffs = { money: { ...MONEY, services: { slow: 0, echo: 0 } } };
    const server = await newServer({ tariffs }, { services });
    const token = await issueToken(server);
    const device = await deviceOf(token.machine);
    const link = await openLink(device, await optionsFor(server));
    const asked = link.request("slow", noise(9000));
    await expect.poll(() => works).toBe(1);
    const { up } = token.view(server);
    // Its first boxes are opened once more; its last waits for the work.
    await expect.poll(() => token.view(server).up, { timeout: 10_000 }).toBeGreaterThan(up + 8192);
    finish();
    const { body, charged } = await asked;
    expect({ body, works }).toEqual({ body: 9000, works: 1 });
    const two = await link.request("echo", noise(10));
    expect((await link.close()).balance).toBe(10_000n - charged - two.charged);
    expect(works).toBe(1);
    await agree(server, token);
  });

  test("waits for a slow service and returns its result and its fee", async () => {
    const server = await newServer();
    const token = await issueToken(server);
    const device = await deviceOf(token.machine);
    const link = await openLink(device, await optionsFor(server));
    const input = new TextEncoder().encode("1..100");
    const { body } = await link.request("compute", { action: "run", program: "sum", input, mostFee: 100 });
    expect(new TextDecoder().decode((body as { output: Uint8Array }).output)).toContain("5050");
    await link.close();
    await agree(server, token);
  });

  test("serves until the value is spent, and then says so", async () => {
    const server = await newServer();
    const token = await issueToken(server, { price: 60n });
    const device = await deviceOf(token.machine);
    const events: LinkEvent[] = [];
    const onEvent = (event: LinkEvent) => events.push(event);
    const link = await openLink(device, await optionsFor(server, { onEvent }));
    let spent = 0n;
    const spend = async () => {
      for (;;) spent += (await link.request("echo", noise(1000))).charged;
    };
    await expect(spend()).rejects.toMatchObject({ code: "SERVICE_ERROR", facts: { error: "EXHAUSTED", charged: 0n } });
    await expect.poll(() => events.at(-1)?.kind).toBe("ended");
    await link.close();
    expect(token.view(server).calls).toBe(1);
    const { balance } = token.view(server);
    expect(spent + balance).toBe(60n);
    await agree(server, token);
  });
});
