// `tearpad sim`: a device on a pseudoterminal or a TCP port, its flash in an image file, until Ctrl-C.

import { existsSync, rmSync } from "node:fs";
import process from "node:process";
import { type Info, openDevice } from "../host/driver/index.ts";
import {
  attachPty,
  attachTcp,
  builtCore,
  createImage,
  type Line,
  lineTo,
  type Machine,
  serveControl,
  TRACE_WARNING,
  traceTo,
} from "../simulator/index.ts";
import { bytes, type Io, parse, parseSize, printJson, UsageError } from "./command.ts";
import { CliError } from "./errors.ts";
import { bootImage } from "./local.ts";
import { stopSignal } from "./signals.ts";

const OPTIONS = {
  create: { type: "string" },
  pty: { type: "boolean" },
  link: { type: "string" },
  tcp: { type: "string" },
  trace: { type: "string" },
  control: { type: "string" },
} as const;

export async function sim(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS, [1, 1]);
  const image = positionals[0] as string;
  const attach = lineOf(values, io);
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
    const line = await attach(machine);
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

/** @throws UsageError */
function lineOf(
  values: { pty?: boolean | undefined; link?: string | undefined; tcp?: string | undefined },
  { stderr }: Io,
): (machine: Machine) => Promise<Line> {
  const { pty, link, tcp } = values;
  if (tcp === undefined) return (machine) => attachPty(machine, link === undefined ? {} : { link });
  if (pty || link !== undefined)
    throw new UsageError("A device hangs on one line: --tcp, or --pty with or without --link.");
  const url = URL.canParse(`tcp://${tcp}`) ? new URL(`tcp://${tcp}`) : null;
  if (!url?.hostname || url.port === "")
    throw new UsageError("--tcp takes HOST:PORT; port 0 lets the system choose one.");
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return (machine) =>
    attachTcp(machine, { host, port: Number(url.port), log: (sentence) => stderr.write(`${sentence}\n`) });
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
