/**
 * A native device in a process of its own, as a synchronous object: each call is one order and waits for its answer.
 *
 * The line between the two is a pair of named pipes, which Node reads and writes without its event loop.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cut, HAL_CALLS, SECTOR, STATICS, TEARS } from "../../simulator/index.ts";
import { buildNative } from "./build.ts";

/** As of the simulator's machine. */
export type NativeState = (typeof STATES)[number];

const STATES = ["off", "held", "on", "dead"] as const;
const MOMENTS = ["before", "during", "after"] as const;
const BUTTON = { accept: 1, reject: 2 } as const;
const ANY_CALL = 255;
const HEAD = 12;
/** Longest piece of the line or of a chip in one order. */
const PIECE = 1 << 19;
const ALL_STEPS = 1_000_000;
const NOTHING = new Uint8Array(0);

export class NativeDevice {
  state: NativeState = "off";
  traps = 0;
  /** Whether there may be background work. */
  more = false;
  /** HAL calls so far; a counter of 32 bits. */
  calls = 0;
  private size = 0;
  private readonly child: ChildProcess;
  private readonly orders: number;
  private readonly answers: number;
  private readonly folder: string;

  /** A process without a chip yet: {@link renew}. */
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "tearpad-native-"));
    const [orders, answers] = [join(this.folder, "orders"), join(this.folder, "answers")];
    execFileSync("mkfifo", [orders, answers]);
    // Opened for both directions a named pipe waits for nobody, and nor does what is opened beside it; in the end each end is held by one process alone, so that
    // either notices when the other ends.
    const both = [openSync(orders, "r+"), openSync(answers, "r+")];
    const theirs = [openSync(orders, "r"), openSync(answers, "w"), openSync(this.trouble, "w")];
    this.orders = openSync(orders, "w");
    this.answers = openSync(answers, "r");
    this.child = spawn(buildNative(), { stdio: theirs });
    this.child.unref();
    for (const file of [...both, ...theirs]) closeSync(file);
  }

  /** The process, for those who end it. */
  get pid(): number {
    return this.child.pid!;
  }

  /** Another device with a blank chip, without power. With `file` its flash is what lies there, and is kept there. */
  renew(chip: {
    sectors: number;
    burnUnit?: number;
    overprogram?: boolean;
    erase64?: boolean;
    seed?: number;
    file?: string;
  }): void {
    const { sectors, burnUnit = 1, overprogram = true, erase64 = true, seed = 1, file = "" } = chip;
    this.size = sectors * SECTOR;
    this.order("n", words(sectors, burnUnit, seed), Buffer.from(file));
    this.order("g", Uint8Array.of(Number(overprogram)));
    this.order("h", Uint8Array.of(Number(erase64)));
  }

  /** Boots, as after so many traps since power-on. True when the core serves. */
  powerOn(traps = 0): boolean {
    this.order("p", words(traps));
    return this.state === "on";
  }

  /** Takes the power away between two HAL calls. */
  powerOff(): void {
    this.order("o");
  }

  /** Hands bytes to the core as the line would, with a poll after each 512 of them. What it sent. */
  feed(bytes: Uint8Array): Uint8Array {
    const sent: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += PIECE) sent.push(this.order("f", bytes.subarray(at, at + PIECE)));
    return Buffer.concat(sent);
  }

  /** Does at most so many steps of background work. */
  pump(polls: number = ALL_STEPS): void {
    this.order("w", words(polls));
  }

  /** Arms one cut; the one before is forgotten. A reset while the chip is busy leaves it done. */
  cutAt({ call, name, when, kind, tear = "random" }: Cut): void {
    const which = name === undefined ? ANY_CALL : HAL_CALLS.indexOf(name);
    this.order(
      "c",
      words(call),
      Uint8Array.of(which, MOMENTS.indexOf(when), Number(kind === "reset"), TEARS.indexOf(tear)),
    );
  }

  /** Forgets the armed cut. True when there was one, that is: it has not come. */
  disarm(): boolean {
    return this.order("c", new Uint8Array(8))[0] === 1;
  }

  /** What the core's next look at its button finds: once, or always. */
  press(how: "accept" | "reject", times: "once" | "always" = "once"): void {
    this.order("b", Uint8Array.of(BUTTON[how], Number(times === "always")));
  }

  /** Whether the supply is too low for programs and erases. */
  supply(low: boolean): void {
    this.order("s", Uint8Array.of(Number(low)));
  }

  /** What the core gets for entropy, over and over, at most 64 bytes; without any the system's. */
  entropy(bytes: Uint8Array): void {
    this.order("e", bytes);
  }

  /** Puts bytes on the chip as a programmer outside the device would. */
  put(address: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PIECE)
      this.order("x", words(address + at), bytes.subarray(at, at + PIECE));
  }

  /** The chip as it is; undecided bits as they read until the next boot. */
  content(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < this.size; at += PIECE)
      parts.push(this.order("l", words(at, Math.min(PIECE, this.size - at))));
    return Buffer.concat(parts);
  }

  /** Puts the core back to an earlier state, as nothing but a test may; the chip is the caller's. */
  putBack(state: NativeState, traps: number, statics: Uint8Array): void {
    this.order("m", Uint8Array.of(STATES.indexOf(state), traps), statics.subarray(0, STATICS));
  }

  close(): void {
    closeSync(this.orders);
    closeSync(this.answers);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get trouble(): string {
    return join(this.folder, "trouble");
  }

  private order(what: string, ...payload: readonly Uint8Array[]): Uint8Array {
    const bytes = Buffer.concat([
      Buffer.from(what),
      words(payload.reduce((sum, part) => sum + part.length, 0)),
      ...payload,
    ]);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.orders, bytes, done);
    } catch (error) {
      throw this.gone(error);
    }
    const head = this.read(HEAD);
    const view = new DataView(head.buffer, head.byteOffset);
    this.state = STATES[head[0]!]!;
    this.traps = head[1]!;
    this.more = head[2] === 1;
    this.calls = view.getUint32(4, true);
    return this.read(view.getUint32(8, true));
  }

  private read(length: number): Uint8Array {
    if (length === 0) return NOTHING;
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(this.answers, bytes, done, length - done, null);
      if (count === 0) throw this.gone();
      done += count;
    }
    return bytes;
  }

  private gone(cause?: unknown): Error {
    const why = readFileSync(this.trouble, "utf8").trim();
    return new Error(`The native device ended: ${why || "without a word"}`, { cause });
  }
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value, true);
  return bytes;
}
