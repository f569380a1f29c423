// The firmware on the emulated pico, over its USB vendor interface, at the typical busy times of the pad chip's data sheet: where the cycles of a box go. Cycles are counted by the
// emulator instruction by instruction and are the same in every run; waits that masters of the bus cause one another are not in them.
//
// A cycle belongs to the chip while it programs (`burn`), to the wires to it (`wires`), to the core (`core`, of which `xor` and `mac` are the two loops), to the rest of the
// firmware (`firmware`: USB, main loop), or to waiting for the host (`line`): asleep, or in
// turns of the main loop in which nothing came.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Board, CYCLES_PER_SECOND, readSymbols, type Symbols } from "../hardware/emulator/index.ts";
import { UsbHost } from "../hardware/emulator/usb/index.ts";
import { firmwareFor } from "../hardware/toolchain/index.ts";
import { USB_CONFIGURATION, USB_ENDPOINTS } from "../hardware/usb/index.ts";
import { type Device, openDevice } from "../host/driver/index.ts";
import { type Command, commands, encodeFrame, FrameDecoder, type SealedBox } from "../host/protocol/index.ts";
import { builtCore, Flash, lineTo, Machine } from "../simulator/index.ts";
import { fill, refillsUntilWorn } from "./device.ts";

const CHIP_SECTORS = 256;
const SECTORS_BEFORE_PAD = 32;
const PAD_BYTES = (CHIP_SECTORS - SECTORS_BEFORE_PAD) * 4096;
/** Full-speed bulk carries at most 19 packets of 64 bytes in a millisecond (USB 2.0, table 5-9): cycles for each byte, once in and once out. */
const USB_CYCLES: number = (2 * CYCLES_PER_SECOND) / 1000 / (19 * 64);
/** An instruction that takes longer, without a fetch from the boot flash, slept. */
const SLEEP_CYCLES = 100;
/** Longest that the device takes for anything here, in microseconds. */
const PATIENCE_US = 2_000_000;

const READ = 0x03;
const WRITE_ENABLE = 0x06;

/** Cycles a byte of text of one command with so much text, by where they went. */
export interface BoardRow {
  readonly command: "seal" | "open";
  readonly textPerBox: number;
  readonly burn: number;
  readonly wires: number;
  readonly core: number;
  readonly xor: number;
  readonly mac: number;
  readonly firmware: number;
  readonly line: number;
  /** All together: from the first packet of the command to the last of its reply. */
  readonly all: number;
  readonly kilobytesPerSecond: number;
  /**
   * That as a share of 125 MHz ÷ (burn + 206 of USB + core + firmware), as if these came one behind the other. It is no upper bound: packets come in and go out while the
   * processor works on those before, so that a command without burning can have a share above 1.
   */
  readonly share: number;
  /** Cycles from the record's write enable to the first read of the pad, and from there until the last page reads back as zeros; 0 for open. */
  readonly reserveCycles: number;
  readonly burnCycles: number;
}

/** What the image takes. */
export interface BoardSizes {
  readonly imageBytes: number;
  readonly ramBytes: number;
  /** The deepest that the stack was in all of this. */
  readonly stackBytes: number;
  /** Refills of the reference chip, used up in boxes of 4,096 bytes, until a journal sector is beyond what the data sheet promises. */
  readonly refillsUntilWorn: number;
}

/** Measures boxes of 64, 1,024 and 4,096 bytes. Needs arm-none-eabi-gcc. */
export async function benchBoard(): Promise<{ rows: BoardRow[]; sizes: BoardSizes }> {
  const { bin, elf, manifest } = firmwareFor("pico");
  const [image, symbols] = [readFileSync(bin), readSymbols(readFileSync(elf))];
  const [low, high] = [await filled("low"), await filled("high")];
  const board = new Board({ board: "pico", image, symbols, chip: { sectors: CHIP_SECTORS } });
  board.flash.put(0, low.machine.flash.content(0, low.machine.flash.size));
  const talk = new Talk(board);

  const rows: BoardRow[] = [];
  for (const textPerBox of [64, 1024, 4096]) {
    const text = new Uint8Array(textPerBox).fill(0x20);
    // The first of each finds the cache of the boot flash cold.
    const boxes: SealedBox[] = [await high.device.seal("data", text), await high.device.seal("data", text)];
    for (const first of [true, false]) {
      const seal = new Account(board, symbols);
      talk.ask(commands.seal, { kind: "data", text });
      const sealed = seal.close("seal", textPerBox);
      const open = new Account(board, symbols);
      talk.ask(commands.open, boxes[first ? 0 : 1]!);
      const opened = open.close("open", textPerBox);
      if (!first) rows.push(sealed, opened);
    }
  }
  await Promise.all([low.device.close(), high.device.close()]);
  return {
    rows,
    sizes: {
      imageBytes: image.length,
      ramBytes: manifest.sizes.ram ?? 0,
      stackBytes: symbols.at("stack_top")! - board.stackLowest,
      refillsUntilWorn: refillsUntilWorn(4096),
    },
  };
}

