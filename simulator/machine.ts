/**
 * A whole device: the core, its memory, its flash, its clock, and a hand on the power switch.
 *
 * The machine is what SPEC section 12 calls the body. It promises what a board does: HAL calls block until they are done, nothing
 * leaves after the power is gone, a trap resets the core and tells it why. And what no board can do: the power can be cut before,
 * during or after any HAL call, and the whole device can be put back to any earlier state.
 *
 * Everything is synchronous. A machine never calls itself: whoever listens to {@link Machine.onTransmit} must not feed from there.
 */
import { instantiateSync } from "@assemblyscript/loader";
import { type Clock, VirtualClock } from "./clock.ts";
import type { Core } from "./core.ts";
import { type Flash, type FlashSnapshot, Panic, type Tear } from "./flash.ts";
import { Random, type RandomState } from "./random.ts";

/** Bytes of the core's input window. */
export const WINDOW = 512;
/** The core keeps its whole state below this address; a copy of so much memory is a copy of the device. */
export const STATICS: number = 24 * 1024;

/** What the rest of the core's one page holds: nothing. */
const ABOVE_STATICS = new Uint8Array(65_536 - STATICS);

/** The calls of the core to its body, in the order of SPEC section 12. */
export const HAL_CALLS = [
  "norGeometry",
  "norRead",
  "norProgram",
  "norErase",
  "transmit",
  "entropy",
  "button",
  "supplyOk",
  "ticks",
] as const;

export type HalCallName = (typeof HAL_CALLS)[number];

/** A HAL call as an observer outside the core sees it, once it has had its effect. */
export interface HalCall {
  readonly name: HalCallName;
  /** Flash address, or for norGeometry what was asked; otherwise 0. */
  readonly address: number;
  /** Bytes concerned. */
  readonly length: number;
  /** What was read, programmed, sent or drawn: a view of the core's memory, valid during the call only. Empty for an erase. */
  readonly data: Uint8Array;
  /** What the core gets, 0 where it gets nothing. */
  readonly result: number;
  /** The power went during this call: it had its effect in part, and the core never got the result. */
  readonly torn: boolean;
}

/** `power`: everything stops and the chip's command is torn. `reset`: the controller stops, the chip completes its command. */
export type CutKind = "power" | "reset";

/** An appointment with {@link Machine.cutAt}. */
export interface Cut {
  /** The cut comes at this call from now, the next one being 1. */
  readonly call: number;
  /** Counts only calls of this name. */
  readonly name?: HalCallName;
  /**
   * Before the call has any effect, in the middle of it, or after it but before the core goes on.
   * Only program, erase and transmit have a middle; with another call `during` is `after`.
   */
  readonly when: "before" | "during" | "after";
  readonly kind: CutKind;
  /**
   * What is left of a program or erase; of a transmit: a prefix as long as the style's name suggests.
   * Counts for power cuts, except for transmit.
   */
  readonly tear?: Tear;
}

/** `off`: no power. `held`: reset line low, power on. `dead`: the core traps at boot; only a power cycle helps. */
export type MachineState = "off" | "held" | "on" | "dead";

/** Why a core was reset by its own trap: the `reason` that the next boot gets (SPEC section 12). 0 is no trap. */
export const TRAP_REASONS = {
  unreachable: 1,
  "memory access out of bounds": 2,
  "divide by zero": 3,
  "remainder by zero": 3,
  "divide result unrepresentable": 4,
  "float unrepresentable in integer range": 5,
  "call stack": 6,
} as const;
/** A trap that is none of {@link TRAP_REASONS}. */
export const TRAP_UNKNOWN = 255;

/** Who answers when the core looks at its button: somebody who always presses or always refuses it, or {@link Machine.press}. */
export type Presence = "accept" | "reject" | "ask";

/** What the core finds at its button (SPEC section 12). */
const BUTTON = { none: 0, accept: 1, reject: 2 } as const;

export interface MachineOptions {
  readonly core: Core;
  readonly flash: Flash;
  /**
   * Fills the core's requests for randomness. Default: the system's generator.
   * A number seeds a {@link Random} instead: for tests that replay, never for a pad.
   */
  readonly entropy?: number | ((bytes: Uint8Array) => void);
  /** Default: accept. */
  readonly presence?: Presence;
}

