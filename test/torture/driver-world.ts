// The world in which the driver is hunted: two people with a device each, whose pads are one; lines that lose, damage and repeat; devices that lose their power or
// vanish; computers that stop in the middle of anything. Time passes only when nothing else can happen, so that a life is the same each time it is lived.

import { randomBytes } from "node:crypto";
import {
  type Clock,
  fillDevice,
  firstSplitOfPair,
  openDevice,
  slotsAtIssue,
  type Transport,
} from "../../host/driver/index.ts";
import { builtCore, Flash, lineTo, Machine, type Random } from "../../simulator/index.ts";
import type { DriverTree } from "./driver-tree.ts";
import { COMMAND, decodePrefix, readU32 } from "./rig.ts";

const PAD_SECTORS = 48;
export const PAD_LENGTH: number = PAD_SECTORS * 4096;
/** What a small chip keeps before its pad: 4 sectors of journal and 2 of identity. */
const SECTORS_BEFORE_PAD = 6;
const PAD_BASE = SECTORS_BEFORE_PAD * 4096;
const SLOT_SIZE = 192;
const TEARS = ["nothing", "unstable", "whole", "first-half", "last-bits", "random"] as const;
/** The driver asks four times; a line that fails no more often in a row loses nothing. */
const FAILURES_IN_A_ROW = 2;

/**
 * A chip has finished one program before it begins the next. An image file keeps that order between two syncs only as far as the computer does; one that does not
 * can leave a slice half burned whose reservation is lost, which is no reuse but FLASH_FAULT for whoever seals next.
 */
const IMAGE_IN_ORDER = true;

export type Side = "low" | "high";
/** The chips of a pair, just filled. */
export type Images = Readonly<Record<Side, Uint8Array>>;

/** Something that must not be. */
export class Finding extends Error {}

/** Time that passes when nothing else happens. */
class IdleClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass until the next appointment. False when there is none. */
  pass(): boolean {
    const next = this.#timers.reduce<{ at: number; callback: () => void } | null>(
      (first, timer) => (first === null || timer.at < first.at ? timer : first),
      null,
    );
    if (next === null) return false;
    this.#timers = this.#timers.filter((timer) => timer !== next);
    this.#now = next.at;
    next.callback();
    return true;
  }

  stop(): void {
    this.#timers = [];
  }
}

/** A box as whoever listens to the line of its device got it. */
interface Overheard {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  /** False when the power went while it was sent. */
  readonly whole: boolean;
}

/** Somebody with a device. */
export class Person {
  readonly side: Side;
  /** What of a device leaves it, with the range of the pad that it is under. */
  readonly boxes: Overheard[] = [];
  readonly slots: Overheard[] = [];
  machine!: Machine;
  readonly #tree: DriverTree;
  readonly #seed: number;
  readonly #name: string;

  constructor(tree: DriverTree, side: Side, image: Uint8Array, seed: number, name: string = side) {
    this.#tree = tree;
    this.side = side;
    this.#seed = seed;
    this.#name = name;
    tree.disk.put(this.#image, image.slice());
    this.start();
  }

  /** Where this person's computer keeps its files. */
  get home(): string {
    return `/${this.#name}-home`;
  }

  /** The computer that runs the device: another one than the person's. */
  get #computer(): string {
    return `/${this.#name}-device/`;
  }

  get #image(): string {
    return `${this.#computer}chip`;
  }

  /** Starts the device on its image. */
  start(): void {
    const cells = this.#tree.image.openImage(this.#image);
    const flash = new this.#tree.flash.Flash({ cells, seed: this.#seed });
    this.machine = new this.#tree.machine.Machine({ core: builtCore(), flash, entropy: this.#seed }) as Machine;
    this.machine.onBytes = (to, bytes) => {
      if (to === "host") this.#overhear(bytes);
    };
    this.machine.powerOn();
  }

  /** The computer that runs the device loses its power, and starts it again. */
  crash(random: Random): void {
    this.#tree.disk.crash(this.#computer, random, IMAGE_IN_ORDER);
    this.start();
  }

  /** The pad as it lies in the image now. */
  pad(): Uint8Array {
    return this.#tree.disk.read(this.#image)!.slice(PAD_BASE);
  }

  #overhear(sent: Uint8Array): void {
    const { bytes, whole } = decodePrefix([sent]);
    if (bytes[0] === (COMMAND.SEAL | 0x80) && bytes.length > 24) {
      const start = readU32(bytes, 16);
      this.boxes.push({
        start,
        end: start + 32 + (readU32(bytes, 20) & 0xffff),
        bytes: bytes.slice(20, whole ? -4 : bytes.length),
        whole,
      });
    } else if (bytes[0] === (COMMAND.BEGIN | 0x80) && bytes.length > 40) {
      const slot = readU32(bytes, 12);
      const start = this.side === "low" ? SLOT_SIZE * slot : PAD_LENGTH - SLOT_SIZE * (slot + 1);
      this.slots.push({ start, end: start + SLOT_SIZE, bytes: bytes.slice(20, 40), whole });
    }
  }
}

