/**
 * What the firmware promises on a whole board where silicon, the supply or another program are not as one would wish: each throws when its
 * promise is broken. The tests run them on the firmware, and the torture on firmware with planted defects.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  type Board,
  type BoardName,
  CYCLES_PER_MICROSECOND,
  CYCLES_PER_SECOND,
} from "../../hardware/emulator/index.ts";
import { UsbHost } from "../../hardware/emulator/usb/index.ts";
import { fillDevice, firstSplitOfPair, openDevice } from "../../host/driver/index.ts";
import { type Command, commands, encodeFrame, FrameDecoder } from "../../host/protocol/index.ts";
import { builtCore, Flash, lineTo, Machine } from "../../simulator/index.ts";
import { chipBegin } from "../body.ts";
import { type BoardParts, info, makeBoard } from "./firmware-board.ts";

/** Makes a board with the firmware that is under test. */
export type Make = (parts?: BoardParts) => Board;

export interface FirmwareClaim {
  readonly boards: readonly BoardName[];
  readonly holds: (make: Make) => void | Promise<void>;
}

const BOTH: readonly BoardName[] = ["pico", "pico-bare"];
const PICO: readonly BoardName[] = ["pico"];
const PAD_BYTES = 65_536;
const VENDOR = 3;
const PATIENCE_US = 3_000_000;
/** Longer than any start. */
const START = 5 * CYCLES_PER_SECOND;
const ERASE = 0x20;
const RAM = 0x20000000;
const AVAILABLE = 1 << 10;
const VENDOR_IN_BUFFER = 0x80 + 8 * VENDOR;
/** Replies among which some find the chip at work late in a frame. */
const SEALS = 40;
/** Full speed: what of a frame is its last fifth, in which a hub may cut a packet off (erratum RP2040-E15). */
const [LATE_US, OVER_US] = [800, 998];

function started(board: Board, powerOn: () => void = () => board.powerOn()): Board {
  powerOn();
  serve(board);
  return board;
}

function serve(board: Board): void {
  board.run(START, () => board.idle && board.light);
}

function says(board: Board, expected: Partial<ReturnType<typeof info>>): void {
  const told = info(board);
  for (const [name, value] of Object.entries(expected))
    assert.deepEqual([name, told[name as keyof typeof told]], [name, value]);
}

export const FIRMWARE_CLAIMS: Readonly<Record<string, FirmwareClaim>> = {
  "the reset by which the boot ROM ends a flashing is no trap": {
    boards: BOTH,
    holds: (make) => {
      const board = make();
      says(
        started(board, () => board.powerOnFlashed()),
        { state: "blank", traps: 0, trapReason: 0 },
      );
    },
  },

  "a stack that runs out of memory changes nothing, and ends in a reset that counts": {
    boards: BOTH,
    holds: (make) => {
      // Without the names the emulator does not know where the stack ends, as silicon does not.
      const board = started(make({ symbols: null }));
      const { boots } = board;
      (board.chip!.core as unknown as { registers: Int32Array }).registers[13] = RAM + 16;
      board.run(START, () => board.boots > boots);
      serve(board);
      assert.equal(board.boots, boots + 1);
      says(board, { state: "blank", traps: 1, trapReason: 255 });
    },
  },

  "it starts on the slowest ring oscillator and on the fastest": {
    boards: PICO,
    holds: (make) => {
      for (const ringHz of [1_800_000, 12_000_000]) says(started(make({ ringHz })), { state: "blank", traps: 0 });
    },
  },

  "nothing is said to the chip before the supply is good, and its protection is gone then": {
    boards: PICO,
    holds: (make) => {
      const board = make();
      board.faults.locked = true;
      board.supplyLow = true;
      let told = 0;
      board.onChip = () => told++;
      board.powerOn();
      board.run(0.7 * CYCLES_PER_SECOND);
      assert.equal(told, 0);
      board.onChip = null;
      board.supplyLow = false;
      serve(board);
      says(board, { state: "blank", faultySection: "none" });
    },
  },

  "a supply that stays low leaves the chip as it is, and is what the device names": {
    boards: PICO,
    holds: (make) => {
      const board = make();
      board.faults.locked = true;
      board.supplyLow = true;
      board.powerOn();
      board.run(2 * CYCLES_PER_SECOND);
      says(board, { state: "faulty", faultySection: "supply" });
    },
  },

  "a chip that a reset left in the middle of its longest erase is waited for": {
    boards: BOTH,
    holds: (make) => {
      const board = make({ chip: { busy: "maximum" } });
      board.onChip = (opcode) => {
        if (opcode === ERASE) board.cutAt(board.cycles + CYCLES_PER_MICROSECOND, "reset");
      };
      board.powerOn();
      board.run(START, () => board.state === "held");
      board.onChip = null;
      assert.equal(board.state, "held");
      assert.equal(board.busy, true);
      says(started(board), { state: "blank", faultySection: "none" });
    },
  },

  "blocks that another program has protected are freed until the power goes": {
    boards: BOTH,
    holds: (make) => {
      const board = make();
      board.faults.locked = true;
      says(started(board), { state: "blank", faultySection: "none" });
    },
  },

  "a chip that another program sent to sleep is woken": {
    boards: PICO,
    holds: (make) => {
      const board = make();
      board.faults.asleep = true;
      says(started(board), { state: "blank", faultySection: "none" });
    },
  },

  "a chip with two status registers is used": {
    boards: PICO,
    holds: (make) => {
      const board = make({ chip: { registers: 2 } });
      board.faults.locked = true;
      says(started(board), { state: "blank", faultySection: "none" });
    },
  },

  "no packet to the host is armed late in a frame, whatever the chip does meanwhile (erratum RP2040-E15)": {
    boards: BOTH,
    holds: async (make) => {
      const board = make();
      await fill(board);
      board.powerOn();
      const talk = new VendorTalk(board);
      const armed = watch(board);
      for (let i = 0; i < SEALS; i++) {
        talk.ask(commands.seal, { kind: "last", text: randomBytes(1 + ((i * 13) % 200)) });
        talk.host.pass(137);
      }
      assert.ok(armed.length > SEALS);
      assert.deepEqual(
        armed.filter((us) => us >= LATE_US && us < OVER_US),
        [],
      );
    },
  },
};

