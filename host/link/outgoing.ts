// The up side of a link: texts that the device seals into boxes at consecutive marks. Every sealed box is on the disk before
// it leaves, so that it can go again as it is, and nothing has to be sealed twice because a line was lost.

import { type ActiveInfo, type Device, DriverError } from "../driver/index.ts";
import { boxCost, type SealedBox, TEXT_MAX_BYTES } from "../protocol/index.ts";
import { LinkFailure } from "./errors.ts";
import { kept, type LinkLog, type LoggedBox, type LoggedCall, type LoggedRequest } from "./log.ts";
import type { Wire } from "./wire.ts";

/** Boxes sealed ahead of the disk and the line. */
const AHEAD_MAX = 16;
const STATE_TEXT_BYTES = 20;

/** The pad bytes that a STATE takes. */
export function stateCost({ burnUnit }: Pick<ActiveInfo, "burnUnit">): number {
  return boxCost(STATE_TEXT_BYTES, burnUnit);
}

export class Outgoing {
  readonly #device: Device;
  readonly #log: LinkLog;
  readonly #wire: Wire;
  readonly #burnUnit: number;
  /** Where the next box is expected to lie. */
  #mark: number;
  #ending = false;

  /** @param mark where the first box of this link will lie */
  constructor(device: Device, log: LinkLog, wire: Wire, { burnUnit }: Pick<ActiveInfo, "burnUnit">, mark: number) {
    this.#device = device;
    this.#log = log;
    this.#wire = wire;
    this.#burnUnit = burnUnit;
    this.#mark = mark;
  }

  /** A STATE that ends the link has left. */
  get ending(): boolean {
    return this.#ending;
  }

  /**
   * Seals and sends the rest of a request.
   * @param goOn is asked before each box, and throws what keeps it from leaving
   * @throws LinkFailure LINK_LOST, NOT_KEPT; what the device fails with
   */
  async request(request: LoggedRequest, goOn: () => void): Promise<void> {
    const { text, boxes } = request;
    const ahead: Promise<void>[] = [];
    try {
      for (let number = request.next; number < boxes; number++) {
        goOn();
        if (!this.#log.requests.has(request.id)) {
          // It was asked once more, and its answer has come after all. Only a new call can end a run that has begun.
          if (number === 0) return;
          throw new LinkFailure("LINK_LOST", { reason: "an answer came late" });
        }
        const at = number * TEXT_MAX_BYTES;
        const length = Math.min(TEXT_MAX_BYTES, text.length - at);
        const piece = await this.#log.read({ at: text.at + at, length });
        const { mark, box } = await this.#device.seal(number === boxes - 1 ? "last" : "data", piece);
        ahead.push(this.#send(mark, length, { request: request.id, number, ends: false }, box));
        if (ahead.length >= AHEAD_MAX) await ahead.shift();
      }
      await Promise.all(ahead);
    } finally {
      await Promise.allSettled(ahead); // What is on its way to the disk counts in the next call.
    }
  }

  /** Sends a STATE that the device has sealed; behind one that ends the link nothing goes up. */
  state({ mark, box }: SealedBox, ends: boolean): Promise<void> {
    this.#ending = ends;
    return this.#send(mark, STATE_TEXT_BYTES, { request: null, number: 0, ends }, box);
  }

  /** Boxes of earlier links, as they were. */
  async again(boxes: readonly LoggedBox[]): Promise<void> {
    for (const box of boxes) await this.#wire.send(await this.#log.read(box.item));
  }

  /** A box that the device has sealed: onto the disk, and then away. */
  #send(
    mark: number,
    textLength: number,
    what: Pick<LoggedBox, "request" | "number" | "ends">,
    box: Uint8Array,
  ): Promise<void> {
    if (mark !== this.#mark) throw new DriverError("MARK_MOVED", { expected: this.#mark, found: mark });
    const cost = boxCost(textLength, this.#burnUnit);
    this.#mark += cost;
    const sent = kept(this.#log.box({ mark, cost, ...what }, box)).then(() => this.#wire.send(box));
    sent.catch(() => {}); // Whoever waits for it gets it.
    return sent;
  }
}

/**
 * The boxes that a call goes on with: those that its server has not opened.
 * @param up what the first receipt says was opened
 * @throws LinkFailure LINK_LOST when they are not all on this disk: the next call knows where they end
 */
export function boxesFrom(log: LinkLog, up: number, { again }: LoggedCall): readonly LoggedBox[] {
  let mark = up;
  for (const box of log.boxes) {
    if (box.mark !== mark) break;
    mark += box.cost;
  }
  if (mark < again) throw new LinkFailure("LINK_LOST", { reason: "what was sealed elsewhere cannot be sent again" });
  return [...log.boxes];
}
