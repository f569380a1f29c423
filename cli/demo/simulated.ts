// One simulated device: a process of its own (`tearpad sim`) behind its own terminal, with its power switch and a trace of its
// line. The driver reaches it through the terminal alone; there is nothing else to fall back to.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { connectControl, type Remote } from "../../simulator/index.ts";
import { commandLine } from "./command-line.ts";
import { DemoError } from "./errors.ts";

/** A running device. */
export interface Simulated {
  readonly pid: number;
  /** Its terminal, such as /dev/pts/7. */
  readonly tty: string;
  /** The socket of its power switch. */
  readonly socket: string;
  readonly control: Remote;
  /** Rejects when the process ends before it is stopped. */
  readonly lost: Promise<never>;
  /** Ends the process; the device loses its power. */
  stop(): Promise<void>;
}

/** How a device's process ended. */
interface Ending {
  /** Another process has the image. */
  readonly busy: boolean;
  readonly reason: string;
}

/** Loaded first by the device's process: ends it when this one is gone, in whatever way it went. */
const ENDS_WITH_US =
  'data:text/javascript,process.once("disconnect",()=>process.kill(process.pid,"SIGTERM"));process.channel.unref()';
/** A device that does not end when it is asked to is ended after so long. */
const STOP_MS = 5000;

/**
 * Starts a device.
 * @param name what the user calls it
 * @throws DemoError DEVICE_NOT_STARTED, PAIR_IN_USE
 */
export async function startSimulated(name: string, image: string, socket: string, trace: string): Promise<Simulated> {
  const [node, ...args] = commandLine("sim", image, "--pty", "--control", socket, "--trace", trace, "--json");
  // Detached, so that Ctrl-C reaches this process alone, which ends the devices in order.
  const child = spawn(node as string, ["--import", ENDS_WITH_US, ...args], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: true,
  });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = once(child, "close").then(([code, signal]): Ending => {
    const error = errorIn(said);
    const reason = error === null ? `it ended with ${signal ?? `code ${code}`}.` : inWords(error);
    return { busy: error?.code === "IMAGE_BUSY", reason };
  });
  const lines = createInterface({ input: child.stdout as Readable });
  const first = await Promise.race([once(lines, "line") as Promise<[string]>, ended]);
  if ("busy" in first) {
    if (first.busy) throw new DemoError("PAIR_IN_USE", { directory: dirname(image) });
    throw new DemoError("DEVICE_NOT_STARTED", { device: name, reason: first.reason });
  }
  const { pid, address: tty } = JSON.parse(first[0]) as { pid: number; address: string };
  try {
    if (!statSync(tty).isCharacterDevice()) throw new Error(`${tty} is no terminal.`);
    const control = await connectControl(socket);
    return { pid, tty, socket, control, ...watch(name, child, ended) };
  } catch (error) {
    child.kill("SIGKILL");
    await ended;
    throw new DemoError("DEVICE_NOT_STARTED", { device: name, reason: (error as Error).message });
  }
}

function watch(name: string, child: ChildProcess, ended: Promise<Ending>): Pick<Simulated, "lost" | "stop"> {
  let stopping = false;
  const lost = ended.then(({ reason }) => {
    if (stopping) return new Promise<never>(() => {});
    throw new DemoError("DEVICE_ENDED", { device: name, reason });
  });
  lost.catch(() => {}); // Whoever waits for it is told.
  const stop = async (): Promise<void> => {
    stopping = true;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(timer);
  };
  return { lost, stop };
}

interface Report {
  readonly code: string;
  readonly message: string;
  readonly cause: string | null;
}

/** The error with which a command ended: with --json it is the last line that it says. */
function errorIn(said: string): Report | null {
  const last = said.trim().split("\n").at(-1) ?? "";
  return last.startsWith('{"error":') ? JSON.parse(last).error : null;
}

function inWords({ message, cause }: Report): string {
  return cause === null ? message : `${message} (${cause})`;
}
