// The firmware and the simulator have the same conversations, byte for byte, and leave the same chips; and what the world does to a board ends in named errors or in a device that
// says what it lacks.

import { describe, expect, it } from "vitest";
import { type Board, type BoardName, CYCLES_PER_SECOND, type NorFaults } from "../../hardware/emulator/index.ts";
import { UsbHost } from "../../hardware/emulator/usb/index.ts";
import { USB_CONFIGURATION, USB_ENDPOINTS } from "../../hardware/usb/index.ts";
import { type Device, openDevice } from "../../host/driver/index.ts";
import { commands, encodeFrame, FrameDecoder } from "../../host/protocol/index.ts";
import { builtCore, Flash, Machine, Random } from "../../simulator/index.ts";
import { chipBegin, emulatedBoard, lineTo, settle } from "../body.ts";
import type { Body as BareBody } from "../browser/body.ts";
import { converse } from "../browser/conversation.ts";
import { fastClock, padParameters } from "../host/pair.ts";
import { showsBoards } from "./firmware-board.ts";

const shown = showsBoards("the firmware on emulated boards");

/** Rounds on the bus, of 10 µs, in which nothing came: the device has nothing more to say. */
const QUIET_ROUNDS = 500;

/** As the conversation uses a device: power, a line, and the chip. */
function ofBoard(board: Board): BareBody {
  let said: number[] = [];
  board.onUart = (byte) => said.push(byte);
  const begin = chipBegin(board);
  return {
    boot: () => {
      if (board.state === "on") board.powerOff();
      board.powerOn();
      settle(board);
    },
    feed: (bytes) => {
      said = [];
      board.feedUart(bytes);
      settle(board);
      return Uint8Array.from(said);
    },
    button: () => {},
    put: (address, bytes) => board.flash.put(begin + address, bytes),
    chip: () => board.flash.content(begin, board.flash.size - begin),
  };
}

function ofMachine(machine: Machine): BareBody {
  let said: Uint8Array[] = [];
  machine.onTransmit = (bytes) => said.push(bytes);
  return {
    boot: () => {
      if (machine.state === "on") machine.powerCut();
      machine.powerOn();
    },
    feed: (bytes) => {
      said = [];
      machine.feed(bytes);
      machine.runUntilIdle();
      return Buffer.concat(said);
    },
    button: () => {},
    put: (address, bytes) => machine.flash.put(address, bytes),
    chip: () => machine.flash.content(0, machine.flash.size),
  };
}

/** The serial that a fill drew: 8 bytes at offset 32 of the page that begins with TPID. */
function serialOf(chip: Uint8Array): Uint8Array {
  const at = Buffer.from(chip).indexOf("TPID");
  return chip.slice(at + 32, at + 40);
}

/** Programs of every page of 256 bytes. */
function programs(flash: Flash, begin: number, size: number): number[] {
  return Array.from({ length: size / 256 }, (_, page) => flash.programs(begin + page * 256));
}

describe.skipIf(!shown)("the firmware", { timeout: 240_000 }, () => {
  it.each(["pico", "pico-bare"] as const)(
    "T-18 %s has the same conversation as the simulator, byte for byte, and programs and erases its chip as often",
    async (name) => {
      const boards: Board[] = [];
      const story = await converse(() => {
        boards.push(emulatedBoard(name, boards.length + 1));
        return ofBoard(boards.at(-1)!);
      });
      // The serial of a fill is the one thing that a device draws: the simulated ones draw what the boards drew.
      const serials = boards.map((board) => serialOf(ofBoard(board).chip()));
      expect(serials[0]).not.toEqual(serials[1]);
      const begin = chipBegin(boards[0]!);
      const size = boards[0]!.flash.size - begin;
      const machines: Machine[] = [];
      const told = await converse(() => {
        const serial = serials[machines.length]!;
        const flash = new Flash({ sectors: size / 4096, erase64: name === "pico" });
        machines.push(new Machine({ core: builtCore(), flash, entropy: (bytes) => bytes.set(serial) }));
        return ofMachine(machines.at(-1)!);
      });
      expect(story).toEqual(told);
      for (const [i, board] of boards.entries()) {
        expect(programs(board.flash, begin, size)).toEqual(programs(machines[i]!.flash, 0, size));
        const erases = (flash: Flash, from: number): number[] =>
          Array.from({ length: size / 4096 }, (_, sector) => flash.erases(from / 4096 + sector));
        expect(erases(board.flash, begin)).toEqual(erases(machines[i]!.flash, 0));
        expect(board.dropped).toBe(0);
      }
    },
  );
});

