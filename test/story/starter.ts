// `npm start` without the building: the same program in a process of its own, with a home and a temporary directory that are
// gone after the tests of the file.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, expect } from "vitest";

/** The project: what a user has as current directory. */
export const PROJECT: string = fileURLToPath(new URL("../..", import.meta.url));
/** A Node that does not run TypeScript itself needs help. */
const LOADER = process.features.typescript ? [] : ["--import", "tsx"];

/** The command line in the project's directory, for a shell. */
export const TEARPAD: string = [process.execPath, ...LOADER, "cli/tearpad.ts"].join(" ");

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What --json prints, as far as the tests look at it. */
export interface Result {
  readonly ttys: Both<string>;
  readonly pids: Both<number>;
  readonly pair: { readonly directory: string; readonly fresh: boolean; readonly padBytes: number };
  readonly provenance: string;
  readonly file: string;
  readonly bytes: Three<number>;
  readonly bundleBytes: Three<number>;
  readonly boxes: Three<number>;
  readonly segments: Three<number>;
  readonly bytesSkipped: number;
  readonly sha256: Three<{ readonly sent: string; readonly received: string }>;
  readonly marks: Both<Marks>;
  readonly bytesUsed: number;
  readonly bytesReused: number;
  readonly disagreements: readonly string[];
  readonly durations: Readonly<Record<string, number>>;
  readonly token: TokenResult;
}

/** The token's part. Money in digits. */
export interface TokenResult {
  readonly name: string;
  readonly pids: { readonly server: number; readonly device: number };
  readonly tty: string;
  readonly ports: { readonly server: number; readonly tap: number };
  readonly address: string;
  readonly directory: string;
  readonly value: { readonly issued: string; readonly device: string; readonly server: string };
  readonly charged: Readonly<Record<string, string>>;
  readonly sha256: { readonly sent: string; readonly received: string };
  readonly bytesSkipped: number;
  readonly output: string;
  readonly refusal: string;
  readonly marks: { readonly device: TokenMarks; readonly server: TokenMarks };
  readonly books: {
    readonly entries: number;
    readonly sums: Readonly<Record<string, string>>;
    readonly disagreements: readonly unknown[];
  };
  readonly wire: {
    readonly calls: number;
    readonly links: number;
    readonly boxes: { readonly up: number; readonly down: number };
    readonly bytesUsed: number;
    readonly bytesReused: number;
    readonly disagreements: readonly string[];
  };
  readonly undestroyed: number;
  readonly durations: Readonly<Record<string, number>>;
}

interface TokenMarks {
  readonly up: number;
  readonly down: number;
  readonly split: number;
}

interface Both<T> {
  readonly a: T;
  readonly b: T;
}

interface Three<T> {
  readonly before: T;
  readonly answer: T;
  readonly after: T;
}

interface Marks {
  readonly up: { readonly used: number; readonly burned: number };
  readonly down: { readonly used: number; readonly burned: number };
  readonly split: number;
  readonly nextSlot: number;
  readonly slots: { readonly low: number; readonly high: number };
  readonly room: number;
}

/** Someone who starts it, perhaps more than once. */
export class Starter {
  readonly directory: string = mkdtempSync(join(tmpdir(), "tearpad-story-"));
  readonly #running: Set<ChildProcess> = new Set();

  constructor() {
    mkdirSync(this.path("tmp"));
    afterAll(async () => {
      for (const child of this.#running) child.kill("SIGKILL");
      await Promise.all([...this.#running].map((child) => once(child, "exit")));
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  path(...names: string[]): string {
    return join(this.directory, ...names);
  }

  /** A file of the pair's directory. */
  read(name: string): Buffer {
    return readFileSync(this.path("home", "start", name));
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.path(name), content);
    return this.path(name);
  }

  /** The environment of whoever sits here. */
  get env(): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH,
      HOME: this.directory,
      TMPDIR: this.path("tmp"),
      TEARPAD_HOME: this.path("home"),
      // What Node has compiled is kept: each of the many processes begins in half the time.
      NODE_COMPILE_CACHE: join(PROJECT, "build", "compile-cache"),
    };
  }

  /** Starts and leaves it running. `preload` is a module that every process loads first: a changed world. */
  start(args: readonly string[], preload = ""): Running {
    const changed =
      preload === "" ? {} : { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` };
    const child = spawn(process.execPath, [...LOADER, "cli/start.ts", ...args], {
      cwd: PROJECT,
      env: { ...this.env, ...changed },
    });
    this.#running.add(child);
    child.once("close", () => this.#running.delete(child));
    return new Running(child);
  }

  /** Runs it to its end. */
  run(args: readonly string[], preload = ""): Promise<Ended> {
    return this.start(args, preload).ended;
  }

  /** Runs it with --once --json, as a program does, and gives what it printed. */
  async result(...args: string[]): Promise<Result> {
    const { status, stdout, stderr } = await this.run(["--once", "--json", ...args]);
    expect(status, stderr).toBe(0);
    return JSON.parse(stdout) as Result;
  }

  /** Nothing is up any more: no process, no socket. */
  expectNothingUp(...pids: number[]): void {
    for (const pid of pids) expect(() => process.kill(pid, 0), `process ${pid}`).toThrow("ESRCH");
    expect(readdirSync(this.path("tmp")).filter((name) => name.startsWith("tearpad"))).toEqual([]);
  }

  /** Nothing is left behind: no process, no socket, no trace. */
  expectNothingLeft(...pids: number[]): void {
    this.expectNothingUp(...pids);
    expect(readdirSync(this.path("home", "start", "traces"))).toEqual([]);
  }
}

/** A start under way, and what it has printed so far. */
export class Running {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = "";
  #stderr = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.ended = once(child, "close").then(([status]) => ({ status, stdout: this.#stdout, stderr: this.#stderr }));
  }

  /** Waits until it has printed these words; gives all that it printed until then. */
  async printed(words: string): Promise<string> {
    while (!this.#stdout.includes(words)) {
      const more = once(this.#child.stdout as NodeJS.ReadableStream, "data");
      if (await Promise.race([more.then(() => false), this.ended.then(() => !this.#stdout.includes(words))])) {
        throw new Error(`It ended before it printed "${words}": ${this.#stdout}${this.#stderr}`);
      }
    }
    return this.#stdout;
  }

  /** Sends a signal and waits for the end. */
  signal(name: NodeJS.Signals): Promise<Ended> {
    this.#child.kill(name);
    return this.ended;
  }
}

/** The error in what --json left on stderr. */
export function errorIn(stderr: string): {
  code: string;
  message: string;
  advice: string;
  facts: Record<string, unknown>;
} {
  const last = stderr.trim().split("\n").at(-1) ?? "";
  expect(last, stderr).toMatch(/^\{"error":/);
  return JSON.parse(last).error;
}
