/**
 * A whole board in the emulator: an RP2040 that runs the firmware's image, instruction by instruction, with its boot flash, the pad chip, the
 * line, a button, a supply that can fail, and a hand on the power switch that counts cycles.
 *
 * The peripherals are those of rp2040js; what it forgives is replaced by what this folder is strict about. Whatever the firmware does that
 * silicon would punish stops the board and throws a {@link BoardFailure} that says where and when. Sleep costs nothing: the clock goes straight
 * to the next event, and the count of cycles is the same as if it had waited.
 */
import { RP2040 } from "rp2040js";
import { type CutKind, type Flash, Panic, Random, type Tear } from "../../simulator/index.ts";
import { BootFlash, QspiPins, XipControl } from "./boot-flash.ts";
import { Bus } from "./bus.ts";
import { CYCLES_PER_SECOND, CycleClock } from "./clock.ts";
import { Core, hex, RAM_BASE, RAM_SIZE, type Trace } from "./core.ts";
import { type NorFaults, type NorOptions, SerialNor } from "./nor.ts";
import { ChipIdentity, Resets, RingOscillator, Watchdog, type WatchdogMemory } from "./resets.ts";
import { Pl022 } from "./spi.ts";
import type { Symbols } from "./symbols.ts";
import { Pl011 } from "./uart.ts";
import { UsbController } from "./usb/index.ts";

export type BoardName = "pico" | "pico-bare";

/** `off`: no power. `held`: power, and the reset line is low. `failed`: the firmware did what no firmware may. */
export type BoardState = "off" | "held" | "on" | "failed";

export interface BoardOptions {
  readonly board: BoardName;
  /** What lies in the boot flash from its beginning: the BIN file. */
  readonly image: Uint8Array;
  /** The chip that holds the pad; of `pico-bare` the boot flash itself. */
  readonly chip?: Partial<NorOptions>;
  /** Seed of everything that is drawn: the chip's cells, RAM at power-on, the random bit. */
  readonly seed?: number;
  /** What its ring oscillator makes, on which it starts: 1.8 to 12 MHz by the data sheet (2.17), nominally 6.5. */
  readonly ringHz?: number;
  /** Of the image's ELF file: failures then name functions, and stack and code are held to their regions. */
  readonly symbols?: Symbols;
}

/** The firmware did what silicon would punish. */
export class BoardFailure extends Panic {
  readonly pc: number;
  readonly cycle: number;

  constructor(what: string, pc: number, cycle: number, where: string, cause: unknown) {
    super(`${what} (at ${hex(pc)}${where}, cycle ${cycle})`);
    this.pc = pc;
    this.cycle = cycle;
    this.cause = cause;
  }
}

/** Pins of `pico` (hardware/boards/pico/board.h); `pico-bare` has the line only. */
const PINS = { uartTx: 0, uartRx: 1, miso: 16, select: 17, sck: 18, mosi: 19, supply: 21, button: 22, light: 25 };
const SPI_FUNCTION = 1;
const LOW = 0;

const BOOT_SECTORS = 512;
const PICO_SECTORS = 4096;
/** Of `pico-bare`: where in the boot flash the device's chip begins. */
export const BARE_BEGIN = 0x40000;

/** What the watchdog must reset (PSM WDSEL): everything but the two oscillators. */
const ALL_BUT_OSCILLATORS = 0x1fffc;
/** Why a watchdog reset a chip: its timer ran out. */
const TIMER = 1;

const LOADER_SIZE = 256;
const LOADER_AT = 0x20041f00;

/** The boot ROM looks for a loader so often, half a second at the nominal ring oscillator (RP2040 data sheet, 2.8.1.3): its cycles for one look. */
const BOOT_ROM_TRIES = 128;
const BOOT_ROM_TRY = 25_400;
const RING_HZ = 6_500_000;

const DOZE_CYCLES = CYCLES_PER_SECOND / 1000;

/** Blocks of peripherals as rp2040js numbers them. */
const BLOCK = {
  xip: 0x14000,
  ssi: 0x18000,
  resets: 0x4000c,
  psm: 0x40010,
  qspi: 0x40018,
  uart0: 0x40034,
  spi0: 0x4003c,
  watchdog: 0x40058,
  rosc: 0x40060,
  sysinfo: 0x40000,
} as const;

/** The processor of rp2040js and its 16 MiB of boot flash are not used: a chip costs next to nothing to make. */
class Chip extends RP2040 {
  override reset(): void {
    this.pwm.reset();
  }
}

/** All that a reset makes new. */
interface Life {
  readonly chip: RP2040;
  readonly core: Core;
  readonly clock: CycleClock;
  readonly uart: Pl011;
  readonly spi: Pl022;
  readonly usb: UsbController;
  readonly boot: BootFlash;
  readonly watchdog: Watchdog;
}