/** One end of a pad, filled in the simulator. */
async function fill(board: Board): Promise<void> {
  const begin = chipBegin(board);
  const sectors = (board.flash.size - begin) / 4096;
  const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors }), entropy: 1 });
  machine.powerOn();
  const device = await openDevice(lineTo(machine));
  const slots = { low: false, high: false };
  const parameters = {
    side: "low",
    padLength: PAD_BYTES,
    padId: new Uint8Array(16),
    burnUnit: 1,
    slots,
    firstSplit: firstSplitOfPair({ padLength: PAD_BYTES, burnUnit: 1, slots: { low: 0, high: 0 } }),
    provenance: "csprng",
    claimedMinEntropy: 8,
    samplesTested: 0,
    longestRepetition: 0,
    highestProportion: 0,
    sourceName: "test",
  } as const;
  async function* pad(): AsyncGenerator<Uint8Array> {
    yield randomBytes(PAD_BYTES);
  }
  await fillDevice(device, parameters, pad());
  await device.close();
  board.flash.put(begin, machine.flash.content(0, machine.flash.size));
}

/** The moments in their frames, in microseconds, at which packets of the vendor interface to the host are armed from now on. */
function watch(board: Board): number[] {
  const usb = board.usb!;
  const armed: number[] = [];
  let begun = board.cycles;
  const [startOfFrame, written] = [usb.startOfFrame.bind(usb), usb.DPRAMUpdated.bind(usb)];
  usb.startOfFrame = () => {
    begun = board.cycles;
    startOfFrame();
  };
  usb.DPRAMUpdated = (offset, value) => {
    if (offset === VENDOR_IN_BUFFER && value & AVAILABLE) armed.push((board.cycles - begun) / CYCLES_PER_MICROSECOND);
    written(offset, value);
  };
  return armed;
}

/** Commands over the vendor interface of a board that has just got its power, one at a time. */
class VendorTalk {
  readonly host: UsbHost;
  private readonly session: number;
  private sequence = 0;

  constructor(board: Board) {
    this.host = new UsbHost(board);
    assert.equal(this.host.enumerate(), true);
    this.host.controlNow({ type: 0x00, request: 9, value: 1, index: 0, length: 0 });
    this.session = 0;
    this.session = this.ask(commands.hello, { nonce: 1 }).session;
  }

  ask<Request, Reply>(command: Command<Request, Reply>, request: Request): Reply {
    const frame = {
      type: command.type,
      sequence: this.sequence++,
      session: this.session,
      payload: command.encode(request),
    };
    this.host.out(VENDOR, encodeFrame(frame));
    const reply = this.host.in(VENDOR, 8192);
    this.host.until(reply, PATIENCE_US);
    const [heard] = new FrameDecoder().push(reply.bytes);
    if (heard === undefined || "fault" in heard || heard.type !== (command.type | 0x80))
      throw new Error(`${command.name} was refused.`);
    return command.decode(heard.payload)!;
  }
}

/** Throws when the claim does not hold for a firmware, by default that of the checkout. */
export async function hold(claim: FirmwareClaim, board: BoardName, firmware: BoardParts = {}): Promise<void> {
  await claim.holds((parts) => makeBoard(board, { ...firmware, ...parts }));
}
