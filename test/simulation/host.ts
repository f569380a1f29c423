// The server of a simulated world, as a row of processes in one directory: started, killed at a write or between writes, cut from
// its power, put back to an older database, and started again. What a process leaves is a copy of its directory, made in the
// moment of its end; what it had in memory is gone, and whatever of it still runs can write nothing any more.

import { closeSync, copyFileSync, existsSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { openServer, type Server } from "../../server/index.ts";
import type { Link } from "../../server/token/index.ts";
import type { Random } from "../../simulator/index.ts";
import { Gone, HAND, type Life, type Moment, type Point, type Written } from "./hand.ts";
import type { Host } from "./network.ts";
import { services } from "./services.ts";
import { copyServer } from "./template.ts";
import type { Time } from "./time.ts";

/** A blow that waits for its write. */
export interface Blow {
  readonly point: Point;
  readonly moment: Moment;
  /** The power goes as well: what was not synced is lost. */
  readonly power: boolean;
  /** It comes at this write from now, the next being 1. */
  countdown: number;
  readonly struck: () => void;
}

/** A backup of the database. */
export interface Backup {
  readonly directory: string;
  /** When it was made. */
  readonly at: number;
}

interface Process extends Life {
  server: Server | null;
  readonly lines: Set<{ gone(): void }>;
}

/** How long the operator takes to start a server again. */
const RESTART_MS = 1500;

export class ServerHost implements Host {
  /** What the clock of the server is ahead of the time. */
  clockOffset = 0;
  readonly blows: Blow[] = [];
  /** Called when a server serves. */
  onStart: (server: Server) => void = () => {};
  /** Called when a server cannot start. */
  onFailure: (error: Error) => void = () => {};
  /** What the server logs. */
  onLog: (level: string, facts: object, sentence: string) => void = () => {};
  /** Called behind each commit that is durable. */
  onCommit: () => void = () => {};
  readonly #time: Time;
  readonly #random: Random;
  readonly #base: string;
  #directory: string;
  #directories = 0;
  #process: Process | null = null;

  /** @param base an empty directory; @param from what the server begins with */
  constructor(time: Time, random: Random, base: string, from: string) {
    this.#time = time;
    this.#random = random;
    this.#base = base;
    this.#directory = join(base, "server-0");
    copyServer(from, this.#directory);
    HAND.unsynced.clear();
    HAND.strike = (point, moment, written) => this.#write(point, moment, written);
  }

  /** Where the files of the server are that runs. */
  get directory(): string {
    return this.#directory;
  }

  get server(): Server | null {
    return this.#process?.dead === false ? this.#process.server : null;
  }

  get life(): Life | null {
    return this.#process;
  }

  /** @throws what the start failed with, unless it was killed at it */
  async start(): Promise<void> {
    const process: Process = {
      dead: false,
      full: "no",
      server: null,
      lines: new Set(),
      databases: new Set(),
      files: new Set(),
    };
    this.#process = process;
    HAND.life = process;
    const clock = {
      now: () => this.#time.now + this.clockOffset,
      after: (milliseconds: number, run: () => void) =>
        this.#time.after(milliseconds, () => {
          if (!process.dead) run();
        }),
    };
    try {
      process.server = await openServer(this.#directory, { clock, log: this.#logger(), services });
    } catch (error) {
      if (!process.dead) throw error;
      return;
    }
    if (!process.dead) this.onStart(process.server);
  }

  /** Ends the process in order. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (process === null) return;
    for (const line of process.lines) line.gone();
    await process.server?.close();
    process.dead = true;
    this.#process = null;
  }

  /** Kills the process between two writes. */
  kill(power: boolean): void {
    if (this.#process !== null && !this.#process.dead) this.#end(power, null);
  }

  /** A copy of the database as it is. */
  backUp(): Backup | null {
    if (this.server === null) return null;
    const directory = join(this.#base, `backup-${this.#directories++}`);
    copyServer(this.#directory, directory);
    return { directory, at: this.#time.now };
  }

  /** Kills the process and puts an older database in the place of its own; vault, limits and keys stay as they are. */
  restore(backup: Backup): boolean {
    if (this.#process === null || this.#process.dead) return false;
    this.#end(false, null);
    for (const name of ["tearpad.db", "tearpad.db-wal"]) rmSync(join(this.#directory, name), { force: true });
    for (const name of ["tearpad.db", "tearpad.db-wal"]) {
      const source = join(backup.directory, name);
      if (existsSync(source)) copyFileSync(source, join(this.#directory, name));
    }
    return true;
  }

  /** Lets the process go as it is, for good. */
  abandon(): void {
    const process = this.#process;
    if (process === null) return;
    process.dead = true;
    this.#process = null;
    HAND.life = null;
    for (const database of process.databases) if (database.open) database.close();
    for (const file of process.files) closeSync(file);
    process.databases.clear();
    process.files.clear();
  }

  // What the network asks.

  admit(line: Parameters<Host["admit"]>[0]): Link | null {
    return this.server?.door.admit(line) ?? null;
  }

  leave(link: Link): void {
    this.server?.door.leave(link);
  }

  /** A line that ends with the process. */
  carries(line: { gone(): void }): void {
    this.#process?.lines.add(line);
  }

  #logger(): Logger {
    const level = (name: string) => (facts: object, sentence: string) => this.onLog(name, facts, sentence);
    return { info: level("info"), warn: level("warn"), error: level("error") } as unknown as Logger;
  }

  #write(point: Point, moment: Moment, written: Written): void {
    const process = this.#process;
    if (process === null) return;
    if (process.dead) throw new Gone("a dead process writes");
    if (point === "store" && moment === "after") this.onCommit();
    for (const blow of this.blows) {
      if (blow.point !== point || blow.moment !== moment || --blow.countdown > 0) continue;
      this.blows.splice(this.blows.indexOf(blow), 1);
      blow.struck();
      this.#end(blow.power, moment === "during" ? written : null);
      throw new Gone("killed at a write");
    }
  }

  /** The end of the process: a copy of what it leaves, with a write that was under way in part. */
  #end(power: boolean, torn: Written | null): void {
    const process = this.#process!;
    const left = join(this.#base, `server-${++this.#directories}`);
    copyServer(this.#directory, left);
    const inCopy = (path: string) => left + path.slice(this.#directory.length);
    if (torn !== null) {
      const part = torn.from + this.#random.below(Math.max(1, torn.to - torn.from));
      if (statSync(inCopy(torn.path), { throwIfNoEntry: false })) truncateSync(inCopy(torn.path), part);
    }
    if (power) {
      for (const [path, safe] of HAND.unsynced) {
        const size = statSync(inCopy(path), { throwIfNoEntry: false })?.size;
        if (size !== undefined && size > safe) truncateSync(inCopy(path), safe + this.#random.below(size - safe));
      }
    }
    HAND.unsynced.clear();
    process.dead = true;
    const old = this.#directory;
    this.#directory = left;
    for (const line of process.lines) line.gone();
    this.#time.after(0, () => {
      for (const database of process.databases) if (database.open) database.close();
      for (const file of process.files) closeSync(file);
      process.databases.clear();
      process.files.clear();
      rmSync(old, { recursive: true });
    });
    this.#time.after(100 + this.#random.below(RESTART_MS), () => this.#startAgain());
  }

  async #startAgain(): Promise<void> {
    if (!this.#process?.dead) return;
    try {
      await this.start();
    } catch (error) {
      this.onFailure(error as Error);
    }
  }
}