export class Board {
  readonly name: BoardName;
  /** The cells of the chip that holds the pad. */
  readonly flash: Flash;
  /** What is wrong with that chip or its wires. */
  readonly faults: NorFaults;
  /** Gets every byte that the board sends, when its stop bit is on the line. */
  onUart: ((byte: number) => void) | null = null;
  /** Sees every instruction. */
  trace: Trace | null = null;
  /** Boots since the beginning, watchdog resets included. */
  boots = 0;
  /** Cuts that came. */
  cuts = 0;
  /** The lowest address that the stack has reached. */
  stackLowest = 0xffffffff;

  private readonly image: Uint8Array;
  private readonly symbols: Symbols | undefined;
  private readonly ringHz: number;
  private readonly random: Random;
  private readonly nor: SerialNor;
  private readonly bootNor: SerialNor;
  private readonly ram: Uint8Array = new Uint8Array(RAM_SIZE);
  private status: BoardState = "off";
  private life: Life | null = null;
  private elapsed = 0;
  private cut: { at: number; kind: CutKind; tear: Tear } | null = null;
  private watchdogFired = false;
  private low = false;
  private pressed = false;

  constructor(options: BoardOptions) {
    this.name = options.board;
    this.image = options.image;
    this.symbols = options.symbols;
    this.ringHz = options.ringHz ?? RING_HZ;
    const seed = options.seed ?? 1;
    this.random = new Random(seed);
    const bare = options.board === "pico-bare";
    this.nor = new SerialNor({ sectors: bare ? BOOT_SECTORS : PICO_SECTORS, seed, ...options.chip });
    this.bootNor = bare ? this.nor : new SerialNor({ sectors: BOOT_SECTORS, seed });
    this.flash = this.nor.flash;
    this.faults = this.nor.faults;
    if (bare && options.image.length > BARE_BEGIN) throw new Panic("The image reaches into the pad.");
    this.bootNor.flash.put(0, options.image);
  }

  get state(): BoardState {
    return this.status;
  }

  /** Cycles that have passed since the first power-on, sleep included; without power as many as were run. */
  get cycles(): number {
    return this.life?.core.now ?? this.elapsed;
  }

  /** Power on; behind a cut of kind `reset` the reset line is let go. Nothing runs before {@link run}. */
  powerOn(): void {
    if (this.status === "on") throw new Panic("Power on while it is on.");
    if (this.status !== "held") this.random.fill(this.ram);
    this.start(null);
  }

  /** Power on, and the boot ROM has just taken the image over USB: it ends that by a watchdog whose timer runs out (RP2040 data sheet, 2.8.4). */
  powerOnFlashed(): void {
    if (this.status !== "off") throw new Panic("Flashed while it is on.");
    this.random.fill(this.ram);
    this.start({ scratch: new Uint32Array(8), reason: TIMER });
  }

  /** The power goes now. */
  powerOff(tear: Tear = "random"): void {
    this.nor.powerOff(this.cycles, tear);
    if (this.bootNor !== this.nor) this.bootNor.powerOff(this.cycles, tear);
    this.stop("off");
  }

  /**
   * Arms a cut at this count of {@link cycles}; the one armed before is forgotten. It comes during a {@link run}. `power`: all stops and the chip's
   * command is torn. `reset`: the controller stops, the chip goes on with its command.
   */
  cutAt(cycle: number, kind: CutKind, tear: Tear = "random"): void {
    this.cut = { at: cycle, kind, tear };
    this.life?.core.stopAt(cycle);
  }

  /** Forgets the armed cut. True when it has not come. */
  disarm(): boolean {
    const was = this.cut !== null;
    this.cut = null;
    return was;
  }

  /**
   * Lets so many cycles pass, until a cut comes, or until `enough` says so, which is asked after each event.
   * @throws BoardFailure when the firmware does what silicon would punish
   */
  run(cycles: number, enough: () => boolean = () => false): void {
    const end = this.cycles + cycles;
    while (this.cycles < end && !enough()) {
      const { life } = this;
      if (life === null) {
        this.elapsed = end;
        return;
      }
      this.step(life, Math.min(end, this.cut?.at ?? end));
      if (this.watchdogFired) {
        this.watchdogFired = false;
        this.restart(life);
      }
      if (this.cut !== null && this.cycles >= this.cut.at) this.take(this.cut);
    }
  }

  /** The host sends: bytes follow one another at the rate of the line. What comes without power is lost. */
  feedUart(bytes: Uint8Array): void {
    this.life?.uart.feed(bytes);
  }

  /** Bytes that the receiver dropped since the boot because nobody took those before them. */
  get dropped(): number {
    return this.life?.uart.dropped ?? 0;
  }