async function filled(side: "low" | "high"): Promise<{ machine: Machine; device: Device }> {
  const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors: CHIP_SECTORS }), entropy: 1 });
  machine.powerOn();
  const device = await openDevice(lineTo(machine));
  await fill(device, PAD_BYTES, side);
  return { machine, device };
}

/** Commands over the vendor interface, one at a time. */
class Talk {
  readonly #host: UsbHost;
  #session = 0;
  #sequence = 1;

  constructor(board: Board) {
    board.powerOn();
    this.#host = new UsbHost(board);
    if (!this.#host.enumerate()) throw new Error("the board does not show itself on USB");
    this.#host.controlNow({ type: 0x00, request: 9, value: USB_CONFIGURATION, index: 0, length: 0 });
    this.#session = this.#exchange(commands.hello, { nonce: 1 }, 0).session;
  }

  ask<Request, Reply>(command: Command<Request, Reply>, request: Request): Reply {
    return this.#exchange(command, request, this.#sequence++);
  }

  #exchange<Request, Reply>(command: Command<Request, Reply>, request: Request, sequence: number): Reply {
    const frame = { type: command.type, sequence, session: this.#session, payload: command.encode(request) };
    const reply = this.#host.in(USB_ENDPOINTS.vendorIn, 64 * 80);
    this.#host.out(USB_ENDPOINTS.vendorOut, encodeFrame(frame));
    for (const until = this.#host.us + PATIENCE_US; reply.bytes.at(-1) !== 0; this.#host.round()) {
      if (this.#host.us > until) throw new Error(`no reply to ${command.name}`);
    }
    reply.cancel();
    const [heard] = new FrameDecoder().push(reply.bytes);
    if (heard === undefined || "fault" in heard || heard.type !== (command.type | 0x80)) {
      throw new Error(`${command.name} was refused`);
    }
    const decoded = command.decode(heard.payload);
    if (decoded === null) throw new Error(`${command.name} was answered with something else`);
    return decoded;
  }
}

type Part = "wires" | "core" | "xor" | "mac" | "firmware" | "line";

/** Books every cycle from its making to {@link close}. */
class Account {
  readonly #board: Board;
  readonly #symbols: Symbols;
  readonly #begun: number;
  readonly #spent: Record<Part | "burn", number> = { burn: 0, wires: 0, core: 0, xor: 0, mac: 0, firmware: 0, line: 0 };
  readonly #commands: { opcode: number; address: number; cycle: number }[] = [];

  constructor(board: Board, symbols: Symbols) {
    this.#board = board;
    this.#symbols = symbols;
    this.#begun = board.cycles;
    let before = board.cycles;
    let part: Part | "burn" = "firmware";
    let named: Part = "firmware";
    let [from, to] = [0, 0];
    let { misses } = board;
    // Of this turn of the main loop: what the loop itself took, and whether anything came in.
    const turn = { core: 0, firmware: 0 };
    let served = true;
    let ofLoop = false;
    board.trace = (pc, cycle) => {
      const slept = cycle - before > SLEEP_CYCLES && board.misses === misses;
      const spent = slept && part !== "burn" ? "line" : part;
      this.#spent[spent] += cycle - before;
      if (ofLoop && (spent === "core" || spent === "firmware")) turn[spent] += cycle - before;
      before = cycle;
      ({ misses } = board);
      if (pc < from || pc >= to) {
        let name: string;
        [from, to, name] = this.#functionAt(pc);
        named = partOf(name);
        ofLoop = MAIN_LOOP.test(name);
        if (pc === from && name === "body_receive") served = true;
        if (pc === from && name === "body_poll") {
          // A turn in which nothing came waited for the line.
          for (const idle of served ? [] : (["core", "firmware"] as const)) {
            this.#spent[idle] -= turn[idle];
            this.#spent.line += turn[idle];
          }
          turn.core = turn.firmware = 0;
          served = false;
        }
      }
      part = board.busy ? "burn" : named;
    };
    board.onChip = (opcode, address) => this.#commands.push({ opcode, address, cycle: board.cycles });
  }

  /** The row; nothing is booked any more. */
  close(command: "seal" | "open", textPerBox: number): BoardRow {
    const board = this.#board;
    board.trace = null;
    board.onChip = null;
    const all = board.cycles - this.#begun;
    const perByte = (cycles: number): number => Number((cycles / textPerBox).toFixed(1));
    const { burn, wires, xor, mac, firmware, line } = this.#spent;
    const core = this.#spent.core + xor + mac;
    const ideal = USB_CYCLES + (burn + core + firmware) / textPerBox;
    return {
      command,
      textPerBox,
      burn: perByte(burn),
      wires: perByte(wires),
      core: perByte(core),
      xor: perByte(xor),
      mac: perByte(mac),
      firmware: perByte(firmware),
      line: perByte(line),
      all: perByte(all),
      kilobytesPerSecond: Number(((textPerBox / 1000) * (CYCLES_PER_SECOND / all)).toFixed(1)),
      share: Number(((ideal * textPerBox) / all).toFixed(2)),
      ...this.#phases(),
    };
  }

  #phases(): { reserveCycles: number; burnCycles: number } {
    const reserve = this.#commands.findIndex(({ opcode }) => opcode === WRITE_ENABLE);
    if (reserve < 0) return { reserveCycles: 0, burnCycles: 0 };
    const inPad = ({ opcode, address }: { opcode: number; address: number }): boolean =>
      opcode === READ && address >= SECTORS_BEFORE_PAD * 4096;
    const slice = this.#commands.findIndex((one, i) => i > reserve && inPad(one));
    const last = this.#commands.findLast(inPad)!;
    return {
      reserveCycles: this.#commands[slice]!.cycle - this.#commands[reserve]!.cycle,
      burnCycles: last.cycle - this.#commands[slice]!.cycle,
    };
  }

  #functionAt(pc: number): [from: number, to: number, name: string] {
    const found = this.#symbols.functionAt(pc);
    if (found === undefined) return [pc, pc + 2, ""];
    const from = pc - found.offset;
    const size = this.#symbols.functions.find(({ address }) => address === from)!.size;
    return [from, from + Math.max(size, 2), found.name];
  }
}

