// `tearpad sim`: a device on a pseudoterminal, a TCP port or a USB cable through one, its flash in an image file, until Ctrl-C.

import { existsSync, rmSync } from "node:fs";
import process from "node:process";
import { type Info, openDevice } from "../host/driver/index.ts";
import { parseListenAddress } from "../host/protocol/index.ts";
import {
  attachPty,
  attachTcp,
  attachUsbip,
  builtCore,
  createImage,
  type Line,
  lineTo,
  type Machine,
  type Presence,
  serveControl,
  TRACE_WARNING,
  traceTo,
} from "../simulator/index.ts";
import { buttonAtTerminal } from "./button.ts";
import { bytes, type Io, parse, parseSize, printJson, UsageError } from "./command.ts";
import { CliError } from "./errors.ts";
import { bootImage } from "./local.ts";
import { stopSignal } from "./signals.ts";

const OPTIONS = {
  create: { type: "string" },
  pty: { type: "boolean" },
  link: { type: "string" },
  tcp: { type: "string" },
  usbip: { type: "string" },
  trace: { type: "string" },
  control: { type: "string" },
  presence: { type: "string" },
} as const;

export async function sim(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS, [1, 1]);
  const image = positionals[0] as string;
  const attach = lineOf(values, io);
  const presence = presenceOf(values.presence, io);
  if (values.trace !== undefined && existsSync(values.trace))
    throw new CliError("OUTPUT_EXISTS", { path: values.trace });
  if (values.create !== undefined) {
    const size = parseSize("--create", values.create);
    builtCore(); // One that is missing is met before there is an image.
    createImage(image, size);
  }

  const stop = stopSignal();
  const { machine, close } = bootImage(image);
  const endings: (() => unknown)[] = [close, stop.ignore];
  // A new image that nobody was told of goes again, so that the same command can be given once more.
  let keep = values.create === undefined;
  endings.push(() => keep || rmSync(image, { force: true }));
  try {
    const about = await lookAt(machine);
    machine.presence = presence;
    if (presence === "ask" && isAttended(io)) endings.push(buttonAtTerminal(machine, io));
    const line = await attach(machine, serialOf(about?.info));
    endings.push(() => line.close());
    if (values.control !== undefined) endings.push(await serveControl(machine, values.control, () => line.close()));
    if (values.trace !== undefined) {
      endings.push(traceTo(machine, values.trace));
      io.stderr.write(`${TRACE_WARNING}\n`);
    }
    announce(
      { address: line.address, image, control: values.control ?? null, about, machine },
      values.json === true,
      io,
    );
    keep = true;
    await Promise.race([stop.asked, failureOf(line)]);
  } finally {
    for (const end of endings.reverse()) await end();
  }
  return 0;
}

/** Who answers at the button: the person at the terminal, or where there is none somebody who always presses. @throws UsageError */
function presenceOf(asked: string | undefined, io: Io): Presence {
  if (asked === undefined) return isAttended(io) ? "ask" : "accept";
  if (asked === "ask" || asked === "accept" || asked === "reject") return asked;
  throw new UsageError(`--presence takes ask, accept or reject, not "${asked}".`);
}

function isAttended({ stdin, stderr }: Io): boolean {
  return stdin.isTTY === true && stderr.isTTY === true;
}

/** @throws UsageError */
function lineOf(
  values: {
    pty?: boolean | undefined;
    link?: string | undefined;
    tcp?: string | undefined;
    usbip?: string | undefined;
  },
  { stderr }: Io,
): (machine: Machine, serial: Uint8Array) => Promise<Line> {
  const { pty, link, tcp, usbip } = values;
  const port = tcp ?? usbip;
  if (port === undefined) return (machine) => attachPty(machine, link === undefined ? {} : { link });
  if (pty || link !== undefined || (tcp !== undefined && usbip !== undefined))
    throw new UsageError("A device hangs on one line: --tcp, --usbip, or --pty with or without --link.");
  const parts = parseListenAddress(`tcp://${port}`);
  if (parts === null) throw new UsageError("--tcp and --usbip take HOST:PORT; port 0 lets the system choose one.");
  const options = { ...parts, log: (sentence: string) => void stderr.write(`${sentence}\n`) };
  if (tcp !== undefined) return (machine) => attachTcp(machine, options);
  return (machine, serial) => attachUsbip(machine, serial, options);
}

/** What a device is called on USB: its fill's serial, and while it has none a number of this process. */
function serialOf(info: Info | undefined): Uint8Array {
  const serial = Buffer.from(info?.serial ?? "", "hex");
  return serial.some((byte) => byte !== 0) ? serial : crypto.getRandomValues(new Uint8Array(8));
}

/** What the device says of itself, asked before anyone else can; null when it does not even boot. */
async function lookAt(machine: Machine): Promise<{ info: Info; firmware: string } | null> {
  if (machine.state !== "on") return null;
  const device = await openDevice(lineTo(machine));
  try {
    return { info: await device.info(), firmware: (await device.hello()).firmware };
  } finally {
    await device.close();
  }
}

/** A pulled cable is no failure: the machine goes on. */
function failureOf(line: Line): Promise<never> {
  return new Promise((_, reject) => {
    line.closed.catch(reject);
  });
}

interface Announced {
  readonly address: string;
  readonly image: string;
  readonly control: string | null;
  readonly about: { info: Info; firmware: string } | null;
  readonly machine: Machine;
}

function announce({ address, image, control, about, machine }: Announced, json: boolean, io: Io): void {
  const core = { version: about?.firmware ?? null, sha256: builtCore().sha256 };
  const state = about?.info.state ?? machine.state;
  const side = about?.info.side ?? null;
  if (json) {
    printJson(io.stdout, {
      pid: process.pid,
      address,
      image,
      imageBytes: machine.flash.size,
      state,
      side,
      control,
      core,
    });
    return;
  }
  io.stdout.write(
    `A simulated device (${state}${side === null ? "" : `, ${side} side`}) at ${address}
  flash:    ${image}, ${bytes(machine.flash.size)}
  core:     ${core.version ?? "does not boot"}, SHA-256 ${core.sha256}
  process:  ${process.pid}; Ctrl-C ends it
${state === "blank" ? "  next:     fill it and its twin with tearpad device fill LOW HIGH\n" : ""}${control === null ? "" : `  control:  tearpad control ${control} power-cut\n`}`,
  );
}
