// The inputs that the fuzzer kept, run once each: all that they reach is as it must be, under the sanitizers. `npm run fuzz` looks for more.

import { rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readCorpus, unpack } from "./corpus.ts";
import { buildFuzzer, findClang, fuzz } from "./fuzzer.ts";

const clang = findClang() !== null;
if (!clang && !process.env.CI)
  console.warn("not shown here, because there is no clang: the fuzzer's corpus under the sanitizers");

describe("T-18 the fuzzer's corpus", { timeout: 240_000 }, () => {
  it.skipIf(!clang && !process.env.CI)(
    "finds no trap, no undefined behaviour, no reuse and no pad byte in clear",
    async () => {
      const inputs = readCorpus();
      const folder = unpack(inputs);
      const result = await fuzz({ program: buildFuzzer(), folder, seed: 1 });
      rmSync(folder, { recursive: true });
      expect(result.findings).toEqual([]);
      expect(result.executions).toBeGreaterThanOrEqual(inputs.length);
    },
  );
});
