// The inputs that are kept, one line of hexadecimal each: in corpus.hex, shortest first, as few as reach all that was ever reached; in found.hex those that once found something.

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const KEPT = new URL("corpus.hex", import.meta.url);
const FOUND = new URL("found.hex", import.meta.url);

/** The kept inputs. */
export function readCorpus(): Uint8Array[] {
  const lines = [KEPT, FOUND].flatMap((file) => readFileSync(file, "utf8").split("\n"));
  return lines.filter(Boolean).map((line) => Buffer.from(line, "hex"));
}

/** Makes these the ones in corpus.hex. */
export function keepCorpus(inputs: readonly Uint8Array[]): void {
  const lines = inputs.map((input) => Buffer.from(input).toString("hex"));
  lines.sort((one, other) => one.length - other.length || (one < other ? -1 : 1));
  writeFileSync(KEPT, `${lines.join("\n")}\n`);
}

/** A new folder with a file for each of these, as the fuzzer takes them. */
export function unpack(inputs: readonly Uint8Array[]): string {
  const folder = mkdtempSync(join(tmpdir(), "tearpad-corpus-"));
  for (const input of inputs) writeFileSync(join(folder, createHash("sha1").update(input).digest("hex")), input);
  return folder;
}

/** The inputs in a folder. */
export function pack(folder: string): Uint8Array[] {
  mkdirSync(folder, { recursive: true });
  return readdirSync(folder).map((name) => readFileSync(join(folder, name)));
}
