// An emulated board with the firmware of the checkout, asked over its UART. Its chip holds the journal that a first
// boot leaves, made by the simulator: the emulated one would read all of a blank chip.

import { readFileSync } from "node:fs";
import process from "node:process";
import {
  BARE_BEGIN,
  Board,
  type BoardName,
  type BoardOptions,
  CYCLES_PER_SECOND,
  readSymbols,
  type Symbols,
} from "../../hardware/emulator/index.ts";
import { firmwareFor, hasArmCompiler } from "../../hardware/toolchain/index.ts";
import { type Command, commands, encodeFrame, FrameDecoder, type Info } from "../../host/protocol/index.ts";
import { builtCore, Flash, Machine } from "../../simulator/index.ts";

const JOURNAL = 65_536;
const SECTORS = 256;

/** Whether to show what needs the compiler for boards: without it not, but in CI, where it fails then. */
export function showsBoards(what: string): boolean {
  if (hasArmCompiler() || process.env.CI) return true;
  console.warn(`not shown here, because there is no arm-none-eabi-gcc: ${what}`);
  return false;
}

/** What is another board than usual: `image` is what it is flashed with instead of its firmware; without `symbols` nobody knows what lies where. */
export type BoardParts = Partial<Pick<BoardOptions, "chip" | "image" | "ringHz">> & {
  readonly symbols?: Symbols | null;
};

/** A board without power. */
export function makeBoard(name: BoardName, { symbols, ...parts }: BoardParts = {}): Board {
  const { bin, elf } = firmwareFor(name);
  const named = symbols === undefined ? readSymbols(readFileSync(elf)) : symbols;
  const board = new Board({
    board: name,
    image: readFileSync(bin),
    ...parts,
    ...(named === null ? {} : { symbols: named }),
    chip: { sectors: SECTORS, ...parts.chip },
  });
  const begin = name === "pico-bare" ? BARE_BEGIN : 0;
  board.flash.put(begin, journalOf((board.flash.size - begin) / 4096));
  return board;
}

/** The journal behind a first boot of a chip. */
function journalOf(sectors: number): Uint8Array {
  const before = new Machine({ core: builtCore(), flash: new Flash({ sectors }) });
  before.powerOn();
  return before.flash.content(0, Math.min(JOURNAL, before.flash.size));
}

/** Power on, and until the board serves or `seconds` are over. */
export function start(board: Board, seconds = 5): void {
  board.powerOn();
  board.run(seconds * CYCLES_PER_SECOND, () => board.idle && board.light);
}

/** What the board answers within a second; null when it answers nothing. */
export function ask<Request, Reply>(
  board: Board,
  command: Command<Request, Reply>,
  request: Request,
  { session, sequence }: { session: number; sequence: number } = { session: 0, sequence: 0 },
): Reply | null {
  const decoder = new FrameDecoder();
  let reply: Reply | null = null;
  board.onUart = (byte) => {
    for (const frame of decoder.push(Uint8Array.of(byte))) {
      if (!("fault" in frame) && frame.type === (command.type | 0x80)) reply = command.decode(frame.payload);
    }
  };
  const frame = encodeFrame({ type: command.type, sequence, session, payload: command.encode(request) });
  board.feedUart(Uint8Array.of(0, ...frame));
  board.run(CYCLES_PER_SECOND, () => reply !== null);
  return reply;
}

/** INFO, which every board answers that serves at all. */
export function info(board: Board): Info {
  const reply = ask(board, commands.info, undefined);
  if (reply === null) throw new Error("The board does not answer.");
  return reply;
}
