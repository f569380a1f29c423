/** Test vectors (test/vectors) against the builds of this installation: the device's core in the simulator, the host's engine, protocol and driver, the server. */
import { readFile } from "node:fs/promises";
import { type Engine, loadEngine } from "../../host/engine/index.ts";
import { builtCore } from "../../simulator/index.ts";
import { type BoxVector, hasEngineBox, isReachable, runBoxOnDevice, runBoxOnEngine } from "./box.ts";
import { type BundleVector, runBundle } from "./bundle.ts";
import { type ControlVector, runControlOnEngine, runControlOnProtocol } from "./control.ts";
import { type DeviceVector, runDevice } from "./device.ts";
import { type FrameVector, runFrame } from "./frame.ts";
import { type JournalVector, runJournal } from "./journal.ts";
import { type MacVector, runMac } from "./mac.ts";
import { type PadVector, runPad } from "./pad.ts";
import { type RunVector, runRunOnDevice, runRunOnEngine } from "./run.ts";

/** What became of one vector. */
export interface Outcome {
  /** Its name; of a file that is no vector, the file. */
  readonly name: string;
  readonly ok: boolean;
  /** What it was tried on, as far as it came. */
  readonly builds: readonly Build[];
  /** When it is not ok. */
  readonly why?: string;
}

export type Build = "protocol" | "engine" | "device" | "driver" | "server";

type Vector = { readonly name: string } & (
  | BoxVector
  | RunVector
  | DeviceVector
  | FrameVector
  | BundleVector
  | JournalVector
  | PadVector
  | ControlVector
  | MacVector
);

const KINDS: readonly Vector["kind"][] = [
  "box",
  "run",
  "device",
  "frame",
  "journal",
  "bundle",
  "pad",
  "control",
  "mac",
];

/**
 * Tries the vectors in these files, one after the other. A file that cannot be read is an outcome too.
 * @throws SimulatorError CORE_MISSING, EngineError ENGINE_MISSING: there is nothing to try them on
 */
export async function* runVectors(files: readonly string[]): AsyncGenerator<Outcome, void, undefined> {
  builtCore();
  const engine = await loadEngine();
  for (const file of files) {
    const vector = await readVector(file);
    yield typeof vector === "string"
      ? { name: file, ok: false, builds: [], why: vector }
      : await tryVector(vector, engine);
  }
}

/** The vector, or why there is none. */
async function readVector(file: string): Promise<Vector | string> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    return `It cannot be read: ${(error as Error).message}`;
  }
  try {
    const vector = JSON.parse(text) as Partial<Vector> | null;
    const { name, kind } = vector ?? {};
    if (typeof name !== "string" || kind === undefined) return "This is no test vector: it has no name or no kind.";
    return KINDS.includes(kind) ? (vector as Vector) : "It is of a kind that this version does not know.";
  } catch (error) {
    // The parser's own sentence shows what is in the file, and that may be a text which nobody is to see.
    const [place] = / at position \d+/.exec((error as Error).message) ?? [""];
    return `This is no test vector: it is no JSON${place}.`;
  }
}

async function tryVector(vector: Vector, engine: Engine): Promise<Outcome> {
  const builds: Build[] = [];
  const on = async (build: Build, run: () => void | Promise<void>): Promise<void> => {
    builds.push(build);
    await run();
  };
  try {
    await tryOn(vector, engine, on);
    if (builds.length === 0) throw new Error("Nothing here can try it.");
    return { name: vector.name, ok: true, builds };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { name: vector.name, ok: false, builds, why };
  }
}

async function tryOn(
  vector: Vector,
  engine: Engine,
  on: (build: Build, run: () => void | Promise<void>) => Promise<void>,
): Promise<void> {
  switch (vector.kind) {
    case "box":
      if (hasEngineBox(vector)) await on("engine", () => runBoxOnEngine(engine, vector));
      if (isReachable(vector)) await on("device", () => runBoxOnDevice(vector));
      break;
    case "run":
      await on("engine", () => runRunOnEngine(engine, vector));
      await on("device", () => runRunOnDevice(vector));
      break;
    case "device":
      await on("device", () => runDevice(vector));
      break;
    case "frame":
      await on("device", () => runFrame(vector));
      break;
    case "journal":
      await on("device", () => runJournal(vector));
      break;
    case "bundle":
      await on("driver", () => runBundle(vector));
      break;
    case "pad":
      await on("protocol", () => runPad(vector));
      break;
    case "control":
      await on("protocol", () => runControlOnProtocol(vector));
      if (vector.fields) await on("engine", () => runControlOnEngine(engine, vector));
      break;
    case "mac":
      await on("server", () => runMac(vector));
      break;
  }
}