/** Functions of the firmware that drive the wires to the chip, or stand before a line that has no room (hardware/common, hardware/boards/pico). */
const WIRES = /^(get|put|select|release|status|addressed|bus_\w+|nor_\w+)$/;
const LINE = /^(send|\w+_send)$/;
/** What a turn of the main loop goes through when nothing came (hardware/common/main.c). */
const MAIN_LOOP = /^(main|body_poll|w2c_core_poll|light_working|reset_feed)$/;
const LIBRARY = /^(mem(cpy|set|move)|copy_shifted)$/;
/** The translated core calls its functions f and their number. */
const CORE = /^w2c_(?:core|hal)_(?:f(\d+))?/;

function partOf(symbol: string): Part {
  const name = symbol.replace(/^__|_veneer$/g, "").replace(/\.\w+/g, "");
  const core = CORE.exec(name);
  if (core !== null) {
    const source = core[1] === undefined ? "" : (coreNames()[Number(core[1])] ?? "");
    if (source.startsWith("assembly/engine/xor")) return "xor";
    return source.startsWith("assembly/engine/poly1305") ? "mac" : "core";
  }
  if (LIBRARY.test(name)) return "core";
  if (WIRES.test(name)) return "wires";
  return LINE.test(name) ? "line" : "firmware";
}

let names: string[] | null = null;

/** The functions of the core by their number, imports first, as the text of the build has them. */
function coreNames(): string[] {
  if (names !== null) return names;
  const text = readFileSync(fileURLToPath(new URL("../build/device.wat", import.meta.url)), "utf8");
  const imports = [...text.matchAll(/\(import "hal" "\w+" \(func/g)].map(() => "");
  names = [...imports, ...[...text.matchAll(/^ \(func \$(\S+)/gm)].map(([, name]) => name!)];
  return names;
}
