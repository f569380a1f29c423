// `tearpad send` and `tearpad fetch`: a file that the server keeps for a token, under a name that only its owner knows. It goes
// in parts, each a request of its own, so that neither end ever holds more than one; it appears under its name when the last
// part is there, and what was there before is replaced then. One that was cut off goes on where the server has it, which says
// how much that is, and what it was: nothing is sent or paid twice.

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { ByteFile, type Device, spool, type TextSink } from "../host/driver/index.ts";
import type { Answer, Link } from "../host/link/index.ts";
import { type Io, parse, printJson, UsageError, visible } from "./command.ts";
import { mustFitUp, partDown, partUp } from "./part.ts";
import { type Progress, progressOn } from "./progress.ts";
import { written } from "./stdout.ts";
import { inputOf, jsonStream, opened, outputTo } from "./streams.ts";
import { type Finished, LINK_OPTIONS, linkJson, withLink } from "./token-link.ts";

const SPOOL_BYTES = 2 ** 40;

export async function send(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { ...LINK_OPTIONS, as: { type: "string" } }, [0, 1]);
  const [path] = positionals;
  const name = values.as ?? (path === undefined || path === "-" ? undefined : basename(path));
  if (name === undefined) throw new UsageError("What comes from stdin needs a name: --as NAME.");
  const input = inputOf(path, io);
  const file = typeof input === "string" ? await ByteFile.open(input) : await spool(input, SPOOL_BYTES);
  const progress = progressOn(io.stderr, values.json !== true);
  try {
    await withLink(values, io, {
      use: (link, device, finished) => sendParts(link, device, name, file, finished, progress),
      tell: async (linked) => {
        progress.end();
        const { there, charged } = linked.result;
        const result = { name, bytes: file.size, there, charged };
        if (values.json) printJson(io.stdout, { ...result, ...linkJson(linked) });
        else io.stderr.write(`${visible(name)}: ${inWords(file.size, there)}, ${charged} charged.\n`);
        await written(io.stdout, linked.finished.length);
      },
    });
    return 0;
  } finally {
    progress.end();
    await file.close();
  }
}

/** Returns how many bytes were there before, and what the rest cost. */
async function sendParts(
  link: Link,
  device: Device,
  name: string,
  file: ByteFile,
  finished: readonly Finished[],
  progress: Progress,
): Promise<{ there: number; charged: bigint }> {
  // Of a file that goes in one part nothing is there, unless this part was that of a moment ago.
  const mayBeThere = file.size > (await partUp(device)) || finished.some((earlier) => earlier.file?.name === name);
  const found = mayBeThere ? await lookFor(link, name, file) : { there: 0, whole: false, charged: 0n };
  const { there } = found;
  let { charged } = found;
  if (found.whole) return { there, charged };
  await mustFitUp(device, file.size - there);
  let offset = there;
  do {
    const part = await file.read(offset, Math.min(await partUp(device), file.size - offset));
    const end = offset + part.length >= file.size;
    const answer = await link.request("store", { action: "put", name, offset, bytes: part, end });
    await link.forget(answer);
    charged += answer.charged;
    offset += part.length;
    progress.show("sending", offset, file.size);
  } while (offset < file.size);
  return { there, charged };
}

/** How much of this very file the server has under the name: all of it, its beginning, or nothing. */
async function lookFor(
  link: Link,
  name: string,
  file: ByteFile,
): Promise<{ there: number; whole: boolean; charged: bigint }> {
  const answer = await link.request("store", { action: "look", name });
  await link.forget(answer);
  const { charged } = answer;
  const { size, whole, parts, digest } = answer.body as Looked;
  const same = size <= file.size && Buffer.from(digest).equals(await digestOf(file, parts));
  if (!same || (whole && size < file.size)) return { there: 0, whole: false, charged };
  return { there: size, whole, charged };
}

/** What `look` answers: the parts are their lengths. */
interface Looked {
  readonly size: number;
  readonly whole: boolean;
  readonly parts: readonly number[];
  readonly digest: Uint8Array;
}

/** As the service makes it of a file that came in these parts. */
async function digestOf(file: ByteFile, parts: readonly number[]): Promise<Buffer> {
  let digest = Buffer.alloc(0);
  let offset = 0;
  for (const length of parts) {
    digest = createHash("sha256")
      .update(digest)
      .update(await file.read(offset, length))
      .digest();
    offset += length;
  }
  return digest;
}

function inWords(size: number, there: number): string {
  const count = (bytes: number): string => `${bytes.toLocaleString("en-US")} bytes`;
  if (there === 0) return `${count(size)} sent`;
  return there === size ? `all ${count(size)} were there` : `${count(size)}, ${count(there)} were there, the rest sent`;
}

export async function fetchFile(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { ...LINK_OPTIONS, out: { type: "string" } }, [1, 1]);
  const name = positionals[0] as string;
  const sink = outputTo(values.out, io);
  const progress = progressOn(io.stderr, values.json !== true);
  let charged = 0n;
  let bytes = 0;
  const get = async (link: Link, device: Device, checked: TextSink): Promise<void> => {
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
      await checked.write(part.bytes);
      await link.forget(answer);
      bytes += part.bytes.length;
      progress.show("fetching", bytes, size);
    }
    await checked.finish();
  };
  try {
    await opened(sink, (checked) =>
      withLink(values, io, {
        use: (link, device) => get(link, device, checked),
        tell: async (linked) => {
          progress.end();
          if (!values.json) return;
          const to = jsonStream(values.out, io);
          printJson(to, { name, bytes, charged, ...linkJson(linked) });
          await written(to, linked.finished.length);
        },
      }),
    );
    return 0;
  } finally {
    progress.end();
  }
}

function partOf({ body }: Answer): { bytes: Uint8Array; size: number; version: string } {
  const { bytes, size, version } = body as { bytes: Uint8Array; size: number; version: Uint8Array };
  return { bytes, size, version: Buffer.from(version).toString("hex") };
}
