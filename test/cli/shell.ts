// The command line as a user has it: its own process, its own directory and state, real pipes and files.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, expect } from "vitest";

const CLI = fileURLToPath(new URL("../../cli/tearpad.ts", import.meta.url));
/** A Node that does not run TypeScript itself needs help. */
const LOADER = process.features.typescript ? [] : ["--import", "tsx"];
const NODE = [process.execPath, ...LOADER];
/** Node keeps here what it has compiled: each command begins in half the time. */
const CACHE = fileURLToPath(new URL("../../build/compile-cache", import.meta.url));

export interface Outcome {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Call {
  readonly input?: string | Uint8Array;
  readonly env?: Record<string, string>;
  /** A module that Node loads first, as source: a changed world. */
  readonly preload?: string;
  /** Closes the end of stdout that is ours before anything is written. */
  readonly closeStdout?: boolean;
  /** Runs the command through a shell with this in front, such as a limit. */
  readonly shell?: string;
}

/** A directory of its own with a state directory in it, gone after the tests of the file. */
export class Desk {
  readonly directory: string = mkdtempSync(join(tmpdir(), "tearpad-cli-"));
  readonly #running: Set<ChildProcess> = new Set();

  constructor() {
    afterAll(async () => {
      await Promise.all([...this.#running].map((child) => stopped(child)));
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  path(...names: string[]): string {
    return join(this.directory, ...names);
  }

  read(name: string): Buffer {
    return readFileSync(this.path(name));
  }

  exists(name: string): boolean {
    return existsSync(this.path(name));
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], call: Call = {}): Promise<Outcome> {
    const child = this.start(args, call);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    if (call.closeStdout) child.stdout?.destroy();
    else child.stdout?.on("data", (bytes: Buffer) => stdout.push(bytes));
    child.stderr?.on("data", (bytes: Buffer) => stderr.push(bytes));
    child.stdin?.on("error", () => {}); // A command may end before it has read everything.
    child.stdin?.end(call.input ?? "");
    const [status] = (await once(child, "close")) as [number | null];
    return { status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
  }

  /** Runs a command that must succeed, and gives what it printed. */
  async ok(args: readonly string[], call: Call = {}): Promise<Buffer> {
    const { status, stdout, stderr } = await this.run(args, call);
    expect(stderr).not.toMatch(/^tearpad: /m);
    expect(status).toBe(0);
    return stdout;
  }

  /** Runs a command that must fail like this, and gives the error as --json tells it. */
  async fails(exit: number, code: string, args: readonly string[], call: Call = {}): Promise<Failure> {
    const { status, stderr } = await this.run([...args, "--json"], call);
    const failure = errorIn(stderr);
    expect(failure.code, stderr).toBe(code);
    expect(failure.exit).toBe(exit);
    expect(status).toBe(exit);
    return failure;
  }

  /** Starts a command and leaves it running. */
  start(args: readonly string[], { env, preload, shell }: Call = {}): ChildProcess {
    const preloaded = preload === undefined ? [] : ["--import", `data:text/javascript,${encodeURIComponent(preload)}`];
    const words = [...NODE, ...preloaded, CLI, ...args];
    const [command, ...rest] = shell === undefined ? words : ["bash", "-c", `${shell}\nexec "$@"`, "bash", ...words];
    const child = spawn(command as string, rest, {
      cwd: this.directory,
      env: {
        PATH: process.env.PATH,
        HOME: this.directory,
        TEARPAD_HOME: this.path("home"),
        NODE_COMPILE_CACHE: CACHE,
        ...env,
      },
    });
    this.#running.add(child);
    child.once("exit", () => this.#running.delete(child));
    return child;
  }

  /** Starts a simulator and gives what it printed once it was up. */
  async simulator(args: readonly string[]): Promise<Simulator> {
    const child = this.start(["sim", ...args, "--json"]);
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    while (!text.includes("\n")) await Promise.race([once(child.stdout!, "data"), once(child, "exit").then(gone)]);
    const announced = JSON.parse(text) as { address: string };
    return { ...announced, announced, stop: () => stopped(child) };
  }

  /** Copies of the images of a pair under another name. */
  copyPair(from: string, to: string): { low: string; high: string } {
    for (const side of ["low", "high"])
      copyFileSync(this.path(`${from}.${side}.tearpad`), this.path(`${to}.${side}.tearpad`));
    return { low: `${to}.low.tearpad`, high: `${to}.high.tearpad` };
  }

  /** What a device says of itself. */
  async info(image: string): Promise<DeviceInfo> {
    return JSON.parse((await this.ok(["device", "info", image, "--json"])).toString()) as DeviceInfo;
  }

  /** A named pipe. */
  makePipe(name: string): void {
    execFileSync("bash", ["-c", 'mkfifo "$1"', "bash", this.path(name)]);
  }
}

export interface Simulator {
  readonly address: string;
  readonly announced: object;
  stop(): Promise<void>;
}

export interface DeviceInfo {
  readonly state: string;
  readonly side: string;
  readonly padId: string;
  readonly padLength: number;
  readonly provenance: string;
  readonly up: { readonly used: number };
  readonly down: { readonly used: number };
  readonly split: number;
  readonly room: number;
  readonly nextSlot: number;
  readonly failedTags: number;
  readonly identity: Record<string, unknown>;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly pad: string | null;
  readonly advice: string | null;
  readonly facts: Record<string, number | string>;
  readonly cause: string | null;
  readonly exit: number;
}

/** The error in what --json left on stderr. */
export function errorIn(stderr: string): Failure {
  const last = stderr.trim().split("\n").at(-1) ?? "";
  expect(last, stderr).toMatch(/^\{"error":/);
  return (JSON.parse(last) as { error: Failure }).error;
}

function gone(): never {
  throw new Error("the simulator ended before it was up");
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGINT");
  await ended;
}
