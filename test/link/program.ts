// A program with a few things to ask, and everything that can interrupt it: the line cut within a message that passes, the
// program killed there, the device unplugged or without power. It starts again with the disk as it was, as often as it
// takes.

import { cpSync } from "node:fs";
import { rm } from "node:fs/promises";
import { expect } from "vitest";
import { type Clock, type Device, isDriverError, openDevice, type Transport } from "../../host/driver/index.ts";
import { type Answer, isLinkFailure, type Line, openLink } from "../../host/link/index.ts";
import type { Machine } from "../../simulator/index.ts";
import { plugVanishing } from "../host/pair.ts";
import { quickClock } from "./token.ts";

/** What is asked: bytes that come back as they are, for answers of about as many boxes. */
const ASKED: readonly Uint8Array[] = [20, 9000, 10, 4200].map((length, index) =>
  new Uint8Array(length).fill(index + 1),
);

/** The program is killed, the line to the server is cut, or the device is unplugged; both of these in a storm. */
export type Kind = "kill" | "cut" | "unplug" | "storm";

/** What outlives the program: the device, the server, the disk, and what it was told. */
export interface World {
  readonly machine: Machine;
  readonly connect: () => Line;
  /** Where the program keeps its link. */
  directory: string;
  /** What was answered to each of the things asked, by the ids of the answers. */
  readonly answers: readonly Map<string, Answer>[];
}

export function noAnswers(): Map<string, Answer>[] {
  return ASKED.map(() => new Map());
}

/** Runs the program until something ends it, and then again with the disk that it left. */
export async function runThrough(world: World, ...fates: Fate[]): Promise<void> {
  let ended = "again";
  const lives = [...fates, new Fate(), new Fate(), new Fate()];
  for (const [life, fate] of lives.entries()) {
    if (ended === "done") break;
    fate.directory = world.directory;
    // A first call that fails is the program's to repeat.
    const running = runProgram(world, fate).catch((error) => {
      const failed =
        isLinkFailure(error, "NO_ADDRESS_ANSWERED") ||
        isDriverError(error, "DEVICE_LOST") ||
        isDriverError(error, "NO_ANSWER");
      if (!failed || life === lives.length - 1) throw error;
      return "again";
    });
    ended = await Promise.race([running, fate.died]);
    if (ended === "died") {
      await rm(world.directory, { recursive: true, force: true });
      world.directory = fate.after;
    }
  }
  world.machine.disarm();
  for (const [index, answers] of world.answers.entries()) {
    expect(answers.size).toBe(1);
    for (const { body } of answers.values()) expect(body).toEqual(ASKED[index]);
  }
}

/** The program: takes what an earlier run left, asks what it has not asked, and ends. */
export async function runProgram(world: World, fate: Fate): Promise<"done"> {
  const device = await plugIn(world.machine, fate);
  const link = await openLink(device, {
    directory: world.directory,
    addresses: ["tcp://token.test:1"],
    connect: async () => fate.line(world.connect()),
    clock: fate.clock,
  });
  // A program that dies with an answer in its hands is given it once more, under the same id.
  const take = (answer: Answer) => {
    const [number] = answer.body as Uint8Array;
    if (!fate.dead) world.answers[(number as number) - 1]?.set(answer.id, answer);
  };
  for (const left of await link.pending()) take(await left.answer());
  const open = ASKED.filter((_, index) => world.answers[index]?.size === 0);
  await Promise.all(open.map(async (body) => take(await link.request("echo", body))));
  await link.close();
  await device.close();
  return "done";
}

/** A session with the machine, which is switched on again when it is reached for. */
export async function plugIn(machine: Machine, fate: Fate = new Fate()): Promise<Device> {
  const plug = plugVanishing(machine);
  return openDevice(async () => fate.device(await plug()), { clock: fate.clock });
}

/** What dead programs were waiting for: kept, so that nobody has to collect the files that they left open. */
const remains: unknown[] = [];

