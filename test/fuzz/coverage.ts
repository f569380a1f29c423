// Which branches of the core the corpus takes: the core compiled without optimisation, so that every function of assembly/ is a function of the C under its own name and every
// condition a branch of it, with clang's source coverage.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { compileWithCore, findCompiler } from "../../hardware/native/index.ts";
import { mustFindClang } from "./fuzzer.ts";

const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const OURS = "w2c_core_assembly";
const EXPORT_MAX = 64 << 20;

/** Outcomes of conditions: each condition has two. */
export interface Covered {
  readonly taken: number;
  readonly all: number;
}

export interface FunctionCoverage extends Covered {
  /** `seal/sealBox`, as in assembly/device or assembly/engine. */
  readonly name: string;
  /** How often it was called. */
  readonly calls: number;
  /** Of each condition that went one way only: its number within the function, from 1, and that way. */
  readonly oneWay: readonly { readonly condition: number; readonly always: boolean | null }[];
}

export interface Coverage extends Covered {
  readonly functions: readonly FunctionCoverage[];
}

/** What of the core the inputs in a folder reach. */
export async function measureCoverage(folder: string): Promise<Coverage> {
  const work = mkdtempSync(join(tmpdir(), "tearpad-coverage-"));
  const program = compileWithCore({
    name: "coverage",
    compiler: mustFindClang(),
    flags: ["-O1"],
    coreFlags: ["-fprofile-instr-generate", "-fcoverage-mapping"],
    linkFlags: ["-fprofile-instr-generate", "-fsanitize=fuzzer"],
    folders: [FOLDER],
    core: await compilePlain(),
  });
  const raw = join(work, "raw");
  tool(program, ["-runs=0", folder], { LLVM_PROFILE_FILE: raw });
  const profile = join(work, "profile");
  tool(llvm("llvm-profdata"), ["merge", raw, "-o", profile]);
  const said = tool(llvm("llvm-cov"), ["export", program, `-instr-profile=${profile}`]);
  rmSync(work, { recursive: true });
  const { data } = JSON.parse(said) as Exported;
  const functions = data[0]!.functions.filter(isOurs).map(readFunction);
  const sum = (key: "taken" | "all"): number => functions.reduce((total, one) => total + one[key], 0);
  return { taken: sum("taken"), all: sum("all"), functions };
}

/** The core as it is written, a function for each function and a branch for each condition: a file in a new folder. */
export async function compilePlain(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tearpad-plain-"));
  const core = join(folder, "core.wasm");
  const { error, stderr } = await asc.main([
    "assembly/device.ts",
    "--target",
    "device",
    "--baseDir",
    ROOT,
    "--optimizeLevel",
    "0",
    "--shrinkLevel",
    "0",
    "--debug",
    "--outFile",
    core,
    "--textFile",
    join(folder, "core.wat"),
  ]);
  if (error) throw new Error(`the core does not compile: ${stderr.toString()}`);
  return core;
}

/** What llvm-cov exports, as far as it is read: line, column, line, column, times true, times false … */
interface Exported {
  readonly data: readonly { readonly functions: readonly ExportedFunction[] }[];
}
interface ExportedFunction {
  readonly name: string;
  readonly count: number;
  readonly branches: readonly (readonly number[])[];
}

/** A function of assembly/ that somebody wrote: not the fields that the compiler makes functions of. */
function isOurs({ name }: ExportedFunction): boolean {
  return name.includes(OURS) && !name.includes("0x23");
}

function readFunction({ name, count, branches }: ExportedFunction): FunctionCoverage {
  const outcomes = branches.flatMap((branch) => [branch[4]!, branch[5]!]);
  return {
    name: decode(name),
    calls: count,
    taken: outcomes.filter((times) => times > 0).length,
    all: outcomes.length,
    oneWay: branches.flatMap((branch, i) => {
      const [yes, no] = [branch[4]! > 0, branch[5]! > 0];
      return yes && no ? [] : [{ condition: i + 1, always: yes || no ? yes : null }];
    }),
  };
}

/** wasm2c writes what is no letter of C in hexadecimal. */
function decode(name: string): string {
  const plain = name
    .slice(name.indexOf(OURS) + OURS.length)
    .replace(/0x([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return plain.replace(/^\/(device\/)?/, "");
}

function llvm(name: string): string {
  const path = findCompiler([`${name}-14`, name, `${name}-19`, `${name}-18`, `${name}-17`, `${name}-16`, `${name}-15`]);
  if (path === null) throw new Error(`There is no ${name}; on Debian and Ubuntu: apt-get install llvm`);
  return path;
}

function tool(program: string, parameters: readonly string[], env: Record<string, string> = {}): string {
  const run = spawnSync(program, parameters, {
    encoding: "utf8",
    maxBuffer: EXPORT_MAX,
    env: { ...process.env, ...env },
  });
  if (run.status !== 0) throw new Error(`${program} failed: ${run.error?.message ?? run.stderr.slice(-2000)}`);
  return run.stdout;
}
