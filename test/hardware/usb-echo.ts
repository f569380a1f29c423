/**
 * The firmware's USB part alone, in the RAM of rp2040js with the strict controller: see usb-echo.c.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConsoleLogger, LogLevel, RP2040 } from "rp2040js";
import { ChipIdentity } from "../../hardware/emulator/resets.ts";
import { type UsbBoard, UsbController, UsbHost } from "../../hardware/emulator/usb/index.ts";
import { writeDescriptors } from "../../hardware/usb/index.ts";

const COMMON = ["usb", "usb_control", "usb_controller", "usb_pipe"];
const RAM = 0x20000000;
/** All in RAM, the vectors first. */
const LAYOUT = `SECTIONS {
  stack_top = 0x20020000;
  . = 0x20000000;
  .all : { KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.data*) *(.bss*) *(COMMON) }
}
`;
const ECHO_STOPPED = RAM + 4 * 15;
const NANOSECONDS = 8;
/** A run that is longer than this asks for a loop without end. */
const RUN_CYCLES = 20_000_000;

/** A planted defect: what stands in a source, and what stands there instead. */
export interface Defect {
  readonly source: "usb" | "usb_control" | "usb_controller" | "usb_pipe";
  readonly is: string;
  readonly becomes: string;
}

/** Compiles it, with a defect when one is given: half a second or so. */
export function buildEcho(defect?: Defect): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "tearpad-usb-"));
  try {
    writeDescriptors(directory);
    const root = new URL("../../", import.meta.url).pathname;
    const sources = [...COMMON.map((name) => `hardware/common/${name}.c`), "test/hardware/usb-echo.c"];
    if (defect !== undefined) {
      const at = COMMON.indexOf(defect.source);
      const text = readFileSync(join(root, sources[at]!), "utf8");
      if (!text.includes(defect.is)) throw new Error(`${defect.source}.c has no ${JSON.stringify(defect.is)}.`);
      sources[at] = join(directory, `${defect.source}.c`);
      writeFileSync(sources[at], text.replace(defect.is, defect.becomes));
    }
    const flags = [
      "-mcpu=cortex-m0plus",
      "-mthumb",
      "-std=c11",
      "-Os",
      "-Wall",
      "-Wextra",
      defect === undefined ? "-Werror" : "-w",
      "-ffreestanding",
      "-fno-tree-loop-distribute-patterns",
    ];
    const places = ["-Ihardware/common", "-Ihardware/core", `-I${directory}`];
    const script = join(directory, "echo.ld");
    writeFileSync(script, LAYOUT);
    const elf = join(directory, "echo.elf");
    const link = ["-nostdlib", "-T", script, ...sources, "hardware/common/memory.c", "-lgcc", "-o", elf];
    execFileSync("arm-none-eabi-gcc", [...flags, ...places, ...link], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
    });
    execFileSync("arm-none-eabi-objcopy", ["-O", "binary", elf, join(directory, "echo.bin")]);
    return readFileSync(join(directory, "echo.bin"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A board that runs it, powered and plugged in. */
export class EchoBoard implements UsbBoard {
  readonly usb: UsbController;
  readonly host: UsbHost;
  private readonly mcu: RP2040 = new RP2040();

  /** @param revision of the chip: 1 is B0 or B1, 2 is B2 */
  constructor(image: Uint8Array, revision: number = 2) {
    const { mcu } = this;
    mcu.logger = new ConsoleLogger(LogLevel.Error);
    mcu.sram.set(image);
    mcu.core.VTOR = RAM;
    mcu.core.SP = mcu.readUint32(RAM);
    mcu.core.PC = mcu.readUint32(RAM + 4) & ~1;
    (mcu.peripherals as Record<number, unknown>)[0x40000] = new ChipIdentity(mcu, revision);
    const clock = {
      get now() {
        return mcu.core.cycles;
      },
    };
    this.usb = new UsbController(mcu, clock, revision);
    this.host = new UsbHost(this);
  }

  get cycles(): number {
    return this.mcu.core.cycles;
  }

  run(cycles: number): void {
    if (cycles > RUN_CYCLES) throw new Error(`A run of ${cycles} cycles.`);
    const { core, clock } = this.mcu;
    for (const end = core.cycles + cycles; core.cycles < end; ) {
      (clock as unknown as { tick(nanoseconds: number): void }).tick(core.executeInstruction() * NANOSECONDS);
    }
  }

  /** Lets the board's timer jump, as if that time had passed. */
  skip(us: number): void {
    (this.mcu.clock as unknown as { tick(nanoseconds: number): void }).tick(us * 1000);
  }

  /** Whether the firmware looks at its lines. */
  set stopped(stopped: boolean) {
    this.mcu.writeUint32(this.mcu.readUint32(ECHO_STOPPED), Number(stopped));
  }
}
