// Where the bytes of a pad come from: the computer's generator, or a file or device of raw noise that an operator brings.
//
// Noise never replaces the generator: it is XORed with a fresh stream of it, so that the pad is as good as the better of
// the two. Noise of less than 8 bits a byte is conditioned first: SHA-512 over at least 576 claimed bits gives 64 bytes
// (SP 800-90C, 64 bits above the output; full entropy then rests on that conditioning). Only what an operator declares and
// names is called physical; any other pad is a stream pad, and its source is used but not vouched for.
//
// Bytes of a file or a disk are used once: all of them are tested first, then reserved durably, then used, and tested again
// as they are read for that. Any other device or a pipe passes a start-up test, whose bytes are thrown away, and is tested on
// as it is read.

import { hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { FillParameters } from "../protocol/index.ts";
import { EntropyError } from "./errors.ts";
import { checkedGenerator, type Generator } from "./generator.ts";
import { type HealthCounters, HealthTests } from "./health.ts";
import { Landmarks } from "./landmarks.ts";
import { FINGERPRINT_BYTES, UseRecords } from "./records.ts";

/** What an operator says about a source of noise. */
export interface Declaration {
  /** What the source is, in the operator's words. */
  readonly name: string;
  /** Bits per byte, above 0 and at most 8. */
  readonly minEntropy: number;
}

/** What the identity of a pad records about its bytes (SPEC section 4). */
export type Origin = Pick<
  FillParameters,
  "provenance" | "claimedMinEntropy" | "samplesTested" | "longestRepetition" | "highestProportion" | "sourceName"
>;

/** Which noise a pad takes. */
export interface NoiseUse {
  readonly source: string;
  /** Bytes of noise for the whole pad. */
  readonly bytes: number;
  /** Whether they are recorded as used, as those of a file or a disk are. */
  readonly recorded: boolean;
}

/** The bytes of one pad, to be read once. */
export interface PadSource {
  readonly origin: Origin;
  /** What of a source of noise goes in beside the generator, declared or not; null where nothing does. */
  readonly noise: NoiseUse | null;
  /**
   * Overwrites `into`, a multiple of 64 bytes, with the next bytes.
   * @throws EntropyError ENTROPY_SHORT, ENTROPY_UNHEALTHY, ENTROPY_UNREADABLE or ENTROPY_FAILED
   */
  read(into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

const OUTPUT_BYTES = 64;
const CONDITIONING_BITS = 576;
const STREAM_PAD: Origin = {
  provenance: "csprng",
  claimedMinEntropy: 0,
  samplesTested: 0,
  longestRepetition: 0,
  highestProportion: 0,
  sourceName: "",
};
/** Nothing is claimed of an undeclared source; a dead one is noticed all the same. */
const UNDECLARED_MIN_ENTROPY = 1;
const READ_BYTES = 65_536;

/** The generator alone: a stream pad. @throws EntropyError ENTROPY_FAILED, ENTROPY_UNRECORDED */
export async function generatorSource(recordsDirectory: string): Promise<PadSource> {
  const generate = await checkedGenerator(new UseRecords(recordsDirectory));
  return { origin: STREAM_PAD, noise: null, read: async (into) => generate(into), close: async () => {} };
}

/**
 * Noise from a file, a device or a pipe for a pad of `padBytes`, XORed with the generator. Bytes of a file are reserved
 * when this returns.
 * @param declaration null for a source that no one vouches for
 * @throws EntropyError
 */
export async function noiseSource(
  path: string,
  padBytes: number,
  declaration: Declaration | null,
  recordsDirectory: string,
): Promise<PadSource> {
  const records = new UseRecords(recordsDirectory);
  const generate = await checkedGenerator(records);
  const perOutput = rawBytesPerOutput(declaration);
  const handle = await open(path).catch(unreadable(path, false));
  try {
    const raw = {
      path,
      reserved: false,
      handle,
      needed: Math.ceil(padBytes / OUTPUT_BYTES) * perOutput,
      minEntropy: declaration?.minEntropy ?? UNDECLARED_MIN_ENTROPY,
    };
    const found = await handle.stat();
    const keeps = found.isFile() || found.isBlockDevice();
    const { noise, counters } = keeps ? await reserveFile(raw, records) : await startStream(raw);
    return {
      origin: originOf(declaration, counters),
      noise: { source: path, bytes: raw.needed, recorded: keeps },
      read: (into) => combine(into, noise, perOutput, generate),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Raw bytes that 64 pad bytes take. Noise of 8 bits a byte, and noise that no one vouches for, goes in as it is. */
function rawBytesPerOutput(declaration: Declaration | null): number {
  if (declaration === null || declaration.minEntropy === 8) return OUTPUT_BYTES;
  return Math.ceil(CONDITIONING_BITS / declaration.minEntropy);
}

function originOf(declaration: Declaration | null, counters: HealthCounters): Origin {
  if (declaration === null) return STREAM_PAD;
  const { name, minEntropy } = declaration;
  return { provenance: "physical", claimedMinEntropy: minEntropy, sourceName: name, ...counters };
}

/** Overwrites its argument with the next raw bytes. */
type Noise = (into: Uint8Array) => Promise<void>;

interface Raw {
  readonly path: string;
  /** Whether the bytes are reserved and stay used whatever comes. */
  readonly reserved: boolean;
  readonly handle: FileHandle;
  /** Raw bytes for the whole pad. */
  readonly needed: number;
  readonly minEntropy: number;
}

/** Noise that may be used, and what its tests counted so far. */
interface Tested {
  readonly noise: Noise;
  readonly counters: HealthCounters;
}

async function reserveFile(raw: Raw, records: UseRecords): Promise<Tested> {
  const { path, handle, needed } = raw;
  const start = new Uint8Array(FINGERPRINT_BYTES);
  await readAt(raw, start, 0);
  for (;;) {
    const stat = await handle.stat();
    // A disk does not tell its size here: its end is met when it is tested.
    const found = stat.isFile() ? stat.size : Number.MAX_SAFE_INTEGER;
    const used = Math.min(found, records.usedBytes(start));
    const left = found - used;
    if (left < needed && used > 0) throw new EntropyError("ENTROPY_USED", { source: path, used, left, needed });
    const { counters, landmarks } = await testFile(raw, used);
    const { places, repeatedAt } = landmarks;
    const known = records.usedAmong(places.keys()).map((landmark) => places.get(landmark)!);
    // Another program may just have taken these very bytes.
    if (records.usedBytes(start) > used) continue;
    if (repeatedAt !== null) known.push(repeatedAt);
    if (known.length > 0) {
      throw new EntropyError("ENTROPY_REPEATED", { source: path, position: used + Math.min(...known) });
    }
    if (await records.reserve(start, used, used + needed, places.keys())) {
      return { noise: testedInOrder({ ...raw, reserved: true }, used, new HealthTests(raw.minEntropy)), counters };
    }
  }
}

/** Reads all that is needed once, to know that it is sound and where it would be known again. */
async function testFile(
  raw: Raw,
  offset: number,
): Promise<{ readonly counters: HealthCounters; readonly landmarks: Landmarks }> {
  const landmarks = new Landmarks();
  const tests = new HealthTests(raw.minEntropy);
  const noise = testedInOrder(raw, offset, tests);
  const buffer = new Uint8Array(READ_BYTES);
  for (let left = raw.needed; left > 0; left -= READ_BYTES) {
    const part = buffer.subarray(0, Math.min(READ_BYTES, left));
    await noise(part);
    landmarks.update(part);
  }
  buffer.fill(0);
  landmarks.wipe();
  return { counters: tests.counters, landmarks };
}

async function startStream(raw: Raw): Promise<Tested> {
  const tests = new HealthTests(raw.minEntropy);
  const noise = testedInOrder({ ...raw, needed: READ_BYTES + raw.needed }, null, tests);
  await noise(new Uint8Array(READ_BYTES));
  return { noise, counters: tests.counters };
}

/** Like {@link inOrder}, and nothing is given out that fails a test. */
function testedInOrder(raw: Raw, offset: number | null, tests: HealthTests): Noise {
  const untested = inOrder(raw, offset);
  return async (into) => {
    await untested(into);
    const finding = tests.update(into);
    if (finding === null) return;
    const position = (offset ?? 0) + finding.position;
    throw new EntropyError("ENTROPY_UNHEALTHY", { source: raw.path, ...finding, position, reserved: raw.reserved });
  };
}

/** Reads on from `offset` of a file, or from where a device or a pipe is: the bytes that are needed and none behind them. */
function inOrder(raw: Raw, offset: number | null): Noise {
  const { path, needed, reserved } = raw;
  let found = 0;
  return async (into) => {
    const part = into.subarray(0, needed - found);
    const bytes = await readAt(raw, part, offset === null ? null : offset + found);
    found += bytes;
    if (bytes === into.length) return;
    throw new EntropyError("ENTROPY_SHORT", { source: path, needed, found, missing: needed - found, reserved });
  };
}

/** Fills `into` as far as there are bytes; gives how many there were. */
async function readAt({ path, handle, reserved }: Raw, into: Uint8Array, at: number | null): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const position = at === null ? null : at + done;
    const { bytesRead } = await handle.read(into, done, into.length - done, position).catch(unreadable(path, reserved));
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

async function combine(into: Uint8Array, noise: Noise, perOutput: number, generate: Generator): Promise<void> {
  generate(into);
  const raw = new Uint8Array((into.length / OUTPUT_BYTES) * perOutput);
  await noise(raw);
  for (let out = 0, from = 0; out < into.length; out += OUTPUT_BYTES, from += perOutput) {
    const block = raw.subarray(from, from + perOutput);
    const mixed = perOutput === OUTPUT_BYTES ? block : hash("sha512", block, "buffer");
    for (let i = 0; i < OUTPUT_BYTES; i++) into[out + i]! ^= mixed[i]!;
    mixed.fill(0);
  }
  raw.fill(0);
}

function unreadable(path: string, reserved: boolean): (cause: unknown) => never {
  return (cause) => {
    throw new EntropyError("ENTROPY_UNREADABLE", { source: path, reserved }, cause);
  };
}
