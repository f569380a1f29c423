// The stage: what a process of the simulation puts in the place of the world before any module of the project is loaded. The
// production sources run as they are; only what they import from the system is another: the client's files (client-disk.ts),
// the server's files and database (server-disk.ts, sqlite.ts: real ones, with a hand on every write), the system's randomness
// (drawn from the seed), and setImmediate (one event of the simulated time). A planted defect is a replacement in one source
// file as it is loaded; everything else stays untouched, and nothing is written.

import crypto, { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { registerHooks, syncBuiltinESMExports } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DRAWN } from "./drawn.ts";

/** A replacement in one source file, which must apply exactly once. */
export interface Defect {
  readonly name: string;
  /** Relative to the root of the project. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

const REPLACED: readonly { readonly by: string; readonly specifier: string; readonly file: string }[] = [
  { file: "client-disk.ts", specifier: "node:fs/promises", by: "host/" },
  { file: "server-disk.ts", specifier: "node:fs", by: "server/vault/disk.ts" },
  { file: "sqlite.ts", specifier: "better-sqlite3", by: "server/" },
];

/** Sets the stage, once in a process. Throws when the defect has no place in its file, or more than one. */
export function setStage(defect: Defect | null): void {
  const planted = defect === null ? null : plant(defect);
  registerHooks({
    resolve(specifier, context, next) {
      const by = context.parentURL?.startsWith("file:") ? fileURLToPath(context.parentURL) : "";
      const other = REPLACED.find((one) => one.specifier === specifier && by.startsWith(ROOT + one.by));
      if (other === undefined) return next(specifier, context);
      return { url: new URL(other.file, import.meta.url).href, shortCircuit: true };
    },
    load(url, context, next) {
      if (planted === null || url !== planted.url) return next(url, context);
      return { format: "module-typescript", source: planted.source, shortCircuit: true };
    },
  });
  const draw = (bytes: Uint8Array) => DRAWN.fill(bytes);
  const randomBytes = (size: number) => draw(Buffer.alloc(size));
  Object.assign(crypto, {
    randomBytes,
    randomUUID: () => `uuid-${Buffer.from(draw(new Uint8Array(16))).toString("hex")}`,
  });
  syncBuiltinESMExports();
  Object.defineProperty(webcrypto, "getRandomValues", { value: draw });
}

function plant({ name, file, from, to }: Defect): { readonly url: string; readonly source: string } {
  const source = readFileSync(ROOT + file, "utf8");
  if (source.split(from).length !== 2) throw new Error(`${file} has not exactly one place for: ${name}`);
  return { url: pathToFileURL(ROOT + file).href, source: source.replace(from, () => to) };
}
