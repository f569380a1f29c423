/**
 * The firmware itself behind USB/IP, on an emulated board: a client enumerates it and works with it as a kernel would. One board serves all
 * of these tests; its twin is simulated, and both were filled by the simulator.
 */
import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Board } from "../../hardware/emulator/index.ts";
import { BoardUsb, type Transfer, UsbHost } from "../../hardware/emulator/usb/index.ts";
import { USB_SERIAL_BYTES, usbAnswers } from "../../hardware/usb/index.ts";
import { type Device, fillDevice, openDevice } from "../../host/driver/index.ts";
import { boxCost, type Command, commands, encodeFrame, FrameDecoder } from "../../host/protocol/index.ts";
import { builtCore, Flash, Machine, Random, serveUsb, type UsbipLine } from "../../simulator/index.ts";
import { chipBegin } from "../body.ts";
import { inOnePiece, padParameters, talkTo } from "../host/pair.ts";
import { makeBoard, showsBoards } from "./firmware-board.ts";
import { bulkTransport, type Enumerated, enumerate, type Setup, UsbipClient } from "./usbip-client.ts";

const CDC = 2;
const VENDOR = 3;
const PAD_BYTES = 65_536;
const STALL = -32;
const RESET = -104;
const GONE = -108;
/** Somewhat more rounds on the bus than a seal of 500 bytes takes. */
const SEAL_ROUNDS = 500;
/** Longer than a boot, in cycles. */
const BOOT = 400_000_000;

const setup = (type: number, request: number, value: number, index: number, length: number): Setup => {
  return { type, request, value, index, length };
};
const INFO = encodeFrame({ type: commands.info.type, sequence: 0x80000001, session: 0, payload: new Uint8Array(0) });

async function twins(sectors: number): Promise<{ low: Machine; high: Machine }> {
  const [pad, padId] = [randomBytes(PAD_BYTES), randomBytes(16)];
  const fill = async (side: "low" | "high"): Promise<Machine> => {
    const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors, seed: 1 }), entropy: 1 });
    machine.powerOn();
    const device = await talkTo(machine);
    await fillDevice(device, padParameters(side, pad.length, padId), inOnePiece(pad));
    await device.close();
    return machine;
  };
  return { low: await fill("low"), high: await fill("high") };
}

/** Frames over one line of a board that was just plugged in, without a program between. */
class Talk {
  private readonly host: UsbHost;
  private readonly endpoint: number;

  constructor(host: UsbHost, endpoint: number) {
    this.host = host;
    this.endpoint = endpoint;
    expect(host.enumerate()).toBe(true);
    expect(host.controlNow(setup(0x00, 9, 1, 0, 0)).end).toBe("done");
  }

  ask<Request, Reply>(command: Command<Request, Reply>, request: Request, session: number, sequence: number): Reply {
    const back = this.begin(command, request, session, sequence);
    this.host.until(back, 3_000_000);
    for (const frame of new FrameDecoder().push(back.bytes)) {
      if ("payload" in frame && frame.type === (command.type | 0x80)) return command.decode(frame.payload)!;
    }
    throw new Error(`No reply to ${command.name}.`);
  }

  begin<Request, Reply>(
    command: Command<Request, Reply>,
    request: Request,
    session: number,
    sequence: number,
  ): Transfer {
    this.host.out(this.endpoint, Uint8Array.of(0));
    this.host.out(
      this.endpoint,
      encodeFrame({ type: command.type, sequence, session, payload: command.encode(request) }),
    );
    return this.host.in(this.endpoint, 8192);
  }

  rounds(count: number): void {
    for (let i = 0; i < count; i++) this.host.round();
  }
}

