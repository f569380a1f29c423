// One device, whatever carries its core: the simulator, an emulated board, a board on a port, a native program. The test body (test/hardware/body.test.ts) knows no more of it
// than this. A body that cannot do something says so by null, and what needs it is left out there.

import { readFileSync } from "node:fs";
import process from "node:process";
import {
  BARE_BEGIN,
  Board,
  type BoardName,
  type BoardOptions,
  CYCLES_PER_SECOND,
  readSymbols,
} from "../hardware/emulator/index.ts";
import { NativeDevice } from "../hardware/native/index.ts";
import { firmwareFor } from "../hardware/toolchain/index.ts";
import { type Clock, openTransport, type Transport } from "../host/driver/index.ts";
import { builtCore, type Cut, type CutKind, Flash, Machine, type Random } from "../simulator/index.ts";

/** How to take a body's power away at a moment that nobody chose. */
export interface PowerSwitch {
  /** Arms a cut at a moment of what comes next, drawn from `random`. */
  arm(kind: CutKind, random: Random): void;
  /** Takes the armed cut back; true when it had not come. */
  disarm(): boolean;
  /** Whether the device has power. */
  readonly on: boolean;
  /** Power comes, or the reset line is let go; returns when the device has booted. */
  powerOn(): void;
  /** The power goes now. */
  powerOff(): void;
}

export interface Body {
  readonly name: string;
  /** Sectors of 4 KiB of the chip as the core sees it; null: ask the device. */
  readonly sectors: number | null;
  readonly power: PowerSwitch | null;
  /** The whole chip of the device, as it is; null where nobody can look. */
  flash(): Uint8Array | null;
  /** Presses the button for a while; null without one. */
  readonly press: (() => void) | null;
  /** The line to it. It ends when the power goes. */
  open(): Promise<Transport>;
  /** The time of its host: what waits for a reply waits so. */
  readonly clock: Clock;
  close(): Promise<void>;
}

/** A reply that does not come is missed after 30 ms instead of 3 s: these bodies answer before `write` returns. */
const impatient: Clock = {
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds / 100);
    return () => clearTimeout(timer);
  },
};

const patient: Clock = {
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** HAL calls among which a cut is drawn: about as many as a small command makes. */
const CALLS = 14;

/** The core in the simulator. */
export function simulatorBody(sectors: number, entropy: (bytes: Uint8Array) => void): Body {
  const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors, seed: 1 }), entropy, presence: "ask" });
  const line = new SynchronousLine((bytes) => {
    machine.feed(bytes);
    machine.runUntilIdle();
  });
  machine.onTransmit = (bytes) => line.heard(bytes);
  const arm = (kind: CutKind, random: Random): void => {
    const when = (["before", "during", "after"] as const)[random.below(3)]!;
    const cut: Cut = { call: 1 + random.below(CALLS), when, kind };
    machine.cutAt(cut);
  };
  return {
    name: "simulator",
    sectors,
    clock: impatient,
    power: {
      arm,
      disarm: () => machine.disarm(),
      get on() {
        return machine.state === "on";
      },
      powerOn: () => void machine.powerOn(),
      powerOff: () => machine.powerCut(),
    },
    flash: () => machine.flash.content(0, machine.flash.size),
    press: () => machine.press(),
    open: async () => line.open(() => machine.state === "on"),
    close: async () => {},
  };
}

/** The core in a native program. */
export function nativeBody(sectors: number): Body {
  const device = new NativeDevice();
  device.renew({ sectors });
  const line = new SynchronousLine((bytes) => {
    line.heard(device.feed(bytes));
    device.pump();
  });
  return {
    name: "native",
    sectors,
    clock: impatient,
    power: {
      arm: (kind, random) => {
        const when = (["before", "during", "after"] as const)[random.below(3)]!;
        device.cutAt({ call: 1 + random.below(CALLS), when, kind });
      },
      disarm: () => device.disarm(),
      get on() {
        return device.state === "on";
      },
      powerOn: () => void device.powerOn(),
      powerOff: () => device.powerOff(),
    },
    flash: () => device.content(),
    press: () => device.press("accept"),
    open: async () => line.open(() => device.state === "on"),
    close: async () => device.close(),
  };
}