/** Somebody who sees every message and may end something at one of them. */
export class Fate {
  readonly kind: Kind;
  /** Messages so far, and until the end; 0 is never. */
  seen = 0;
  #left: number;
  /** Messages until the end after that. */
  readonly #next: () => number;
  dead = false;
  directory = "";
  readonly died: Promise<"died">;
  readonly #lines: Transport[] = [];
  #die: (word: "died") => void = () => {};

  constructor(kind: Kind = "cut", left = 0, next: () => number = () => 0) {
    this.kind = kind;
    this.#left = left;
    this.#next = next;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  /** The disk at the moment of death: what the dead program still has under way does not count. */
  get after(): string {
    return `${this.directory}+`;
  }

  /** True when the end comes within this message. */
  #strikes(): boolean {
    this.seen++;
    if (this.#left === 0 || --this.#left > 0) return false;
    this.#left = this.#next();
    if (this.kind === "kill") {
      this.dead = true;
      cpSync(this.directory, this.after, { recursive: true });
      for (const line of this.#lines) void line.close(); // As the system does for a process that is gone.
      this.#die("died");
    }
    return true;
  }

  /** The time of a program that may be dead. */
  readonly clock: Clock = {
    after: (milliseconds, callback) => quickClock.after(milliseconds, () => this.dead || callback()),
  };

  /** A line to the server that ends when this strikes: half of the message arrives. */
  line(inner: Transport): Transport {
    this.#lines.push(inner);
    let tell = (_reason?: Error) => {};
    let ended = false;
    const end = () => {
      ended = true;
      void inner.close();
      if (!this.dead) setImmediate(() => tell(new Error("cut")));
    };
    return {
      write: async (bytes) => {
        if (this.dead) return new Promise(() => {});
        if (ended) throw new Error("cut");
        if (this.kind === "unplug" || !this.#strikes()) return inner.write(bytes);
        await inner.write(bytes.subarray(0, bytes.length / 2)).catch(() => {});
        // What is on its way arrives, and then the end.
        setImmediate(end);
        if (this.dead) return new Promise(() => {});
        throw new Error("cut");
      },
      onData: (listener) => {
        remains.push(listener);
        inner.onData((bytes) => {
          if (this.dead || ended) return;
          if (this.kind === "unplug" || !this.#strikes()) return listener(bytes);
          if (!this.dead) listener(bytes.subarray(0, bytes.length / 2));
          end();
        });
      },
      onClose: (listener) => {
        tell = listener;
        inner.onClose((reason) => {
          if (!this.dead && !ended) listener(reason);
        });
      },
      close: async () => {
        ended = true;
        await inner.close();
      },
    };
  }

  /** The line to a device, which a dead program does not hear any more, and which may be unplugged within a message. */
  device(inner: Transport): Transport {
    let tell = (_reason?: Error) => {};
    let gone = false;
    return {
      ...inner,
      write: async (bytes) => {
        if (this.dead) return new Promise(() => {});
        if (this.kind === "cut" || gone || !this.#strikes()) return inner.write(bytes);
        if (this.kind === "kill") return new Promise(() => {});
        // Every other time the device has done what it was told when it goes.
        gone = true;
        if (this.seen % 2 === 0) await inner.write(bytes);
        tell(new Error("unplugged"));
      },
      onData: (listener) => {
        remains.push(listener);
        inner.onData((bytes) => this.dead || gone || listener(bytes));
      },
      onClose: (listener) => {
        tell = listener;
        inner.onClose((reason) => this.dead || listener(reason));
      },
    };
  }
}

/** The title of a test of a kind of interruption. */
export const HOW: Readonly<Record<(typeof KINDS)[number], string>> = {
  cut: "by a line that is cut within any message",
  kill: "by a kill within any message to server or device",
  unplug: "by a device that is unplugged within any message",
};
export const KINDS = ["cut", "kill", "unplug"] as const;