/** A board that has power, with a chip that the simulator booted once, and its device behind the driver. */
async function booted(name: BoardName, spoil: (board: Board) => void = () => {}): Promise<[Board, Device]> {
  const board = emulatedBoard(name);
  const begin = chipBegin(board);
  const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors: (board.flash.size - begin) / 4096 }) });
  machine.powerOn();
  board.flash.put(begin, machine.flash.content(0, 65_536));
  spoil(board);
  board.powerOn();
  settle(board);
  return [board, await openDevice(lineTo(board), { clock: fastClock })];
}

/** Sends bytes over a line of the board; what comes back until it has nothing more to say. */
type Exchange = (bytes: Uint8Array) => Uint8Array;

const LINES: Readonly<Record<string, (board: Board) => Exchange>> = {
  UART: (board) => (bytes) => {
    const said: number[] = [];
    board.onUart = (byte) => said.push(byte);
    board.feedUart(bytes);
    settle(board);
    return Uint8Array.from(said);
  },
  "USB serial port": (board) => overUsb(board, USB_ENDPOINTS.cdcOut),
  "USB vendor interface": (board) => overUsb(board, USB_ENDPOINTS.vendorOut),
};

function overUsb(board: Board, endpoint: number): Exchange {
  const host = new UsbHost(board);
  expect(host.enumerate()).toBe(true);
  expect(host.controlNow({ type: 0, request: 9, value: USB_CONFIGURATION, index: 0, length: 0 }).end).toBe("done");
  return (bytes) => {
    const out = host.out(endpoint, bytes);
    const said: Uint8Array[] = [];
    let back = host.in(endpoint, 8192);
    for (let quiet = 0; out.end === null || quiet < QUIET_ROUNDS; quiet++) {
      if (host.round()) quiet = 0;
      if (back.end === null) continue;
      said.push(back.bytes);
      back = host.in(endpoint, 8192);
    }
    back.cancel();
    host.round();
    return Buffer.concat([...said, back.bytes]);
  };
}

describe.skipIf(!shown).each(["pico", "pico-bare"] as const)(
  "bytes that are no frames, to %s",
  { timeout: 240_000 },
  (name) => {
    it.each(Object.entries(LINES))(
      "over its %s: noise, what is too long, damaged or cut off is answered as such, and nothing else happens",
      async (_line, connect) => {
        const [board, device] = await booted(name);
        const before = await device.info();
        const exchange = connect(board);
        const replies = (bytes: Uint8Array): string[] =>
          new FrameDecoder().push(exchange(bytes)).map((heard) => {
            if ("fault" in heard) return heard.fault;
            return heard.type === 0xff ? `error ${heard.payload[0]}.${heard.payload[2]}` : `reply ${heard.type & 0x7f}`;
          });
        const info = encodeFrame({ type: commands.info.type, sequence: 9, session: 0, payload: new Uint8Array(0) });
        const damaged = info.with(info.length - 2, info.at(-2)! ^ 0x40);
        expect(replies(info)).toEqual(["reply 2"]);
        expect(replies(damaged)).toEqual(["error 1.1"]);
        expect(replies(Buffer.concat([new Uint8Array(6000).fill(0x55), Uint8Array.of(0)]))).toEqual(["error 1.3"]);
        expect(replies(Uint8Array.of(9, 1, 2, 3, 0))).toEqual(["error 1.4"]);
        expect(replies(Uint8Array.of(3, 1, 2, 0, 0, 0))).toEqual(["error 1.2"]);
        expect(replies(info.subarray(0, 7))).toEqual([]);
        expect(replies(Buffer.concat([Uint8Array.of(0), info]))).toEqual(["error 1.2", "reply 2"]);
        const noise = new Uint8Array(4000);
        new Random(5).fill(noise);
        expect(replies(Buffer.concat([noise, Uint8Array.of(0)])).every((each) => each.startsWith("error 1."))).toBe(
          true,
        );
        expect(replies(info)).toEqual(["reply 2"]);
        expect(board.dropped).toBe(0);
        expect(board.boots).toBe(1);
        const again = await openDevice(lineTo(board), { clock: fastClock });
        expect(await again.info()).toEqual(before);
      },
    );
  },
);

