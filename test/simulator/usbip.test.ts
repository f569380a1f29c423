/**
 * A simulated device behind USB/IP: what a client enumerates, the frames on both lines, and clients that misbehave or go.
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import { openBundle, openDevice, sealRun } from "../../host/driver/index.ts";
import { commands, encodeFrame, FrameDecoder } from "../../host/protocol/index.ts";
import { attachUsbip, type Machine, type UsbipLine } from "../../simulator/index.ts";
import { bulkTransport, type Ended, enumerate, type Setup, UsbipClient } from "../hardware/usbip-client.ts";
import { makePair, type Pair, scratchOutbox } from "../host/pair.ts";

const SERIAL = Uint8Array.of(0xde, 0xad, 0xbe, 0xef, 0, 1, 2, 3);
const CDC = 2;
const VENDOR = 3;
const STALL = -32;
const RESET = -104;
const GONE = -108;

const pair: Pair = await makePair(8);
const open: { lines: UsbipLine[]; clients: UsbipClient[] } = { lines: [], clients: [] };

afterEach(async () => {
  for (const client of open.clients.splice(0)) await client.unplug();
  for (const line of open.lines.splice(0)) await line.close();
  pair.restore();
});

/** A machine on the cable, and what the server said of its clients. */
async function serve(machine: Machine = pair.low): Promise<{ line: UsbipLine; said: string[] }> {
  const said: string[] = [];
  const line = await attachUsbip(machine, SERIAL, { log: (sentence) => said.push(sentence) });
  open.lines.push(line);
  return { line, said };
}

async function client(line: UsbipLine): Promise<UsbipClient> {
  const one = await UsbipClient.connect(line.port);
  open.clients.push(one);
  return one;
}

async function attached(machine?: Machine): Promise<{ client: UsbipClient; line: UsbipLine; said: string[] }> {
  const served = await serve(machine);
  const one = await client(served.line);
  expect(await one.attach()).toBe(true);
  await enumerate(one);
  return { client: one, ...served };
}

/** INFO as a frame, and what comes back to it. */
const INFO = encodeFrame({ type: commands.info.type, sequence: 0x80000001, session: 0, payload: new Uint8Array(0) });

function isInfo(ended: Ended | null): boolean {
  const [frame] = new FrameDecoder().push(ended?.bytes ?? new Uint8Array(0));
  return frame !== undefined && "payload" in frame && commands.info.decode(frame.payload) !== null;
}

async function ask(one: UsbipClient, endpoint: number): Promise<boolean> {
  const reply = one.in(endpoint, 512);
  await one.out(endpoint, INFO).ended;
  return isInfo(await reply.ended);
}

const setup = (type: number, request: number, value: number, index: number, length: number): Setup => {
  return { type, request, value, index, length };
};

