// `tearpad run` and `tearpad request`: the other services of a token's server. A program computes there on what is sent with
// it, and its result comes back sealed, with its fee; a request is anything that a service understands.

import { readFileSync, statSync } from "node:fs";
import { DriverError } from "../host/driver/index.ts";
import { type Io, parse, printJson, UsageError } from "./command.ts";
import { inputOf, jsonStream, opened, outputTo } from "./streams.ts";
import { amount, LINK_OPTIONS, linkJson, withLink } from "./token-link.ts";

const HEX = "hex:";
const INPUT_MAX_BYTES = 262_144;

export async function run(args: string[], io: Io): Promise<number> {
  const options = { ...LINK_OPTIONS, fee: { type: "string" }, out: { type: "string" } } as const;
  const { values, positionals } = parse(args, options, [1, 2]);
  const [named, input] = positionals as [string, string | undefined];
  if (values.fee === undefined) throw new UsageError("How much may it cost? Give --fee, the most in minor units.");
  const mostFee = amount("--fee", values.fee);
  const program = programOf(named);
  const text =
    input === undefined ? await gather(inputOf(undefined, io) as AsyncIterable<Uint8Array>) : Buffer.from(input);
  const sink = outputTo(values.out, io);
  const body = { action: "run", program, input: new Uint8Array(text), mostFee };
  const linked = await opened(sink, () =>
    withLink(values, io, async (link) => {
      const answer = await link.request("compute", body);
      await sink.write((answer.body as Computed).output);
      await sink.finish();
      return answer;
    }),
  );
  const { output, fuel, fee } = linked.result.body as Computed;
  if (values.json) {
    const { charged } = linked.result;
    printJson(jsonStream(values.out, io), { outputBytes: output.length, fuel, fee, charged, ...linkJson(linked) });
  }
  return 0;
}

interface Computed {
  readonly output: Uint8Array;
  readonly fuel: number | bigint;
  readonly fee: number | bigint;
}

export async function request(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, LINK_OPTIONS, [1, 2]);
  const [service, text = "{}"] = positionals as [string, string | undefined];
  const body = bodyOf(text);
  const linked = await withLink(values, io, (link) => link.request(service, body));
  const { body: answer, charged, balance } = linked.result;
  if (values.json) printJson(io.stdout, { answer: shown(answer), charged, balance, ...linkJson(linked) });
  else printJson(io.stdout, { answer: shown(answer), charged, balance });
  return 0;
}

/** What is in the file of this name, or the name itself when there is no such file. @throws DriverError DISK_FAILED */
function programOf(named: string): Uint8Array | string {
  if (!statSync(named, { throwIfNoEntry: false })?.isFile()) return named;
  try {
    return new Uint8Array(readFileSync(named));
  } catch (cause) {
    throw new DriverError("DISK_FAILED", { path: named }, cause);
  }
}

async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stream) {
    parts.push(part);
    length += part.length;
    if (length > INPUT_MAX_BYTES) throw new UsageError(`A program takes at most ${INPUT_MAX_BYTES} bytes of input.`);
  }
  return Buffer.concat(parts);
}

/** JSON in which a string that begins with "hex:" stands for bytes. @throws UsageError */
function bodyOf(text: string): unknown {
  try {
    return JSON.parse(text, (_, value) =>
      typeof value === "string" && value.startsWith(HEX)
        ? new Uint8Array(Buffer.from(value.slice(HEX.length), "hex"))
        : value,
    );
  } catch {
    throw new UsageError(`A body is JSON, with "hex:…" for bytes: '{"action":"list"}'.`);
  }
}

/** The same the other way. */
function shown(value: unknown): unknown {
  if (value instanceof Uint8Array) return `${HEX}${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shown(inner)]));
}
