// Sealing and opening on the host: the engine against what one would take instead, in the same run.
//
// `whole`: from buffers to buffers, one message after the other, all copies counted; the ciphers of node:crypto work
// one-shot. `parts`: a text that is read in parts of 64 KiB. Then the reads do not count, only the work on what they
// brought: into a buffer for a cipher, into the windows, with its pad, for the engine, which is where fs.readSync puts it
// in either case. (@noble/ciphers takes a text whole: its parts are put together first, which does not count either.) Keys and
// nonces are fresh for each message.
//
// From buffers to buffers at 16 MiB the goal of 1.2 times chacha20-poly1305 is missed. A pad is as long as its text: both are
// copied into the windows and the items out of them, and these three copies cost more than the sealing itself, as `parts` shows.

import { createCipheriv, createDecipheriv, randomFillSync } from "node:crypto";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { type Engine, loadEngine, type RunPlace } from "../host/engine/index.ts";
import { runCost, TEXT_MAX_BYTES } from "../host/protocol/index.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const SIZES_BYTES: readonly number[] = [64, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 16 * MIB];
const PART_BYTES = 64 * KIB;
const TAG_BYTES = 16;
const FRAME_BYTES = 20;
/** What @noble/ciphers does with more than this takes too long to be asked in every round: it has its turn in the first. */
const NOBLE_OFTEN_BYTES = 64 * KIB;

const NODE_CIPHERS = ["aes-256-gcm", "chacha20-poly1305"] as const;
type NodeCipher = (typeof NODE_CIPHERS)[number];

export type Operation = "seal" | "open";
export type Way = "whole" | "parts";
export type Contender = "engine" | NodeCipher | "@noble/ciphers" | "memcpy";

/** One contender with messages of one size. */
export interface EngineRow {
  readonly operation: Operation;
  readonly bytes: number;
  readonly way: Way;
  readonly contender: Contender;
  /** Median time of one message. */
  readonly nanoseconds: number;
  readonly megabytesPerSecond: number;
  /** How many times as fast the engine is: the median over rounds that measure one contender after the other. */
  readonly engineIsTimes: number;
}

/** Measures every contender at every size; a quick run only shows that it works. */
export async function benchEngine({ quick = false }: { readonly quick?: boolean } = {}): Promise<EngineRow[]> {
  const engine = await loadEngine();
  const rows: EngineRow[] = [];
  for (const bytes of SIZES_BYTES) {
    const message = prepare(engine, bytes);
    const add = (operation: Operation, way: Way, contest: Contest) => {
      rows.push(...measure(contest, bytes, quick).map((figures) => ({ operation, bytes, way, ...figures })));
    };
    add("seal", "whole", sealers(engine, message));
    if (bytes >= PART_BYTES) add("seal", "parts", sealersInParts(engine, message));
    add("open", "whole", openers(engine, message));
    if (bytes >= PART_BYTES) add("open", "parts", openersInParts(engine, message));
  }
  return rows;
}

/** Handles one message and says how many milliseconds of it count. */
type Work = () => number;
type Contest = ReadonlyMap<Contender, Work>;

interface Message {
  readonly text: Buffer;
  readonly pad: Buffer;
  /** The text sealed by the engine as one run. */
  readonly items: Buffer;
  readonly place: RunPlace;
}

function prepare(engine: Engine, bytes: number): Message {
  const { boxes, padBytes } = runCost(bytes, 1);
  const padId = randomFillSync(Buffer.alloc(16));
  const message: Message = {
    text: randomFillSync(Buffer.alloc(bytes)),
    pad: randomFillSync(Buffer.alloc(padBytes)),
    items: Buffer.alloc(bytes + boxes * FRAME_BYTES),
    place: { pad: { padLength: padBytes, slots: { low: 0, high: 0 }, burnUnit: 1, padId }, direction: "up", mark: 0 },
  };
  sealRun(engine, message, message.items);
  return message;
}

