// The door: how many lines there may be, and for how long one may say nothing. Whoever comes is let in until the house is
// full; of those who did not become a link, the one that has waited longest gives way.

import { type Line, Link, type TokenServer } from "../token/index.ts";

const SWEEP_MS = 1000;

export class Door {
  readonly #server: TokenServer;
  readonly #links: Set<Link> = new Set();
  /** Lines that had not become links when they were last looked at, oldest first. */
  readonly #greeting: Set<Link> = new Set();
  #stop: () => void;

  constructor(server: TokenServer) {
    this.#server = server;
    this.#stop = this.#sweepLater();
  }

  /** Links and lines that may become one. */
  get lines(): number {
    return this.#links.size;
  }

  /** The link of a new line; null: the house is full. */
  admit(line: Line): Link | null {
    const { connections, halfOpen } = this.#server.config.limits;
    if (this.#links.size >= connections) return null;
    for (const link of this.#greeting) {
      if (link.linked) this.#greeting.delete(link);
      else if (this.#greeting.size >= halfOpen) link.closed();
      else break;
      this.#greeting.delete(link);
    }
    const link = new Link(this.#server, line);
    this.#links.add(link);
    this.#greeting.add(link);
    return link;
  }

  /** The line of this link is gone. */
  leave(link: Link): void {
    this.#links.delete(link);
    this.#greeting.delete(link);
    link.closed();
  }

  /** Ends all lines. */
  close(): void {
    this.#stop();
    for (const link of this.#links) link.closed();
  }

  #sweepLater(): () => void {
    return this.#server.clock.after(SWEEP_MS, () => {
      this.#sweep();
      this.#stop = this.#sweepLater();
    });
  }

  #sweep(): void {
    const { halfOpenMs, idleMs } = this.#server.config.limits;
    const now = this.#server.clock.now();
    for (const link of this.#greeting) {
      if (link.linked) this.#greeting.delete(link);
      else if (now - link.began > halfOpenMs) link.closed();
    }
    for (const link of this.#links) if (now - link.heardAt > idleMs) link.closed();
    // What another process has changed is seen with a transaction: a credit for a silent link, or a twin to destroy.
    this.#server.commit(() => undefined).catch(() => {});
  }
}
