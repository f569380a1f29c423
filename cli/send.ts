// `tearpad send` and `tearpad fetch`: a file that the server keeps for a token, under a name that only its owner knows. It goes
// in parts, each a request of its own, so that neither end ever holds more than one; it appears under its name when the last
// part is there, and what was there before is replaced then.

import { basename } from "node:path";
import { ByteFile, spool } from "../host/driver/index.ts";
import type { Answer } from "../host/link/index.ts";
import { type Io, parse, printJson, UsageError } from "./command.ts";
import { mustFitUp, partDown, partUp } from "./part.ts";
import { progressOn } from "./progress.ts";
import { inputOf, jsonStream, opened, outputTo } from "./streams.ts";
import { LINK_OPTIONS, linkJson, type Use, withLink } from "./token-link.ts";

const SPOOL_BYTES = 2 ** 40;

export async function send(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { ...LINK_OPTIONS, as: { type: "string" } }, [0, 1]);
  const [path] = positionals;
  const name = values.as ?? (path === undefined || path === "-" ? undefined : basename(path));
  if (name === undefined) throw new UsageError("What comes from stdin needs a name: --as NAME.");
  const input = inputOf(path, io);
  const file = typeof input === "string" ? await ByteFile.open(input) : await spool(input, SPOOL_BYTES);
  const progress = progressOn(io.stderr, values.json !== true);
  let charged = 0n;
  try {
    const linked = await withLink(values, io, async (link, device) => {
      await mustFitUp(device, file.size);
      let offset = 0;
      do {
        const part = await file.read(offset, Math.min(await partUp(device), file.size - offset));
        const end = offset + part.length >= file.size;
        const answer = await link.request("store", { action: "put", name, offset, bytes: part, end });
        charged += answer.charged;
        offset += part.length;
        progress.show("sending", offset, file.size);
      } while (offset < file.size);
    });
    progress.end();
    const result = { name, bytes: file.size, charged };
    if (values.json) printJson(io.stdout, { ...result, ...linkJson(linked) });
    else io.stderr.write(`${name}: ${file.size.toLocaleString("en-US")} bytes sent, ${charged} charged.\n`);
    return 0;
  } finally {
    progress.end();
    await file.close();
  }
}

export async function fetchFile(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { ...LINK_OPTIONS, out: { type: "string" } }, [1, 1]);
  const name = positionals[0] as string;
  const sink = outputTo(values.out, io);
  const progress = progressOn(io.stderr, values.json !== true);
  let charged = 0n;
  let bytes = 0;
  const get: Use<void> = async (link, device) => {
    let version: unknown = null;
    for (let size = 1; bytes < size; ) {
      const length = await partDown(device, size - bytes);
      const answer = await link.request("store", { action: "get", name, offset: bytes, length });
      const part = partOf(answer);
      if (version !== null && version !== part.version)
        throw new UsageError(`${name} was replaced while it was fetched: fetch it again.`);
      version = part.version;
      size = part.size;
      charged += answer.charged;
      await sink.write(part.bytes);
      bytes += part.bytes.length;
      progress.show("fetching", bytes, size);
    }
    await sink.finish();
  };
  try {
    const linked = await opened(sink, () => withLink(values, io, get));
    progress.end();
    if (values.json) printJson(jsonStream(values.out, io), { name, bytes, charged, ...linkJson(linked) });
    return 0;
  } finally {
    progress.end();
  }
}

function partOf({ body }: Answer): { bytes: Uint8Array; size: number; version: string } {
  const { bytes, size, version } = body as { bytes: Uint8Array; size: number; version: Uint8Array };
  return { bytes, size, version: Buffer.from(version).toString("hex") };
}
