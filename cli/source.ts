// The options that say where pad bytes come from, the same for every command that fills.

import { type Declaration, generatorSource, noiseSource, type PadSource } from "../host/entropy/index.ts";
import { bytes, type Io, UsageError, visible } from "./command.ts";
import { stateDirectory } from "./home.ts";

export const SOURCE_OPTIONS = {
  entropy: { type: "string" },
  source: { type: "string" },
  "min-entropy": { type: "string" },
} as const;

/** What SOURCE_OPTIONS were given. */
export interface SourceChoice {
  /** A file, a device or a pipe; null for the generator. */
  readonly path: string | null;
  readonly declaration: Declaration | null;
}

const NAME_BYTES = 64;
const MIN_ENTROPY_LEAST = 0.1;

/** @throws UsageError */
export function chooseSource(values: {
  readonly entropy?: string | undefined;
  readonly source?: string | undefined;
  readonly "min-entropy"?: string | undefined;
}): SourceChoice {
  const { entropy = "csprng", source: name, "min-entropy": claimed } = values;
  if ((name === undefined) !== (claimed === undefined)) {
    throw new UsageError(
      "Who declares a source names it and says how random it is: --source NAME and --min-entropy BITS.",
    );
  }
  const path = entropy === "csprng" ? null : entropy;
  if (name === undefined || claimed === undefined) return { path, declaration: null };
  if (path === null)
    throw new UsageError("A generator is no physical source: --source and --min-entropy go with a file.");
  return { path, declaration: declare(name, Number(claimed)) };
}

function declare(name: string, minEntropy: number): Declaration {
  const size = Buffer.byteLength(name);
  if (size === 0 || size > NAME_BYTES) throw new UsageError(`--source takes a name of 1 to ${NAME_BYTES} bytes.`);
  if (visible(name) !== name) throw new UsageError("--source takes a name without control characters.");
  if (!(minEntropy >= MIN_ENTROPY_LEAST && minEntropy <= 8)) {
    throw new UsageError(`--min-entropy takes bits per byte, from ${MIN_ENTROPY_LEAST} to 8.`);
  }
  return { name, minEntropy };
}

/** Opens the source for one pad. @throws EntropyError */
export function openSource({ path, declaration }: SourceChoice, padBytes: number, { env }: Io): Promise<PadSource> {
  const records = stateDirectory(env, "entropy");
  return path === null ? generatorSource(records) : noiseSource(path, padBytes, declaration, records);
}

/** What became of the noise that a pad took, for people: also of noise that makes no other pad of it. */
export function noiseInWords(noise: PadSource["noise"]): string[] {
  if (noise === null) return [];
  const record = noise.recorded ? "; they are recorded as used, and no other pad takes them" : "";
  return [`With it went ${bytes(noise.bytes)} of ${visible(noise.source)}${record}.`];
}

const STREAM_PAD = "Its bytes come from a generator: this is a stream pad, as strong as that generator and not more.";

/** What a pad records about its origin, for people. */
export function originInWords(origin: PadSource["origin"]): string {
  if (origin.provenance === "csprng") return STREAM_PAD;
  const { sourceName, claimedMinEntropy, samplesTested, longestRepetition, highestProportion } = origin;
  const lines = [
    `The bytes come from physical noise, declared as "${visible(sourceName)}" with ${claimedMinEntropy} bits a byte, and from this computer's generator.`,
    `Tested: ${bytes(samplesTested)} of noise; longest repetition ${longestRepetition}, highest count in a window of 512: ${highestProportion}.`,
  ];
  if (claimedMinEntropy < 8) lines.push("Full entropy holds within the conditioning assumption (SHA-512).");
  return lines.join("\n");
}
