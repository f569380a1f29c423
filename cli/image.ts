// `tearpad image inspect`: the sections of an image or of a chip that was read out, without starting a device on it.

import type { Inspection, Page } from "../host/image/index.ts";
import { bytes, type Io, parse, printJson, visible } from "./command.ts";
import { exitOf } from "./exit.ts";
import { gauge, line } from "./gauge.ts";
import { inspectFile } from "./image-file.ts";
import { originInWords } from "./source.ts";

export async function imageInspect(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, {}, [1, 1]);
  const path = positionals[0] as string;
  const found = inspectFile(path);
  if (values.json) printJson(io.stdout, { path, ...found });
  else io.stdout.write(`${describe(path, found).join("\n")}\n`);
  return found.fault === null && !found.lostPad ? 0 : exitOf("FAULTY");
}

function describe(path: string, found: Inspection): string[] {
  const { journal, identity, connection, encryption, pad, fault } = found;
  const lines = [
    line("image", `${path}, ${bytes(found.size)}`),
    line("state", fault === null ? found.state : `faulty: section "${fault.section}": ${fault.why}`),
    ...(found.lostPad ? LOST_PAD : []),
    "",
    row("section", "version", "checksum", "contents"),
    row("journal", String(journal.version), journal.newest?.checksum ?? "-", journalInWords(journal)),
  ];
  if (identity !== null) lines.push(pageRow("identity", identity, identityInWords));
  if (connection !== null) {
    lines.push(
      pageRow(
        "connection",
        connection,
        (it) => `${it.slots.low} slots low, ${it.slots.high} high; ${addressesInWords(it.list)}`,
      ),
    );
  }
  if (encryption !== null) {
    lines.push(
      pageRow(
        "encryption",
        encryption,
        (it) => `suite ${it.suite}, burn unit ${it.burnUnit}, boxes of at most ${bytes(it.longestText)}`,
      ),
    );
  }
  if (pad !== null) lines.push(row("pad", String(journal.version), "none", padInWords(pad)));
  if (identity?.content?.asset)
    lines.push(row("value", String(journal.version), "-", valueInWords(identity.content, journal)));
  if (identity?.content) lines.push("", originInWords(identity.content));
  return pad === null ? lines : [...lines, "", ...gauge(pad.marks)];
}

const LOST_PAD: readonly string[] = [
  line("warning", "a filled pad lies here; the record that said so may be one that cannot be read"),
  line("", "A new fill destroys that pad: do not fill it, unless you know that its fill was interrupted."),
];

function row(name: string, version: string, checksum: string, contents: string): string {
  return `${name.padEnd(12)}${version.padEnd(9)}${checksum.padEnd(10)}${visible(contents)}`;
}

function pageRow<Content>(name: string, page: Page<Content>, inWords: (content: Content) => string): string {
  const contents = page.content === null ? `CORRUPT (${page.problem})` : inWords(page.content);
  return row(name, String(page.version), page.checksum, contents);
}

function journalInWords({ validRecords, unreadableRecords, newest }: Inspection["journal"]): string {
  const count = `${validRecords} records${unreadableRecords > 0 ? ` and ${unreadableRecords} unreadable places` : ""}`;
  return newest === null
    ? count
    : `${count}; the newest is ${newest.sequence}, of boot ${newest.bootEpoch} and fill ${newest.generation}`;
}

function identityInWords({ side, padId, serial }: { side: string; padId: string; serial: string }): string {
  return `${side} side of pad ${padId}, serial ${serial}`;
}

function addressesInWords({ number, addresses }: { number: number; addresses: readonly string[] }): string {
  return addresses.length === 0 ? "no addresses" : `addresses (list ${number}): ${addresses.join(", ")}`;
}

/** Money in minor units: how many of them make one of its asset only the server knows. */
function valueInWords({ asset, limit }: { asset: string; limit: bigint }, { joined }: Inspection["journal"]): string {
  const { receipt, openCaps } = joined!;
  const known =
    receipt.sequence === 0
      ? "no receipt yet"
      : `receipt ${receipt.sequence} of call ${receipt.call}: ${receipt.balance}`;
  return `${known}, less at most ${openCaps}, in minor units of ${asset}; owner's limit ${limit}`;
}

/** Why the pad has no checksum: see PadFinding. */
function padInWords(pad: NonNullable<Inspection["pad"]>): string {
  const size = `${bytes(pad.bytes)} at ${pad.address}`;
  const unburned = pad.unburned === 0 ? "" : `; ${bytes(pad.unburned)} used and not destroyed yet`;
  const suspicious = pad.suspiciousOffset === null ? "" : `; SUSPICIOUS equal bytes at offset ${pad.suspiciousOffset}`;
  return `${size}; each box has its own tag${unburned}${suspicious}`;
}
