// Running `tearpad` in a process of its own: the same command line that a user types, in a checkout or where it is built.

import { extname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL(`../tearpad${extname(import.meta.url)}`, import.meta.url));
/** A Node that does not run TypeScript itself needs help. */
const LOADER = process.features.typescript || extname(CLI) === ".js" ? [] : ["--import", import.meta.resolve("tsx")];

/** The words that run `tearpad` with these arguments. */
export function commandLine(...args: string[]): string[] {
  return [process.execPath, ...LOADER, CLI, ...args];
}
