// A link of a token to its server, kept up: requests go up as runs of boxes, answers come down, and what happens to the
// line, to the device or to this process on the way changes nothing about either. Every sealed box is on the disk before it
// leaves, and goes again as it is until the server is known to have opened it; a text whose box cannot arrive any more is
// sealed anew under bytes never used before; a request keeps its id, under which the server answers and charges it once.
//
// One loop does all that goes up (drive), another all that comes down (receive). Each error of one connection ends the
// connection; as long as somebody waits for something, the drive makes another, with patience that ends.

import {
  type ActiveInfo,
  type Clock,
  type Device,
  lastWord,
  mayComeBack,
  mustBeActive,
  regain,
  SETBACKS_MAX,
  type Transport,
  type Value,
} from "../driver/index.ts";
import {
  type AddressList,
  isDeviceError,
  isToken,
  type LinkItem,
  type Notes,
  type Receipt,
  roomOf,
  runCost,
  type StateRequest,
  TEXT_MAX_BYTES,
} from "../protocol/index.ts";
import { Answers } from "./answers.ts";
import { addressesOf, type CallEvent, type Caller, placeCall, withPresence } from "./call.ts";
import { isLinkFailure, LinkFailure, type LinkFailureCode } from "./errors.ts";
import { Incoming } from "./incoming.ts";
import { openLine } from "./line.ts";
import { kept, LinkLog, type LoggedCall, type LoggedRequest } from "./log.ts";
import { boxesFrom, Outgoing, stateCost } from "./outgoing.ts";
import { type Answer, askedIn, encodeRequest, newId } from "./request.ts";
import type { Wire } from "./wire.ts";

/** What a server takes from the tag to its first receipt. */
const RECEIPT_MS = 30_000;
/** After so much silence with an answer due the line is taken for dead; twice as much each time that it was not. */
const SILENCE_MS = 30_000;
/** How long a request that does not fit waits for each grant. */
const GRANT_MS = 10_000;
/** What was released and not acknowledged yet is acknowledged from so much on. */
const ACKNOWLEDGE_BYTES = 65_536;

const RETRIED: readonly LinkFailureCode[] = ["LINK_LOST", "NO_ADDRESS_ANSWERED", "CALL_REFUSED"];

/** What happens to a link. Nothing of it has to be answered. */
export type LinkEvent =
  | CallEvent
  /** The server's notes to the owner, when one of the first two is there. */
  | ({ readonly kind: "notice" } & Notes)
  | { readonly kind: "linked"; readonly address: string; readonly call: number; readonly receipt: Receipt }
  | { readonly kind: "receipt"; readonly receipt: Receipt }
  | { readonly kind: "granted"; readonly split: number }
  /** `list` is what the server sent; refused, the device keeps the one that it has. */
  | { readonly kind: "addresses"; readonly list: AddressList | null; readonly refused: boolean }
  | { readonly kind: "lost"; readonly error: unknown }
  /** The link ended with this receipt. */
  | { readonly kind: "ended"; readonly receipt: Receipt };

export interface LinkOptions {
  /** Where sealed boxes and requests are kept until they are answered: the same each time for the same token. */
  readonly directory: string;
  /** Instead of those on the device. */
  readonly addresses?: readonly string[];
  /**
   * What may be debited, minor units; the owner's limit when nothing is given. Above the limit the device wants its button,
   * and again each time that a lost link is made anew.
   */
  readonly cap?: bigint;
  /**
   * Answers stay on the disk, and are pending in the next link, until they are forgotten: for whoever has to bring them to
   * where they belong. Not held are those that say that a service failed.
   */
  readonly holds?: boolean;
  /** How an address is reached: `tcp://host:port`, `ws://host:port` and `wss://host:port` when nothing is given. */
  readonly connect?: (address: string) => Promise<Transport>;
  readonly clock?: Clock;
  /** The device waits for its button. */
  readonly onPresence?: () => void;
  readonly onEvent?: (event: LinkEvent) => void;
}

/** A request that an earlier process made, or that a lost link left behind: its answer was handed to nobody yet. */
export interface Pending {
  readonly id: string;
  readonly service: string;
  /** Of the request, as it was given. */
  readonly body: unknown;
  /** The answer, which counts as handed over then, unless the link holds answers. @throws as {@link Link.request} does */
  answer(): Promise<Answer>;
}