describe("a simulated device on USB", () => {
  test("is listed with its ids and the classes of its interfaces, and enumerates like a board", async () => {
    const { line } = await serve();
    const lister = await client(line);
    expect(await lister.list()).toEqual([
      {
        busid: "1-1",
        vendor: 0x1209,
        product: 0x0001,
        interfaces: [
          [2, 2, 0],
          [10, 0, 0],
          [255, 0, 0],
        ],
      },
    ]);
    const one = await client(line);
    expect(await one.attach()).toBe(true);
    const { device, strings, bos, windows } = await enumerate(one);
    expect([device.usb, strings[2], bos.size, windows.length]).toEqual([0x0210, "DEADBEEF00010203", 2, 1]);
  });

  test("T-21 the driver seals over the serial port's endpoints, and the twin opens over the vendor's", async () => {
    const low = await attached(pair.low);
    const high = await attached(pair.high);
    const alice = await openDevice(bulkTransport(low.client, CDC));
    const bob = await openDevice(bulkTransport(high.client, VENDOR));
    const outbox = await scratchOutbox();
    const text = new TextEncoder().encode("over two cables".repeat(400));
    const sealed = await sealRun(alice, text, outbox);
    const got: Uint8Array[] = [];
    await openBundle(bob, outbox.read(sealed.id), {
      write: async (part) => {
        got.push(part.slice());
      },
      finish: async () => {},
      abort: async () => {},
    });
    expect(Buffer.concat(got)).toEqual(Buffer.from(text));
    await alice.close();
    await bob.close();
  });

  test("a reply goes to the line that asked, also when both ask at once", async () => {
    const { client: one } = await attached();
    const replies = [CDC, VENDOR].map((endpoint) => one.in(endpoint, 512));
    for (const part of [INFO.subarray(0, 7), INFO.subarray(7)]) {
      for (const endpoint of [CDC, VENDOR]) one.out(endpoint, part);
    }
    for (const reply of replies) expect(isInfo(await reply.ended)).toBe(true);
  });

  test("it never speaks first, and an IN that waits is taken back by UNLINK", async () => {
    const { client: one } = await attached();
    const waiting = [CDC, VENDOR, 1].map((endpoint) => one.in(endpoint, 512));
    for (const pending of waiting) expect(await one.unlink(pending)).toBe(RESET);
    expect(await ask(one, CDC)).toBe(true);
  });

  test("UNLINK loses no reply: what came first is told, and the next IN has the rest", async () => {
    const { client: one } = await attached();
    const first = one.in(VENDOR, 64);
    await one.out(VENDOR, INFO).ended;
    const part = await first.ended;
    expect(await one.unlink(first)).toBe(0);
    const second = one.in(VENDOR, 512);
    expect(await one.unlink(second)).toBe(0);
    const rest = await second.ended;
    const whole = { status: 0, moved: 0, bytes: Buffer.concat([part!.bytes, rest!.bytes]) };
    expect(isInfo(whole)).toBe(true);
  });

  test("what is not known is stalled, and the next request is answered", async () => {
    const { client: one } = await attached();
    for (const request of [
      setup(0x80, 6, 0x0600, 0, 10),
      setup(0x80, 6, 0x03ee, 0, 18),
      setup(0xc0, 1, 1, 2, 64),
      setup(0x00, 9, 2, 0, 0),
      setup(0x00, 5, 3, 0, 0), // an address is the host controller's affair
      setup(0x21, 0x22, 1, 1, 0),
      setup(0x02, 3, 0, 4, 0),
    ]) {
      expect((await one.control(request))?.status).toBe(STALL);
      expect((await one.control(setup(0x80, 8, 0, 0, 1)))?.bytes).toEqual(Uint8Array.of(1));
    }
    expect((await one.control(setup(0x21, 0x20, 0, 0, 3000), new Uint8Array(3000)))?.status).toBe(STALL);
    expect(await ask(one, VENDOR)).toBe(true);
  });

  test("a halted endpoint stalls until that is cleared; before a configuration there is none", async () => {
    const { client: one } = await attached();
    await one.control(setup(0x02, 3, 0, 0x82, 0));
    expect((await one.in(CDC, 64).ended)?.status).toBe(STALL);
    expect((await one.control(setup(0x82, 0, 0, 0x82, 2)))?.bytes).toEqual(Uint8Array.of(1, 0));
    await one.control(setup(0x02, 1, 0, 0x82, 0));
    expect(await ask(one, CDC)).toBe(true);
    const waiting = one.in(VENDOR, 64);
    await one.control(setup(0x00, 9, 0, 0, 0));
    expect((await waiting.ended)?.status).toBe(GONE);
    expect((await one.out(VENDOR, INFO).ended)?.status).toBe(GONE);
  });

  test("what nobody read is gone behind a closed port, a break, a new setting, a port reset", async () => {
    const { client: one } = await attached();
    const ends: [number, Setup][] = [
      [CDC, setup(0x21, 0x22, 0, 0, 0)],
      [CDC, setup(0x21, 0x23, 50, 0, 0)],
      [VENDOR, setup(0x01, 11, 0, 2, 0)],
      [VENDOR, setup(0x00, 9, 1, 0, 0)],
      [VENDOR, setup(0x23, 3, 4, 1, 0)],
    ];
    for (const [endpoint, end] of ends) {
      await one.control(setup(0x21, 0x22, 1, 0, 0));
      await one.out(endpoint, INFO).ended;
      await one.out(endpoint, INFO.subarray(0, 9)).ended;
      expect((await one.control(end))?.status).toBe(0);
      if (end.type === 0x23) await enumerate(one);
      const stale = one.in(endpoint, 512);
      expect(await one.unlink(stale)).toBe(RESET);
      expect(await ask(one, endpoint)).toBe(true);
    }
  });

  test("a host that does not read is not listened to for long, and UNLINK takes the OUT back", async () => {
    const { client: one } = await attached();
    const outs = Array.from({ length: 100 }, () => one.out(CDC, INFO));
    const last = outs.at(-1)!;
    expect(await one.unlink(last)).toBe(RESET);
    expect(await ask(one, VENDOR)).toBe(true);
    let replies = 0;
    for (let i = 0; i < 99; i++) replies += isInfo(await one.in(CDC, 512).ended) ? 1 : 0;
    expect(replies).toBe(99);
  });
});

