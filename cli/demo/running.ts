// A `tearpad` command that stays up, in a process of its own: what it said when it was up, how to end it, and the news when it
// ends by itself.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { commandLine } from "./command-line.ts";

export interface Running {
  readonly pid: number;
  /** What it printed with --json when it was up. */
  readonly said: Readonly<Record<string, unknown>>;
  /** Rejects when it ends before it is stopped, with what `error` makes of it. */
  readonly lost: Promise<never>;
  /** Ends it politely. */
  stop(): Promise<void>;
  /** Ends it at once, as a power failure does (SIGKILL). */
  kill(): Promise<void>;
}

/** How a command ended: the code of its error, where it told one, and in words. */
export interface Ending {
  readonly code: string | null;
  readonly reason: string;
}

/** Loaded first by the process (and by its threads, which have no channel): ends it when this one is gone, in whatever way it went. */
const ENDS_WITH_US =
  'data:text/javascript,process.once("disconnect",()=>process.kill(process.pid,"SIGTERM"));process.channel?.unref()';
/** One that does not end when it is asked to is ended after so long. */
const STOP_MS = 5000;

/**
 * Starts a command and waits until it is up.
 * @param failed makes the error of one that never came up, `ended` of one that ended later
 */
export async function run(
  args: readonly string[],
  { failed, ended: endedBy }: { failed(ending: Ending): Error; ended(ending: Ending): Error },
): Promise<Running> {
  const [node, ...rest] = commandLine(...args, "--json");
  // Detached, so that Ctrl-C reaches this process alone, which ends the others in order.
  const child = spawn(node as string, ["--import", ENDS_WITH_US, ...rest], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: true,
  });
  let told = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    told = (told + text).slice(-65_536);
  });
  const ended = once(child, "close").then(([code, signal]): Ending => {
    const error = errorIn(told);
    const reason = error === null ? `it ended with ${signal ?? `code ${code}`}.` : inWords(error);
    return { code: error?.code ?? null, reason };
  });
  const lines = createInterface({ input: child.stdout as Readable });
  const first = await Promise.race([once(lines, "line") as Promise<[string]>, ended]);
  if ("reason" in first) throw failed(first);
  const said = JSON.parse(first[0]) as { pid: number };
  return { pid: said.pid, said, ...watch(child, ended, endedBy) };
}

function watch(
  child: ChildProcess,
  ended: Promise<Ending>,
  endedBy: (ending: Ending) => Error,
): Pick<Running, "lost" | "stop" | "kill"> {
  let stopping = false;
  const lost = ended.then((ending) => {
    if (stopping) return new Promise<never>(() => {});
    throw endedBy(ending);
  });
  lost.catch(() => {}); // Whoever waits for it is told.
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    stopping = true;
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(timer);
  };
  return { lost, stop: () => end("SIGTERM"), kill: () => end("SIGKILL") };
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
