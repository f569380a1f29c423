// The torture of the firmware: an emulated board loses its power or is reset at any cycle, in commands and in boots, and is held against the ideal that the core alone is held
// against. The ideal stands outside: it knows the pad and sees the line and the chip's cells, nothing of the firmware.

import {
  type Board,
  BoardFailure,
  type BoardName,
  type BoardOptions,
  CYCLES_PER_MICROSECOND,
  CYCLES_PER_SECOND,
  LINE_BAUD,
} from "../../hardware/emulator/index.ts";
import { builtCore, type Flash, Random, TEARS } from "../../simulator/index.ts";
import { chipBegin, emulatedBoard, settle } from "../body.ts";
import type { Tally } from "./cuts.ts";
import { type Findings, type Ideal, noFindings } from "./ideal.ts";
import { begin, find, perform, raise, release, releaseSlot, seal } from "./operations.ts";
import { HIGH, LOW, PAD_BASE, type Reply, Rig, type Side } from "./rig.ts";
import { aftermath, makeBench, text } from "./scenarios.ts";
import { act, grant, ready, receipt, skip, state, type TokenIdeal, type TokenPlan } from "./token.ts";
import { makeTokenBench } from "./token-scenarios.ts";

const SECTOR = 4096;
/** Chips from 1 MiB on are divided like the reference chip (SPEC section 4). */
const REFERENCE_BYTES = 1 << 20;
const [SMALL, REFERENCE] = [
  { journal: 4, identity: 1 },
  { journal: 16, identity: 8 },
];
const BYTE_CYCLES = Math.round((10 * CYCLES_PER_SECOND) / LINE_BAUD);
/**
 * A small chip with the typical busy times of its data sheet. On `pico-bare`, which cannot sleep while it is busy, they are divided: so many turns of a waiting loop would
 * take most of the time of the torture.
 */
export const CHIPS: Readonly<Record<BoardName, NonNullable<BoardOptions["chip"]>>> = {
  pico: { sectors: 256 },
  "pico-bare": { sectors: 256, haste: 8 },
};
/** Cycles in which a command of little text reserves, burns and seals, those of its reply on the line, and those of a boot: in the loader, which writes nothing, and behind it. */
const WORK_CYCLES = 500_000;
const REPLY_CYCLES = 100 * BYTE_CYCLES;
const LOADER_CYCLES = 17_500_000;
const BOOT_CYCLES = 11_000_000;
/** Programs and erases, the typical time of each in microseconds, and how many of them a command or a boot may have. */
const BUSY_US: Readonly<Record<number, number>> = { 2: 400, 32: 45_000, 216: 150_000 };
const BUSY_MOST = 4;
const PROGRAM = 0x02;
/** Cuts of one device before the next begins where the bench left it. */
const CUTS_A_LIFE = 12;

/** A rig whose device is an emulated board. Its own machine is never asked. */
class BoardRig extends Rig {
  readonly board: Board;
  /** The device's chip at the addresses that a small chip would have. */
  override readonly flash: Flash;

  constructor(board: Board) {
    super(builtCore(), 1);
    this.board = board;
    board.onUart = (byte) => this.line.push(Uint8Array.of(byte));
    const { divided, begin } = this;
    const shift = begin + SECTOR * (divided.journal + 2 * divided.identity) - PAD_BASE;
    const { flash } = board;
    this.flash = Object.assign(Object.create(flash) as Flash, {
      content: (address: number, length: number, into?: Uint8Array) => flash.content(address + shift, length, into),
      unstable: (address: number, length: number) => flash.unstable(address + shift, length),
      stable: (address: number, length: number) => flash.stable(address + shift, length),
    });
  }

  /** The board without power, its chip as that of a small one in the simulator. */
  implant(from: Flash): void {
    const { board, divided, begin } = this;
    if (board.state !== "off") board.powerOff("nothing");
    board.disarm();
    const { flash } = board;
    const blank = new Uint8Array(flash.size - begin).fill(0xff);
    flash.put(begin, blank);
    const move = (to: number, at: number, sectors: number): void =>
      flash.put(begin + to * SECTOR, from.content(at * SECTOR, sectors * SECTOR));
    move(0, 0, SMALL.journal);
    move(divided.journal, SMALL.journal, 1);
    move(divided.journal + divided.identity, SMALL.journal + 1, 1);
    move(divided.journal + 2 * divided.identity, SMALL.journal + 2, from.size / SECTOR - SMALL.journal - 2);
  }

  /** Called once, when the frame after the next `skipped` ones is whole at the device: with the cycle at which it is. */
  onRequest: { skipped: number; readonly arm: (cycle: number) => void } | null = null;

  /** Boots, through cuts that are armed meanwhile. */
  boot(): void {
    this.board.powerOn();
    settle(this.board);
  }

