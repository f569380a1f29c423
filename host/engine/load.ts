// Brings the engine's WebAssembly in: from this package, or from wherever the caller has it.

import { instantiate } from "@assemblyscript/loader";
import { nodeTooOld } from "../protocol/node-version.ts";
import { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";

/** engine.wasm: its bytes, compiled or not, or the answer to a request for them. */
export type EngineSource = WebAssembly.Module | BufferSource | Response | PromiseLike<Response>;

/**
 * Loads the engine: the one of this package, or the one that `source` brings.
 * @throws EngineError ENGINE_MISSING
 */
export async function loadEngine(source?: EngineSource): Promise<Engine> {
  const tooOld = nodeTooOld();
  if (tooOld !== undefined) throw tooOld;
  const { module } = await instantiate(source ?? (await ownEngine()));
  return new Engine(module);
}

// This file is host/engine/load.ts in a checkout and dist/host/engine/load.js in the package; build/ is beside host/ in both.
const OWN = new URL("../../build/engine.wasm", import.meta.url);

async function ownEngine(): Promise<BufferSource | Response> {
  try {
    // Not an import: a browser, and what bundles for one, has no such module.
    if (OWN.protocol === "file:") return await process.getBuiltinModule("node:fs/promises").readFile(OWN);
    const response = await fetch(OWN);
    if (response.ok) return response;
  } catch (cause) {
    throw new EngineError("ENGINE_MISSING", { url: OWN.href }, cause);
  }
  throw new EngineError("ENGINE_MISSING", { url: OWN.href });
}
