// Two defects for the fuzzer to find, each in a core of its own and without the kept corpus: an access beyond the memory, and pad bytes that are used twice. A fuzzer that does not
// find them proves nothing.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileDefect, type Defect } from "../torture/defects.ts";
import { unpack } from "./corpus.ts";
import { buildFuzzer, fuzz } from "./fuzzer.ts";

export const PLANTED: readonly Defect[] = [
  {
    name: "an access beyond the memory when the range that is released ends where the pad ends",
    file: "device/open.ts",
    from: "  const direction = opposite();\n  const mark =",
    to: "  if (offset + length === pad.downEnd) store<u32>(65_536, 1);\n  const direction = opposite();\n  const mark =",
  },
  {
    name: "pad bytes used twice: the mark rises by one byte too few",
    file: "device/seal.ts",
    from: "  setUsed(direction, mark + size);\n  let code",
    to: "  setUsed(direction, mark + size - 1);\n  let code",
  },
];

/** The only input to begin with: a blank device, and one step of noise without a byte. */
const NOTHING = new Uint8Array(10);

export interface Hunt {
  readonly name: string;
  readonly found: boolean;
  readonly what: string;
  readonly executions: number;
  readonly seconds: number;
}

/** Fuzzes a core with this defect until it shows, or for so many seconds. */
export async function huntPlanted(defect: Defect, seed: number, seconds: number): Promise<Hunt> {
  const folder = unpack([NOTHING]);
  const place = mkdtempSync(join(tmpdir(), "tearpad-planted-"));
  const core = join(place, "core.wasm");
  writeFileSync(core, await compileDefect(defect));
  const result = await fuzz({ program: buildFuzzer(core), folder, seed, seconds });
  for (const done of [folder, place]) rmSync(done, { recursive: true });
  const [finding] = result.findings;
  return {
    name: defect.name,
    found: finding !== undefined,
    what: finding?.what ?? "",
    executions: result.executions,
    seconds: result.seconds,
  };
}