function sealers(engine: Engine, message: Message): Contest {
  const { text, pad, items, place } = message;
  const box = { padId: place.pad.padId, direction: place.direction, offset: 0 } as const;
  const out = Buffer.alloc(items.length);
  const contest = new Map<Contender, Work>();
  const single = text.length <= TEXT_MAX_BYTES;
  contest.set(
    "engine",
    whole(() => (single ? engine.seal(box, "last", pad, text) : sealRun(engine, message, out))),
  );
  for (const name of NODE_CIPHERS)
    contest.set(
      name,
      whole(() => encipher(name, text, freshKey())),
    );
  contest.set(
    "@noble/ciphers",
    whole(() => encipherByNoble(text)),
  );
  return contest.set(
    "memcpy",
    whole(() => text.copy(out)),
  );
}

function openers(engine: Engine, message: Message): Contest {
  const { text, pad, items, place } = message;
  const box = { padId: place.pad.padId, direction: place.direction, offset: 0 } as const;
  const out = Buffer.alloc(text.length);
  const contest = new Map<Contender, Work>();
  const single = text.length <= TEXT_MAX_BYTES;
  contest.set(
    "engine",
    whole(() => (single ? engine.open(box, pad, items) : openRun(engine, message, out))),
  );
  for (const name of NODE_CIPHERS) {
    const sealed = encipher(name, text, freshKey());
    contest.set(
      name,
      whole(() => decipher(name, sealed)),
    );
  }
  contest.set("@noble/ciphers", decipherByNoble(text));
  return contest.set(
    "memcpy",
    whole(() => text.copy(out)),
  );
}

function sealersInParts(engine: Engine, message: Message): Contest {
  const contest = new Map<Contender, Work>([["engine", () => sealRun(engine, message, null)]]);
  for (const name of NODE_CIPHERS) contest.set(name, () => encipherParts(name, message.text));
  return contest.set(
    "@noble/ciphers",
    whole(() => encipherByNoble(message.text)),
  );
}

function openersInParts(engine: Engine, message: Message): Contest {
  const contest = new Map<Contender, Work>([["engine", () => openRun(engine, message, null)]]);
  for (const name of NODE_CIPHERS) {
    const sealed = encipher(name, message.text, freshKey());
    contest.set(name, () => decipherParts(name, sealed));
  }
  return contest.set("@noble/ciphers", decipherByNoble(message.text));
}

/** Seals the whole run: into `out`, or only in the windows, and then what fills them does not count. */
function sealRun(engine: Engine, { text, pad, place }: Message, out: Buffer | null): number {
  const clock = new Clock();
  let at = 0;
  let to = 0;
  for (const piece of engine.sealRun(place, text.length)) {
    piece.text.set(text.subarray(at, at + piece.text.length));
    piece.slices.set(pad.subarray(piece.offset, piece.offset + piece.slices.length));
    at += piece.text.length;
    const items = clock.count(() => piece.seal());
    out?.set(items, to);
    to += items.length;
  }
  return clock.milliseconds;
}

function openRun(engine: Engine, { items, pad, place }: Message, out: Buffer | null): number {
  const clock = new Clock();
  let at = 0;
  let to = 0;
  for (const piece of engine.openRun(place)) {
    const part = items.subarray(at, at + piece.items.length);
    piece.items.set(part);
    at += part.length;
    const { slices, offset } = clock.count(() => piece.take(part.length));
    slices.set(pad.subarray(offset, offset + slices.length));
    const text = clock.count(() => piece.open());
    out?.set(text, to);
    to += text.length;
  }
  return clock.milliseconds;
}

interface Key {
  readonly key: Buffer;
  readonly nonce: Buffer;
}

interface Enciphered extends Key {
  readonly text: Buffer;
  readonly tag: Buffer;
}

function encipher(name: NodeCipher, text: Buffer, key: Key): Enciphered {
  const cipher = createCipheriv(name as "aes-256-gcm", key.key, key.nonce, { authTagLength: TAG_BYTES });
  const enciphered = cipher.update(text);
  cipher.final();
  return { ...key, text: enciphered, tag: cipher.getAuthTag() };
}

