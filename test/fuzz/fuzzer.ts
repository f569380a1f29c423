// The fuzzer: libFuzzer around the native device, with AddressSanitizer and UndefinedBehaviorSanitizer, and what it says in numbers.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileWithCore, findCompiler } from "../../hardware/native/index.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];
/** Only the core guides: what is new to the harness is not new. Its comparisons need no help, as the steps are made of right numbers. */
const GUIDED = ["-fsanitize=fuzzer-no-link", "-fno-sanitize-coverage=trace-cmp,indirect-calls"];
/** Bytes of the longest input: 64 steps and what is before them. */
const LONGEST = 2 + 64 * 8;

/** clang, or null; with it come libFuzzer and the sanitizers. */
export function findClang(): string | null {
  return findCompiler(["clang-14", "clang", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15"]);
}

/** The program, around the built core or another one. */
export function buildFuzzer(core?: string): string {
  return compileWithCore({
    name: "fuzz",
    compiler: mustFindClang(),
    flags: ["-O1", ...SANITIZERS],
    coreFlags: GUIDED,
    linkFlags: ["-fsanitize=fuzzer"],
    folders: [FOLDER],
    ...(core === undefined ? {} : { core }),
  });
}

export function mustFindClang(): string {
  const clang = findClang();
  if (clang === null)
    throw new Error("There is no clang; on Debian and Ubuntu: apt-get install clang libclang-rt-14-dev llvm");
  return clang;
}

/** What the core must never do, and an input that makes it do so. */
export interface Finding {
  readonly what: string;
  /** In hexadecimal: a line for found.hex once it is mended. */
  readonly input: string;
}

export interface Result {
  readonly executions: number;
  readonly seconds: number;
  /** Edges of the compiled core that were reached, and edges with how often they were passed. */
  readonly edges: number;
  readonly features: number;
  readonly findings: readonly Finding[];
}

/**
 * Runs the program on the inputs in a folder, to which it adds what is new. Without `seconds` every input is run once.
 * @param into run the inputs of `folder`, and put into this folder as few of them as do the same
 */
export async function fuzz(o: {
  program: string;
  folder: string;
  seed: number;
  seconds?: number;
  into?: string;
}): Promise<Result> {
  const found = mkdtempSync(join(tmpdir(), "tearpad-found-"));
  const began = performance.now();
  const said = await run(o.program, [
    // How often an edge is passed leads further while fuzzing; what is kept has to reach it.
    ...(o.into === undefined ? [o.folder] : ["-merge=1", "-use_counters=0", o.into, o.folder]),
    `-seed=${o.seed}`,
    `-max_len=${LONGEST}`,
    `-artifact_prefix=${found}/`,
    "-timeout=20",
    "-rss_limit_mb=1024",
    "-print_final_stats=1",
    ...(o.seconds === undefined ? ["-runs=0"] : [`-max_total_time=${Math.ceil(o.seconds)}`]),
  ]);
  const inputs = readdirSync(found).map((name) => readFileSync(join(found, name)).toString("hex"));
  rmSync(found, { recursive: true });
  return {
    executions: last(said, /stat::number_of_executed_units:\s+(\d+)/g) || last(said, /^#(\d+)\s/gm),
    seconds: (performance.now() - began) / 1000,
    edges: last(said, /cov: (\d+)/g),
    features: last(said, /ft: (\d+)/g),
    findings: inputs.map((input) => ({ what: reason(said), input })),
  };
}

/** Everything that it says; libFuzzer ends with another status where it found something, and says so. */
function run(program: string, parameters: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { stdio: ["ignore", "ignore", "pipe"] });
    const parts: Buffer[] = [];
    child.stderr.on("data", (part: Buffer) => parts.push(part));
    child.once("error", reject);
    child.once("close", () => resolve(Buffer.concat(parts).toString()));
  });
}

function last(text: string, pattern: RegExp): number {
  return Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

/** The line that says it best: our own, a panic of the chip, a sanitizer's. */
function reason(said: string): string {
  const [line] =
    /FINDING: .*|panic: .*|.*runtime error: .*|.*ERROR: (?:Address|Leak)Sanitizer: [^\n]*|.*libFuzzer: \w.*/.exec(
      said,
    ) ?? [];
  return line ?? "it ended without a word";
}
