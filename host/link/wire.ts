// One line to a server as a stream of items each way: taken one by one as the device can open them, sent in order.

import type { Clock } from "../driver/index.ts";
import { ItemReader, type LinkItem } from "../protocol/index.ts";
import { ENDED, LinkFailure } from "./errors.ts";
import type { Line } from "./line.ts";

/** With so much waiting the line is asked to wait, and to go on when it is less than half. */
const PAUSE_BYTES = 262_144;
/** A line that does not take an item in so long is taken for dead. */
const SEND_MS = 30_000;

/** See the head of this file. */
export class Wire {
  readonly address: string;
  readonly #line: Line;
  readonly #clock: Clock;
  /** More than a whole pad can seal cannot be genuine: a line that does not wait is cut there. */
  readonly #mostBytes: number;
  readonly #reader = new ItemReader();
  readonly #items: LinkItem[] = [];
  #bytes = 0;
  #paused = false;
  #taker: { resolve(item: LinkItem): void; reject(error: LinkFailure): void } | null = null;
  #end: LinkFailure | null = null;
  #sending: Promise<void> = Promise.resolve();

  constructor(line: Line, address: string, clock: Clock, padLength: number) {
    this.address = address;
    this.#line = line;
    this.#clock = clock;
    this.#mostBytes = padLength + PAUSE_BYTES;
    line.onData((bytes) => this.#hear(bytes));
    line.onClose((reason) => this.#finish(`${address} ${ENDED}`, reason));
  }

  /** The next item, in order. @throws LinkFailure LINK_LOST, also when there is none within so many milliseconds */
  async next(milliseconds: number = Number.POSITIVE_INFINITY): Promise<LinkItem> {
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#bytes -= item.bytes.length;
      if (this.#paused && this.#bytes < PAUSE_BYTES / 2) this.#resume();
      return item;
    }
    if (this.#end !== null) throw this.#end;
    const coming = new Promise<LinkItem>((resolve, reject) => {
      this.#taker = { resolve, reject };
    });
    if (milliseconds === Number.POSITIVE_INFINITY) return coming;
    return within(this.#clock, milliseconds, coming, () => {
      this.#taker = null;
      return new LinkFailure("LINK_LOST", { reason: `${this.address} said nothing for ${milliseconds / 1000} s` });
    });
  }

  /** Sends an item behind those before it. @throws LinkFailure LINK_LOST */
  send(item: Uint8Array): Promise<void> {
    this.#sending = this.#sending.then(async () => {
      if (this.#end !== null) throw this.#end;
      try {
        await within(this.#clock, SEND_MS, this.#line.write(item), () => new Error(`not in ${SEND_MS / 1000} s`));
      } catch (reason) {
        this.#finish("it takes no more", reason);
        throw this.#end;
      }
    });
    this.#sending.catch(() => {}); // Whoever sends next gets it too.
    return this.#sending;
  }

  /** Ends the line; what came before can still be taken. */
  async close(): Promise<void> {
    this.#finish("it was closed here", undefined);
    await this.#line.close().catch(() => {}); // It is gone: how it ends no longer matters.
  }

  #hear(bytes: Uint8Array): void {
    if (this.#end !== null) return;
    let items: LinkItem[];
    try {
      items = this.#reader.push(bytes);
    } catch (error) {
      this.#cut("what came is no item", error);
      return;
    }
    for (const item of items) {
      if (this.#taker !== null) {
        this.#taker.resolve(item);
        this.#taker = null;
        continue;
      }
      this.#items.push(item);
      this.#bytes += item.bytes.length;
    }
    if (this.#bytes > this.#mostBytes) this.#cut("more came than a pad can hold", undefined);
    else if (!this.#paused && this.#bytes > PAUSE_BYTES) this.#pause();
  }

  #pause(): void {
    this.#paused = true;
    this.#line.pause?.();
  }

  #resume(): void {
    this.#paused = false;
    this.#line.resume?.();
  }

  #cut(reason: string, cause: unknown): void {
    this.#finish(reason, cause);
    this.#line.close().catch(() => {});
  }

  #finish(reason: string, cause: unknown): void {
    this.#end ??= new LinkFailure("LINK_LOST", { reason }, cause);
    this.#taker?.reject(this.#end);
    this.#taker = null;
  }
}

/** What a promise gives, or the error that `late` makes when it takes longer than this. */
export async function within<Result>(
  clock: Clock,
  milliseconds: number,
  promise: Promise<Result>,
  late: () => Error,
): Promise<Result> {
  let cancel = () => {};
  const expired = new Promise<never>((_resolve, reject) => {
    cancel = clock.after(milliseconds, () => reject(late()));
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    cancel();
  }
}