/** What may go wrong in a life. */
export interface Weather {
  /** Frames are lost, damaged and repeated on the line. */
  readonly line: boolean;
  /** Devices lose their power, and are there again at once, or vanish and have to be reached again. */
  readonly power: "stays" | "comes and goes" | "vanishes";
  /** Programs end in the middle. */
  readonly deaths: boolean;
  /** Computers lose what they did not sync. */
  readonly crashes: boolean;
}

export type Ending<Result> = { readonly done: Result } | { readonly failed: unknown } | "died";

export class World {
  readonly tree: DriverTree;
  readonly random: Random;
  readonly weather: Weather;
  readonly people: readonly [Person, Person];
  /** Cuts, losses, deaths and crashes so far. */
  events = 0;
  /** Nothing goes wrong any more. */
  calm = false;
  readonly clock: Clock & { pass(): boolean; stop(): void } = new IdleClock();
  #fuel = Number.POSITIVE_INFINITY;
  /** What the host does last. */
  #last: "rename" | "release of a slot" | null = null;
  #failures = 0;
  readonly #late: Record<"device" | "host", Uint8Array[]> = { device: [], host: [] };

  constructor(tree: DriverTree, images: Images, random: Random, weather: Weather) {
    this.tree = tree;
    this.random = random;
    this.weather = weather;
    tree.disk.clear();
    this.people = [
      new Person(tree, "low", images.low, random.u32()),
      new Person(tree, "high", images.high, random.u32()),
    ];
    tree.disk.before = (operation) => {
      const step = this.#step();
      if (operation === this.#last && step === null) this.#fuel = 1;
      return step;
    };
  }

  /** Bytes that hid two texts, whoever sealed them. */
  bytesReused(): number {
    const boxes = this.people.flatMap((person) => person.boxes);
    let reused = 0;
    for (const [i, one] of boxes.entries()) {
      for (const other of boxes.slice(0, i)) {
        const overlap = Math.min(one.end, other.end) - Math.max(one.start, other.start);
        if (overlap > 0 && !isSame(one.bytes, other.bytes)) reused += overlap;
      }
    }
    return reused;
  }

  /** Runs a program until it ends, or its host does. */
  async run<Result>(program: () => Promise<Result>): Promise<Ending<Result>> {
    const mortal = this.weather.deaths && !this.calm && this.random.below(2) === 0;
    this.#fuel = mortal ? 1 + this.random.below(this.random.below(2) ? 40 : 300) : Number.POSITIVE_INFINITY;
    let ending: Ending<Result> | null = null;
    program().then(
      (done) => {
        ending = { done };
      },
      (failed: unknown) => {
        ending = { failed };
      },
    );
    for (;;) {
      // Everything but the clock goes on in microtasks: after this all of it is done.
      await new Promise((resolve) => setImmediate(resolve));
      const died = this.#fuel <= 0;
      if (!died && ending === null && this.clock.pass()) continue;
      this.clock.stop();
      this.#fuel = Number.POSITIVE_INFINITY;
      this.#last = null;
      if (died) this.events++;
      return died ? "died" : (ending ?? { failed: new Finding("the driver waits for ever") });
    }
  }

  /** How a host reaches a device; `instead` is there for someone who comes back after it was lost. */
  connect(first: Person, instead: Person = first): () => Promise<Transport> {
    let person = first;
    return async () => {
      await this.#step();
      const reached = person;
      person = instead;
      if (reached.machine.state !== "on") this.#powerOn(reached.machine);
      return this.#lineTo(reached);
    };
  }

  /** Makes an appointment with a power cut, perhaps. */
  perhapsCut(person: Person): void {
    const { random, weather } = this;
    if (weather.power === "stays" || this.calm || random.below(3) > 0) return;
    person.machine.cutAt({
      call: 1 + random.below(random.below(2) ? 40 : 300),
      when: (["before", "during", "after"] as const)[random.below(3)]!,
      kind: random.below(3) > 0 ? "power" : "reset",
      tear: TEARS[random.below(TEARS.length)]!,
    });
  }

  /** Has the host end within its next few steps, perhaps. */
  perhapsEnd(): void {
    const { random, weather } = this;
    if (!weather.deaths || this.calm || random.below(4) > 0) return;
    if (random.below(2)) this.#last = random.below(2) ? "rename" : "release of a slot";
    else this.#fuel = Math.min(this.#fuel, 1 + random.below(12));
  }

  /** From now on nothing goes wrong. */
  calmDown(): void {
    this.calm = true;
    for (const { machine } of this.people) {
      machine.disarm();
      if (machine.state !== "on") machine.powerOn();
    }
  }

  #lineTo(person: Person): Transport {
    this.#late.device = [];
    this.#late.host = [];
    let tell: ((reason?: Error) => void) | null = null;
    let gone = false;
    const vanish = (): void => {
      gone = true;
      person.machine.onTransmit = null;
      tell?.(new Error("unplugged"));
    };
    return {
      write: async (bytes) => {
        await this.#step();
        if (gone) throw new Error("EIO");
        for (const part of this.#onTheWay("device", bytes)) this.#feed(person.machine, part);
        if (this.#last === "release of a slot" && typeOf(bytes) === COMMAND.RELEASE_SLOT) this.#fuel = 1;
        if (this.weather.crashes && this.weather.power === "vanishes" && !this.calm && this.random.below(60) === 0) {
          this.events++;
          person.crash(this.random);
          vanish();
        } else if (person.machine.state !== "on") {
          this.events++;
          if (this.weather.power === "vanishes") vanish();
          else this.#powerOn(person.machine);
        }
      },
      onData: (listener) => {
        person.machine.onTransmit = (bytes) => {
          for (const part of this.#onTheWay("host", bytes)) listener(part);
        };
      },
      onClose: (listener) => {
        tell = listener;
      },
      close: async () => {
        gone = true;
        person.machine.onTransmit = null;
      },
    };
  }

  #feed(machine: Machine, bytes: Uint8Array): void {
    if (machine.feed(bytes)) machine.runUntilIdle();
  }

  /** The power comes, and may go again at once. */
  #powerOn(machine: Machine): void {
    this.#perhapsCutBoot(machine);
    while (!machine.powerOn()) this.events++;
  }

  #perhapsCutBoot(machine: Machine): void {
    if (this.calm || this.random.below(4) > 0) return;
    machine.cutAt({ call: 1 + this.random.below(60), when: "during", kind: "power", tear: "random" });
  }

