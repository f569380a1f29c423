/**
 * What the firmware's USB part promises to any host, as checks on an {@link EchoBoard}: each throws when its promise is broken. The tests run
 * them on the firmware, and on firmware with planted defects.
 */
import assert from "node:assert/strict";
import { USB_ENDPOINTS, USB_INTERFACES, usbAnswers } from "../../hardware/usb/index.ts";
import { Random } from "../../simulator/index.ts";
import type { EchoBoard } from "./usb-echo.ts";

type Bytes = Uint8Array;
const NONE = new Uint8Array(0);
const CDC = 2;
const VENDOR = 3;
const TRANSFER_US = 200_000;
const SERIAL = Uint8Array.of(0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef);
const RECEIVE_BYTES = 1024;

const setConfiguration = { type: 0x00, request: 9, value: 1, index: 0, length: 0 };
const setInterface = { type: 0x01, request: 11, value: 0, index: USB_INTERFACES.vendor, length: 0 };
const lineState = (value: number) => ({ type: 0x21, request: 0x22, value, index: 0, length: 0 });
const setHalt = (index: number) => ({ type: 0x02, request: 3, value: 0, index, length: 0 });
const clearHalt = (index: number) => ({ type: 0x02, request: 1, value: 0, index, length: 0 });
const endpointStatus = (index: number) => ({ type: 0x82, request: 0, value: 0, index, length: 2 });
const getConfigurationDescriptor = { type: 0x80, request: 6, value: 0x0200, index: 0, length: 255 };

/** A frame of `length` bytes with its 00 at the end and none before. */
function frame(length: number, seed: number): Bytes {
  const random = new Random(seed);
  return Uint8Array.from({ length }, (_, i) => (i === length - 1 ? 0 : 1 + random.below(255)));
}

/** Sends a frame and takes what comes back. */
function echo({ host }: EchoBoard, endpoint: number, bytes: Bytes): Bytes {
  const out = host.out(endpoint, bytes);
  const back = host.in(endpoint, 8192);
  host.until(back, TRANSFER_US);
  assert.equal(out.end, "done");
  return back.bytes;
}

function ready(board: EchoBoard): void {
  assert.equal(board.host.enumerate(), true);
  assert.equal(board.host.controlNow(setConfiguration).end, "done");
}

function nothingComes({ host }: EchoBoard, endpoint: number): void {
  const waits = host.in(endpoint, 512);
  host.pass(2_000);
  for (let i = 0; i < 100; i++) host.round();
  assert.deepEqual([waits.end, waits.bytes.length], [null, 0]);
  waits.cancel();
  host.round();
}

