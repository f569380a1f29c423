/** Programs of the tests and of the server, built from their sources with the compiler that the core is built with. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import asc from "assemblyscript/asc";

/** The module of an AssemblyScript source. */
export async function built(source: URL): Promise<Uint8Array> {
  const directory = mkdtempSync(join(tmpdir(), "tearpad-program-"));
  try {
    writeFileSync(join(directory, "program.ts"), readFileSync(source));
    const flags = ["--baseDir", directory, "--runtime", "stub", "-O3s", "--use", "abort="];
    const { error, stderr } = await asc.main(["program.ts", "-o", "program.wasm", ...flags]);
    if (error) throw new Error(stderr.toString());
    return new Uint8Array(readFileSync(join(directory, "program.wasm")));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