  /**
   * Whether the processor sleeps, nothing is on the line, and the chip has done nothing for a millisecond, so that the firmware sleeps for want of
   * work and not in the middle of it: only the host can change anything.
   */
  get idle(): boolean {
    const { life } = this;
    return life === null || (life.core.asleep && life.uart.quiet && this.nor.isQuiet(this.cycles, DOZE_CYCLES));
  }

  /** Presses the button of `pico` or lets it go. */
  press(down: boolean): void {
    this.pressed = down;
    this.wire();
  }

  /** Whether the supervisor says that the supply is too low. */
  set supplyLow(low: boolean) {
    this.low = low;
    this.wire();
  }

  get supplyLow(): boolean {
    return this.low;
  }

  /** Whether the state light shines. */
  get light(): boolean {
    return this.life !== null && this.life.chip.gpio[PINS.light]!.value === 1;
  }

  /** The controller of this life, for whoever looks inside; null without power. */
  get chip(): RP2040 | null {
    return this.life?.chip ?? null;
  }

  /** The USB controller of this life, where a cable is plugged in; null without power. */
  get usb(): UsbController | null {
    return this.life?.usb ?? null;
  }

  /** Lines of the boot flash that had to be fetched since the boot. */
  get misses(): number {
    return this.life?.boot.misses ?? 0;
  }

  /** Sees every command that the pad chip gets, with its opcode and address. */
  set onChip(see: ((opcode: number, address: number) => void) | null) {
    this.nor.onCommand = see;
  }

  /** Whether the pad chip executes something now. */
  get busy(): boolean {
    return this.nor.isBusy(this.cycles);
  }

  /** A copy of the RAM. */
  memory(address: number, length: number): Uint8Array {
    const at = address - RAM_BASE;
    return this.ram.slice(at, at + length);
  }

  // Running.

  private step(life: Life, end: number): void {
    const { core, clock } = life;
    try {
      const until = Math.min(end, clock.next);
      core.trace = this.trace;
      if (core.asleep) core.cycles = Math.max(core.cycles, until);
      else core.run(until);
      clock.ring();
    } catch (error) {
      throw this.failure(error, core);
    } finally {
      this.stackLowest = Math.min(this.stackLowest, core.stackLowest);
    }
  }

  private failure(error: unknown, core: Core): unknown {
    if (!(error instanceof Panic)) return error;
    const { pc } = core;
    const found = this.symbols?.functionAt(pc);
    const where = found ? `, ${found.name} + ${found.offset}` : "";
    const failure = new BoardFailure(error.message, pc, core.now, where, error);
    this.stop("failed");
    return failure;
  }

  private take(cut: { kind: CutKind; tear: Tear }): void {
    this.cut = null;
    this.cuts++;
    if (cut.kind === "power") {
      this.powerOff(cut.tear);
    } else {
      this.releaseSelect();
      this.stop("held");
    }
  }

  private stop(state: BoardState): void {
    this.elapsed = this.cycles;
    this.life = null;
    this.status = state;
  }

  /** The controller's pins float: pull-ups raise /CS. */
  private releaseSelect(): void {
    this.nor.release(this.cycles);
    if (this.bootNor !== this.nor) this.bootNor.release(this.cycles);
  }

  /** The watchdog resets the controller; its scratch registers stay, and it says that it was it. */
  private restart(life: Life): void {
    if (wdsel(life.chip) !== ALL_BUT_OSCILLATORS) {
      throw this.failure(new Panic("The watchdog fires, and PSM WDSEL lets it reset the wrong parts."), life.core);
    }
    this.releaseSelect();
    this.stop("held");
    this.start(life.watchdog.memory);
  }

  private start(kept: WatchdogMemory | null): void {
    const life = this.assemble(kept);
    this.life = life;
    this.nor.onBusy = (until) => life.core.polled(until);
    this.status = "on";
    this.boots++;
    this.nor.boot();
    if (this.bootNor !== this.nor) this.bootNor.boot();
    this.wire();
    this.loadLoader(life.core);
  }

