// `tearpad call`, `tearpad balance`: a token and its money. A call goes to the server and brings a fresh receipt; the balance
// is what the device knows without any server.

import type { PadPosition } from "../host/protocol/index.ts";
import { deviceAddress, openAddress } from "./address.ts";
import { shown } from "./body.ts";
import { bytes, type Io, jsonLine, parse, printJson, visible } from "./command.ts";
import { gauge, line } from "./gauge.ts";
import { written } from "./stdout.ts";
import { atLeast, type Finished, LINK_OPTIONS, type Linked, linkJson, valueJson, withLink } from "./token-link.ts";

export async function call(args: string[], io: Io): Promise<number> {
  const { values } = parse(args, LINK_OPTIONS, [0, 0]);
  await withLink(values, io, {
    use: async () => null,
    handsOut: (earlier) => wordsOf(earlier) !== null,
    tell: async (linked) => {
      if (values.json) printJson(io.stdout, linkJson(linked));
      else io.stdout.write(`${inWords(linked).join("\n")}\n`);
      await written(io.stdout, linked.finished.length);
    },
  });
  return 0;
}

function inWords({ tried, address, finished, receipt, value }: Linked<null>): string[] {
  const before = tried.slice(0, -1);
  return [
    ...(before.length > 0 ? [line("no answer", before.join(", "))] : []),
    line("server", `${address}, call ${receipt.call}`),
    ...finished.flatMap(finishedInWords),
    line("balance", `${money(receipt.balance)} ${value.asset}`),
    ...(receipt.closed ? [line("", "its value is closed: the server serves it no more")] : []),
  ];
}

/** What an earlier command did not get, whole: it is told here for the last time. What nobody would read stays. */
function finishedInWords(finished: Finished): string[] {
  const { service, charged, answer, file } = finished;
  const said = line("finished", `${service}, ${charged} charged: ${wordsOf(finished) ?? LONG}`);
  if (file === null || answer === null) return [said];
  const { name, bytes: there, whole } = file;
  const stands = whole ? "the whole of it" : "and not the whole of it: send it again, it goes on there";
  return [said, line("", `${visible(name)}: the server has ${bytes(there)}, ${stands}`)];
}

/** What came of a request; null: an answer that is too long for people. */
function wordsOf({ answer, error }: Finished): string | null {
  if (answer === null) return `failed with ${error}`;
  const words = jsonLine(shown(answer.body));
  return words.length > READABLE_MAX ? null : words;
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

/** Characters of an answer that a person is shown. */
const READABLE_MAX = 8192;
const LONG = "its answer is long, and kept: tearpad call --json hands it out";
const OPEN_CAPS = "the server may have debited what lies between; the next call tells";

function money(amount: bigint): string {
  return amount.toLocaleString("en-US");
}
