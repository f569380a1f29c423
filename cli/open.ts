// `tearpad open`: a bundle becomes its text again, and what was used for it is destroyed once the text is out: synced when
// it goes to a file, written when it goes to a pipe. A bundle that was opened before gives nothing and says so.

import { statSync } from "node:fs";
import { openBundle } from "../host/driver/index.ts";
import { deviceAddress, openAddress } from "./address.ts";
import { type Io, parse, printJson } from "./command.ts";
import { CliError } from "./errors.ts";
import { progressOn } from "./progress.ts";
import { inputOf, jsonStream, outputTo } from "./streams.ts";

export async function open(args: string[], io: Io): Promise<number> {
  const options = { device: { type: "string" }, out: { type: "string" } } as const;
  const { values, positionals } = parse(args, options, [0, 1]);
  const { out, json = false } = values;
  const address = deviceAddress(values.device, io);
  const sink = outputTo(out, io);
  const bundle = inputOf(positionals[0], io);
  const total = typeof bundle === "string" ? (statSync(bundle, { throwIfNoEntry: false })?.size ?? null) : null;
  const device = await openAddress(address);
  const progress = progressOn(io.stderr, !json);
  try {
    const opened = await openBundle(device, bundle, sink, {
      onProgress: ({ phase, textBytes }) => progress.show(phase, textBytes, total),
    });
    if (opened.alreadyDelivered) throw new CliError("ALREADY_OPENED", { boxes: opened.boxes });
    if (json) printJson(jsonStream(out, io), opened);
  } finally {
    progress.end();
    await device.close();
  }
  return 0;
}
