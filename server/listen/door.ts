// The door: how many lines there may be, and for how long one may say nothing. A line counts from the moment in which its socket
// is there. Whoever comes is let in until the house is full; of those who did not become a link, the one that has waited
// longest gives way.

import { type Line, Link, type TokenServer } from "../token/index.ts";
import { descriptors } from "./descriptors.ts";

const SWEEP_MS = 1000;
/** Descriptors that are not for lines: the server's files. */
const OWN_DESCRIPTORS = 64;

export class Door {
  readonly #server: TokenServer;
  readonly #connections: number;
  readonly #halfOpen: number;
  readonly #links: Set<Link> = new Set();
  /** Lines that had not become links when they were last looked at, oldest first. */
  readonly #greeting: Set<Link> = new Set();
  #stop: () => void;

  /** @param allowed descriptors that this process may have open */
  constructor(server: TokenServer, allowed: number = descriptors()) {
    const { connections, halfOpen } = server.config.limits;
    this.#server = server;
    this.#connections = connections;
    this.#halfOpen = halfOpen;
    if (allowed - OWN_DESCRIPTORS < connections) {
      this.#connections = Math.max(2, allowed - OWN_DESCRIPTORS);
      // Links have room, however many come and say nothing.
      this.#halfOpen = Math.min(halfOpen, Math.ceil(this.#connections / 2));
      const facts = { descriptors: allowed, connections: this.#connections, halfOpen: this.#halfOpen };
      server.log.warn(facts, "the system allows fewer open files than limits.connections takes: there are fewer lines");
    }
    this.#stop = this.#sweepLater();
  }

  /** Links and lines that may become one. */
  get lines(): number {
    return this.#links.size;
  }

  /** The link of a new line; null: the house is full. */
  admit(line: Line): Link | null {
    if (this.#links.size >= this.#connections) {
      this.#say("all lines are taken: who comes is turned away");
      return null;
    }
    for (const link of this.#greeting) {
      if (!link.linked) {
        if (this.#greeting.size < this.#halfOpen) break;
        this.#say("lines that are no links give way to new ones");
        link.closed();
      }
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

  #say(what: string): void {
    this.#server.seldom.warn({ lines: this.#links.size, noLinks: this.#greeting.size }, what);
  }
}
