/**
 * The compiler for the boards: GCC for bare Arm, from the system's packages.
 */
import { spawnSync } from "node:child_process";
import { FirmwareError } from "./error.ts";

export type ArmTool = "gcc" | "objcopy";

/** What an answer may hold: a link map comes as a file, so this is for messages. */
const OUTPUT_MAX = 16 << 20;

/**
 * Runs a tool and gives what it printed.
 * @throws FirmwareError COMPILER_MISSING; Error with what the tool says when it fails
 */
export function arm(tool: ArmTool, parameters: readonly string[]): string {
  const name = `arm-none-eabi-${tool}`;
  const run = spawnSync(name, parameters, {
    encoding: "utf8",
    maxBuffer: OUTPUT_MAX,
    env: { ...process.env, LC_ALL: "C" },
  });
  if (run.error !== undefined) {
    if ("code" in run.error && run.error.code === "ENOENT") throw new FirmwareError("COMPILER_MISSING", { tool: name });
    throw run.error;
  }
  if (run.status !== 0) throw new Error(`${name} failed:\n${run.stderr}`);
  return run.stdout;
}

/** Whether the compiler is installed. */
export function hasArmCompiler(): boolean {
  return spawnSync("arm-none-eabi-gcc", ["--version"]).status === 0;
}

/** The first line of what the compiler says of itself. */
export function armVersion(): string {
  return arm("gcc", ["--version"]).split("\n", 1)[0]!;
}
