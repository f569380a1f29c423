// The down side of a link: boxes at consecutive marks, opened by the device in their order. Runs are put together and
// handed over; only behind that are pad bytes released, whole boxes at a time and control boxes with them, so that
// whatever was not handed over can be opened again, in this link or the next.

import type { ActiveInfo, Device } from "../driver/index.ts";
import {
  type AddressList,
  boxCost,
  boxOffset,
  decodeAddresses,
  decodeReceipt,
  isDeviceError,
  type LinkItem,
  type Receipt,
} from "../protocol/index.ts";
import { LinkFailure } from "./errors.ts";

/** The most that one RELEASE destroys. */
const RELEASE_MAX_BYTES = 65_536;
/** So much of receipts and other control boxes may stay before it is released without an answer. */
const CONTROL_MAX_BYTES = 16_384;
const FROM_THE_SERVER: readonly string[] = ["data", "last", "receipt", "grant", "addresses"];

/** What comes of the boxes. Each is done before the next box is opened. */
export interface IncomingHooks {
  /** The text of a whole run, which ends at a mark; when it resolves its pad bytes may go. */
  run(text: Uint8Array, end: number): Promise<void>;
  receipt(receipt: Receipt): Promise<void>;
  grant(): Promise<void>;
  addresses(list: AddressList | null, refused: boolean): Promise<void>;
}

export class Incoming {
  readonly #device: Device;
  readonly #shape: ActiveInfo;
  readonly #hooks: IncomingHooks;
  /** The mark up to which everything was handed over before: what lies below is opened for its release only. */
  readonly #delivered: number;
  /** Where the next box lies, and up to where the device has released. */
  #mark: number;
  #released: number;
  /** Boxes from `#released` to `#mark`, by their cost. */
  readonly #costs: number[] = [];
  #parts: Uint8Array[] = [];
  #inRun = false;

  constructor(device: Device, shape: ActiveInfo, delivered: number, hooks: IncomingHooks) {
    this.#device = device;
    this.#shape = shape;
    this.#hooks = hooks;
    this.#delivered = delivered;
    this.#mark = shape.down.used;
    this.#released = shape.down.used;
  }

  /** Where the next box lies. */
  get mark(): number {
    return this.#mark;
  }

  /** Up to where the device has released. */
  get released(): number {
    return this.#released;
  }

  /** Whether a run has begun that is not whole yet. */
  get inRun(): boolean {
    return this.#inRun;
  }

  /** Whether enough of control boxes has come together for a release of its own. */
  get releaseDue(): boolean {
    return !this.#inRun && this.#mark - this.#released > CONTROL_MAX_BYTES;
  }

  /**
   * Opens the next box and does what it says.
   * @throws LinkFailure LINK_LOST for what is no box of this link; what the device fails with
   */
  async take(item: LinkItem): Promise<void> {
    if (!FROM_THE_SERVER.includes(item.kind)) throw new LinkFailure("LINK_LOST", { reason: `a ${item.kind} came` });
    const cost = boxCost(item.textLength, this.#shape.burnUnit);
    const opened = await this.#openNext(cost, item.bytes);
    this.#mark += cost;
    this.#costs.push(cost);
    switch (opened.kind) {
      case "data":
      case "last":
        return this.#part(opened.text, opened.kind === "last");
      case "receipt": {
        const receipt = decodeReceipt(opened.text);
        return receipt === null ? undefined : this.#hooks.receipt(receipt);
      }
      case "grant":
        return opened.refused ? undefined : this.#hooks.grant();
      case "addresses":
        return this.#hooks.addresses(decodeAddresses(opened.text), opened.refused);
      default:
        throw new Error(`the device opened a ${opened.kind}`);
    }
  }

  /** Destroys the pad bytes of all boxes opened so far; they must have been handed over, for good. */
  async release(): Promise<void> {
    while (this.#costs.length > 0) {
      let count = 0;
      let length = 0;
      for (const cost of this.#costs) {
        if (length + cost > RELEASE_MAX_BYTES) break;
        length += cost;
        count++;
      }
      await this.#device.release(boxOffset(this.#shape, "down", this.#released, length), length);
      this.#costs.splice(0, count);
      this.#released += length;
    }
  }

  /**
   * The box at the mark, or else the first that comes behind what the server sealed and then lost with its database: that is a
   * gap in down. What lies in it is never used again, and a run that it broke is never whole.
   */
  async #openNext(cost: number, box: Uint8Array): ReturnType<Device["open"]> {
    try {
      return await this.#open(this.#mark, cost, box);
    } catch (error) {
      const { lost } = await this.#device.value();
      if (!(error instanceof LinkFailure) || lost <= this.#mark) throw error;
      const opened = await this.#open(lost, cost, box);
      // The gap is released with what comes behind it.
      for (; this.#mark < lost; this.#mark += RELEASE_MAX_BYTES) {
        this.#costs.push(Math.min(RELEASE_MAX_BYTES, lost - this.#mark));
      }
      this.#mark = lost;
      this.#parts = [];
      this.#inRun = false;
      return opened;
    }
  }

  async #open(mark: number, cost: number, box: Uint8Array): ReturnType<Device["open"]> {
    try {
      return await this.#device.open(boxOffset(this.#shape, "down", mark, cost), box);
    } catch (error) {
      if (
        isDeviceError(error, "AUTH_FAILED") ||
        isDeviceError(error, "BOX_USED") ||
        isDeviceError(error, "BAD_ARGUMENT")
      ) {
        throw new LinkFailure("LINK_LOST", { reason: "what came is no box of this link" }, error);
      }
      throw error;
    }
  }

  async #part(text: Uint8Array, ends: boolean): Promise<void> {
    const known = this.#mark <= this.#delivered;
    if (!known) this.#parts.push(text);
    this.#inRun = !ends;
    if (!ends) return;
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    if (!known) await this.#hooks.run(new Uint8Array(whole.buffer, whole.byteOffset, whole.length), this.#mark);
    await this.release();
  }
}
