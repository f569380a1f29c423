// `tearpad device`: which devices there are, what one says of itself, and filling two of them.

import { type Device, type Info, openDevice, openTransport } from "../host/driver/index.ts";
import { type IdentityContent, readIdentityPage } from "../host/image/index.ts";
import type { PadPosition } from "../host/protocol/index.ts";
import { deviceAddress, openAddress } from "./address.ts";
import { bytes, type Io, parse, printJson } from "./command.ts";
import { CliError } from "./errors.ts";
import { exitOf } from "./exit.ts";
import { fillAddresses } from "./fill.ts";
import { gauge, line } from "./gauge.ts";
import { serialPorts } from "./ports.ts";
import { chooseSource, originInWords, SOURCE_OPTIONS } from "./source.ts";

/** A port that is silent for so long has no device on it. */
const PROBE_MS = 1500;

export async function deviceList(args: string[], io: Io): Promise<number> {
  const { values } = parse(args, {}, [0, 0]);
  const listed = await serialPorts();
  if (listed === null) {
    if (values.json) printJson(io.stdout, { devices: [], portsAsked: null });
    throw new CliError("PORTS_UNKNOWN", {});
  }
  const ports = listed.map(({ path }) => path).sort();
  const answers = await Promise.all(ports.map(async (address) => ({ address, ...(await probe(address)) })));
  const devices = answers.filter(({ firmware }) => firmware !== null);
  if (values.json) {
    printJson(io.stdout, { devices, portsAsked: ports.length });
    return 0;
  }
  for (const { address, firmware, state, side } of devices) {
    io.stdout.write(`${address}  core ${firmware}, ${state}${side === null ? "" : `, ${side} side`}\n`);
  }
  if (devices.length === 0) {
    io.stderr.write(
      `No device answers on ${ports.length} serial ports. A simulator on a terminal or a TCP port is reached by its address alone.\n`,
    );
  }
  return 0;
}

export async function deviceInfo(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { device: { type: "string" } }, [0, 1]);
  const address = deviceAddress(positionals[0] ?? values.device, io);
  const device = await openAddress(address);
  try {
    const info = await device.info();
    const identity = info.side === null ? null : await identityOf(device);
    if (values.json) printJson(io.stdout, { address, ...counted(info), identity });
    else io.stdout.write(`${describe(address, info, identity).join("\n")}\n`);
    return info.state === "faulty" ? exitOf("FAULTY") : 0;
  } finally {
    await device.close();
  }
}

export async function deviceFill(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, SOURCE_OPTIONS, [2, 2]);
  const [low, high] = positionals as [string, string];
  return fillAddresses({ low, high }, chooseSource(values), values.json === true, io);
}

interface Answer {
  readonly firmware: string | null;
  readonly state: Info["state"] | null;
  readonly side: Info["side"];
}

const SILENCE: Answer = { firmware: null, state: null, side: null };

/** Greets whatever is on a port, and takes every failure for silence: most ports have something else on them. */
async function probe(address: string): Promise<Answer> {
  try {
    const transport = await openTransport(address);
    const timer = setTimeout(() => transport.close().catch(() => {}), PROBE_MS);
    try {
      const device = await openDevice(transport);
      const { state, side } = await device.info();
      return { firmware: (await device.hello()).firmware, state, side };
    } finally {
      clearTimeout(timer);
      await transport.close();
    }
  } catch {
    return SILENCE;
  }
}

/** What the device records about the origin of its pad; null while its identity cannot be read. */
async function identityOf(device: Device): Promise<IdentityContent | null> {
  const { state, faultySection } = await device.info();
  if (state === "filling" || (state === "faulty" && faultySection !== "pad")) return null;
  return readIdentityPage(await device.page(0)).content;
}

/** What INFO says that counts: of a faulty device its marks and its room cannot be trusted (SPEC section 8). */
function counted(info: Info): Partial<Info> {
  const { state, faultySection, traps, trapReason } = info;
  return state === "faulty" ? { state, faultySection, traps, trapReason } : info;
}

function describe(address: string, info: Info, identity: IdentityContent | null): string[] {
  const lines = [line("device", address), line("state", stateInWords(info))];
  if (info.state === "faulty") {
    if (info.traps > 0)
      lines.push(line("traps", `${info.traps} since power-on, the last for reason ${info.trapReason}`));
    if (identity === null) return lines;
    const { padId, serial } = identity;
    return [...lines, line("pad", `id ${padId}`), line("serial", serial), ...originLines(identity)];
  }
  if (info.side === null) return [...lines, line("chip", bytes(info.chipSize))];
  lines.push(
    line("pad", `${bytes(info.padLength)}, suite ${info.suite}, id ${info.padId}`),
    line("serial", `${info.serial}, fill ${info.generation}, boot ${info.bootEpoch}`),
    ...(identity === null ? [] : originLines(identity)),
  );
  if (info.failedTags > 0) lines.push(line("warning", `${info.failedTags} boxes failed their check since it started`));
  return [...lines, line("forgery", FORGERY), ...gauge(info as PadPosition)];
}

function originLines(identity: IdentityContent): string[] {
  const [first, ...rest] = originInWords(identity).split("\n") as [string, ...string[]];
  return [line("origin", first), ...rest.map((text) => line("", text))];
}

/** SPEC section 2 with n = 4,096: 8 · ⌈(32 + 4,096 + 16) / 16⌉ / 2^106 = 2,072 / 2^106. */
const FORGERY = "one try at a box succeeds with probability below 2^-94, where the pad bytes are truly random";

function stateInWords(info: Info): string {
  if (info.state === "faulty") return `faulty: its section "${info.faultySection}" cannot be trusted`;
  const side = info.side === null ? "" : `, ${info.side} side`;
  const { kind, done, total } = info.work;
  return `${info.state}${side}${kind === "none" ? "" : `, ${kind} ${done} of ${total} bytes`}`;
}
