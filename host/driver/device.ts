// A device as a host talks to it: one method per command, each answered or failed by name (SPEC sections 7 and 8).
//
// The promise: a command is executed at most once. A frame that is not answered is sent again unchanged, and the device
// answers a frame it knows without executing it again. Where that ends in doubt (no answer at all, or an error that may
// belong to an earlier copy of the frame), the session ends with it: the next command begins a new one, and no late reply
// can be taken for another's. Late, foreign and damaged frames are dropped. Commands given at once wait for their turn.

import {
  type Begun,
  type BoxKind,
  type Call,
  type Command,
  commands,
  DeviceError,
  decodeError,
  encodeFrame,
  type FillParameters,
  type Frame,
  FrameDecoder,
  type FrameFault,
  type Hello,
  type Info,
  type OpenedBox,
  type Opening,
  PROTOCOL,
  type ReadyRequest,
  type SealedBox,
  type StateRequest,
  type Value,
} from "../protocol/index.ts";
import { type Clock, systemClock } from "./clock.ts";
import { DriverError } from "./errors.ts";
import type { Transport } from "./transport.ts";

/** The device needs at most 2 s for a command. */
const REPLY_MS = 3000;
/** A damaged reply is asked for again once the line has been silent for so long. */
const QUIET_MS = 50;
const ATTEMPTS = 4;
const ERROR_TYPE = 0xff;
const REPLY_BIT = 0x80;
/** INFO, PAGE and VALUE are answered at any sequence: theirs start here, so that no reply fits two requests. */
const ASIDE_SEQUENCE = 0x80000000;

/** How a greeting ends that nobody answers. Before the first answer it has a name of its own: nothing can be in doubt yet. */
const UNANSWERED: readonly string[] = ["TIMEOUT", "BAD_REPLY", "DEVICE_LOST"];

const ENDS_SESSION: readonly string[] = ["NO_SESSION", "WRONG_SEQUENCE"];

/** How to reach a device (again, after it was lost). */
export type Connect = () => Promise<Transport>;

/**
 * Begins a session with the device behind a transport. Given a function, it can reach the device again after it was lost
 * (see {@link Device.hello}); given a transport, its end is the end.
 * @throws DriverError NO_ANSWER, PROTOCOL_UNKNOWN, and what the function throws
 */
export async function openDevice(
  transport: Transport | Connect,
  { clock = systemClock }: { clock?: Clock } = {},
): Promise<Device> {
  const device = new Device(transport, clock);
  try {
    await device.hello();
  } catch (error) {
    await device.close();
    throw error;
  }
  return device;
}

type Reading<Reply> = { readonly reply: Reply } | { readonly error: DeviceError } | "damaged" | "foreign";

interface Exchange {
  hear(heard: Frame | FrameFault): void;
  fail(error: DriverError): void;
}