/**
 * Calls the server of a token, and finishes what an earlier link of the same directory left.
 * @throws LinkFailure NO_ADDRESS_ANSWERED, CALL_REFUSED, DEVICE_OLDER, SERVER_OLDER, PRESENCE_REFUSED, NOT_A_TOKEN …;
 *   DriverError for disk and device
 */
export async function openLink(device: Device, options: LinkOptions): Promise<Link> {
  const found = await device.info();
  const { state } = found;
  if (state === "blank" || state === "filling") throw new LinkFailure("NOT_A_TOKEN", { state });
  const info = mustBeActive(found);
  if (info.side !== "low" || !isToken(info)) throw new LinkFailure("NOT_A_TOKEN", { state });
  const value = await device.value();
  const log = await LinkLog.open(options.directory, info.serial);
  const link = new Link(device, info, value, log, options);
  try {
    await link.connected({ patient: false });
  } catch (error) {
    await link.abandon();
    throw error;
  }
  return link;
}

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/** A STATE that is to be sealed. */
interface Order {
  readonly cap: bigint;
  readonly ends: boolean;
  readonly waiter: Waiter | null;
}

/** One line, from the server's first receipt to its end. */
interface Connection {
  readonly wire: Wire;
  readonly incoming: Incoming;
  readonly outgoing: Outgoing;
  /** What of down this link has acknowledged. */
  acknowledged: number;
  /** The last one that came. */
  receipt: Receipt;
  error: unknown;
  /** Resolves when the item that came last is worked off, its release included. */
  worked: Promise<void>;
  /** Resolves when nothing of what came is worked on any more. */
  received: Promise<void>;
}

/** See {@link openLink}. */
export class Link {
  readonly #device: Device;
  readonly #info: ActiveInfo;
  readonly #log: LinkLog;
  readonly #options: LinkOptions;
  readonly #caller: Caller;
  #value: Value;
  /** What may be debited, all links of this object together, and what answers said was. */
  #cap: bigint;
  #charged = 0n;
  /** A call that was tried once more, and is not again. */
  #repeated: LoggedCall | null = null;
  #receipt: Receipt | null = null;
  #connection: Connection | null = null;
  readonly #answers: Answers;
  /** Those who wait for a connection, and for STATEs. */
  #callers: (Waiter & { readonly patient: boolean })[] = [];
  #orders: Order[] = [];
  #driving: Promise<void> | null = null;
  #wake = () => {};
  #woken = false;
  /** Items and grants that came, and whether anything moved on since the last setback. */
  #heard = 0;
  #grants = 0;
  #progressed = false;
  #silence = SILENCE_MS;
  /** The last connection ended because an answer did not come. */
  #unanswered = false;
  #closing: Promise<Receipt> | null = null;
  #ended = false;
  #logClosed: Promise<void> | null = null;