export const CLAIMS: Readonly<Record<string, (board: EchoBoard) => void>> = {
  "every descriptor comes as it is written, as far as it is asked for"(board) {
    assert.equal(board.host.enumerate(), true);
    for (const { type, request, value, index, bytes } of usbAnswers(SERIAL)) {
      for (const length of [0, 1, 8, 64, 65, bytes.length, bytes.length + 1, 0xffff]) {
        const asked = board.host.controlNow({ type, request, value, index: index ?? 0x0409, length });
        assert.deepEqual([asked.end, ...asked.bytes], ["done", ...bytes.subarray(0, length)]);
      }
    }
  },

  "an address counts from the end of the request that gives it"({ host, usb }) {
    host.plug(1_000_000);
    host.reset();
    usb.setup(0, Uint8Array.of(0, 5, 9, 0, 0, 0, 0, 0));
    host.pass(100);
    assert.equal(usb.in(9, 0), "none");
    assert.deepEqual(usb.in(0, 0), { toggle: 1, bytes: NONE });
    host.pass(100);
    assert.equal(usb.in(0, 0), "none");
    assert.equal(usb.in(9, 0), "nak");
  },

  "a request that is not known is stalled, and the next one is answered"(board) {
    ready(board);
    const { host } = board;
    for (const [type, request, value, index, length] of [
      [0x80, 6, 0x0600, 0, 10], // a device qualifier: there is no high speed
      [0x80, 6, 0x03ee, 0, 18], // Microsoft OS 1.0
      [0x80, 6, 0x0306, 0x0409, 255], // a text that is not there
      [0xc0, 1, 1, 2, 255], // WebUSB: there is no page to land on
      [0xc0, 2, 0, 8, 255], // Microsoft OS 2.0: another mode of the device
      [0x00, 9, 2, 0, 0], // another configuration
      [0x00, 3, 1, 0, 0], // remote wake-up
      [0x01, 11, 1, 2, 0], // another setting of an interface
      [0x81, 10, 0, 3, 1], // another interface
      [0x02, 3, 0, 0x04, 0], // another endpoint
      [0x21, 0x20, 0, 0, 8], // a line coding that is too long
      [0x21, 0x22, 0, 1, 0], // a line state of the wrong interface
      [0x40, 0x55, 0, 0, 64], // oversized, and unknown
      [0x21, 0x20, 0, 0, 0xffff],
      [0x00, 7, 0x0100, 0, 18], // SET_DESCRIPTOR
    ] as const) {
      const transfer = host.controlNow({ type, request, value, index, length }, new Uint8Array(length));
      assert.deepEqual([type, request, transfer.end], [type, request, "stall"]);
      assert.equal(host.controlNow(endpointStatus(0)).end, "done");
    }
    assert.deepEqual(echo(board, VENDOR, frame(100, 1)), frame(100, 1));
  },

  "whatever a host asks for at random, it is answered or stalled, and the device goes on"(board) {
    ready(board);
    const random = new Random(20261120);
    for (let i = 0; i < 400; i++) {
      const pick = <T>(...of: T[]): T => of[random.below(of.length)]!;
      const type = pick(0x00, 0x01, 0x02, 0x21, 0x80, 0x81, 0x82, 0xa1, 0xc0, 0x40, random.below(256));
      const request = pick(0, 1, 3, 6, 8, 9, 10, 11, 0x20, 0x21, 0x22, 0x23, random.below(256));
      const value = pick(0, 1, 0x0100, 0x0200, 0x0300 + random.below(8), 0x0f00, random.below(0x10000));
      const index = pick(0, 1, 2, 0x81, 0x02, 0x82, 0x83, 0x0409, random.below(0x10000));
      if (type === 0x00 && request === 5) continue;
      const length = pick(0, 1, 2, 7, 18, 64, 255, random.below(300));
      const data = Uint8Array.from({ length }, () => random.below(256));
      const { end } = board.host.controlNow({ type, request, value, index, length }, data);
      assert.ok(end === "done" || end === "stall");
    }
    assert.equal(board.host.controlNow(setConfiguration).end, "done");
    assert.deepEqual(echo(board, CDC, frame(200, 2)), frame(200, 2));
  },

  "a SETUP ends the request before it, wherever that was"(board) {
    ready(board);
    const { host } = board;
    for (let rounds = 0; rounds < 8; rounds++) {
      const broken = host.control(getConfigurationDescriptor);
      for (let i = 0; i < rounds; i++) host.round();
      broken.cancel();
      const asked = host.controlNow({ ...getConfigurationDescriptor, value: 0x0304, index: 0x0409 });
      assert.deepEqual(asked.bytes, usbAnswers(SERIAL)[6]!.bytes);
    }
    for (let rounds = 0; rounds < 4; rounds++) {
      const broken = host.control({ type: 0x21, request: 0x20, value: 0, index: 0, length: 7 }, new Uint8Array(7));
      for (let i = 0; i < rounds; i++) host.round();
      broken.cancel();
      assert.deepEqual(host.controlNow(endpointStatus(USB_ENDPOINTS.cdcIn)).bytes, Uint8Array.of(0, 0));
    }
  },

  "a host may end an answer early"({ host, usb }) {
    host.enumerate();
    for (let packets = 0; packets < 2; packets++) {
      host.setup(Uint8Array.of(0x80, 6, 0x00, 0x02, 0, 0, 98, 0));
      for (let i = 0; i < packets; i++) {
        host.pass(100);
        usb.in(1, 0);
      }
      host.pass(100);
      assert.equal(host.givePacket(0, NONE), "ack");
      assert.equal(host.controlNow(getConfigurationDescriptor).bytes.length, 98);
    }
  },

  "the line coding is kept"(board) {
    ready(board);
    const coding = Uint8Array.of(0x80, 0x25, 0, 0, 1, 2, 7);
    const set = { type: 0x21, request: 0x20, value: 0, index: 0, length: 7 };
    assert.equal(board.host.controlNow(set, coding).end, "done");
    assert.deepEqual(board.host.controlNow({ ...set, type: 0xa1, request: 0x21 }).bytes, coding);
  },

  "frames of every length around a packet come back whole, and end their transfer"(board) {
    ready(board);
    for (const length of [1, 2, 63, 64, 65, 127, 128, 129, 256, 1023, 1024, 1025, 4162]) {
      for (const endpoint of [CDC, VENDOR])
        assert.deepEqual(echo(board, endpoint, frame(length, length)), frame(length, length));
    }
  },

  "both lines at a time, each gets its own"(board) {
    ready(board);
    const { host } = board;
    const all = [CDC, VENDOR].map((endpoint) => {
      const bytes = frame(2000, endpoint);
      return { bytes, out: host.out(endpoint, bytes), back: host.in(endpoint, 4096) };
    });
    for (const { back } of all) host.until(back, TRANSFER_US);
    for (const { bytes, back } of all) assert.deepEqual(back.bytes, bytes);
  },

  "a host that sends more than there is room for waits, and nothing of it is lost"(board) {
    ready(board);
    const { host } = board;
    board.stopped = true;
    const bytes = frame(4000, 7);
    const out = host.out(CDC, bytes);
    host.pass(1000);
    for (let i = 0; i < 500; i++) host.round();
    assert.equal(out.end, null);
    assert.ok(out.bytes.length > RECEIVE_BYTES - 2 * 64);
    assert.ok(out.bytes.length <= RECEIVE_BYTES);
    board.stopped = false;
    const back = host.in(CDC, 8192);
    host.until(back, TRANSFER_US);
    assert.deepEqual(back.bytes, bytes);
  },

  "the device never speaks first"(board) {
    ready(board);
    nothingComes(board, CDC);
    nothingComes(board, VENDOR);
  },

  "what nobody read is gone when the other end went: reset, new configuration, closed port, break, interface set anew"(
    board,
  ) {
    const ends: [endpoint: number, end: () => void][] = [
      [CDC, () => ready(board)],
      [VENDOR, () => ready(board)],
      [VENDOR, () => board.host.controlNow(setConfiguration)],
      [CDC, () => board.host.controlNow(lineState(0))],
      [CDC, () => board.host.controlNow({ ...lineState(100), request: 0x23 })],
      [VENDOR, () => board.host.controlNow(setInterface)],
    ];
    ready(board);
    for (const [endpoint, end] of ends) {
      board.host.controlNow(lineState(1));
      board.host.until(board.host.out(endpoint, frame(700, 8)), TRANSFER_US);
      board.host.pass(500);
      end();
      nothingComes(board, endpoint);
      assert.deepEqual(echo(board, endpoint, frame(90, 9)), frame(90, 9));
    }
  },

  "a bus reset at any moment of a frame leaves a device that serves the next"(board) {
    ready(board);
    const { host } = board;
    for (let rounds = 0; rounds < 36; rounds++) {
      const bytes = frame(600, rounds);
      host.out(VENDOR, bytes);
      host.in(VENDOR, 4096);
      for (let i = 0; i < rounds; i++) host.round();
      ready(board);
      host.pass(500);
      assert.deepEqual(echo(board, VENDOR, frame(130, rounds)), frame(130, rounds));
    }
  },

  "half a frame does not reach into what comes behind a closed port"(board) {
    ready(board);
    const { host } = board;
    host.controlNow(lineState(1));
    host.until(host.out(CDC, Uint8Array.of(1, 2, 3)), TRANSFER_US);
    host.controlNow(lineState(0));
    host.pass(500);
    assert.deepEqual(echo(board, CDC, frame(20, 3)), frame(20, 3));
  },

  "a halted endpoint stalls until that is cleared, loses nothing, and begins at DATA0"(board) {
    ready(board);
    const { host } = board;
    assert.equal(host.controlNow(setHalt(0x83)).end, "done");
    assert.deepEqual([...host.controlNow(endpointStatus(0x83)).bytes], [1, 0]);
    const refused = host.in(0x83, 64);
    host.until(refused, TRANSFER_US);
    assert.equal(refused.end, "stall");
    host.until(host.out(VENDOR, frame(200, 4)), TRANSFER_US);
    host.controlNow(clearHalt(0x83));
    const back = host.in(0x83, 512);
    host.until(back, TRANSFER_US);
    assert.deepEqual(back.bytes, frame(200, 4));

    host.controlNow(setHalt(VENDOR));
    const out = host.out(VENDOR, frame(10, 5));
    host.until(out, TRANSFER_US);
    assert.deepEqual([out.end, out.bytes.length], ["stall", 0]);
    host.controlNow(clearHalt(VENDOR));
    assert.deepEqual(echo(board, VENDOR, frame(300, 6)), frame(300, 6));
  },

  "clearing what is not halted begins the toggle anew and keeps the packet that waits"(board) {
    ready(board);
    const { host } = board;
    assert.deepEqual(echo(board, VENDOR, frame(65, 1)), frame(65, 1));
    assert.deepEqual(echo(board, VENDOR, frame(30, 1)), frame(30, 1)); // an odd number of packets each way
    host.until(host.out(VENDOR, frame(150, 2)), TRANSFER_US);
    host.pass(1500); // the first packet is armed
    host.controlNow(clearHalt(0x83));
    host.controlNow(clearHalt(VENDOR));
    const back = host.in(0x83, 512);
    host.until(back, TRANSFER_US);
    assert.deepEqual(back.bytes, frame(150, 2));
    assert.deepEqual(echo(board, VENDOR, frame(64, 3)), frame(64, 3));
  },

  "the notification endpoint stays empty, and can be halted"(board) {
    ready(board);
    nothingComes(board, USB_ENDPOINTS.notification);
    board.host.controlNow(setHalt(0x81));
    const refused = board.host.in(0x81, 16);
    board.host.until(refused, TRANSFER_US);
    assert.equal(refused.end, "stall");
    board.host.controlNow(clearHalt(0x81));
    nothingComes(board, USB_ENDPOINTS.notification);
  },

  "a host that sleeps finds everything as it was"(board) {
    ready(board);
    const { host } = board;
    const bytes = frame(500, 5);
    host.out(CDC, bytes);
    for (let i = 0; i < 5; i++) host.round();
    host.sleep(20_000);
    const back = host.in(CDC, 1024);
    host.until(back, TRANSFER_US);
    assert.deepEqual(back.bytes, bytes);
  },

  "a host that does not read is given up in time, and the other line is served"(board) {
    ready(board);
    const { host } = board;
    host.until(host.out(CDC, frame(1000, 6)), TRANSFER_US);
    host.pass(3_000);
    board.skip(2_000_001);
    host.pass(1_000);
    assert.deepEqual(echo(board, VENDOR, frame(100, 7)), frame(100, 7));
    nothingComes(board, CDC);
    assert.deepEqual(echo(board, CDC, frame(100, 8)), frame(100, 8));
  },

  "no bulk packet to the host is armed late in a frame (erratum RP2040-E15)"(board) {
    ready(board);
    const { usb } = board;
    const moments: number[] = [];
    let begun = board.cycles;
    const [startOfFrame, written] = [usb.startOfFrame.bind(usb), usb.DPRAMUpdated.bind(usb)];
    usb.startOfFrame = () => {
      begun = board.cycles;
      startOfFrame();
    };
    usb.DPRAMUpdated = (offset, value) => {
      const bulkIn = offset === 0x80 + 8 * CDC || offset === 0x80 + 8 * VENDOR;
      if (bulkIn && value & (1 << 10)) moments.push((board.cycles - begun) / 125);
      written(offset, value);
    };
    for (let i = 0; i < 8; i++) echo(board, VENDOR, frame(3000, i));
    assert.ok(moments.length > 300);
    assert.ok(Math.max(...moments) > 700);
    assert.deepEqual(
      moments.filter((us) => us >= 800 && us < 998),
      [],
    );
  },
};