/** Sectors of the chips of emulated boards: the smallest that the firmware takes. */
const CHIP_SECTORS = 256;
/** More than any command, its background work, or a boot takes with {@link HASTE}. */
const PATIENCE = 60 * CYCLES_PER_SECOND;
/** Divides the chip's busy times: these tests ask what happens, not how long it takes. */
const HASTE = 64;
/** Cycles among which a cut is drawn: about those of a small command with the line before and behind it. */
const CYCLES = 2_000_000;

/** Makes an emulated board that runs the firmware of the checkout, with this pad chip or one whose times are short. */
export function emulatedBoard(name: BoardName, seed = 1, chip: BoardOptions["chip"] = { haste: HASTE }): Board {
  const { bin, elf } = firmwareFor(name);
  return new Board({
    board: name,
    image: readFileSync(bin),
    symbols: readSymbols(readFileSync(elf)),
    chip: { sectors: CHIP_SECTORS, ...chip },
    seed,
  });
}

/** Where in {@link Board.flash} the device's own chip begins. */
export function chipBegin(board: Board): number {
  return board.name === "pico-bare" ? BARE_BEGIN : 0;
}

/** Lets a board run until it has nothing more to do. */
export function settle(board: Board): void {
  board.run(PATIENCE, () => board.idle);
  if (board.state === "on" && !board.idle) throw new Error(`${board.name} is not idle after a minute`);
}

/** The line to a board, which runs until it is idle whenever it is written to. */
export function lineTo(board: Board): Transport {
  const line = new SynchronousLine((bytes) => {
    board.feedUart(bytes);
    settle(board);
  });
  board.onUart = (byte) => line.heard(Uint8Array.of(byte));
  return line.open(() => board.state === "on");
}

/** The firmware on an emulated board. */
export function boardBody(name: BoardName, seed = 1): Body {
  const board = emulatedBoard(name, seed);
  const begin = chipBegin(board);
  return {
    name,
    sectors: (board.flash.size - begin) / 4096,
    clock: impatient,
    power: {
      arm: (kind, random) => board.cutAt(board.cycles + random.below(CYCLES), kind),
      disarm: () => board.disarm(),
      get on() {
        return board.state === "on";
      },
      powerOn: () => {
        board.powerOn();
        settle(board);
      },
      powerOff: () => board.powerOff(),
    },
    flash: () => board.flash.content(begin, board.flash.size - begin),
    press:
      name === "pico"
        ? () => {
            board.press(true);
            board.run(CYCLES_PER_SECOND / 5);
            board.press(false);
            board.run(CYCLES_PER_SECOND / 5);
          }
        : null,
    open: async () => lineTo(board),
    close: async () => {},
  };
}

/** A real board on the port that TEARPAD_BODY_PORT names, with a blank chip; null without one. */
export function portBody(): Body | null {
  const port = process.env.TEARPAD_BODY_PORT;
  if (port === undefined) return null;
  return {
    name: port,
    sectors: null,
    clock: patient,
    power: null,
    flash: () => null,
    press: null,
    open: () => openTransport(port),
    close: async () => {},
  };
}

/** A line to a device in this process, which answers while it is written to. */
class SynchronousLine {
  readonly #feed: (bytes: Uint8Array) => void;
  #said: Uint8Array[] = [];

  constructor(feed: (bytes: Uint8Array) => void) {
    this.#feed = feed;
  }

  /** What the device says. */
  heard(bytes: Uint8Array): void {
    this.#said.push(bytes);
  }

  open(on: () => boolean): Transport {
    let hear: (bytes: Uint8Array) => void = () => {};
    let end: (reason?: Error) => void = () => {};
    return {
      write: async (bytes) => {
        if (on()) this.#feed(bytes);
        const said = Buffer.concat(this.#said);
        this.#said = [];
        if (said.length > 0) hear(said);
        if (!on()) end(new Error("no power"));
      },
      onData: (listener) => {
        hear = listener;
      },
      onClose: (listener) => {
        end = listener;
      },
      close: async () => {},
    };
  }
}
