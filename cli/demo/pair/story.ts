// The job itself: a file from A to B, an answer from B to A, and the file once more while A loses its power in the middle of a
// box. Both devices are reached through the serial driver on their terminals, and through nothing else.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, join } from "node:path";
import {
  ByteFile,
  type Device,
  fileSink,
  type Info,
  type Outbox,
  openBundle,
  openDevice,
  openOutbox,
  openTransport,
  runCost,
  sealRun,
  type TextSource,
  type Transport,
} from "../../../host/driver/index.ts";
import { boxCost, type PadPosition, roomOf, TEXT_MAX_BYTES } from "../../../host/protocol/index.ts";
import type { Progress } from "../../progress.ts";
import { DemoError } from "../errors.ts";
import type { Simulated } from "../simulated.ts";
import { fileIn, type Pads } from "./pads.ts";
import type { Session } from "./session.ts";

/** What became of one text on its way from one device to the other. */
export interface Exchange {
  readonly textBytes: number;
  readonly bundleBytes: number;
  readonly boxes: number;
  readonly segments: number;
  /** Pad bytes that a power cut made useless. */
  readonly bytesSkipped: number;
  readonly sha256: { readonly sent: string; readonly received: string };
  readonly milliseconds: number;
}

/** Where an end stands, as its device says. */
export type Standing = Info & PadPosition;

/** What is told while it happens. */
export interface Listener {
  granted(bytes: number, exchange: Exchange): void;
  sent(exchange: Exchange): void;
  answered(text: string, exchange: Exchange): void;
  cut(box: number, boxes: number, exchange: Exchange): void;
}

export interface Story {
  readonly before: Exchange;
  readonly answer: Exchange;
  readonly after: Exchange;
  readonly a: Standing;
  readonly b: Standing;
  /** Starts with a file of this size that the pair is good for after this one. */
  readonly startsLeft: number;
}

/** One end: a device behind its terminal. */
interface End {
  readonly device: Device;
  readonly simulated: Simulated;
  /** What happens to the port when a device on USB loses its power: it goes. */
  unplug(): Promise<void>;
}

/** Slots that a start takes of A: one for the file, two for the interrupted one. */
const SLOTS_OF_A = 3;
/** What B says in a start, grants and answer, is shorter. */
const ANSWERS_BYTES = 512;

/**
 * Plays it all.
 * @throws DemoError EXHAUSTED, SLOTS_EXHAUSTED before anything is used; TEXT_DIFFERS; what the driver throws
 */
export async function play(
  pads: Pads,
  session: Session,
  path: string,
  progress: Progress,
  listener: Listener,
): Promise<Story> {
  const outbox = await openOutbox(fileIn(pads, "outbox"));
  const a = await openEnd(session.devices.low);
  const b = await openEnd(session.devices.high);
  const file = await ByteFile.open(path);
  const send = new Sending(outbox, fileIn(pads, "received"), progress);
  try {
    await makeRoom(send, a, b, file.size, listener);

    const name = basename(path);
    const before = await send.text(a, b, file, await digestOf(path), name);
    listener.sent(before);

    const words = `${name} arrived: ${file.size} bytes.`;
    const answer = await send.words(b, a, words);
    listener.answered(words, answer);

    const { boxes } = runCost(file.size, pads.original.shape.burnUnit);
    const box = Math.floor(boxes / 2);
    const cut = new PowerCut(file, box, pads.original.shape.burnUnit, a);
    const after = await send.text(a, b, cut, await digestOf(path), name);
    await cut.over;
    // Before its first box a bundle is begun anew; behind it, it goes on in a second segment.
    assert(after.segments === (box > 0 ? 2 : 1) && after.bytesSkipped > 0, "the power was cut in the middle of a box");
    listener.cut(box, boxes, after);

    const [standA, standB] = [await standingOf(a), await standingOf(b)];
    return { before, answer, after, a: standA, b: standB, startsLeft: startsLeft(standA, standB, file.size) };
  } finally {
    await file.close();
    await a.device.close();
    await b.device.close();
  }
}

async function openEnd(simulated: Simulated): Promise<End> {
  let transport: Transport;
  const device = await openDevice(async () => {
    transport = await openTransport(simulated.tty);
    return transport;
  });
  return { device, simulated, unplug: () => transport.close() };
}

/** Sends texts from one end to the other, into files of one directory. */
class Sending {
  readonly #outbox: Outbox;
  readonly #directory: string;
  readonly #progress: Progress;

  constructor(outbox: Outbox, directory: string, progress: Progress) {
    this.#outbox = outbox;
    this.#directory = directory;
    this.#progress = progress;
  }

  async words(from: End, to: End, words: string, grant = 0): Promise<Exchange> {
    const text = Buffer.from(words);
    const digest = createHash("sha256").update(text).digest("hex");
    return this.text(from, to, memorySource(text), digest, "answer.txt", grant);
  }