/** See {@link openDevice}. Every method throws DeviceError as the device answers, or DriverError when it does not. */
export class Device {
  readonly clock: Clock;
  readonly #connect: Connect | null;
  #transport: Transport | null = null;
  /** How the last transport ended. */
  #end: DriverError = new DriverError("DEVICE_LOST", {});
  #decoder = new FrameDecoder();
  /** Whether anything came from the line, and whether it was ever a device's answer to a greeting. */
  #heard = false;
  #met = false;
  #session: number | null = null;
  #sequence = 0;
  #asideSequence = 0;
  #exchange: Exchange | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(transport: Transport | Connect, clock: Clock) {
    this.clock = clock;
    this.#connect = typeof transport === "function" ? transport : null;
    if (typeof transport !== "function") this.#attach(transport);
  }

  /** Whether the device was lost and cannot be reached again through this object. */
  get gone(): boolean {
    return this.#transport === null && this.#connect === null;
  }

  /** Begins a new session, after reaching the device again when it was lost. */
  hello(): Promise<Hello> {
    return this.#inTurn(() => this.#hello());
  }

  /** What the device says about itself. Changes nothing. */
  info(): Promise<Info> {
    return this.request(commands.info, undefined);
  }

  /** The 256 bytes of an identity page in force: 0 identity, 1 connection, 2 encryption. Changes nothing. */
  page(page: number): Promise<Uint8Array> {
    return this.request(commands.page, { page });
  }

  /** The money that the device knows of, and how it stands to its server. Changes nothing. */
  value(): Promise<Value> {
    return this.request(commands.value, undefined);
  }

  /** Begins a fill; see fillDevice for the whole of it. */
  fill(parameters: FillParameters): Promise<void> {
    return this.request(commands.fill, parameters);
  }

  /** Writes the next pad bytes of a fill, a multiple of 256 and at most 4,096; returns the next offset. */
  async write(offset: number, bytes: Uint8Array): Promise<number> {
    return (await this.request(commands.write, { offset, bytes })).next;
  }

  /** Ends a fill: the device checks that the Poly1305 of its pad under `key` is `tag`. */
  commit(key: Uint8Array, tag: Uint8Array): Promise<void> {
    return this.request(commands.commit, { key, tag });
  }

  /** Takes a slot and begins a segment: of a new run (null), or of the run that began at a mark. */
  begin(run: number | null, number: number): Promise<Begun> {
    return this.request(commands.begin, { run, number });
  }

  /** Seals at most 4,096 bytes of text. The pad bytes of the box are gone when it returns. */
  seal(kind: BoxKind, text: Uint8Array): Promise<SealedBox> {
    return this.request(commands.seal, { kind, text });
  }

  /** Raises the split (high only), durably; returns the split now held. */
  async raise(split: number): Promise<number> {
    return (await this.request(commands.raise, { split })).split;
  }

  /** Finds the slot with this tag and opens a segment's opening. */
  find(tag: Uint8Array, openingItem: Uint8Array): Promise<Opening> {
    return this.request(commands.find, { tag, openingItem });
  }

  /** Verifies a box at an offset and gives out its text; a token takes what a control box tells it. Consumes nothing. */
  open(offset: number, box: Uint8Array): Promise<OpenedBox> {
    return this.request(commands.open, { offset, box });
  }

  /** Destroys pad bytes of verified boxes, at most 65,536; returns the used mark of their direction. */
  async release(offset: number, length: number): Promise<number> {
    return (await this.request(commands.release, { offset, length })).used;
  }

  /** Destroys the slot that the last find found. */
  releaseSlot(slot: number): Promise<void> {
    return this.request(commands.releaseSlot, { slot });
  }

  /** The item of the next call of a token; with `skip` the slot of the last one is given up first. */
  call(skip: boolean): Promise<Call> {
    return this.request(commands.call, { skip });
  }

  /** Opens the server's welcome and returns the READY item: a slot is used, and the cap may be debited from then on. */
  ready(request: ReadyRequest): Promise<Uint8Array> {
    return this.request(commands.ready, request);
  }

  /** Seals what the device has and allows. */
  state(request: StateRequest): Promise<SealedBox> {
    return this.request(commands.state, request);
  }

  /** Ends the transport. A command under way fails with DEVICE_LOST. */
  async close(): Promise<void> {
    const transport = this.#transport;
    if (transport === null) return;
    this.#detach(transport);
    await transport.close();
  }

  /**
   * Sends one command of SPEC section 8 and returns its reply. When the last one ended its session it begins another
   * first; a device that was lost stays lost until hello.
   */
  request<Request, Reply>(command: Command<Request, Reply>, request: Request): Promise<Reply> {
    const payload = command.encode(request);
    return this.#inTurn(async () => {
      if (this.#transport === null) throw new DriverError("DEVICE_LOST", {});
      if (command.aside) {
        this.#asideSequence = (this.#asideSequence + 1) % ASIDE_SEQUENCE;
        const sequence = ASIDE_SEQUENCE + this.#asideSequence;
        return this.#ask(command, { type: command.type, sequence, session: this.#session ?? 0, payload });
      }
      const session = this.#session ?? (await this.#hello()).session;
      const reply = await this.#ask(command, { type: command.type, sequence: this.#sequence + 1, session, payload });
      this.#sequence++;
      return reply;
    });
  }

  async #hello(): Promise<Hello> {
    if (this.#transport === null && this.#connect !== null) this.#attach(await this.#connect());
    this.#session = null;
    // A new nonce each time: each HELLO begins another session, and only the last one counts.
    let nonce = 0;
    const hello = await this.#converse<Hello>(
      commands.hello.name,
      () => {
        nonce = crypto.getRandomValues(new Uint32Array(1))[0] as number;
        return encodeFrame({
          type: commands.hello.type,
          sequence: 0,
          session: 0,
          payload: commands.hello.encode({ nonce }),
        });
      },
      (frame) => {
        if (isBadFrame(frame)) return "damaged";
        const reply = frame.type === (commands.hello.type | REPLY_BIT) ? commands.hello.decode(frame.payload) : null;
        return reply?.nonce === nonce ? { reply } : "foreign";
      },
    ).catch((error: DriverError) => {
      if (this.#met || !UNANSWERED.includes(error.code)) throw error;
      throw new DriverError("NO_ANSWER", { heard: this.#heard }, error.code === "DEVICE_LOST" ? error.cause : error);
    });
    this.#met = true;
    if (hello.protocol !== PROTOCOL) {
      throw new DriverError("PROTOCOL_UNKNOWN", { device: hello.protocol, host: PROTOCOL });
    }
    this.#session = hello.session;
    this.#sequence = 0;
    return hello;
  }

  async #ask<Reply>(command: Command<never, Reply>, frame: Frame): Promise<Reply> {
    const line = encodeFrame(frame);
    let sent = 0;
    try {
      return await this.#converse<Reply>(
        command.name,
        () => {
          sent++;
          return line;
        },
        (heard) => read(command, frame, heard),
      );
    } catch (error) {
      // Only an error that answers the one copy that was sent leaves no doubt about the next command.
      const clear = error instanceof DeviceError && sent === 1 && !ENDS_SESSION.includes(error.code);
      if (!clear && !command.aside) this.#session = null;
      throw error;
    }
  }

  /** Sends what `line` gives, again and again until `read` finds the answer in what comes back. */
  #converse<Reply>(name: string, line: () => Uint8Array, read: (frame: Frame) => Reading<Reply>): Promise<Reply> {
    const transport = this.#transport;
    if (transport === null) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      let attempts = 0;
      let damaged = false;
      let cancelReply = () => {};
      let cancelQuiet = () => {};
      const end = () => {
        cancelReply();
        cancelQuiet();
        this.#exchange = null;
      };
      const fail = (error: Error) => {
        end();
        reject(error);
      };
      const ask = () => {
        cancelReply();
        cancelQuiet();
        if (attempts === ATTEMPTS) {
          fail(new DriverError(damaged ? "BAD_REPLY" : "TIMEOUT", { command: name, attempts }));
          return;
        }
        attempts++;
        cancelReply = this.clock.after(REPLY_MS, ask);
        // The zero before the frame ends whatever half of another one the device still holds.
        transport.write(afterZero(line())).catch((reason) => this.#lose(transport, reason));
      };
      const hear = (heard: Frame | FrameFault) => {
        const reading = "fault" in heard ? "damaged" : read(heard);
        if (reading === "foreign") return;
        if (reading === "damaged") {
          damaged = true;
          cancelQuiet();
          cancelQuiet = this.clock.after(QUIET_MS, ask);
        } else if ("error" in reading) {
          fail(reading.error);
        } else {
          end();
          resolve(reading.reply);
        }
      };
      this.#exchange = { hear, fail };
      ask();
    });
  }

  #attach(transport: Transport): void {
    this.#transport = transport;
    this.#decoder = new FrameDecoder();
    transport.onData((bytes) => {
      if (this.#transport !== transport) return;
      this.#heard = true;
      for (const heard of this.#decoder.push(bytes)) this.#exchange?.hear(heard);
    });
    transport.onClose((reason) => this.#detach(transport, reason));
  }

  #detach(transport: Transport, reason?: unknown): void {
    if (this.#transport !== transport) return;
    this.#transport = null;
    this.#session = null;
    this.#end = reason instanceof DriverError ? reason : new DriverError("DEVICE_LOST", {}, reason);
    this.#exchange?.fail(this.#end);
  }

  #lose(transport: Transport, reason: unknown): void {
    this.#detach(transport, reason);
    transport.close().catch(() => {}); // It is gone: how it ends no longer matters.
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** What a frame is to a waiting command: its answer, the news that something was damaged, or none of its business. */
function read<Reply>(command: Command<never, Reply>, sent: Frame, heard: Frame): Reading<Reply> {
  if (isBadFrame(heard)) return "damaged";
  if (heard.sequence !== sent.sequence || heard.session !== sent.session) return "foreign";
  if (heard.type === ERROR_TYPE) {
    const error = decodeError(heard.payload);
    if (error === null) return "damaged";
    // The sequence stays after an error: a second copy of one that was read may come while the next command waits.
    return heard.payload[1] === command.type ? { error } : "foreign";
  }
  if (heard.type !== (command.type | REPLY_BIT)) return "foreign";
  const reply = command.decode(heard.payload);
  return reply === null ? "damaged" : { reply };
}

/** The device could not read what was sent, and so did nothing. */
function isBadFrame(frame: Frame): boolean {
  return frame.type === ERROR_TYPE && decodeError(frame.payload)?.code === "BAD_FRAME";
}

function afterZero(frame: Uint8Array): Uint8Array {
  const line = new Uint8Array(frame.length + 1);
  line.set(frame, 1);
  return line;
}