describe.skipIf(!showsBoards("firmware")).each(["pico", "pico-bare"] as const)(
  "the firmware of %s behind USB/IP",
  (name) => {
    let board: Board;
    let line: UsbipLine;
    let twin: Device;
    const clients: UsbipClient[] = [];

    beforeAll(async () => {
      board = makeBoard(name);
      const begin = chipBegin(board);
      const { low, high } = await twins((board.flash.size - begin) / 4096);
      twin = await talkTo(high);
      board.flash.put(begin, low.flash.content(0, low.flash.size));
      board.powerOn();
      board.run(BOOT, () => board.usb?.attached === true);
      line = await serveUsb(new BoardUsb(board));
    });

    afterEach(async () => {
      for (const client of clients.splice(0)) await client.unplug();
    });

    afterAll(() => line.close());

    /** The device plugged in; one who had it before may still be on the way out. */
    async function plug(): Promise<{ client: UsbipClient; told: Enumerated }> {
      const client = await UsbipClient.connect(line.port);
      clients.push(client);
      while (!(await client.attach())) await new Promise((resolve) => setTimeout(resolve, 1));
      return { client, told: await enumerate(client) };
    }

    /** Seals, and has the twin open it. Gives the offset. */
    async function sealAndOpen(device: Device, text: Uint8Array): Promise<number> {
      const sealed = await device.seal("last", text);
      const opened = await twin.open(sealed.offset, sealed.box);
      expect(Buffer.from(opened.text)).toEqual(Buffer.from(text));
      await twin.release(sealed.offset, boxCost(text.length, 1));
      return sealed.offset;
    }

    test("a client reads all its descriptors, and its serial number is that of its fill", async () => {
      const { client, told } = await plug();
      expect([told.device.vendor, told.device.product, told.bos.size, told.windows.length]).toEqual([0x1209, 1, 2, 1]);
      expect(told.configuration.interfaces.map(({ classes }) => classes[0])).toEqual([2, 10, 255]);
      const device = await openDevice(bulkTransport(client, VENDOR));
      const { serial } = await device.info();
      await device.close();
      expect(told.strings[2]).toBe(serial.toUpperCase());
      const answers = usbAnswers(Buffer.from(serial, "hex").subarray(0, USB_SERIAL_BYTES));
      for (const { type, request, value, index, bytes } of answers) {
        const ended = await client.control(setup(type, request, value, index ?? 0x0409, 0xffff));
        expect(ended?.bytes).toEqual(bytes);
      }
    });

    test.each([
      ["the serial port", CDC],
      ["the vendor interface", VENDOR],
    ])("T-21 over %s: HELLO, INFO, and boxes that the twin opens", async (_, endpoint) => {
      const { client } = await plug();
      const device = await openDevice(bulkTransport(client, endpoint));
      const before = await device.info();
      expect(before.state).toBe("active");
      await device.begin(null, 0);
      for (const length of [0, 1, 64, 1000, 4096]) await sealAndOpen(device, randomBytes(length));
      const after = await device.info();
      expect(after.up.used - before.up.used).toBe([0, 1, 64, 1000, 4096].reduce((sum, n) => sum + boxCost(n, 1), 0));
      await device.close();
    });

    test("both lines ask at once, and each gets its reply", async () => {
      const { client } = await plug();
      const replies = [CDC, VENDOR].map((endpoint) => client.in(endpoint, 512));
      for (const part of [INFO.subarray(0, 7), INFO.subarray(7)]) {
        for (const endpoint of [CDC, VENDOR]) client.out(endpoint, part);
      }
      for (const reply of replies) expect((await reply.ended)?.moved).toBeGreaterThan(112);
    });

    test("it never speaks first, and UNLINK takes an IN back; what is unknown or too long is stalled", async () => {
      const { client } = await plug();
      const waiting = [CDC, VENDOR, 1].map((endpoint) => client.in(endpoint, 512));
      await client.control(setup(0x80, 8, 0, 0, 1));
      for (const pending of waiting) expect(await client.unlink(pending)).toBe(RESET);
      for (const request of [setup(0x40, 0x55, 0, 0, 60_000), setup(0x21, 0x20, 0, 0, 8), setup(0x00, 9, 7, 0, 0)]) {
        const data = new Uint8Array(request.length);
        expect((await client.control(request, data))?.status).toBe(STALL);
      }
      const reply = client.in(CDC, 512);
      await client.out(CDC, INFO).ended;
      expect((await reply.ended)?.moved).toBeGreaterThan(112);
    });

    test("T-21 unplugged or reset at any moment of a seal: the marks only rise, no offset comes twice, and it goes on", () => {
      const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
      const random = new Random(seed);
      const offsets: number[] = [];
      const ends = new Set<string | null>();
      let used = 0;
      for (let round = 0; round < 24; round++) {
        const about = `SEED=${seed} round ${round}`;
        const talk = new Talk(new UsbHost(board), round % 2 === 0 ? CDC : VENDOR);
        const { session } = talk.ask(commands.hello, { nonce: round }, 0, 0);
        const before = talk.ask(commands.info, undefined, session, 0).up.used;
        expect(before, about).toBeGreaterThanOrEqual(used);
        offsets.push(talk.ask(commands.seal, { kind: "last", text: randomBytes(40) }, session, 1).offset);
        used = talk.ask(commands.info, undefined, session, 0).up.used;
        expect(used, about).toBe(before + boxCost(40, 1));
        const reply = talk.begin(commands.seal, { kind: "last", text: randomBytes(500) }, session, 2);
        talk.rounds(random.below(SEAL_ROUNDS));
        ends.add(reply.end);
      }
      expect(new Set(offsets).size).toBe(24);
      expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
      expect([...ends].toSorted(), `SEED=${seed}`).toEqual(["done", null]);
    });

    test("when its power goes every transfer ends in gone, and with its power it is back", async () => {
      const { client } = await plug();
      const waiting = client.in(VENDOR, 512);
      const device = await openDevice(bulkTransport(client, CDC));
      const { up } = await device.info();
      board.powerOff();
      expect((await waiting.ended)?.status).toBe(GONE);
      expect((await client.out(VENDOR, INFO).ended)?.status).toBe(GONE);
      expect((await client.control(setup(0x80, 8, 0, 0, 1)))?.status).toBe(GONE);
      await client.unplug();
      board.powerOn();
      const again = await plug();
      const back = await openDevice(bulkTransport(again.client, VENDOR));
      const info = await back.info();
      expect(info.up.used).toBe(up.used);
      await back.close();
    });
  },
);