  override send(type: number, frame: Uint8Array): Reply | null {
    return this.exchange(type, frame, () => {
      this.board.feedUart(frame);
      if (this.onRequest !== null && this.onRequest.skipped-- === 0) {
        this.onRequest.arm(this.board.cycles + frame.length * BYTE_CYCLES);
        this.onRequest = null;
      }
      settle(this.board);
    });
  }

  private get begin(): number {
    return chipBegin(this.board);
  }

  private get divided(): typeof SMALL {
    return this.board.flash.size - this.begin >= REFERENCE_BYTES ? REFERENCE : SMALL;
  }
}

/** Cuts an emulated board so many times and adds what it finds to the tally. */
export function cutBoard(
  name: BoardName,
  cuts: number,
  seed: number,
  tally: Tally,
  make: () => Board = () => emulatedBoard(name, seed, CHIPS[name]),
): void {
  const core = builtCore();
  const rig = new BoardRig(make());
  const lives = [
    ...[LOW, HIGH].map((side) => pairLife(makeBench(core, side as Side, 40 + side))),
    tokenLife(makeTokenBench(core, 42)),
  ];
  const until = tally.cuts + cuts;
  for (let life = 0; tally.cuts < until && tally.failures.length === 0; life++) {
    const random = new Random(seed * 1000 + life);
    lives[life % lives.length]!(rig, random, tally, until);
  }
}

type Life = (rig: BoardRig, random: Random, tally: Tally, until: number) => void;

/** What is done to a device, by name, and what may not be refused. */
type Step = readonly [name: string, run: (rig: BoardRig, ideal: Ideal, findings: Findings) => Reply | null];

function pairLife({ rig: from, ideal: start, segment, granting }: ReturnType<typeof makeBench>): Life {
  const filled = from.flash;
  return (rig, random, tally, until) => {
    const steps = (ideal: Ideal): Step[] => {
      const kept = ideal.incoming.find(({ status }, i) => status === "kept" && i < ideal.incoming.length - 1);
      const lastSlot = ideal.incoming.at(-1)!;
      const list: Step[] = [
        [
          "seal",
          (it, model, findings) =>
            perform(it, model, seal(model, text(random.below(180), random.below(256))), findings),
        ],
        ["seal", (it, model, findings) => perform(it, model, seal(model, text(300 + random.below(400), 7)), findings)],
      ];
      if (ideal.floor.next < 2)
        list.push(["begin", (it, model, findings) => perform(it, model, begin(model), findings)]);
      if (ideal.side === HIGH)
        list.push(["raise", (it, model, findings) => perform(it, model, raise(model, 1 + random.below(60)), findings)]);
      else
        list.push([
          "find",
          (it, model, findings) => perform(it, model, find(model, granting.tagAndOpening, granting.split), findings),
        ]);
      if (kept) list.push(["release", (it, model, findings) => reopened(it, model, segment, kept, findings)]);
      else if (lastSlot.status === "kept") {
        list.push([
          "release the slot",
          (it, model, findings) =>
            perform(it, model, find(model, segment.tagAndOpening, segment.split), findings) &&
            perform(it, model, releaseSlot(segment.slot, lastSlot), findings),
        ]);
      }
      return list;
    };
    live(rig, filled, start.clone(), steps, random, tally, until, countPrograms);
  };
}

/** A box that nobody cuts: the chip is programmed once for the record and once for each page that is burned, and no more. */
function countPrograms(rig: BoardRig, ideal: Ideal, findings: Findings): void {
  const size = 32 + 20;
  const from = ideal.position(size);
  const pages = Math.floor((from + size - 1) / 256) - Math.floor(from / 256) + 1;
  let programs = 0;
  rig.board.onChip = (opcode) => {
    if (opcode === PROGRAM) programs++;
  };
  perform(rig, ideal, seal(ideal, text(20, 77)), findings);
  rig.board.onChip = null;
  if (programs !== 1 + pages) findings.wrong.push(`${programs} programs for a box on ${pages} pages`);
}

/** What was verified does not outlive a boot: the box is opened again before it is released. */
function reopened(
  rig: BoardRig,
  ideal: Ideal,
  segment: ReturnType<typeof makeBench>["segment"],
  range: Ideal["incoming"][number],
  findings: Findings,
): Reply | null {
  const box = segment.boxes.find(({ offset }) => offset === range.start)!;
  const opened = perform(rig, ideal, { type: 0x31, payload: concatBox(box.offset, box.item), change: {} }, findings);
  return opened && perform(rig, ideal, release(ideal, range), findings);
}

function concatBox(offset: number, item: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + item.length);
  new DataView(bytes.buffer).setUint32(0, offset, true);
  bytes.set(item, 4);
  return bytes;
}