  constructor(device: Device, info: ActiveInfo, value: Value, log: LinkLog, options: LinkOptions) {
    this.#device = device;
    this.#info = info;
    this.#value = value;
    this.#log = log;
    this.#answers = new Answers(log, options.holds === true);
    this.#options = options;
    this.#cap = options.cap ?? value.limit;
    this.#caller = {
      device,
      log,
      clock: options.clock ?? device.clock,
      connect: options.connect ?? openLine,
      onPresence: () => options.onPresence?.(),
      onEvent: (event) => options.onEvent?.(event),
    };
  }

  /** What the device knows of its money: at most `receipt.balance`, and at least that less `openCaps`. */
  get value(): Value {
    return this.#value;
  }

  /**
   * Asks a service. The request is refused whole, before its first box, when it does not fit; from then on it survives
   * lost lines and devices, and this process. `body` is anything that CBOR can say.
   * @throws LinkFailure SERVICE_ERROR or CAP_EXCEEDED when the service failed; NEED_GRANT or PAD_EXHAUSTED with nothing used;
   *   LINK_LOST or LINK_CLOSED when there is no answer yet: it is in {@link pending} then
   */
  async request(service: string, body: unknown): Promise<Answer> {
    this.#mustBeOpen();
    const id = newId();
    const text = encodeRequest(id, service, body);
    await this.connected({ patient: true });
    this.#mustBeOpen();
    const { boxes } = runCost(text.length, this.#info.burnUnit);
    const answered = this.#answers.wait(id);
    try {
      await this.#log.request(id, boxes, text);
    } catch (error) {
      this.#answers.fail(id, error);
      throw error;
    }
    this.#drive();
    return answered;
  }

  /** Requests whose answers were handed to nobody, oldest first. */
  async pending(): Promise<Pending[]> {
    return Promise.all(
      this.#answers.pending.map(async (request) => ({
        id: request.id,
        ...askedIn(await this.#log.read(request.text)),
        answer: () => this.#claim(request),
      })),
    );
  }

  /**
   * In a link that holds answers: this one is where it belongs. Also when the link is closed, until it is abandoned.
   * @throws DriverError DISK_FULL, DISK_FAILED: then it is pending once more in the next link
   */
  forget({ id }: Pick<Answer, "id">): Promise<void> {
    return this.#answers.forget(id);
  }

  /** Allows so much more to be debited. Above the owner's limit the device wants its button. */
  async raise(cap: bigint): Promise<void> {
    this.#mustBeOpen();
    await this.#order(cap, false);
  }

  /**
   * Ends the link and returns the server's final receipt. What is not answered by then stays for the next link. One that
   * holds answers still takes what is to be forgotten, and is abandoned then.
   * @throws LinkFailure LINK_LOST when the final receipt could not be had; the link is closed all the same
   */
  close(): Promise<Receipt> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Resolves when there is a connection. Without patience, servers that do not answer are the end of it at once. */
  connected({ patient }: { patient: boolean }): Promise<void> {
    if (this.#isUp) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#callers.push({ resolve, reject, patient });
      this.#drive();
    });
  }

  /** Lets the link go as it is, without a word to the server: what is under way stays for the next one. */
  async abandon(): Promise<void> {
    await this.#end();
    await this.#closeLog();
  }

  async #end(): Promise<void> {
    this.#ended = true;
    this.#closing ??= Promise.reject(new LinkFailure("LINK_CLOSED", {}));
    this.#closing.catch(() => {}); // Whoever closes it gets it.
    this.#failAll(new LinkFailure("LINK_CLOSED", {}));
    await this.#disconnect();
    this.#nudge();
    await this.#driving;
  }

  #closeLog(): Promise<void> {
    this.#logClosed ??= this.#log
      .tidy({ whole: true })
      .catch(() => {}) // It is only larger than it need be.
      .then(() => this.#log.close());
    return this.#logClosed;
  }

  async #close(): Promise<Receipt> {
    try {
      // A link that the server has ended needs no other to end it.
      if (!this.#isUp && this.#receipt?.ends) return this.#receipt;
      await this.#order(0n, true);
      if (this.#receipt === null) throw new LinkFailure("LINK_LOST", { reason: "no receipt came" });
      return this.#receipt;
    } finally {
      await this.#end();
      if (this.#options.holds !== true) await this.#closeLog();
    }
  }

  get #isUp(): boolean {
    return this.#connection !== null && !this.#connection.error;
  }

  #mustBeOpen(): void {
    if (this.#closing !== null) throw new LinkFailure("LINK_CLOSED", {});
  }

  async #claim(request: LoggedRequest): Promise<Answer> {
    this.#mustBeOpen();
    const answered = this.#answers.claim(request);
    this.#drive();
    return answered;
  }

  #order(cap: bigint, ends: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#orders.push({ cap, ends, waiter: { resolve, reject } });
      this.#drive();
    });
  }

  // What goes up.

  #drive(): void {
    this.#woken = true;
    this.#wake();
    this.#driving ??= this.#driveOn().finally(() => {
      this.#driving = null;
      if (this.#hasWork) this.#drive(); // It came while the last of it ended.
    });
  }

  get #hasWork(): boolean {
    return !this.#ended && (this.#callers.length > 0 || this.#answers.isAwaited || this.#orders.length > 0);
  }

  async #driveOn(): Promise<void> {
    for (let setbacks = 0; this.#hasWork; ) {
      try {
        this.#woken = false;
        if (this.#connection?.error) throw this.#connection.error;
        const connection = this.#connection ?? (await this.#connect(setbacks));
        for (const { resolve } of this.#callers.splice(0)) resolve();
        await this.#sealRequests(connection);
        await this.#sealOrders(connection);
        if (this.#hasWork) await this.#pause(connection);
      } catch (error) {
        if (this.#connection !== null) this.#lose(this.#connection, error);
        await this.#disconnect();
        setbacks = this.#progressed ? 1 : setbacks + 1;
        this.#progressed = false;
        const patient = this.#callers.every(({ patient }) => patient) || this.#isLost(error);
        if (!patient || setbacks > SETBACKS_MAX || !this.#mayGoOn(error)) this.#failAll(lastWord(error));
      }
    }
  }

  /** Until something is to be done, or the connection ended. @throws LinkFailure LINK_LOST after too much silence */
  async #pause(connection: Connection): Promise<void> {
    if (this.#woken) return;
    const heard = this.#heard;
    let expired = false;
    await new Promise<void>((resolve) => {
      const cancel = this.#caller.clock.after(this.#silence, () => {
        expired = true;
        resolve();
      });
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = () => {};
    if (!expired || this.#heard > heard || connection.error) return;
    const reason = `${connection.wire.address} said nothing for ${this.#silence / 1000} s`;
    this.#silence *= 2;
    this.#unanswered = true;
    throw new LinkFailure("LINK_LOST", { reason });
  }

  async #sealRequests(connection: Connection): Promise<void> {
    for (const request of this.#log.requests.values()) {
      if (connection.outgoing.ending) return;
      if (request.answer === null && request.next < request.boxes) await this.#sealRequest(connection, request);
    }
  }

  async #sealRequest(connection: Connection, request: LoggedRequest): Promise<void> {
    const { text, next } = request;
    const { padBytes } = runCost(text.length - next * TEXT_MAX_BYTES, this.#info.burnUnit);
    const refusal = await this.#refusal(connection, padBytes);
    if (refusal !== null) {
      await this.#giveUp(request, refusal);
      // Only a new call can tell the server that a run which has begun will not be ended.
      if (next > 0) throw new LinkFailure("LINK_LOST", { reason: "a request was given up" }, refusal);
      return;
    }
    await connection.outgoing.request(request, () => {
      if (connection.error) throw connection.error;
    });
  }

  /** Why so many pad bytes cannot be sealed, after the server was asked for them as long as it gave some; or null. */
  async #refusal(connection: Connection, padBytes: number): Promise<LinkFailure | null> {
    const state = stateCost(this.#info);
    // What ends the link should fit as well.
    const needed = padBytes + state;
    for (;;) {
      const granted = this.#grants;
      const { now: room, afterGrant } = roomOf(mustBeActive(await this.#device.info()));
      if (needed <= room) return null;
      if (needed > afterGrant) return new LinkFailure("PAD_EXHAUSTED", { needed, room });
      // Without room to ask there is nothing but to wait: a server does not let it come to that for long.
      if (room >= state) await this.#sealState(connection, { cap: 0n, ends: false, wantsRoom: true });
      await this.#grantSince(granted, connection);
      if (this.#grants === granted) return new LinkFailure("NEED_GRANT", { needed, room });
    }
  }

  /** Until there were more grants than so many, the connection ended, or it took too long. */
  async #grantSince(grants: number, connection: Connection): Promise<void> {
    for (let late = false; this.#grants === grants && !late; ) {
      if (connection.error) throw connection.error;
      await new Promise<void>((resolve) => {
        const cancel = this.#caller.clock.after(GRANT_MS, () => {
          late = true;
          resolve();
        });
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
      this.#wake = () => {};
    }
  }

  async #giveUp(request: LoggedRequest, refusal: LinkFailure): Promise<void> {
    const boxes = request.asked ? request.boxes : request.next;
    await kept(this.#log.drop(request.id));
    const error = boxes === 0 ? refusal : new LinkFailure("GIVEN_UP", { boxes, of: request.boxes }, refusal);
    this.#answers.fail(request.id, error);
  }

  async #sealOrders(connection: Connection): Promise<void> {
    while (!connection.outgoing.ending && this.#orders.length > 0) {
      const order = this.#orders[0] as Order;
      try {
        await this.#sealState(connection, { cap: order.cap, ends: order.ends, wantsRoom: false });
      } catch (error) {
        const refused = error instanceof LinkFailure && error.code === "PRESENCE_REFUSED";
        if (!refused && !isDeviceError(error, "NEED_GRANT") && !isDeviceError(error, "EXHAUSTED")) throw error;
        this.#orders.shift();
        // Without room for it the link ends as it is.
        if (order.ends) order.waiter?.resolve();
        else order.waiter?.reject(error);
        continue;
      }
      if (order.ends) return; // Until the final receipt has come.
      this.#orders.shift();
      this.#cap += order.cap;
      order.waiter?.resolve();
    }
  }

  async #sealState(connection: Connection, request: Required<StateRequest>): Promise<void> {
    await connection.worked; // So that it tells all that was released.
    const { released } = connection.incoming;
    const sealed = await withPresence(this.#caller, () => this.#device.state(request));
    connection.acknowledged = released;
    await connection.outgoing.state(sealed, request.ends);
  }

  // What comes down.

  async #receive(connection: Connection): Promise<void> {
    try {
      while (!connection.error) {
        const item = await connection.wire.next();
        const working = this.#take(connection, item);
        connection.worked = working.catch(() => {}); // It is thrown here.
        await working;
      }
    } catch (error) {
      this.#lose(connection, error);
    }
  }

  #lose(connection: Connection, error: unknown): void {
    if (connection.error) return;
    connection.error = error;
    this.#tell({ kind: "lost", error });
    this.#nudge();
  }

  async #take(connection: Connection, item: LinkItem): Promise<void> {
    const { incoming } = connection;
    await incoming.take(item);
    this.#heard++;
    const { receipt } = connection;
    if ((receipt.ends && !incoming.inRun) || incoming.releaseDue) {
      await kept(this.#log.deliver(incoming.mark));
      await incoming.release();
    }
    if (receipt.ends) {
      this.#finish(connection, receipt);
    } else if (incoming.released - connection.acknowledged >= ACKNOWLEDGE_BYTES && this.#orders.length === 0) {
      this.#orders.push({ cap: 0n, ends: false, waiter: null });
      this.#drive();
    }
  }

  /** The link ended with its final receipt: because it was asked for here, or because the server has ended it. */
  #finish(connection: Connection, receipt: Receipt): void {
    connection.error = receipt.closed
      ? new LinkFailure("VALUE_CLOSED", { balance: receipt.balance })
      : new LinkFailure("LINK_LOST", { reason: "the server ended it" });
    const [order] = this.#orders;
    if (connection.outgoing.ending && order?.ends) {
      this.#ended = true;
      order.waiter?.resolve();
    }
    this.#tell({ kind: "ended", receipt });
    this.#nudge();
  }

  async #onRun(text: Uint8Array, end: number): Promise<void> {
    const charged = await this.#answers.take(text, end);
    if (charged === null) return;
    this.#charged += charged;
    this.#progressed = true;
    this.#silence = SILENCE_MS;
    this.#nudge();
    await this.#log.tidy().catch(() => {}); // It is only larger than it need be.
  }

  async #onReceipt(receipt: Receipt): Promise<void> {
    this.#value = await this.#device.value();
    if (receipt.sequence >= (this.#receipt?.sequence ?? 0)) this.#receipt = receipt;
    if (receipt.up > this.#log.acknowledged) this.#progressed = true;
    await kept(this.#log.acknowledge(receipt.up));
    this.#tell({ kind: "receipt", receipt });
  }

  // The connection.

  async #connect(setbacks: number): Promise<Connection> {
    const info = mustBeActive(await regain(this.#device, this.#info, setbacks));
    this.#mustNotBeOlder(info);
    // What this program did not hand over and is released nevertheless, another program has opened.
    if (info.down.used > this.#log.delivered) await kept(this.#log.anew(info.down.used));
    await this.#giveUpWhatCannotEnd(info);
    const addresses = this.#options.addresses ?? (await addressesOf(this.#device));
    const cap = this.#cap > this.#charged ? this.#cap - this.#charged : 0n;
    const mayRepeat = this.#log.call !== this.#repeated;
    const { wire, call, repeated } = await placeCall(this.#caller, info, addresses, cap, mayRepeat).catch((error) => {
      throw isLinkFailure(error, "CALL_REFUSED") ? this.#refused(error) : error;
    });
    if (repeated) this.#repeated = call;
    try {
      if (!repeated) await this.#tellNotes();
      const connection = await this.#begin(wire, call, info);
      await this.#askAgain();
      return connection;
    } catch (error) {
      await wire.close();
      throw error;
    }
  }

  /** A server that refuses what it took a moment ago has ended the link itself. */
  #refused({ facts }: LinkFailure<"CALL_REFUSED">): LinkFailure {
    return new LinkFailure("CALL_REFUSED", { ...facts, linked: this.#receipt !== null });
  }

  /** What the welcome said beside, which only the device could read. */
  async #tellNotes(): Promise<void> {
    const { notes } = await this.#device.value();
    if (notes.heardAgain || notes.inDoubt) this.#tell({ kind: "notice", ...notes });
  }

  /**
   * What the server has opened and does not answer, also not with what a new link brings first, it has lost: it is asked once
   * more, under the same ids, under which nothing is done or charged twice (SPEC section 15).
   */
  async #askAgain(): Promise<void> {
    if (!this.#unanswered) return;
    this.#unanswered = false;
    for (const { id } of this.#log.opened()) await kept(this.#log.again(id));
  }

  /** From READY to the first receipt of the link, and what is sent again after it. */
  async #begin(wire: Wire, call: LoggedCall, info: ActiveInfo): Promise<Connection> {
    const number = call.slot + 1;
    let receipt: Receipt | null = null;
    const incoming = new Incoming(this.#device, info, this.#log.delivered, {
      run: (text, end) => this.#onRun(text, end),
      receipt: async (heard) => {
        await this.#onReceipt(heard);
        if (heard.call === number) receipt = heard;
        if (connection !== null) connection.receipt = heard;
      },
      grant: async () => {
        this.#grants++;
        this.#tell({ kind: "granted", split: (await this.#device.info()).split });
        this.#nudge();
      },
      addresses: async (list, refused) => this.#tell({ kind: "addresses", list, refused }),
    });
    let connection: Connection | null = null;
    while (receipt === null) await incoming.take(await wire.next(RECEIPT_MS));
    const first = receipt as Receipt;
    if (first.closed) throw new LinkFailure("VALUE_CLOSED", { balance: first.balance });
    const boxes = boxesFrom(this.#log, first.up, call);
    connection = {
      wire,
      incoming,
      outgoing: new Outgoing(this.#device, this.#log, wire, info, call.next),
      receipt: first,
      acknowledged: call.down,
      error: null,
      worked: Promise.resolve(),
      received: Promise.resolve(),
    };
    this.#connection = connection;
    this.#tell({ kind: "linked", address: wire.address, call: number, receipt: first });
    connection.received = this.#receive(connection);
    await connection.outgoing.again(boxes);
    return connection;
  }

  #mustNotBeOlder(info: ActiveInfo): void {
    const { end, call, acknowledged } = this.#log;
    const known = Math.max(end, acknowledged);
    if (info.up.used < known) throw new LinkFailure("DEVICE_OLDER", { what: "up used", device: info.up.used, known });
    if (call !== null && info.nextSlot <= call.slot) {
      throw new LinkFailure("DEVICE_OLDER", { what: "next slot", device: info.nextSlot, known: call.slot + 1 });
    }
  }

  /** A run that has begun and whose rest does not fit any more, since boxes were lost on the way. */
  async #giveUpWhatCannotEnd(info: ActiveInfo): Promise<void> {
    const { now: room, afterGrant } = roomOf(info);
    for (const request of [...this.#log.requests.values()]) {
      if (request.next === 0 || request.next >= request.boxes) continue;
      const needed = runCost(request.text.length - request.next * TEXT_MAX_BYTES, info.burnUnit).padBytes;
      if (needed > afterGrant) await this.#giveUp(request, new LinkFailure("PAD_EXHAUSTED", { needed, room }));
    }
  }

  async #disconnect(): Promise<void> {
    const connection = this.#connection;
    if (connection === null) return;
    this.#connection = null;
    connection.error ??= new LinkFailure("LINK_CLOSED", {});
    await connection.wire.close();
    // What comes next looks at the marks: nobody may move them then.
    await connection.received;
  }

  /** Whether it was there, and may be there again. */
  #isLost(error: unknown): boolean {
    if (error instanceof LinkFailure) return error.code === "LINK_LOST";
    // The device has forgotten its link without a new session.
    return (
      mayComeBack(this.#device, error) || isDeviceError(error, "CALL_FIRST") || isDeviceError(error, "NOT_VERIFIED")
    );
  }

  #mayGoOn(error: unknown): boolean {
    return this.#isLost(error) || (error instanceof LinkFailure && RETRIED.includes(error.code));
  }

  /** The end of patience: what was asked stays on the disk, and whoever waits is told. */
  #failAll(error: unknown): void {
    const unreached = error instanceof LinkFailure && error.code !== "LINK_LOST" && RETRIED.includes(error.code);
    const refused = isLinkFailure(error, "CALL_REFUSED");
    const reason = refused ? "the server ended it, and takes no other" : "the server was not reached again";
    this.#answers.failAll(unreached ? new LinkFailure("LINK_LOST", { reason }, error) : error);
    const waiting = [...this.#callers.splice(0), ...this.#orders.splice(0).map(({ waiter }) => waiter)];
    for (const waiter of waiting) waiter?.reject(error);
  }

  #nudge(): void {
    this.#woken = true;
    this.#wake();
  }

  #tell(event: LinkEvent): void {
    this.#options.onEvent?.(event);
  }
}
