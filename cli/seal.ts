// `tearpad seal`: a text becomes a bundle. The bundle is whole and on the disk, in the outbox, before a byte of it leaves;
// it stays there when whoever reads it goes away, because its text must never be sealed a second time.

import { ByteFile, type Outbox, openOutbox, type SealedRun, sealRun, spool } from "../host/driver/index.ts";
import { deviceAddress, openAddress } from "./address.ts";
import { type Io, parse, parseSize, printJson } from "./command.ts";
import { confirm } from "./confirm.ts";
import { stateDirectory } from "./home.ts";
import { handOver } from "./outbox.ts";
import { progressOn } from "./progress.ts";
import { reportOf } from "./report.ts";
import { inputOf, jsonStream, outputTo } from "./streams.ts";

export async function seal(args: string[], io: Io): Promise<number> {
  const options = { device: { type: "string" }, grant: { type: "string" }, out: { type: "string" } } as const;
  const { values, positionals } = parse(args, options, [0, 1]);
  const { out, json = false } = values;
  const grant = values.grant === undefined ? 0 : parseSize("--grant", values.grant);
  const address = deviceAddress(values.device, io);
  const sink = outputTo(out, io);
  const outbox = await openOutbox(stateDirectory(io.env, "outbox"));
  const input = inputOf(positionals[0], io);
  const text = typeof input === "string" ? await ByteFile.open(input) : await spool(input);
  try {
    const sealed = await sealWith(address, text, outbox, grant, json, io);
    await handOver(outbox, sealed.id, sink);
    if (json) printJson(jsonStream(out, io), sealed);
  } finally {
    await text.close();
  }
  return 0;
}

async function sealWith(
  address: string,
  text: ByteFile,
  outbox: Outbox,
  grant: number,
  json: boolean,
  io: Io,
): Promise<SealedRun> {
  const device = await openAddress(address);
  const progress = progressOn(io.stderr, !json);
  try {
    return await sealRun(device, text, outbox, {
      grant,
      onProgress: ({ textBytes, textBytesTotal }) => progress.show("sealing", textBytes, textBytesTotal),
      onObstacle: async (error) => {
        progress.end();
        const { code, message, advice } = reportOf(error);
        return confirm(io, `${code}: ${message} ${advice ?? ""}\nIs that done, and shall it go on from here?`);
      },
    });
  } finally {
    progress.end();
    await device.close();
  }
}
