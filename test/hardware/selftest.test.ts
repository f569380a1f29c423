// The self test on the firmware itself, in the emulated boards: what the first person who has a real one will run. The chips start with the journal that a first
// boot leaves, made by the simulator: the emulated one would read all of a blank chip for half a minute.

import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Board, type BoardName, CYCLES_PER_SECOND } from "../../hardware/emulator/index.ts";
import { type Firmware, firmwareFor } from "../../hardware/toolchain/index.ts";
import { type Device, openDevice, type SelfTest, selftest, type Transport } from "../../host/driver/index.ts";
import { makeBoard, showsBoards } from "./firmware-board.ts";

const shown = showsBoards("the self test of a board");

/** More than a boot, or any one command, takes. */
const PATIENCE = 3 * CYCLES_PER_SECOND;
const open: Device[] = [];

/** A board with its firmware and the chip that it is made for. */
function board(name: BoardName): Board {
  return makeBoard(name, { chip: { sectors: name === "pico" ? 4096 : 512 } });
}

/** The wires of the board's UART: whatever is sent runs it until it has nothing more to do. */
function lineTo(made: Board): Transport {
  let hear: (bytes: Uint8Array) => void = () => {};
  let answer: number[] = [];
  made.onUart = (byte) => answer.push(byte);
  return {
    write: async (bytes) => {
      made.feedUart(bytes);
      made.run(PATIENCE, () => made.idle && answer.at(-1) === 0);
      const said = Uint8Array.from(answer);
      answer = [];
      if (said.length > 0) hear(said);
    },
    onData: (listener) => {
      hear = listener;
    },
    onClose: () => {},
    close: async () => {},
  };
}

async function tested(made: Board, asked: (() => void) | null = null): Promise<SelfTest> {
  made.powerOn();
  made.run(PATIENCE, () => made.idle);
  const device = await openDevice(lineTo(made));
  open.push(device);
  return selftest(device, asked);
}

function verdicts({ trials }: SelfTest): Record<string, string> {
  return Object.fromEntries(trials.map(({ name, verdict }) => [name, verdict]));
}

const found = (report: SelfTest, name: string): string => report.trials.find((one) => one.name === name)?.found ?? "";

describe.skipIf(!shown)("the self test on a board", { timeout: 240_000 }, () => {
  let pico: Firmware;

  beforeAll(() => {
    pico = firmwareFor("pico");
  });
  afterEach(async () => {
    for (const device of open.splice(0)) await device.close();
  });

  it("finds a pico good: chip, times, zero over data, supply, button, line", async () => {
    const made = board("pico");
    const report = await tested(made, () => {
      made.press(true);
      made.run(CYCLES_PER_SECOND / 20);
      made.press(false);
    });
    expect(report, JSON.stringify(report.trials)).toMatchObject({
      core: pico.manifest.version,
      body: "pico",
      chip: { chipId: "ef4018", chipSize: 16 << 20, name: "W25Q128JV" },
      verdict: "good",
    });
    expect(new Set(Object.values(verdicts(report)))).toEqual(new Set(["good"]));
    expect(found(report, "starts")).toMatch(/no trap since power-on$/);
    for (const step of ["erase", "program", "zero", "re-erase"]) {
      expect(found(report, step)).toMatch(/; typical: its data sheet says/);
    }
  });

  it("finds a bare pico good, and says what it has not", async () => {
    const report = await tested(board("pico-bare"), () => expect.unreachable());
    expect(report, JSON.stringify(report.trials)).toMatchObject({
      body: "pico-bare",
      chip: { chipId: "ef4015", chipSize: 1792 << 10, name: "W25Q16JV" },
      verdict: "good",
    });
    expect(verdicts(report)).toMatchObject({
      erase: "good",
      program: "good",
      zero: "good",
      supply: "untried",
      button: "untried",
    });
  });

  it("names a chip that is not there, one that is protected, and a supply that is too low", async () => {
    const absent = board("pico");
    absent.faults.absent = 0x00;
    const nothing = await tested(absent);
    expect(verdicts(nothing)).toMatchObject({ core: "bad", chip: "bad", line: "good" });
    expect(found(nothing, "chip")).toMatch(/nothing answers/);

    const locked = board("pico");
    locked.faults.protected = true;
    const kept = await tested(locked);
    expect(verdicts(kept)).toMatchObject({ core: "bad", chip: "bad" });
    expect(found(kept, "chip")).toMatch(/W25Q128JV.*cannot use it/);

    const weak = board("pico");
    weak.supplyLow = true;
    expect(verdicts(await tested(weak))).toMatchObject({ core: "bad", chip: "good", supply: "bad" });
  });
});