  /** What becomes of a frame on the line: lost, damaged or late. Its order is kept, and nothing comes twice that was not sent twice. */
  #onTheWay(to: "device" | "host", bytes: Uint8Array): Uint8Array[] {
    const { random } = this;
    const late = this.#late[to].splice(0);
    // The host had asked again when the first answer came: the second is still on its way when it asks for something else.
    if (to === "host" && late.length === 1 && Buffer.compare(late[0]!, bytes) === 0 && random.below(2)) {
      this.#late.host.push(bytes);
      return late;
    }
    const fate = this.weather.line && !this.calm ? random.below(24) : 24;
    if (fate > 2 || this.#failures === FAILURES_IN_A_ROW) {
      if (to === "host" && isAnswer(bytes)) this.#failures = 0;
      return [...late, bytes];
    }
    this.events++;
    this.#failures++;
    // A HELLO that comes late begins a session that nobody waits for.
    if (fate === 0 || (fate === 1 && isHello(bytes))) return late;
    if (fate === 1) {
      this.#late[to].push(bytes);
      return late;
    }
    const damaged = bytes.slice();
    // Not the zero that ends the frame: the next one would be lost with it.
    damaged[random.below(damaged.length - 1)]! ^= 1 << random.below(8);
    return [...late, damaged];
  }

  /** One thing that the host does. On its last one it ends, and never knows. */
  #step(): Promise<void> | null {
    this.#fuel--;
    return this.#fuel <= 0 ? new Promise(() => {}) : null;
  }
}

/** Equal as far as both go: a box that was cut off is a part of the whole one. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  const length = Math.min(one.length, other.length);
  return Buffer.compare(one.subarray(0, length), other.subarray(0, length)) === 0;
}

/** Whether this tells the host more than that its frame was damaged. */
function isAnswer(bytes: Uint8Array): boolean {
  const frame = decodePrefix([bytes]).bytes;
  return frame[0] !== 0xff || frame[12] !== 1;
}

function isHello(bytes: Uint8Array): boolean {
  return (typeOf(bytes) & 0x7f) === COMMAND.HELLO;
}

function typeOf(bytes: Uint8Array): number {
  return decodePrefix([bytes[0] === 0 ? bytes.subarray(1) : bytes]).bytes[0] ?? 0;
}

/** Fills the devices of a pair. */
export async function fillPair(): Promise<Images> {
  const pad = randomBytes(PAD_LENGTH);
  const slots = slotsAtIssue(PAD_LENGTH);
  const shape = { padLength: PAD_LENGTH, slots: { low: slots, high: slots }, burnUnit: 1 };
  const parameters = {
    ...shape,
    slots: { low: true, high: true },
    firstSplit: firstSplitOfPair(shape),
    padId: randomBytes(16),
    provenance: "csprng",
    claimedMinEntropy: 8,
    samplesTested: 0,
    longestRepetition: 0,
    highestProportion: 0,
    sourceName: "the hunt",
  } as const;
  const fill = async (side: Side): Promise<Uint8Array> => {
    const flash = new Flash({ sectors: SECTORS_BEFORE_PAD + PAD_SECTORS, seed: 1 });
    const machine = new Machine({ core: builtCore(), flash });
    machine.powerOn();
    const device = await openDevice(lineTo(machine), { clock: hurry });
    await fillDevice(device, { ...parameters, side }, inOnePiece(pad));
    return flash.content(0, flash.size);
  };
  return { low: await fill("low"), high: await fill("high") };
}

const hurry: Clock = {
  after: (_milliseconds, callback) => {
    const timer = setImmediate(callback);
    return () => clearImmediate(timer);
  },
};

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