  /** An RP2040 with our parts in the place of its own. */
  private assemble(kept: WatchdogMemory | null): Life {
    const clock = new CycleClock(this.elapsed);
    const chip = new Chip(clock as unknown as NonNullable<ConstructorParameters<typeof RP2040>[0]>);
    const now = (): number => clock.now;
    const boot = new BootFlash(chip, this.bootNor, now, () => BootFlash.holds(core.pc));
    const resets = new Resets(chip);
    const watchdog = new Watchdog(chip, clock, kept, () => {
      this.watchdogFired = true;
      core.stopAt(core.now);
    });
    const spi = new Pl022(chip, this.nor, now);
    const uart = new Pl011(
      chip,
      clock,
      (byte) => this.onUart?.(byte),
      (until) => core.polled(until),
    );
    Object.assign(chip.peripherals, {
      [BLOCK.xip]: new XipControl(chip, boot),
      [BLOCK.ssi]: boot,
      [BLOCK.resets]: resets,
      [BLOCK.qspi]: new QspiPins(chip, boot),
      [BLOCK.uart0]: uart,
      [BLOCK.spi0]: spi,
      [BLOCK.watchdog]: watchdog,
      [BLOCK.sysinfo]: new ChipIdentity(chip, 2),
      [BLOCK.rosc]: new RingOscillator(chip, new Random(this.random.u32())),
    });
    const usb = new UsbController(chip, clock);
    const bus = new Bus(chip, boot, resets, watchdog, (bits) => core.unpend(bits));
    const core = new Core(bus, this.ram, this.elapsed);
    clock.core = core;
    Object.assign(chip, { core, logger: STRICT, roscFreq: this.ringHz, clkSys: this.ringHz });
    core.runAt(CYCLES_PER_SECOND / this.ringHz);
    chip.addClockListener((hz) => {
      core.runAt(CYCLES_PER_SECOND / hz);
      boot.clockChanged();
    });
    this.hold(core, bus);
    if (this.name === "pico") this.wireChip(chip, spi, now);
    return { chip, core, clock, uart, spi, usb, boot, watchdog };
  }

  /** Stack and code stay where the linker script has them. */
  private hold(core: Core, bus: Bus): void {
    const stack = this.symbols?.at("stack_bottom");
    const from = this.symbols?.at("data_begin");
    const to = this.symbols?.at("data_end");
    if (stack !== undefined) core.stackLimit = stack;
    if (from === undefined || to === undefined) return;
    bus.codeRegions = [
      [from, to],
      [LOADER_AT, LOADER_AT + LOADER_SIZE],
    ];
  }

  private wireChip(chip: RP2040, spi: Pl022, now: () => number): void {
    let low = false;
    chip.gpio[PINS.select]!.addListener((value) => {
      if ((value === LOW) === low) return;
      low = !low;
      spi.mustBeQuiet();
      if (!low) {
        this.nor.deselect(now());
        return;
      }
      for (const pin of [PINS.miso, PINS.sck, PINS.mosi]) {
        if (chip.gpio[pin]!.functionSelect !== SPI_FUNCTION) throw new Panic(`GPIO ${pin} is not given to SPI0.`);
      }
      this.nor.select(now());
    });
  }

  /** What the board's wires say now. */
  private wire(): void {
    const { life } = this;
    if (life === null || this.name !== "pico") return;
    life.chip.gpio[PINS.button]!.setInputValue(!this.pressed);
    life.chip.gpio[PINS.supply]!.setInputValue(!this.low);
    this.faults.starved = this.low;
    life.chip.gpio[PINS.uartRx]!.setInputValue(true);
  }

  /** What the boot ROM does: the first 256 bytes of the flash to the end of RAM, checked, and in there (RP2040 data sheet, 2.8.1). */
  private loadLoader(core: Core): void {
    // A chip that a reset left busy answers when it is done.
    for (let tries = 1, busy = true; busy; tries++) {
      if (tries > BOOT_ROM_TRIES) throw new Panic("The boot ROM finds no loader: the chip stays busy.");
      busy = this.bootNor.isBusy(core.cycles);
      core.cycles += Math.round((BOOT_ROM_TRY * CYCLES_PER_SECOND) / this.ringHz);
    }
    const loader = this.bootNor.flash.content(0, LOADER_SIZE);
    const view = new DataView(loader.buffer);
    if (checksum(loader.subarray(0, LOADER_SIZE - 4)) !== view.getUint32(LOADER_SIZE - 4, true)) {
      throw new Panic("The boot ROM finds no loader: the checksum of the first 252 bytes is wrong.");
    }
    this.ram.set(loader, LOADER_AT - RAM_BASE);
    core.pc = LOADER_AT;
    core.registers[13] = LOADER_AT;
    core.registers[14] = 0;
  }
}

function wdsel(chip: RP2040): number {
  return (chip.peripherals[BLOCK.psm] as unknown as { readonly wdsel: number }).wdsel;
}

/** rp2040js warns of what it does not know: here that is an error. */
const STRICT = {
  debug: () => {},
  info: () => {},
  warn: refuse,
  error: refuse,
};

function refuse(part: string, message: string): never {
  throw new Panic(`${part}: ${message}`);
}

/** CRC-32 as the boot ROM computes it: polynomial 0x04c11db7, from the top bit, begun with ones, nothing turned over at the end. */
function checksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc >>> 0;
}
