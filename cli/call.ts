// `tearpad call`, `tearpad balance`: a token and its money. A call goes to the server and brings a fresh receipt; the balance
// is what the device knows without any server.

import type { PadPosition } from "../host/protocol/index.ts";
import { deviceAddress, openAddress } from "./address.ts";
import { type Io, parse, printJson } from "./command.ts";
import { gauge, line } from "./gauge.ts";
import { atLeast, LINK_OPTIONS, linkJson, valueJson, withLink } from "./token-link.ts";

export async function call(args: string[], io: Io): Promise<number> {
  const { values } = parse(args, LINK_OPTIONS, [0, 0]);
  const linked = await withLink(values, io, async () => null);
  if (values.json) {
    printJson(io.stdout, linkJson(linked));
    return 0;
  }
  const { tried, address, finished, receipt, value } = linked;
  const before = tried.slice(0, -1);
  if (before.length > 0) io.stdout.write(`${line("no answer", before.join(", "))}\n`);
  io.stdout.write(`${line("server", `${address}, call ${receipt.call}`)}\n`);
  for (const { service, charged } of finished)
    io.stdout.write(`${line("finished", `${service}, ${charged} charged`)}\n`);
  io.stdout.write(`${line("balance", `${money(receipt.balance)} ${value.asset}`)}\n`);
  if (receipt.closed) io.stdout.write(`${line("", "its value is closed: the server serves it no more")}\n`);
  return 0;
}

export async function balance(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { device: { type: "string" } }, [0, 1]);
  const device = await openAddress(deviceAddress(positionals[0] ?? values.device, io));
  try {
    const info = await device.info();
    const value = await device.value();
    const { receipt, openCaps, limit, asset } = value;
    if (values.json) {
      const { up, down, split, padLength, nextSlot } = info;
      printJson(io.stdout, { ...valueJson(value), receipt, pad: { padLength, up, down, split, nextSlot } });
      return 0;
    }
    if (asset === "") {
      io.stdout.write(`${line("value", "none: this pad was issued by no server")}\n`);
    } else {
      const least = atLeast(receipt.balance, openCaps);
      const range = least === receipt.balance ? money(least) : `${money(least)} to ${money(receipt.balance)}`;
      io.stdout.write(`${line("value", `${range} ${asset}, in minor units`)}\n`);
      io.stdout.write(`${line("", range === money(least) ? "as of its last receipt" : OPEN_CAPS)}\n`);
      io.stdout.write(`${line("limit", `${money(limit)} a link without the button`)}\n`);
    }
    if (info.side !== null) io.stdout.write(`${gauge(info as PadPosition).join("\n")}\n`);
    return 0;
  } finally {
    await device.close();
  }
}

const OPEN_CAPS = "the server may have debited what lies between; the next call tells";

function money(amount: bigint): string {
  return amount.toLocaleString("en-US");
}
