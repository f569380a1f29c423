// `npm run bench -- [--quick] [--json FILE]`: every figure with its baseline in the same run, on the machine and the Node that it names. --quick shows only that it runs.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { hasArmCompiler } from "../hardware/toolchain/index.ts";
import { benchBoard } from "./board.ts";
import { benchCalls } from "./calls.ts";
import { benchBoot, benchDevice } from "./device.ts";
import { benchEngine } from "./engine.ts";
import { benchLedger } from "./ledger.ts";
import { benchMemory } from "./memory.ts";
import { benchServer } from "./server.ts";

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false }, json: { type: "string" } } });
const quick = values.quick;

const report = {
  node: process.version,
  cpu: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`,
  quick,
  sizes: sizes(),
  engine: await step("engine", () => benchEngine({ quick })),
  device: await step("device", () => benchDevice({ quick })),
  boot: await step("boot", benchBoot),
  board: await step("board", async () => (hasArmCompiler() ? benchBoard() : null)),
  ledger: await step("ledger", () => benchLedger({ quick })),
  server: await step("server", () => benchServer({ quick })),
  calls: await step("calls", () => benchCalls({ quick })),
  memory: await step("memory", () => benchMemory({ quick })),
  cuts: await step("cuts", async () => (quick ? null : torture())),
};

console.log(`\nNode ${report.node} on ${report.cpu}${quick ? " (quick: the figures mean little)" : ""}`);
console.log("\nThe builds, in bytes");
console.table(report.sizes);
console.log("Sealing and opening on the host; engineIsTimes: how many times as fast the engine is");
console.table(report.engine);
console.log("The device, simulated; flash time at the chip's typical busy times");
console.table(report.device);
console.log("Its boot; journalReads: against one read of the journal");
console.table(report.boot);
if (report.board) {
  console.log(
    "The firmware on an emulated board: cycles a byte, by where they go; share: of 125 MHz ÷ (burn + USB + CPU)",
  );
  console.table(report.board.rows);
  console.table([report.board.sizes]);
} else
  console.log(
    "The firmware was not measured: arm-none-eabi-gcc is missing (Debian: gcc-arm-none-eabi libnewlib-arm-none-eabi)",
  );
console.log("Durable debits in the books, without links; rawTimes: against 4 KiB written and synced one by one");
console.table(report.ledger);
console.log(
  "The server: requests answered, each durable with its debit; against synced writes of 4 KiB, and the bare store",
);
console.table(report.server);
console.log("A server of many tokens: to open it, and to know who calls");
console.table(report.calls);
console.log("Memory of a process that seals on an image");
console.table(report.memory);
if (report.cuts) console.log("Power cuts checked against the ideal device");
if (report.cuts) console.table([report.cuts]);
if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);

async function step<Result>(name: string, measure: () => Promise<Result>): Promise<Result> {
  process.stderr.write(`${name} … `);
  const begun = performance.now();
  const result = await measure();
  process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(1)} s\n`);
  return result;
}

function sizes(): { build: string; bytes: number; limit: number; share: number }[] {
  // Flash that the core may take of a board's image, and what a page would wait for.
  return [
    { build: "device.wasm", limit: 24 * 1024 },
    { build: "engine.wasm", limit: 64 * 1024 },
  ].map(({ build, limit }) => {
    const bytes = statSync(fileURLToPath(new URL(`../build/${build}`, import.meta.url))).size;
    return { build, bytes, limit, share: Number((bytes / limit).toFixed(2)) };
  });
}

/** Half a minute of the torture, in a process of its own. */
function torture(): { cutsPerSecond: number; cutsDistinct: number; goal: number; share: number } {
  const directory = mkdtempSync(join(tmpdir(), "tearpad-bench-"));
  try {
    const file = join(directory, "torture.json");
    const main = fileURLToPath(new URL("../test/torture/main.ts", import.meta.url));
    execFileSync(process.execPath, [...process.execArgv, main, "--minutes", "0.5", "--json", file], {
      stdio: "ignore",
    });
    const { cutsPerSecond, cutsDistinct } = JSON.parse(readFileSync(file, "utf8"));
    return { cutsPerSecond, cutsDistinct, goal: 5000, share: Number((cutsPerSecond / 5000).toFixed(2)) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
