// Where commands read from and write to: files given by name, or the standard streams.

import { createReadStream, existsSync, statSync } from "node:fs";
import { DriverError, fileSink, streamSink, type TextSink } from "../host/driver/index.ts";
import type { Io } from "./command.ts";
import { CliError } from "./errors.ts";

/** The path of a file that can be read from anywhere, or a stream: of stdin, or of a pipe or device given by its path. */
export function inputOf(path: string | undefined, { stdin }: Io): string | AsyncIterable<Uint8Array> {
  if (path === undefined) return stdin;
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined || found.isFile() ? path : streamOf(path);
}

async function* streamOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path);
  } catch (cause) {
    throw new DriverError("DISK_FAILED", { path }, cause);
  }
}

/** The file at `out`, which must not be there yet, or stdout. @throws CliError OUTPUT_EXISTS */
export function outputTo(out: string | undefined, { stdout }: Io): TextSink {
  if (out === undefined) return streamSink(stdout);
  if (existsSync(out)) throw new CliError("OUTPUT_EXISTS", { path: out });
  return fileSink(out);
}

/** Where --json prints: on stdout, unless that carries the data. */
export function jsonStream(out: string | undefined, { stdout, stderr }: Io): NodeJS.WritableStream {
  return out === undefined ? stderr : stdout;
}
