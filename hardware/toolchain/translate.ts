/**
 * The core as C: the very bytes of device.wasm, translated by wasm2c of the npm package wabt, with two changes that the
 * compiler needs in order to be fast on a 32-bit controller, a mark, and nothing else.
 *
 * 1. A bounds check is one 32-bit compare against a constant. wasm2c adds address and offset in 64 bits and compares with a
 *    size in memory; the offset being a constant below the page, `address > 65536 - size - offset` says exactly the same.
 * 2. A load or store goes to an array whose address is known when the program is linked, and says that its address is a
 *    multiple of its size, of 4 at most, which WebAssembly only hints at. The core keeps to it; a sanitizer checks that in the native build.
 *
 * The mark: a function with a loop, and one that calls no other and so may be what a loop calls, is CORE_LOOP, another
 * one CORE_STEP. What takes the time is in loops, so a board lets those be fast and run from RAM, and the others be
 * small.
 *
 * Each change is asserted by count: another wasm2c or another core that they do not fit stops the build.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The core as C, and which core it is. */
export interface Translation {
  /** Path of core.c. */
  readonly source: string;
  /** Path of core.h. */
  readonly header: string;
  /** SHA-256 of the WebAssembly bytes, in hexadecimal. */
  readonly sha256: string;
  /** Memory accesses whose bounds check was rewritten. */
  readonly accesses: number;
}

const CORE = fileURLToPath(new URL("../../build/device.wasm", import.meta.url));

/** Most bytes that wasm2c may print; it prints the C. */
const OUTPUT_MAX = 64 << 20;

/**
 * Writes `core.c` and `core.h` into `directory`, module name `core`.
 * @param core the WebAssembly file; default: the built core of this checkout
 * @throws Error when the core was not built, when wasm2c fails, or when a change does not fit
 */
export function translateCore(directory: string, core: string = CORE): Translation {
  mkdirSync(directory, { recursive: true });
  const source = join(directory, "core.c");
  const sha256 = createHash("sha256").update(readFileSync(core)).digest("hex");
  const wasm2c = join(dirname(createRequire(import.meta.url).resolve("wabt/package.json")), "bin", "wasm2c");
  const run = spawnSync(process.execPath, [wasm2c, core, "--module-name", "core", "-o", source], {
    encoding: "utf8",
    maxBuffer: OUTPUT_MAX,
  });
  if (run.status !== 0) throw new Error(`wasm2c failed: ${run.stderr || run.error?.message}`);
  const c = readFileSync(source, "utf8");
  const accesses = count(c, /_default32\(&/g);
  writeFileSync(source, marked(alignedAccess(constantBounds(c, accesses))));
  return { source, header: join(directory, "core.h"), sha256, accesses };
}

/** Change 1. Every access hands on address and offset apart, and the check compares the address alone. */
function constantBounds(c: string, accesses: number): string {
  const page = "wasm_rt_allocate_memory(&instance->w2c_memory, 1, 1, 0, 65536);";
  if (!c.includes(page)) throw new Error("The core's memory is not one page that never grows.");
  c = replaced(
    c,
    /(_default32\(&instance->w2c_memory, )\(u64\)\((var_\w+)\)(?: \+ (\d+)u?)?([,)])/g,
    accesses,
    (match) => {
      const offset = Number(match[3] ?? 0);
      if (offset > 65536 - 8) throw new Error(`An access at offset ${offset} lies outside the page.`);
      return `${match[1]}${match[2]}, ${offset}u${match[4]}`;
    },
  );
  c = replaced(
    c,
    /#define MEMCHECK_DEFAULT32\(mem, a, t\) {2,}\\\n.*\\\n.*a \+ \(uint64_t\)sizeof\(t\) > mem->size.*\\\n.*;\n/g,
    1,
    () =>
      [
        "#define MEMCHECK_DEFAULT32(a, o, t) \\",
        "  if (UNLIKELY((a) > 65536u - (u32)sizeof(t) - (o))) \\",
        "    TRAP(OOB);",
        "",
      ].join("\n"),
  );
  // The three forms of the function behind an access: without a value (loads), with one (stores), with two (not used).
  c = replaced(
    c,
    /name##_default32\(wasm_rt##shared##memory_t\* mem, +\\\n +u64 addr/g,
    3,
    () => "name##_default32(wasm_rt##shared##memory_t* mem, u32 addr, u32 offset",
  );
  return replaced(
    c,
    /MEMCHECK_DEFAULT32\(mem, addr, mem_type\); +\\\n +ret_kw name##_unchecked\(mem, addr/g,
    3,
    () => "MEMCHECK_DEFAULT32(addr, offset, mem_type); ret_kw name##_unchecked(mem, addr + offset",
  );
}

/** Change 2: wasm-rt.h says where and how. */
function alignedAccess(c: string): string {
  return replaced(c, /MEM_ADDR_MEMOP\(mem, addr, sizeof\(t1\)\)/g, 2, () => "CORE_AT(addr, sizeof(t1))");
}

/** The mark. wasm2c writes a label `var_L…` where a loop begins, and nowhere else. */
function marked(c: string): string {
  const [head, ...functions] = c.split(/^(?=(?:u32|u64|void) w2c_core_\w+\(w2c_core\* instance.*\) \{$)/m);
  if (functions.length === 0) throw new Error("No function found in what wasm2c wrote.");
  return head + functions.map(mark).join("");
}

/** `text` begins with a function and goes up to the next one. */
function mark(text: string): string {
  const body = text.slice(text.indexOf("\n"), text.indexOf("\n}\n"));
  const quick = /^ *var_L\d+:/m.test(body) || !/w2c_(core|hal)_\w+\(/.test(body);
  return (quick ? "CORE_LOOP " : "CORE_STEP ") + text;
}

/** `text` with every match replaced, of which there must be exactly `times`. */
function replaced(text: string, pattern: RegExp, times: number, by: (match: RegExpExecArray) => string): string {
  let found = 0;
  const result = text.replace(pattern, (...values) => {
    found++;
    return by(values as unknown as RegExpExecArray);
  });
  if (found !== times) throw new Error(`Expected ${times} places for ${pattern}, found ${found}.`);
  return result;
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
