// `tearpad seal`: a text becomes a bundle. The bundle is whole and on the disk, in the outbox, before a byte of it leaves;
// it stays there when whoever reads it goes away, because its text must never be sealed a second time.

import { ByteFile, type Device, openOutbox, type SealedRun, sealRun, spool } from "../host/driver/index.ts";
import { type PadPosition, roomOf } from "../host/protocol/index.ts";
import { deviceAddress, openAddress } from "./address.ts";
import { type Io, parse, parseSize, printJson } from "./command.ts";
import { confirm } from "./confirm.ts";
import { stateDirectory } from "./home.ts";
import { handOver } from "./outbox.ts";
import { progressOn } from "./progress.ts";
import { reportOf } from "./report.ts";
import { type Stop, stopOf, stopSignal, until } from "./signals.ts";
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

  const signal = stopSignal();
  const progress = progressOn(io.stderr, !json);
  let boxes = 0;
  const stop = stopOf(signal, () => ({ doing: "sealing", boxes }));
  const sealText = async (device: Device): Promise<SealedRun> => {
    // Closing is what ends a command that waits for an answer.
    stop.promise.catch(() => device.close());
    const text = await textOf(input, device, stop);
    try {
      return await sealRun(device, text, outbox, {
        grant,
        onProgress: ({ boxes: sealed, textBytes, textBytesTotal }) => {
          boxes = sealed;
          progress.show("sealing", textBytes, textBytesTotal);
        },
        onObstacle: async (error) => {
          if (stop.error) return false;
          progress.end();
          const { code, message, advice } = reportOf(error);
          return confirm(io, `${code}: ${message} ${advice ?? ""}\nIs that done, and shall it go on from here?`);
        },
      });
    } catch (error) {
      throw stop.error ?? error;
    } finally {
      await text.close();
    }
  };
  try {
    const device = await Promise.race([openAddress(address, stop), stop.promise]);
    const sealed = await sealText(device).finally(() => {
      progress.end();
      return device.close();
    });
    await handOver(outbox, sealed.id, sink, stop.promise);
    if (json) printJson(jsonStream(out, io), sealed);
  } finally {
    signal.ignore();
  }
  return 0;
}

/** The text, its size known. Of a stream that is longer than what the device can take, no more than shows it. */
async function textOf(input: string | AsyncIterable<Uint8Array>, device: Device, stop: Stop): Promise<ByteFile> {
  if (typeof input === "string") return ByteFile.open(input);
  const info = await device.info();
  const limit = info.state === "active" ? roomOf(info as PadPosition).afterGrant : 0;
  return spool(until(stop, input), limit);
}
