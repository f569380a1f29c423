/**
 * Other processes of these tests: scripts beside this file, run by the same Node.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Running {
  readonly child: ChildProcess;
  /** The next line that it prints, as JSON; rejects when it ends without one. */
  readonly said: Promise<Record<string, unknown>>;
}

/** Starts a script with arguments; `shell` is put before it, for limits. */
export function start(script: string, args: readonly (string | number)[], shell = ""): Running {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const words = [process.execPath, "--no-warnings", path, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("bash", ["-c", `${shell} exec ${words}`], { stdio: ["pipe", "pipe", "inherit"] });
  const said = new Promise<Record<string, unknown>>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once("line", (line) => resolve(JSON.parse(line)));
    child.once("close", (code, signal) => reject(new Error(`${script} ended: ${code ?? signal}`)));
  });
  said.catch(() => {});
  return { child, said };
}

/** Waits until a process has ended. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}
