/**
 * The built core: the bytes that run in the device, compiled once per process.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { SimulatorError } from "./error.ts";

/** A core that machines can be built around. */
export interface Core {
  readonly module: WebAssembly.Module;
  /** SHA-256 of the WebAssembly bytes, in hexadecimal: which core this is. */
  readonly sha256: string;
}

/** Seen from `simulator/` in a checkout and from `dist/simulator/` in the package. */
const PLACES = ["../build/device.wasm", "../../build/device.wasm"];

let built: Core | null = null;

/**
 * The core of this installation.
 * @throws SimulatorError CORE_MISSING when it was not built
 */
export function builtCore(): Core {
  if (built !== null) return built;
  const places = PLACES.map((place) => new URL(place, import.meta.url));
  const found = places.find((place) => existsSync(place));
  if (found === undefined) {
    throw new SimulatorError("CORE_MISSING", "The core build/device.wasm is not there.", {
      facts: { path: places[0]!.pathname },
      advice: "Build it with: npm run build",
    });
  }
  built = compileCore(readFileSync(found));
  return built;
}

/** Any other core with the same imports and exports, from its WebAssembly bytes. */
export function compileCore(bytes: Uint8Array<ArrayBuffer>): Core {
  return { module: new WebAssembly.Module(bytes), sha256: createHash("sha256").update(bytes).digest("hex") };
}