describe.skipIf(!shown)("what the world does to a pico", { timeout: 240_000 }, () => {
  it.each<[string, NorFaults]>([
    ["is not there and reads as ones", { absent: 0xff }],
    ["is not there and reads as zeros", { absent: 0x00 }],
    ["is busy for ever", { stuck: true }],
    ["is protected", { protected: true }],
  ])(
    "a chip that %s: the device answers, says that its chip is at fault, and writes nothing",
    async (_what, faults) => {
      const [board, device] = await booted("pico", (it) => Object.assign(it.faults, faults));
      const before = Buffer.from(board.flash.content(0, board.flash.size));
      expect(await device.info()).toMatchObject({ state: "faulty", faultySection: "chip" });
      await expect(device.begin(null, 0)).rejects.toMatchObject({ code: "FAULTY", facts: { section: "chip" } });
      expect(Buffer.compare(board.flash.content(0, board.flash.size), before)).toBe(0);
      expect(board.state).toBe("on");
    },
  );

  it("a chip of 512 KiB is refused as a pad's chip", async () => {
    const board = emulatedBoard("pico", 1, { sectors: 128 });
    board.powerOn();
    settle(board);
    const device = await openDevice(lineTo(board), { clock: fastClock });
    expect(await device.info()).toMatchObject({ state: "faulty", faultySection: "chip" });
  });

  it("a chip of 4 MiB is used as what it is", async () => {
    const board = emulatedBoard("pico", 1, { sectors: 1024, haste: 64 });
    const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors: 1024 }) });
    machine.powerOn();
    board.flash.put(0, machine.flash.content(0, 65_536));
    board.powerOn();
    settle(board);
    const device = await openDevice(lineTo(board), { clock: fastClock });
    expect(await device.info()).toMatchObject({ state: "blank", chipSize: 4 << 20 });
  });

  it("a chip at its longest busy times is waited for", async () => {
    const [board, device] = await booted("pico");
    expect(await device.info()).toMatchObject({ state: "blank" });
    const slow = emulatedBoard("pico", 1, { busy: "maximum" });
    slow.flash.put(0, board.flash.content(0, 65_536));
    slow.powerOn();
    settle(slow);
    expect(await (await openDevice(lineTo(slow), { clock: fastClock })).info()).toMatchObject({
      state: "blank",
      bootEpoch: 3,
    });
  });

  it("a supply that is too low stops what would be written, names it, and what comes with it again goes on", async () => {
    const [board, device] = await booted("pico");
    const { journalSequence } = await device.info();
    board.supplyLow = true;
    await expect(device.fill(padParameters("low", 20_480, new Uint8Array(16)))).rejects.toMatchObject({
      code: "SUPPLY_LOW",
    });
    expect((await device.info()).journalSequence).toBe(journalSequence);
    board.powerOff();
    board.powerOn();
    // The firmware gives a supervisor its time before it takes the supply for bad.
    board.run(2 * CYCLES_PER_SECOND);
    expect(await (await openDevice(lineTo(board), { clock: fastClock })).info()).toMatchObject({
      state: "faulty",
      faultySection: "supply",
    });
    board.supplyLow = false;
    board.powerOff();
    board.powerOn();
    settle(board);
    expect(await (await openDevice(lineTo(board), { clock: fastClock })).info()).toMatchObject({ state: "blank" });
  });

  it("a board that is busy while bytes come keeps them all: three commands at once are answered in turn", async () => {
    const [board] = await booted("pico");
    const hello = (nonce: number): Uint8Array =>
      encodeFrame({ type: commands.hello.type, sequence: 0, session: 0, payload: commands.hello.encode({ nonce }) });
    const said: number[] = [];
    board.onUart = (byte) => said.push(byte);
    board.feedUart(Buffer.concat([hello(1), hello(2), hello(3)]));
    settle(board);
    const heard = new FrameDecoder().push(Uint8Array.from(said));
    expect(heard.map((frame) => ("fault" in frame ? frame.fault : frame.payload[0]))).toEqual([1, 2, 3]);
  });
});