/** A whole device at one moment. */
export interface MachineSnapshot {
  readonly state: MachineState;
  readonly memory: Uint8Array;
  readonly flash: FlashSnapshot;
  readonly us: number;
  readonly traps: number;
  readonly random: RandomState | null;
  readonly pressed: keyof typeof BUTTON;
  readonly supplyLow: boolean;
}

interface CoreExports extends Record<string, unknown> {
  memory: WebAssembly.Memory;
  boot(traps: number, reason: number): void;
  window(): number;
  receive(length: number): void;
  poll(): number;
}

/** Unwinds the core's frames when the power goes. One value for all cuts: making a new one costs more than the cut. */
const CUT = Object.freeze({ cut: "The power is gone." });
const NOTHING = new Uint8Array(0);

export class Machine {
  readonly flash: Flash;
  readonly clock: Clock;
  /** The core's memory, for those who look inside. */
  readonly memory: Uint8Array;
  /** Gets a copy of the bytes of each transmit, during the call. */
  onTransmit: ((bytes: Uint8Array) => void) | null = null;
  /** Sees every HAL call. */
  observe: ((call: HalCall) => void) | null = null;
  /** Sees the bytes of both directions as the core gets and sends them, with the time: for a trace. */
  onBytes: ((to: "device" | "host", bytes: Uint8Array, us: number) => void) | null = null;
  presence: Presence;
  /** Whether the supply is too low for programs and erases. */
  supplyLow = false;
  /** HAL calls so far, by name. A counter outside the device: neither a cut nor {@link restore} changes it. */
  readonly calls: Record<HalCallName, number>;

  private readonly core: Pick<CoreExports, "boot" | "receive" | "poll">;
  private readonly initial: Uint8Array;
  private readonly window: number;
  private readonly random: Random | null;
  private readonly drawEntropy: (bytes: Uint8Array) => void;
  private status: MachineState = "off";
  private trapped = 0;
  private pressed: keyof typeof BUTTON = "none";
  private readonly watchers: Set<(state: MachineState) => void> = new Set();
  private inside = false;
  private polled = 0;
  private armed: Cut | null = null;
  private countdown = 0;

  constructor(options: MachineOptions) {
    this.flash = options.flash;
    this.clock = options.flash.clock;
    this.presence = options.presence ?? "accept";
    this.random = typeof options.entropy === "number" ? new Random(options.entropy) : null;
    this.drawEntropy = chooseEntropy(options.entropy, this.random);
    this.calls = Object.fromEntries(HAL_CALLS.map((name) => [name, 0])) as Record<HalCallName, number>;
    const { instance } = instantiateSync(options.core.module, { hal: this.hal() });
    const exports = instance.exports as unknown as CoreExports;
    this.core = { boot: exports.boot, receive: exports.receive, poll: exports.poll };
    this.memory = new Uint8Array(exports.memory.buffer);
    this.initial = this.memory.slice(0, STATICS);
    this.window = exports.window() >>> 0;
    if (this.memory.length !== 0x10000) throw new Panic("The core has exactly one page of memory.");
    if (this.window + WINDOW > STATICS) throw new Panic("The core's window lies outside its statics.");
  }

  get state(): MachineState {
    return this.status;
  }

  /** Traps since power-on. */
  get traps(): number {
    return this.trapped;
  }

  /** HAL calls so far, all names together. */
  get callsInAll(): number {
    return HAL_CALLS.reduce((sum, name) => sum + this.calls[name], 0);
  }

  /** Power on after a power cut; after a cut of kind `reset`, the reset line is let go. True when the core serves. */
  powerOn(): boolean {
    if (this.status === "on" || this.status === "dead") throw new Panic(`Power on while ${this.status}.`);
    if (this.status === "off") this.trapped = 0;
    return this.start(0);
  }

  /** Takes the power away between two HAL calls; a command that an earlier reset left in the chip is torn. */
  powerCut(tear: Tear = "random"): void {
    this.mustBeOutside();
    this.flash.tear(tear);
    this.become("off");
  }

