// What every command has in common: the three streams and the environment that it may use, and how it reads its arguments.

import { type ParseArgsConfig, parseArgs } from "node:util";
import type { Output } from "./stdout.ts";

/** The world of a command. It returns the code to exit with, or throws; what it printed is looked after when it has ended. */
export type Io = Pick<NodeJS.Process, "stdin" | "stderr" | "env"> & { readonly stdout: Output };

/** The command line makes no sense: nothing was done. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code = "USAGE";
}

type Options = NonNullable<ParseArgsConfig["options"]>;
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O & { json: { type: "boolean" } }; allowPositionals: true; strict: true }>
>;

/**
 * The options and the `least` to `most` other arguments of a command. Every command takes --json.
 * @throws UsageError
 */
export function parse<const O extends Options>(
  args: string[],
  options: O,
  [least, most]: readonly [number, number],
): Parsed<O> {
  const parsed = parseStrictly(args, options);
  const count = parsed.positionals.length;
  if (count < least) throw new UsageError("An argument is missing.");
  if (count > most) throw new UsageError(`The argument "${parsed.positionals[most]}" is one too many.`);
  return parsed;
}

function parseStrictly<const O extends Options>(args: string[], options: O): Parsed<O> {
  try {
    return parseArgs({
      args,
      options: { ...options, json: { type: "boolean" } },
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

const UNITS: readonly (readonly [suffix: string, bytes: number])[] = [
  ["G", 2 ** 30],
  ["M", 2 ** 20],
  ["K", 2 ** 10],
];

/** A number of bytes as people write it: 4096, 64K, 16M, 1G. @throws UsageError */
export function parseSize(option: string, text: string): number {
  const [, digits, suffix] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  const unit = UNITS.find(([name]) => name === suffix?.toUpperCase())?.[1] ?? 1;
  const bytes = Number(digits) * unit;
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new UsageError(`${option} takes a number of bytes such as 4096, 64K or 16M, not "${text}".`);
}

/** A number of bytes for people: with separators, whole. */
export function bytes(count: number): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? "byte" : "bytes"}`;
}

/** What moves a terminal's cursor, colours it, turns the direction of writing or begins a new line. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text from elsewhere as it may be shown at a terminal: on one line, with its control characters as numbers. */
export function visible(text: string): string {
  return text.replace(CONTROLS, (control) => `\\u{${control.codePointAt(0)!.toString(16)}}`);
}

/** JSON on one line, money in digits. A terminal that it is shown at takes no orders from it either. */
export function jsonLine(value: unknown): string {
  const text = JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? String(inner) : inner));
  return text.replace(/[\x7f-\x9f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`);
}

/** The result for a program: one object on one line. */
export function printJson(stream: NodeJS.WritableStream, result: object): void {
  stream.write(`${jsonLine(result)}\n`);
}