  /** Seals a text at one end, opens it at the other into a file, and compares. @throws DemoError TEXT_DIFFERS */
  async text(from: End, to: End, text: TextSource, sent: string, name: string, grant = 0): Promise<Exchange> {
    const start = performance.now();
    const path = join(this.#directory, name);
    try {
      const sealed = await sealRun(from.device, text, this.#outbox, {
        grant,
        onProgress: ({ textBytes, textBytesTotal }) => this.#progress.show("sealing", textBytes, textBytesTotal),
      });
      await openBundle(to.device, this.#outbox.read(sealed.id), fileSink(path), {
        onProgress: ({ phase, textBytes }) => this.#progress.show(phase, textBytes, text.size),
      });
      await this.#outbox.remove(sealed.id);
      const received = await digestOf(path);
      if (received !== sent) throw new DemoError("TEXT_DIFFERS", { sent, received });
      const { textBytes, bundleBytes, boxes, segments, bytesSkipped } = sealed;
      const milliseconds = Math.round(performance.now() - start);
      return { textBytes, bundleBytes, boxes, segments, bytesSkipped, sha256: { sent, received }, milliseconds };
    } finally {
      this.#progress.end();
    }
  }
}

function memorySource(text: Uint8Array): TextSource {
  return { size: text.length, read: async (position, length) => text.subarray(position, position + length) };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
  return hash.digest("hex");
}

/**
 * A text whose sender loses its power while it seals one box of it: when that box's text is fetched, the cut is arranged for a
 * call in the middle of burning the box's slice. When the device is dark its port goes, it is powered on again, and the driver,
 * left to itself, reaches it anew and goes on.
 */
class PowerCut implements TextSource {
  readonly size: number;
  /** Resolves when the device is back. */
  over: Promise<void> = Promise.resolve();
  readonly #text: TextSource;
  readonly #position: number;
  readonly #burnUnit: number;
  readonly #end: End;
  #armed = false;

  constructor(text: TextSource, box: number, burnUnit: number, end: End) {
    this.size = text.size;
    this.#text = text;
    this.#position = box * TEXT_MAX_BYTES;
    this.#burnUnit = burnUnit;
    this.#end = end;
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    if (position === this.#position && !this.#armed) {
      this.#armed = true;
      // The first program is the record, then one per page of 256 bytes.
      const call = 1 + Math.ceil(boxCost(length, this.#burnUnit) / 512);
      const { control } = this.#end.simulated;
      await control.order({ do: "cut-at", cut: { call, name: "norProgram", when: "during", kind: "power" } });
      this.over = this.#comeBack();
      this.over.catch(() => {}); // Thrown where it is waited for.
    }
    return this.#text.read(position, length);
  }

  async #comeBack(): Promise<void> {
    const { control } = this.#end.simulated;
    await control.order({ do: "until", state: "off" });
    await control.order({ do: "power-on" });
    await this.#end.unplug();
  }
}

/** What A needs for a start with a file of this size: twice its boxes, and once more the one that is cut. */
function needOf(textBytes: number, burnUnit: number): number {
  return 2 * runCost(textBytes, burnUnit).padBytes + boxCost(Math.min(textBytes, TEXT_MAX_BYTES), burnUnit);
}

/** Has B grant A what A needs and does not have. @throws DemoError when nothing can help, before anything is used */
async function makeRoom(send: Sending, a: End, b: End, textBytes: number, listener: Listener): Promise<void> {
  const low = await standingOf(a);
  const high = await standingOf(b);
  const needed = needOf(textBytes, low.burnUnit);
  const { now, afterGrant } = roomOf(low);
  const roomOfB = roomOf(high).now - ANSWERS_BYTES;
  const missing = Math.max(0, needed - now);
  for (const [end, slots] of [
    [low, SLOTS_OF_A],
    [high, 2],
  ] as const) {
    if (end.nextSlot + slots > end.slots[end.side])
      throw new DemoError("SLOTS_EXHAUSTED", { slots: end.slots[end.side] });
  }
  if (roomOfB < missing)
    throw new DemoError("EXHAUSTED", { needed, room: Math.min(afterGrant, now + Math.max(0, roomOfB)) });
  if (missing === 0) return;
  const grant = Math.max(missing, Math.floor(roomOfB / 2));
  const note = await send.words(b, a, "More room for you.", grant);
  listener.granted(grant, note);
}

async function standingOf({ device }: End): Promise<Standing> {
  const info = await device.info();
  assert(info.side !== null, "the devices of a pair hold a pad");
  return { ...info, side: info.side };
}

function startsLeft(a: Standing, b: Standing, textBytes: number): number {
  const room = roomOf(a).now + Math.max(0, roomOf(b).now - ANSWERS_BYTES);
  return Math.min(
    Math.floor(room / needOf(textBytes, a.burnUnit)),
    Math.floor((a.slots.low - a.nextSlot) / SLOTS_OF_A),
    Math.floor((b.slots.high - b.nextSlot) / 2),
  );
}
