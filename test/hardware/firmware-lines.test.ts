// One core, three lines: UART, USB serial port, USB vendor interface. Whoever asks gets the answer, and nobody else a
// byte of it.

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Board, CYCLES_PER_SECOND } from "../../hardware/emulator/index.ts";
import { type Transfer, UsbHost } from "../../hardware/emulator/usb/index.ts";
import { firmwareFor } from "../../hardware/toolchain/index.ts";
import { commands, encodeFrame, type Frame, FrameDecoder } from "../../host/protocol/index.ts";
import { padParameters } from "../host/pair.ts";
import { makeBoard, showsBoards, start } from "./firmware-board.ts";

const BUILD_MS = 120_000;
const CDC = 2;
const VENDOR = 3;
const SECOND_US = 1_000_000;
const ERROR = 0xff;
const BAD_FRAME = 1;
const BUSY = 20;

/** INFO under a sequence of its own: the reply carries it. */
function question(sequence: number): Uint8Array {
  return encodeFrame({ type: commands.info.type, sequence, session: 0, payload: new Uint8Array(0) });
}

function framesIn(bytes: Uint8Array): Frame[] {
  return new FrameDecoder().push(bytes).filter((frame) => "payload" in frame);
}

describe.skipIf(!showsBoards("firmware")).each(["pico", "pico-bare"] as const)(
  "the lines of %s",
  { timeout: 240_000 },
  (name) => {
    let board: Board;
    let host: UsbHost;
    let uart: number[];

    beforeAll(() => void firmwareFor(name), BUILD_MS);

    beforeEach(() => {
      board = makeBoard(name);
      uart = [];
      board.onUart = (byte) => uart.push(byte);
      start(board);
      host = new UsbHost(board);
      expect(host.enumerate()).toBe(true);
      expect(host.controlNow({ type: 0x00, request: 9, value: 1, index: 0, length: 0 }).end).toBe("done");
    });

    function read(transfer: Transfer, us = SECOND_US): number[] {
      host.until(transfer, us);
      return framesIn(transfer.bytes).map(({ sequence }) => sequence);
    }

    it("T-21 each of three that ask at once gets its own answer on its own line", () => {
      const [port, vendor] = [CDC, VENDOR].map((endpoint, i) => {
        host.out(endpoint, question(2 + i));
        return host.in(endpoint, 8192);
      });
      board.feedUart(question(1));
      expect(read(port!)).toEqual([2]);
      expect(read(vendor!)).toEqual([3]);
      board.run(CYCLES_PER_SECOND / 10);
      expect(framesIn(Uint8Array.from(uart)).map(({ sequence }) => sequence)).toEqual([1]);
    });

    it("✗ half a frame on one line holds the others up for a second at most, and its own line is told that it was none", () => {
      board.feedUart(question(1).subarray(0, 9));
      board.run(CYCLES_PER_SECOND / 10);
      host.out(VENDOR, question(7));
      const answer = host.in(VENDOR, 8192);
      host.pass(SECOND_US / 2);
      expect(answer.end).toBeNull();
      expect(read(answer)).toEqual([7]);
      board.run(CYCLES_PER_SECOND / 10);
      const [told, ...more] = framesIn(Uint8Array.from(uart));
      expect([told?.type, told?.payload[0]]).toEqual([ERROR, BAD_FRAME]);
      expect(more).toEqual([]);

      board.feedUart(question(9));
      board.run(CYCLES_PER_SECOND / 10);
      expect(framesIn(Uint8Array.from(uart)).at(-1)?.sequence).toBe(9);
    });
  },
);

describe.skipIf(!showsBoards("firmware")).each(["pico", "pico-bare"] as const)("the UART of %s", (name) => {
  it("loses no byte of the largest frame while the board erases sectors", () => {
    const board = makeBoard(name);
    const decoder = new FrameDecoder();
    let replies: Frame[] = [];
    board.onUart = (byte) => {
      for (const frame of decoder.push(Uint8Array.of(byte))) if ("payload" in frame) replies.push(frame);
    };
    const ask = (type: number, payload: Uint8Array, sequence: number, session: number): Frame => {
      replies = [];
      board.feedUart(encodeFrame({ type, sequence, session, payload }));
      board.run(3 * CYCLES_PER_SECOND, () => replies.length > 0);
      return replies[0]!;
    };
    start(board);
    const { session } = commands.hello.decode(
      ask(commands.hello.type, commands.hello.encode({ nonce: 1 }), 0, 0).payload,
    )!;
    const parameters = padParameters("low", 65_536, new Uint8Array(16).fill(3));
    expect(ask(commands.fill.type, commands.fill.encode(parameters), 1, session).type).toBe(commands.fill.type | 0x80);

    // BUSY: it was read whole, its CRC-32 was right, and the erasing went on.
    const answer = ask(commands.seal.type, new Uint8Array(4128).fill(1), 2, session);
    expect([answer.type, answer.payload[0]]).toEqual([ERROR, BUSY]);
    expect(board.dropped).toBe(0);
  });
});
