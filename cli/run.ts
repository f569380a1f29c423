// `tearpad run` and `tearpad request`: the other services of a token's server. A program computes there on what is sent with
// it, and its result comes back sealed, with its fee; a request is anything that a service understands.

import { existsSync, readFileSync } from "node:fs";
import { DriverError } from "../host/driver/index.ts";
import { bodyOf, shown } from "./body.ts";
import { type Io, parse, printJson, UsageError } from "./command.ts";
import { CliError } from "./errors.ts";
import { written } from "./stdout.ts";
import { inputOf, jsonStream, opened, outputTo } from "./streams.ts";
import { amount, LINK_OPTIONS, linkJson, withLink } from "./token-link.ts";

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
  await opened(sink, (checked) =>
    withLink(values, io, {
      use: (link) => link.request("compute", body),
      tell: async (linked, link) => {
        const { output, fuel, fee } = linked.result.body as Computed;
        await checked.write(output);
        await checked.finish();
        await link.forget(linked.result);
        if (!values.json) return;
        const { charged } = linked.result;
        const to = jsonStream(values.out, io);
        printJson(to, { outputBytes: output.length, fuel, fee, charged, ...linkJson(linked) });
        await written(to, linked.finished.length);
      },
    }),
  );
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
  await withLink(values, io, {
    use: (link) => link.request(service, body),
    tell: async (linked, link) => {
      const { body: answer, charged, balance } = linked.result;
      const more = values.json ? linkJson(linked) : {};
      printJson(io.stdout, { answer: shown(answer), charged, balance, ...more });
      await written(io.stdout, 1);
      await link.forget(linked.result);
    },
  });
  return 0;
}

/**
 * What is in the file of this name, when it is that of a file: with a directory in it, or ending in .wasm. Otherwise the name, which
 * is the server's, whatever lies here by chance. @throws CliError NO_FILE; DriverError DISK_FAILED
 */
function programOf(named: string): Uint8Array | string {
  if (!/[/\\]|\.wasm$/.test(named)) return named;
  if (!existsSync(named)) throw new CliError("NO_FILE", { path: named });
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
