// `tearpad outbox`: bundles that were sealed and have not left yet, because whoever read the output went away.

import { isDriverError, type Outbox, type OutboxEntry, openOutbox, type TextSink } from "../host/driver/index.ts";
import { bytes, type Io, parse, printJson } from "./command.ts";
import { CliError } from "./errors.ts";
import { stateDirectory } from "./home.ts";
import { jsonStream, outputTo } from "./streams.ts";

export async function outboxList(args: string[], io: Io): Promise<number> {
  const { values } = parse(args, {}, [0, 0]);
  const entries = await (await open(io)).list();
  if (values.json) {
    printJson(io.stdout, { entries });
    return 0;
  }
  for (const { id, bytes: size, finished, writer } of entries) {
    const left = writer === null ? "never finished: drop it" : `being written by process ${writer}`;
    io.stdout.write(`${id}  ${bytes(size)}${finished ? "" : `  (${left})`}\n`);
  }
  if (entries.length === 0) io.stderr.write("The outbox is empty.\n");
  return 0;
}

export async function outboxSend(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { out: { type: "string" } }, [1, 1]);
  const sink = outputTo(values.out, io);
  const outbox = await open(io);
  const { id, bytes: bundleBytes, finished } = await find(outbox, positionals[0] as string);
  if (!finished) throw new CliError("NO_BUNDLE", { id });
  await handOver(outbox, id, sink);
  if (values.json) printJson(jsonStream(values.out, io), { id, bundleBytes });
  return 0;
}

export async function outboxDrop(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, {}, [1, 1]);
  const outbox = await open(io);
  const { id, writer } = await find(outbox, positionals[0] as string);
  if (writer !== null) throw new CliError("BUNDLE_BUSY", { id, process: writer });
  await outbox.remove(id);
  if (values.json) printJson(io.stdout, { id });
  return 0;
}

/**
 * Gives a bundle to whoever takes it, and forgets it when it was taken whole.
 * @param stopped rejects when it is to be given up
 * @throws CliError BUNDLE_KEPT
 */
export async function handOver(outbox: Outbox, id: string, sink: TextSink, stopped?: Promise<never>): Promise<void> {
  const unless = (work: Promise<void>): Promise<void> => (stopped ? Promise.race([work, stopped]) : work);
  try {
    await outbox.send(id, (piece) => unless(sink.write(piece)));
    await unless(Promise.resolve());
    await sink.finish();
  } catch (error) {
    await sink.abort().catch(() => {}); // The first error is the one that matters.
    throw new CliError("BUNDLE_KEPT", { id }, isDriverError(error, "OUTPUT_CLOSED") ? error.cause : error);
  }
  await outbox.remove(id);
}

function open({ env }: Io): Promise<Outbox> {
  return openOutbox(stateDirectory(env, "outbox"));
}

async function find(outbox: Outbox, id: string): Promise<OutboxEntry> {
  const entry = (await outbox.list()).find((entry) => entry.id === id);
  if (entry === undefined) throw new CliError("NO_BUNDLE", { id });
  return entry;
}