function decipher(name: NodeCipher, { key, nonce, text, tag }: Enciphered): Buffer {
  const decipher = createDecipheriv(name as "aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(tag);
  const deciphered = decipher.update(text);
  decipher.final();
  return deciphered;
}

function encipherByNoble(text: Buffer): Uint8Array {
  const { key, nonce } = freshKey();
  return chacha20poly1305(key, nonce).encrypt(text);
}

function decipherByNoble(text: Buffer): Work {
  const { key, nonce } = freshKey();
  const sealed = chacha20poly1305(key, nonce).encrypt(text);
  return whole(() => chacha20poly1305(key, nonce).decrypt(sealed));
}

const part: Buffer = Buffer.alloc(PART_BYTES);

function encipherParts(name: NodeCipher, text: Buffer): number {
  const clock = new Clock();
  const { key, nonce } = freshKey();
  const cipher = clock.count(() => createCipheriv(name as "aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES }));
  for (let at = 0; at < text.length; at += PART_BYTES) {
    text.copy(part, 0, at);
    clock.count(() => cipher.update(part));
  }
  clock.count(() => [cipher.final(), cipher.getAuthTag()]);
  return clock.milliseconds;
}

function decipherParts(name: NodeCipher, { key, nonce, text, tag }: Enciphered): number {
  const clock = new Clock();
  const decipher = clock.count(() =>
    createDecipheriv(name as "aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES }).setAuthTag(tag),
  );
  for (let at = 0; at < text.length; at += PART_BYTES) {
    text.copy(part, 0, at);
    clock.count(() => decipher.update(part));
  }
  clock.count(() => decipher.final());
  return clock.milliseconds;
}

const KEYS: Buffer = randomFillSync(Buffer.alloc(44 * 1024));
let keysTaken = 0;

/** The next of 1,024 random keys and nonces; drawing them is nobody's work here. */
function freshKey(): Key {
  const at = 44 * (keysTaken++ % 1024);
  return { key: KEYS.subarray(at, at + 32), nonce: KEYS.subarray(at + 32, at + 44) };
}

class Clock {
  milliseconds = 0;

  count<T>(work: () => T): T {
    const start = performance.now();
    const result = work();
    this.milliseconds += performance.now() - start;
    return result;
  }
}

/** Work that counts from beginning to end. */
function whole(work: () => unknown): Work {
  return () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  };
}

// Short rounds, many of them: what another process takes from one of them does not reach the median.
const ROUNDS = 31;
const ROUND_MILLISECONDS = 2;
const WARM_MILLISECONDS = 60;

type Figures = Omit<EngineRow, "operation" | "bytes" | "way">;

/** Rounds in which every contender has its turn. */
function measure(contest: Contest, bytes: number, quick: boolean): Figures[] {
  const contenders = [...contest].map(([contender, work]) => ({
    contender,
    work,
    rounds: quick || (contender === "@noble/ciphers" && bytes > NOBLE_OFTEN_BYTES) ? 1 : ROUNDS,
    messages: quick ? 1 : messagesPerRound(work),
    times: [] as number[],
  }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { work, messages, times } of contenders.filter(({ rounds }) => round < rounds)) {
      let milliseconds = 0;
      for (let message = 0; message < messages; message++) milliseconds += work();
      times.push((milliseconds / messages) * 1e6);
    }
  }
  const engine = contenders[0]!.times;
  return contenders.map(({ contender, times }) => ({
    contender,
    nanoseconds: Math.round(median(times)),
    megabytesPerSecond: Math.round((bytes / median(times)) * 1000),
    engineIsTimes: Number(median(times.map((time, round) => time / engine[round]!)).toFixed(2)),
  }));
}

/** How many messages fill a round, once the work is warm. */
function messagesPerRound(work: Work): number {
  let messages = 0;
  const start = performance.now();
  do messages++;
  while (work() >= 0 && performance.now() - start < WARM_MILLISECONDS);
  return Math.max(1, Math.round((messages / (performance.now() - start)) * ROUND_MILLISECONDS));
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const rows = await benchEngine({ quick: process.argv.includes("--quick") });
  console.log(`Node ${process.version}, ${process.arch}. Last column: how many times as fast the engine is.`);
  for (const { operation, bytes, way, contender, nanoseconds, megabytesPerSecond, engineIsTimes } of rows) {
    const cells = [operation, bytes, way, contender, nanoseconds, megabytesPerSecond, engineIsTimes.toFixed(2)];
    console.log(cells.map((cell) => String(cell).padStart(10)).join(" "));
  }
}