  /** Resets the controller between two HAL calls and boots it. True when the core serves. */
  reset(): boolean {
    if (this.status === "off") throw new Panic("A reset without power.");
    this.mustBeOutside();
    return this.start(0);
  }

  /**
   * Calls `watcher` whenever the core serves after a boot (`on`), and when a cut or its traps stopped it; never from inside the core,
   * so that it may power the machine on. {@link restore} tells nobody. Returns what ends the watching.
   */
  watch(watcher: (state: MachineState) => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /**
   * Hands bytes to the core as the line would: at most a window at a time, one poll after each. What comes without power, or after
   * a cut or a trap on the way, is lost. True while there may be background work.
   */
  feed(bytes: Uint8Array): boolean {
    this.mustBeOutside();
    let more = false;
    for (let done = 0; done < bytes.length && this.status === "on"; done += WINDOW) {
      const chunk = bytes.subarray(done, done + WINDOW);
      this.onBytes?.("device", chunk, this.clock.now());
      this.memory.set(chunk, this.window);
      if (!this.receive(chunk.length)) return this.status === "on";
      more = this.pump(1);
    }
    return more;
  }

  /** Does at most `polls` steps of background work. True while there is more. */
  pump(polls: number): boolean {
    this.mustBeOutside();
    for (let i = 0; i < polls; i++) {
      if (this.status !== "on" || !this.poll()) return false;
    }
    return true;
  }

  /** Does all background work; a {@link Panic} when it is more than `limit` steps. Returns the steps. */
  runUntilIdle(limit = 1_000_000): number {
    for (let steps = 1; steps <= limit; steps++) if (!this.pump(1)) return steps;
    throw new Panic(`The core is not idle after ${limit} polls.`);
  }

  /** Presses the button, or refuses at it: the core's next look finds that, once. Counts while {@link presence} is `ask`. */
  press(how: "accept" | "reject" = "accept"): void {
    this.pressed = how;
  }

  /** Arms one cut; the one armed before is forgotten. It stays armed over boots until it comes. */
  cutAt(cut: Cut): void {
    if (cut.call < 1) throw new Panic("The next call is call 1.");
    this.armed = cut;
    this.countdown = cut.call;
  }

  /** Forgets the armed cut. True when there was one, that is: it has not come. */
  disarm(): boolean {
    const was = this.armed !== null;
    this.armed = null;
    return was;
  }

  /** The whole device, to go back to; costs no more than the core's statics and a table of sectors. */
  snapshot(): MachineSnapshot {
    this.mustBeOutside();
    this.mustKeepStatics();
    return {
      state: this.status,
      memory: this.memory.slice(0, STATICS),
      flash: this.flash.snapshot(),
      us: this.clock.now(),
      traps: this.trapped,
      random: this.random?.state() ?? null,
      pressed: this.pressed,
      supplyLow: this.supplyLow,
    };
  }

  /** Goes back to a snapshot of this or an equal machine; an armed cut is forgotten. */
  restore(snapshot: MachineSnapshot): void {
    this.mustBeOutside();
    if (!(this.clock instanceof VirtualClock)) throw new Panic("Only a virtual clock goes back.");
    this.memory.set(snapshot.memory);
    this.flash.restore(snapshot.flash);
    this.clock.set(snapshot.us);
    if (snapshot.random !== null) this.random?.resume(snapshot.random);
    this.status = snapshot.state;
    this.trapped = snapshot.traps;
    this.pressed = snapshot.pressed;
    this.supplyLow = snapshot.supplyLow;
    this.armed = null;
  }

  // Running the core.

  /** Boots until the core serves, a cut comes, or it is dead: a boot that traps at the third trap or later has no way out. */
  private start(reason: number): boolean {
    this.flash.boot();
    for (;;) {
      this.memory.set(this.initial);
      this.memory.fill(0, STATICS);
      this.status = "on";
      const trap = this.run("boot", this.trapped, reason);
      if (trap === 0) {
        if (this.status === "on") this.become("on");
        return this.status === "on";
      }
      if (this.trapped >= 3) {
        this.become("dead");
        return false;
      }
      this.trapped++;
      reason = trap;
      this.flash.boot();
    }
  }

  /** False when the power went, or when the core trapped and was booted again. */
  private receive(length: number): boolean {
    const trap = this.run("receive", length, 0);
    if (trap !== 0) this.rise(trap);
    return trap === 0 && this.status === "on";
  }

  /** True while there is more to do; after a trap there may be. */
  private poll(): boolean {
    const trap = this.run("poll", 0, 0);
    if (trap !== 0) this.rise(trap);
    return this.status === "on" && (trap !== 0 || this.polled !== 0);
  }

  private rise(trap: number): void {
    this.trapped++;
    this.start(trap);
  }

  /** Runs one export. 0, or the reason when it trapped; a cut shows in {@link state}. */
  private run(name: "boot" | "receive" | "poll", first: number, second: number): number {
    this.inside = true;
    try {
      if (name === "boot") this.core.boot(first, second);
      else if (name === "receive") this.core.receive(first);
      else this.polled = this.core.poll();
      return 0;
    } catch (thrown) {
      if (thrown !== CUT) {
        const reason = trapReason(thrown);
        if (reason !== 0) return reason;
        this.status = "off";
        throw thrown;
      }
    } finally {
      this.inside = false;
    }
    this.become(this.status);
    return 0;
  }

  private become(state: MachineState): void {
    this.status = state;
    for (const watcher of this.watchers) watcher(state);
  }

  private mustBeOutside(): void {
    if (this.inside) throw new Panic("The core is running: nothing may call it from inside a HAL call.");
  }

  private mustKeepStatics(): void {
    if (Buffer.compare(this.memory.subarray(STATICS), ABOVE_STATICS) !== 0)
      throw new Panic(`The core wrote above its ${STATICS} bytes of statics.`);
  }

  // The body's side of the calls.

  private hal(): Record<HalCallName, (...values: number[]) => unknown> {
    return {
      norGeometry: (what) => this.answer("norGeometry", geometry(this.flash, what!), what!),
      norRead: (address, pointer, length) => this.norRead(address! >>> 0, pointer! >>> 0, length! >>> 0),
      norProgram: (address, pointer, length) => this.norProgram(address! >>> 0, pointer! >>> 0, length! >>> 0),
      norErase: (address, size) => this.norErase(address! >>> 0, size! >>> 0),
      transmit: (pointer, length) => this.transmit(pointer! >>> 0, length! >>> 0),
      entropy: (pointer, length) => this.entropy(pointer! >>> 0, length! >>> 0),
      button: () => this.answer("button", this.lookAtButton()),
      supplyOk: () => this.answer("supplyOk", Number(!this.supplyLow)),
      ticks: () => this.answer("ticks", Math.floor(this.clock.now()) % 2 ** 32),
    };
  }

  private lookAtButton(): number {
    if (this.presence !== "ask") return BUTTON[this.presence];
    const found = BUTTON[this.pressed];
    this.pressed = "none";
    return found;
  }

  /** A call that only asks. */
  private answer(name: HalCallName, result: number, address = 0): number {
    this.before(name);
    this.after(name, address, 0, 0, result);
    return result;
  }

  private norRead(address: number, pointer: number, length: number): void {
    this.mustBeInMemory(pointer, length);
    this.before("norRead");
    this.flash.wait();
    this.flash.read(address, this.memory, pointer, length);
    this.after("norRead", address, pointer, length, 0);
  }

  private norProgram(address: number, pointer: number, length: number): number {
    this.mustBeInMemory(pointer, length);
    const cut = this.before("norProgram");
    this.flash.wait();
    this.flash.program(address, this.memory, pointer, length);
    if (cut !== null) this.leaveInside(cut, "norProgram", address, pointer, length);
    const result = this.flash.finish();
    this.after("norProgram", address, pointer, length, result);
    return result;
  }

  private norErase(address: number, size: number): number {
    const cut = this.before("norErase");
    this.flash.wait();
    this.flash.erase(address, size);
    if (cut !== null) this.leaveInside(cut, "norErase", address, 0, size);
    const result = this.flash.finish();
    this.after("norErase", address, 0, size, result);
    return result;
  }

  /** What was written before is on the disk before a byte leaves. */
  private transmit(pointer: number, length: number): void {
    this.mustBeInMemory(pointer, length);
    const cut = this.before("transmit");
    this.flash.sync();
    if (cut !== null) {
      const sent = this.prefix(length, cut.tear ?? "random");
      if (sent > 0) this.send(pointer, sent);
      this.leaveInside(cut, "transmit", 0, pointer, sent);
    }
    this.send(pointer, length);
    this.after("transmit", 0, pointer, length, 0);
  }

  private send(pointer: number, length: number): void {
    const bytes = this.memory.slice(pointer, pointer + length);
    this.onBytes?.("host", bytes, this.clock.now());
    this.onTransmit?.(bytes);
  }

  private entropy(pointer: number, length: number): void {
    this.mustBeInMemory(pointer, length);
    this.before("entropy");
    this.drawEntropy(this.memory.subarray(pointer, pointer + length));
    this.after("entropy", 0, pointer, length, 0);
  }

  private mustBeInMemory(pointer: number, length: number): void {
    if (pointer + length > this.memory.length) {
      throw new Panic(`A HAL call points outside the memory: ${length} bytes at ${pointer}.`);
    }
  }

  /** Counts the call and cuts before it when that is due. A cut that is due in the middle of it is returned. */
  private before(name: HalCallName): Cut | null {
    this.calls[name]++;
    const cut = this.armed;
    if (cut === null || (cut.name !== undefined && cut.name !== name) || --this.countdown > 0) return null;
    if (cut.when === "before") this.leave(cut);
    return cut.when === "during" ? cut : null;
  }

  /** Shows the call to the observer and cuts after it when that is due. */
  private after(name: HalCallName, address: number, pointer: number, length: number, result: number): void {
    if (this.observe !== null) this.show(name, address, pointer, length, result, false);
    if (this.armed !== null && this.countdown <= 0) this.leave(this.armed);
  }

  private leaveInside(cut: Cut, name: HalCallName, address: number, pointer: number, length: number): never {
    if (this.observe !== null) this.show(name, address, pointer, length, 0, true);
    this.leave(cut);
  }

  private show(
    name: HalCallName,
    address: number,
    pointer: number,
    length: number,
    result: number,
    torn: boolean,
  ): void {
    const data = name === "norErase" ? NOTHING : this.memory.subarray(pointer, pointer + length);
    this.observe?.({ name, address, length, data, result, torn });
  }

  /** The power goes, or the reset line falls: the core's frames are unwound, and the chip is left with its command. */
  private leave(cut: Cut): never {
    this.armed = null;
    if (cut.kind === "power") this.flash.tear(cut.tear ?? "random");
    this.status = cut.kind === "power" ? "off" : "held";
    throw CUT;
  }

  private prefix(length: number, style: Tear): number {
    if (style === "nothing" || style === "unstable") return 0;
    if (style === "whole") return length;
    if (style === "first-half") return length >>> 1;
    if (style === "last-bits") return Math.max(0, length - 1);
    return this.flash.random.below(length + 1);
  }
}

function geometry(flash: Flash, what: number): number {
  if (what === 0) return flash.size / 4096;
  if (what === 1) return Number(flash.overprogram);
  if (what === 2) return flash.burnUnit;
  if (what === 3) return Number(flash.erase64);
  // There is no chip to ask for its id, and of all bodies this is the one that is none.
  if (what === 4 || what === 5) return 0;
  throw new Panic(`norGeometry has no answer for ${what}.`);
}

function chooseEntropy(asked: MachineOptions["entropy"], random: Random | null): (bytes: Uint8Array) => void {
  if (random !== null) return (bytes) => random.fill(bytes);
  if (typeof asked === "function") return asked;
  return (bytes) => {
    crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
  };
}

/** The reason of a trap from what the engine threw; 0 when that was no trap. */
function trapReason(thrown: unknown): number {
  const exhausted = thrown instanceof RangeError && thrown.message.includes("call stack");
  if (!(thrown instanceof WebAssembly.RuntimeError) && !exhausted) return 0;
  const message = (thrown as Error).message;
  for (const [words, reason] of Object.entries(TRAP_REASONS)) if (message.includes(words)) return reason;
  return TRAP_UNKNOWN;
}
