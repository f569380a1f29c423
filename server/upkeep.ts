// What a server that runs does for its files, so that nobody has to: the limits log is compacted before it is mostly history,
// and the epoch of the vault ends after its days, a few pads at a time, so that links hardly notice. When the last epoch
// began, the file of its key says: that survives a restart, and nothing else has to.

import type { TokenServer } from "./token/index.ts";

const LOOK_MS = 60_000;
/** Between two steps of a rotation, each of which takes some 20 ms. */
const STEP_MS = 100;
/** When the epoch cannot be ended, it is tried again after so long. */
const RETRY_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** See the head of this file. It begins at once. */
export class Upkeep {
  readonly #server: TokenServer;
  #stopLooking: () => void = () => {};
  #stopRotating: (() => void) | null = null;

  constructor(server: TokenServer) {
    this.#server = server;
    this.#look();
  }

  stop(): void {
    this.#stopLooking();
    this.#stopRotating?.();
  }

  #look(): void {
    const { clock, limits, log } = this.#server;
    try {
      limits.tidy();
    } catch (error) {
      log.error({ err: error }, "the limits log was not compacted");
    }
    if (this.#stopRotating === null && this.#isDue()) this.#rotate();
    this.#stopLooking = clock.after(LOOK_MS, () => this.#look());
  }

  #isDue(): boolean {
    const { vault, clock, config, log } = this.#server;
    try {
      return vault.rotating || clock.now() - vault.epochBegan >= config.vault.epochDays * DAY_MS;
    } catch (error) {
      log.error({ err: error }, "the age of the epoch is not known");
      return false;
    }
  }

  #rotate(): void {
    const { vault, clock, log } = this.#server;
    let wait = STEP_MS;
    try {
      if (vault.rotate()) {
        this.#stopRotating = null;
        log.info("the epoch of the vault has ended");
        return;
      }
    } catch (error) {
      log.error({ err: error }, "the epoch of the vault has not ended");
      wait = RETRY_MS;
    }
    this.#stopRotating = clock.after(wait, () => this.#rotate());
  }
}
