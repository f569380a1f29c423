// `tearpad open`: a bundle becomes its text again, and what was used for it is destroyed once the text is out: synced when
// it goes to a file, written when it goes to a pipe. A bundle that was opened before gives nothing and says so.

import { statSync } from "node:fs";
import { openBundle, type TextSink } from "../host/driver/index.ts";
import { deviceAddress, openAddress } from "./address.ts";
import { type Io, parse, printJson } from "./command.ts";
import { CliError } from "./errors.ts";
import { progressOn } from "./progress.ts";
import { stopOf, stopSignal, until } from "./signals.ts";
import { inputOf, jsonStream, outputTo } from "./streams.ts";

export async function open(args: string[], io: Io): Promise<number> {
  const options = { device: { type: "string" }, out: { type: "string" } } as const;
  const { values, positionals } = parse(args, options, [0, 1]);
  const { out, json = false } = values;
  const address = deviceAddress(values.device, io);
  const sink = outputTo(out, io);
  const bundle = inputOf(positionals[0], io);
  const total = typeof bundle === "string" ? (statSync(bundle, { throwIfNoEntry: false })?.size ?? null) : null;
  const signal = stopSignal();
  const stop = stopOf(signal, () => ({ doing: "opening", boxes: 0 }));
  const device = await Promise.race([openAddress(address, stop), stop.promise]);
  const progress = progressOn(io.stderr, !json);
  let delivered = false;
  const noticing: TextSink = {
    ...sink,
    finish: async () => {
      await sink.finish();
      delivered = true;
    },
  };
  // Closing is what ends a command that waits for an answer. A text that is out is released to the end.
  stop.promise.catch(() => (delivered ? undefined : device.close()));
  try {
    const stream = typeof bundle === "string" ? bundle : until(stop, bundle);
    const opened = await openBundle(device, stream, noticing, {
      onProgress: ({ phase, textBytes }) => progress.show(phase, textBytes, total),
    }).catch((error: unknown) => {
      throw delivered ? error : (stop.error ?? error);
    });
    if (opened.alreadyDelivered) throw new CliError("ALREADY_OPENED", { boxes: opened.boxes });
    if (json) printJson(jsonStream(out, io), opened);
  } finally {
    signal.ignore();
    progress.end();
    await device.close();
  }
  return 0;
}
