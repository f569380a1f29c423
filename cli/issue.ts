// `tearpad issue`: a server sells a token. The pad is made here, goes to the device and into the server's vault piece by piece,
// and is nowhere else. The server's side is durable, with its value, before the device makes the bytes a pad; the token may
// call when both are.

import { type Device, fillDevice, isDeviceError } from "../host/driver/index.ts";
import type { PadSource } from "../host/entropy/index.ts";
import { activateToken, type Issue, openOffice, showToken } from "../server/index.ts";
import { openAddress } from "./address.ts";
import { bytes, type Io, parse, printJson, UsageError } from "./command.ts";
import { CliError } from "./errors.ts";
import { readiness } from "./fill.ts";
import { progressOn } from "./progress.ts";
import { stopOf, stopSignal } from "./signals.ts";
import { chooseSource, noiseInWords, openSource, originInWords, SOURCE_OPTIONS } from "./source.ts";
import { amount } from "./token-link.ts";

const PIECE_BYTES = 65_536;
const OPTIONS = {
  ...SOURCE_OPTIONS,
  price: { type: "string" },
  tariff: { type: "string" },
  limit: { type: "string" },
  account: { type: "string" },
  inactive: { type: "boolean" },
} as const;

export async function issue(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS, [2, 2]);
  const [directory, address] = positionals as [string, string];
  if (values.price === undefined) throw new UsageError("What is it sold for? Give --price in minor units.");
  const price = amount("--price", values.price);
  const limit = values.limit === undefined ? {} : { limit: amount("--limit", values.limit) };
  const choice = chooseSource(values);
  const office = await openOffice(directory);
  const signal = stopSignal();
  const stop = stopOf(signal, () => ({ doing: "filling", boxes: 0 }));
  const progress = progressOn(io.stderr, values.json !== true);
  try {
    const account = values.account === undefined ? {} : { account: showToken(office.token, values.account).account };
    const device = await Promise.race([openAddress(address, stop), stop.promise]);
    stop.promise.catch(() => device.close());
    try {
      const { padBytes: padLength, burnUnit } = await readiness(device, address).catch((error: unknown) => {
        if (!isDeviceError(error, "WRONG_STATE")) throw error;
        throw new CliError("NOT_BLANK", { device: address, state: error.facts.state }, error);
      });
      const source = await openSource(choice, padLength, io);
      const tariff = values.tariff ?? "standard";
      const issuing = office.issue({ padLength, burnUnit, tariff, price, ...limit, ...account });
      try {
        await fill(device, issuing, source, progress.show);
      } catch (error) {
        issuing.discard();
        throw stop.error ?? error;
      } finally {
        await source.close();
      }
      if (!values.inactive) activateToken(office.token, issuing.name);
      const view = showToken(office.token, issuing.name);
      progress.end();
      if (values.json) {
        printJson(io.stdout, {
          ...view,
          device: address,
          streamPad: source.origin.provenance === "csprng",
          noise: source.noise,
        });
      } else {
        io.stdout.write(
          `Token ${view.name}: ${bytes(padLength)} of pad on ${address}, worth ${view.balance} ${view.asset} (${view.state}).\n${[originInWords(source.origin), ...noiseInWords(source.noise)].join("\n")}\n`,
        );
      }
    } finally {
      await device.close();
    }
  } finally {
    progress.end();
    signal.ignore();
    await office.close();
  }
  return 0;
}

/** Each piece goes to both, and is overwritten by the next. */
async function fill(
  device: Device,
  issuing: Issue,
  source: PadSource,
  show: (label: string, done: number, total: number) => void,
): Promise<void> {
  const { parameters } = issuing;
  const piece = new Uint8Array(PIECE_BYTES);
  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let done = 0; done < parameters.padLength; done += PIECE_BYTES) {
      const part = piece.subarray(0, Math.min(PIECE_BYTES, parameters.padLength - done));
      await source.read(part);
      issuing.write(part);
      yield part;
    }
  }
  try {
    await fillDevice(
      device,
      { ...source.origin, ...parameters, side: "low" },
      pieces(),
      ({ phase, done, total }) => show(phase, done, total),
      async () => void issuing.finish(),
    );
  } finally {
    piece.fill(0);
  }
}
