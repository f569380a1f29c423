/**
 * Programs around the translated core, compiled with what this machine has. What was compiled once stays in `build/native`, under a hash of all
 * that it was made from.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { translateCore } from "../toolchain/index.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUILD = join(ROOT, "build", "native");
const BODY = [join(ROOT, "hardware", "core"), join(ROOT, "hardware", "native")];
const WASM = join(ROOT, "build", "device.wasm");

/** The generated C has functions that this core does not need; all else is held to these. */
const WARNINGS = ["-Wall", "-Wextra", "-Werror"];

/** A program that is not there yet. */
export interface Program {
  readonly name: string;
  /** Path of the compiler. */
  readonly compiler: string;
  readonly flags: readonly string[];
  /** For the core alone, and for the linker alone. */
  readonly coreFlags?: readonly string[];
  readonly linkFlags?: readonly string[];
  /** Folders with C beside hardware/core and hardware/native, whose main.c is left out then. */
  readonly folders?: readonly string[];
  /** The WebAssembly file of the core; default: the built one. */
  readonly core?: string;
}

/** The first of these programs on the PATH, or null; by default a C compiler. */
export function findCompiler(names: readonly string[] = ["gcc", "clang", "clang-14", "cc"]): string | null {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path)) ?? null;
}

/**
 * The native device; see main.c for what it understands. Its path.
 * @throws Error when there is no C compiler, or when it does not compile
 */
export function buildNative(): string {
  const compiler = findCompiler();
  if (compiler === null) throw new Error("There is no C compiler: install gcc or clang.");
  return compileWithCore({ name: "tearpad-native", compiler, flags: ["-O2"] });
}

/**
 * Compiles a program of the core, the native body and more. Its path; core.c and core.h lie beside it.
 * @throws Error with what the compiler says
 */
export function compileWithCore(program: Program): string {
  const { name, compiler, flags, coreFlags = [], linkFlags = [], folders = [], core = WASM } = program;
  const inputs = [...BODY, ...folders].flatMap((folder) => cFiles(folder));
  const place = join(BUILD, `${name}-${digest(program, core, inputs)}`);
  const path = join(place, name);
  if (existsSync(path)) return path;

  mkdirSync(BUILD, { recursive: true });
  const made = mkdtempSync(join(BUILD, "new-"));
  const { source } = translateCore(made, core);
  const includes = [...BODY, ...folders, made].map((include) => `-I${include}`);
  const common = ["-std=gnu11", "-g", ...flags, ...includes];
  const sources = inputs.filter(
    (file) => file.endsWith(".c") && !(folders.length > 0 && file.endsWith("native/main.c")),
  );
  run(compiler, [...common, ...coreFlags, "-w", "-c", source], made);
  run(compiler, [...common, ...WARNINGS, "-c", ...sources], made);
  const objects = readdirSync(made).filter((file) => file.endsWith(".o"));
  run(compiler, [...flags, ...linkFlags, ...objects, "-o", name], made);
  // Whoever else made the same meanwhile was first.
  if (existsSync(place)) rmSync(made, { recursive: true });
  else renameSync(made, place);
  return path;
}

function cFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => /\.[ch]$/.test(file))
    .map((file) => join(folder, file))
    .toSorted();
}

function digest({ compiler, flags, coreFlags, linkFlags }: Program, core: string, inputs: readonly string[]): string {
  const hash = createHash("sha256");
  hash.update(spawnSync(compiler, ["--version"]).stdout).update(JSON.stringify([flags, coreFlags, linkFlags]));
  hash.update(readFileSync(fileURLToPath(new URL("../toolchain/translate.ts", import.meta.url))));
  for (const file of [core, ...inputs]) hash.update(file).update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

function run(command: string, parameters: readonly string[], folder: string): void {
  const { status, stderr, error } = spawnSync(command, parameters, { encoding: "utf8", cwd: folder });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr}`);
}