describe("a USB/IP server among bad clients", () => {
  test("one host has the device; another is refused until it is free again, and a device that is not there", async () => {
    const { client: first, line, said } = await attached();
    const second = await client(line);
    expect(await second.attach()).toBe(false);
    expect(await second.attach("2-1")).toBe(false);
    await first.unplug();
    while (!said.some((sentence) => sentence.includes("detached"))) await new Promise(setImmediate);
    expect(await second.attach()).toBe(true);
    await enumerate(second);
    expect(await ask(second, CDC)).toBe(true);
    expect(said.filter((sentence) => sentence.includes("was refused"))).toHaveLength(2);
  });

  test.each<[what: string, bytes: (one: UsbipClient) => Uint8Array, why: RegExp]>([
    ["a command that is none", (one) => one.header(9, 1, false, 0), /command 9 is none/],
    ["a length below zero", (one) => length(one, -1, false), /a transfer of -1 bytes/],
    ["more than a transfer holds", (one) => length(one, 0x7fffffff, false), /a transfer of 2147483647 bytes/],
    ["a sequence that is under way", (one) => twice(length(one, 64, true, CDC)), /under way already/],
    ["more transfers than a host has", (one) => flood(one), /more than 1024 transfers/],
  ])("%s puts the host out, and the next finds the device as new", async (_, bytes, why) => {
    const { client: one, line, said } = await attached();
    one.raw(bytes(one));
    await one.closed;
    while (!said.at(-1)?.includes("put out")) await new Promise(setImmediate);
    expect(said.at(-1)).toMatch(why);
    const next = await client(line);
    expect(await next.attach()).toBe(true);
    await enumerate(next);
    expect(await ask(next, VENDOR)).toBe(true);
  });

  test.each<[what: string, bytes: number[], why: RegExp]>([
    ["another version", [0x09, 0x00, 0x80, 0x05, 0, 0, 0, 0], /version 900/],
    ["an operation that is none", [0x01, 0x11, 0x12, 0x34, 0, 0, 0, 0], /operation 1234/],
  ])("%s before an import puts the host out", async (_, bytes, why) => {
    const { line, said } = await serve();
    const one = await client(line);
    one.raw(Uint8Array.from(bytes));
    await one.closed;
    expect(said.at(-1)).toMatch(why);
  });

  test("a transfer that no device of ours has is refused, not obeyed: isochronous, of endpoint 16, of one that is not there", async () => {
    const { client: one } = await attached();
    expect((await one.submit(CDC, true, 64, new Uint8Array(0), undefined, 1).ended)?.status).toBe(-22);
    expect((await one.in(16, 64).ended)?.status).toBe(-2);
    expect((await one.in(9, 64).ended)?.status).toBe(GONE);
    expect((await one.submit(0, true, 100, new Uint8Array(0), setup(0x80, 6, 0x0100, 0, 18)).ended)?.status).toBe(-22);
    expect(await ask(one, CDC)).toBe(true);
  });

  test("a host that goes at any byte leaves a device that serves the next", async () => {
    const { line, said } = await serve();
    const whole = Buffer.concat([importRequest(), submitOf(CDC, INFO), submitOf(VENDOR, INFO)]);
    for (let cut = 1; cut < whole.length; cut += 13) {
      const one = await client(line);
      one.raw(whole.subarray(0, cut));
      one.socket.end();
      await one.closed;
    }
    const one = await client(line);
    while (!(await one.attach())) await new Promise(setImmediate);
    await enumerate(one);
    expect(await ask(one, CDC)).toBe(true);
    expect(said.some((sentence) => sentence.includes("put out"))).toBe(false);
  });

  test("a port that is taken is LINE_FAILED", async () => {
    const { line } = await serve(pair.high);
    await expect(attachUsbip(pair.low, SERIAL, { port: line.port })).rejects.toMatchObject({ code: "LINE_FAILED" });
  });

  test("a machine that cannot go on ends the line with its error", async () => {
    const { client: one, line } = await attached();
    open.lines.length = 0;
    const broken = new Error("the image's disk is full");
    const feeding = vi.spyOn(pair.low, "feed").mockImplementation(() => {
      throw broken;
    });
    one.out(CDC, INFO);
    await expect(line.closed).rejects.toBe(broken);
    await one.closed;
    feeding.mockRestore();
  });
});

function length(one: UsbipClient, bytes: number, toHost: boolean, endpoint = CDC): Buffer {
  const header = one.header(1, 5000, toHost, endpoint);
  header.writeInt32BE(bytes, 24);
  return header;
}

function twice(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, bytes]);
}

function flood(one: UsbipClient): Buffer {
  return Buffer.concat(
    Array.from({ length: 1100 }, (_, i) => {
      const header = one.header(1, 6000 + i, true, CDC);
      header.writeInt32BE(64, 24);
      return header;
    }),
  );
}

function importRequest(): Buffer {
  const request = Buffer.alloc(40);
  request.writeUInt32BE(0x01118003, 0);
  request.write("1-1", 8);
  return request;
}

function submitOf(endpoint: number, data: Uint8Array): Buffer {
  const header = Buffer.alloc(48);
  for (const [i, value] of [1, endpoint, 0x10001, 0, endpoint].entries()) header.writeUInt32BE(value, 4 * i);
  header.writeInt32BE(data.length, 24);
  return Buffer.concat([header, data]);
}
