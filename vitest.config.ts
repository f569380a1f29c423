// Where tests live and how long one may take. In CI a JSON report lies beside the printed one, for the closing count.

import "./host/protocol/node-check.ts";
import process from "node:process";
import type { ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = {
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 3,
    // Patience for a busy computer: nothing is measured by these.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 120_000 } },
    reporters: process.env.CI ? ["default", ["json", { outputFile: "build/test-report.json" }]] : ["default"],
  },
};

export default config;
