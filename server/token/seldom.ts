// Lines of the log that come again and again while something lasts, as a full disk or a full house: each is written once a minute
// at most, so that what lasts does not fill the disk, and whoever looks sees the rest.

import type { Logger } from "pino";
import type { Clock } from "../clock.ts";

const PAUSE_MS = 60_000;

export class Seldom {
  readonly #log: Logger;
  readonly #clock: Clock;
  /** When each was written last. */
  readonly #written: Map<string, number> = new Map();

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  warn(facts: object, what: string): void {
    if (this.#isDue(what)) this.#log.warn(facts, what);
  }

  error(err: unknown, what: string): void {
    const { code } = err as { code?: unknown };
    if (this.#isDue(`${what}: ${code}`)) this.#log.error({ err }, what);
  }

  #isDue(line: string): boolean {
    const now = this.#clock.now();
    const last = this.#written.get(line);
    if (last !== undefined && now >= last && now - last < PAUSE_MS) return false;
    this.#written.set(line, now);
    return true;
  }
}
