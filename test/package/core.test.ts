// What the two WebAssembly builds promise to every body that carries them: the core is one page of memory and the HAL.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { type WasmFacts, wasmFacts } from "./wasm-sections.ts";

const HAL = [
  ...["norGeometry", "norRead", "norProgram", "norErase", "transmit", "entropy", "button", "supplyOk", "ticks"],
] as const;

const STATICS_LIMIT_BYTES = 24 * 1024;

describe("the device build", () => {
  test("imports the functions of the HAL and nothing else", async () => {
    const { imports } = await built("device");
    expect(imports.map(({ module, name }) => `${module}.${name}`).sort()).toEqual(
      HAL.map((name) => `hal.${name}`).sort(),
    );
  });

  test("has one page of memory that cannot grow, and exports it", async () => {
    expect((await built("device")).memories).toEqual([{ minimum: 1, maximum: 1 }]);
    expect(await exportsOf("device")).toContain("memory");
  });

  test("keeps no state outside its memory", async () => {
    expect((await built("device")).mutableGlobals).toBe(0);
  });

  test("has statics of at most 24 KiB", async () => {
    const { dataEnd } = await unoptimized("device");
    expect(dataEnd).toBeGreaterThan(0);
    expect(dataEnd).toBeLessThanOrEqual(STATICS_LIMIT_BYTES);
  });
});

describe("the engine build", () => {
  test("imports nothing", async () => {
    expect((await built("engine")).imports).toEqual([]);
  });

  test("has memory of a fixed size, and exports it", async () => {
    const { memories } = await built("engine");
    expect(memories).toHaveLength(1);
    expect(memories[0]?.maximum).toBe(memories[0]?.minimum);
    expect(await exportsOf("engine")).toContain("memory");
  });
});

type Build = "device" | "engine";

async function built(build: Build): Promise<WasmFacts> {
  return wasmFacts(await readFile(wasmFile(build)));
}

async function exportsOf(build: Build): Promise<string[]> {
  const module = await WebAssembly.compile(await readFile(wasmFile(build)));
  return WebAssembly.Module.exports(module).map(({ name }) => name);
}

/** The same sources without the optimizer, which would drop data that is zero and hide what the statics take. */
async function unoptimized(build: Build): Promise<WasmFacts> {
  const folder = await mkdtemp(join(tmpdir(), "tearpad-statics-"));
  try {
    const out = join(folder, "unoptimized");
    const levels = ["--optimizeLevel", "0", "--shrinkLevel", "0"];
    const files = ["--outFile", `${out}.wasm`, "--textFile", `${out}.wat`];
    await promisify(execFile)("asc", [`assembly/${build}.ts`, "--target", build, ...levels, ...files]);
    return wasmFacts(await readFile(`${out}.wasm`));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function wasmFile(build: Build): URL {
  return new URL(`../../build/${build}.wasm`, import.meta.url);
}
