// Where commands read from and write to: files given by name, or the standard streams.

import { createReadStream, existsSync, statSync } from "node:fs";
import type { Writable } from "node:stream";
import {
  DriverError,
  descriptorSink,
  fileSink,
  isDriverError,
  streamSink,
  type TextSink,
} from "../host/driver/index.ts";
import { type Io, UsageError } from "./command.ts";
import { CliError } from "./errors.ts";
import { isOnDisk } from "./stdout.ts";

/**
 * The path of a file that can be read from anywhere, or a stream: of stdin, or of a pipe or device given by its path. A file
 * that says it is empty is a stream too: those of /proc say so and are not. "-" is stdin.
 * @throws CliError NO_FILE
 */
export function inputOf(path: string | undefined, { stdin }: Io): string | AsyncIterable<Uint8Array> {
  if (path === undefined || path === "-") return stdin;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new CliError("NO_FILE", { path });
  return found.isFile() && found.size > 0 ? path : streamOf(path);
}

async function* streamOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path);
  } catch (cause) {
    throw new DriverError("DISK_FAILED", { path }, cause);
  }
}

/** The file at `out`, which must not be there yet, or stdout, be that a file or a stream. @throws CliError OUTPUT_EXISTS, UsageError */
export function outputTo(out: string | undefined, { stdout }: Io): TextSink {
  if (out === undefined) return isOnDisk(stdout.fd) ? descriptorSink(stdout.fd, "stdout") : streamSink(stdout);
  if (out === "-" || out === "/dev/stdout") throw new UsageError("Without --out it goes to stdout: leave --out away.");
  if (existsSync(out)) throw new CliError("OUTPUT_EXISTS", { path: out });
  return fileSink(out);
}

/**
 * Does work that costs something once its output can be written; the output is taken back when the work fails.
 * @throws CliError OUTPUT_CLOSED when it takes no more after all: what was to be written is kept
 */
export async function opened<Result>(sink: TextSink, work: (sink: TextSink) => Promise<Result>): Promise<Result> {
  const keeping = (writing: Promise<void>): Promise<void> =>
    writing.catch((error: unknown) => {
      throw new CliError("OUTPUT_CLOSED", { kept: 1 }, isDriverError(error, "OUTPUT_CLOSED") ? error.cause : error);
    });
  try {
    await sink.write(new Uint8Array(0)).catch((error: unknown) => {
      throw isDriverError(error, "OUTPUT_CLOSED") ? new CliError("OUTPUT_CLOSED", { kept: 0 }, error.cause) : error;
    });
    return await work({
      write: (text) => keeping(sink.write(text)),
      finish: () => keeping(sink.finish()),
      abort: () => sink.abort(),
    });
  } catch (error) {
    await sink.abort().catch(() => {}); // The first error is the one that matters.
    throw error;
  }
}

/** Where --json prints: on stdout, unless that carries the data. */
export function jsonStream(out: string | undefined, { stdout, stderr }: Io): Writable {
  return out === undefined ? stderr : stdout;
}