function tokenLife({ rig: from, ideal: start }: ReturnType<typeof makeTokenBench>): Life {
  const filled = from.flash;
  return (rig, random, tally, until) => {
    const plan =
      (make: (model: TokenIdeal) => TokenPlan): Step[1] =>
      (it, model, findings) =>
        act(it, model as TokenIdeal, make(model as TokenIdeal), findings);
    const steps = (ideal: Ideal): Step[] => {
      const list: Step[] = [["grant", plan((model) => grant(model, 1 + random.below(40)))]];
      const token = ideal as TokenIdeal;
      if (token.held.link === 2) {
        list.push([
          "seal",
          (it, model, findings) => perform(it, model, seal(model, text(random.below(60), 3)), findings),
        ]);
        list.push(["state", plan((model) => state(model, model.allowed + 3n, 3n))]);
        list.push(["receipt", plan((model) => receipt(model, 5n, model.floor.up))]);
      }
      if (ideal.floor.next < 5) {
        list.push(["ready", plan((model) => ready(model, 30n, random.below(50)))]);
        list.push(["a slot is given up", plan(skip)]);
      }
      return list;
    };
    live(rig, filled, start.clone(), steps, random, tally, until);
  };
}

/** One device from where the bench left it, cut again and again. */
function live(
  rig: BoardRig,
  filled: Flash,
  ideal: Ideal,
  steps: (ideal: Ideal) => Step[],
  random: Random,
  tally: Tally,
  until: number,
  before: (rig: BoardRig, ideal: Ideal, findings: Findings) => void = () => {},
): void {
  const { board } = rig;
  const findings = noFindings();
  let name = "boot";
  try {
    rig.implant(filled);
    rig.boot();
    ideal.check(rig, findings);
    rig.hello();
    before(rig, ideal, findings);
    for (let cut = 0; cut < CUTS_A_LIFE && tally.cuts < until && ideal.room() > 1000; cut++) {
      const cutsBefore = board.cuts;
      const list = steps(ideal);
      const [drawn, run] = list[random.below(list.length)]!;
      name = drawn;
      const late = random.below(4) === 0 ? REPLY_CYCLES : 0;
      const early = random.below(8) === 0 ? 40 * BYTE_CYCLES : 0;
      const delay = random.below(WORK_CYCLES + late) - early;
      if (random.below(2)) {
        armWhileBusy(board, random);
      } else {
        const skipped = name.startsWith("release") ? random.below(2) : 0;
        rig.onRequest = { skipped, arm: (cycle) => arm(board, cycle + delay, random) };
      }
      const reply = run(rig, ideal, findings);
      if (reply?.error) findings.wrong.push(`refused with code ${reply.error}`);
      rig.onRequest = null;
      board.onChip = null;
      board.disarm();
      if (board.state === "on") {
        board.powerOff(TEARS[random.below(TEARS.length)]!);
        name += ", then off";
      }
      while (board.state !== "on") {
        const again = random.below(3) === 0;
        if (again && random.below(2)) armWhileBusy(board, random);
        else if (again) {
          const loaded = random.below(8) === 0 ? 0 : LOADER_CYCLES;
          arm(board, board.cycles + loaded + random.below(BOOT_CYCLES), random);
        }
        rig.boot();
        board.onChip = null;
        board.disarm();
      }
      tally.cuts += board.cuts - cutsBefore;
      aftermath(rig, ideal, findings);
      if (findings.wrong.length > 0 || findings.reused > 0 || findings.lost > 0) break;
    }
  } catch (error) {
    if (!(error instanceof BoardFailure)) throw error;
    findings.wrong.push(error.message);
  }
  tally.bytesReused += findings.reused;
  tally.messagesLost += findings.lost;
  if (findings.wrong.length > 0 || findings.reused > 0 || findings.lost > 0) {
    tally.failures.push(
      `${board.name}, ${name}, cut ${tally.cuts}: ${[...findings.wrong, `${findings.reused} reused`, `${findings.lost} lost`].join("; ")}`,
    );
  }
}

/** A cut in the middle of one of the next programs and erases. */
function armWhileBusy(board: Board, random: Random): void {
  let before = random.below(BUSY_MOST);
  board.onChip = (opcode) => {
    const us = BUSY_US[opcode];
    if (us === undefined || before-- > 0) return;
    board.onChip = null;
    arm(board, board.cycles + random.below((us * CYCLES_PER_MICROSECOND) / (CHIPS[board.name].haste ?? 1)), random);
  };
}

function arm(board: Board, cycle: number, random: Random): void {
  board.cutAt(
    Math.max(cycle, board.cycles + 1),
    random.below(3) ? "power" : "reset",
    TEARS[random.below(TEARS.length)]!,
  );
}
