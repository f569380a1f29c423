/**
 * The host controller at the other end of the emulated board's cable: it plugs in, resets, gives an address, and carries transfers as
 * transactions with toggles, NAKs, frames and the time that each takes on a full-speed bus.
 *
 * Everything is synchronous and bounded: {@link UsbHost.round} lets the board run a little, {@link UsbHost.until} at most as long as it is
 * told to. A device that answers with a wrong toggle, or more than was asked for, is a {@link Panic}: the firmware is under test here.
 */
import { Panic } from "../../../simulator/index.ts";
import { USB_ENDPOINTS, USB_INTERFACES } from "../../usb/index.ts";
import type { Packet, Refusal, UsbController } from "./controller.ts";

/** The board as the cable sees it. */
export interface UsbBoard {
  /** The controller: another one after each start, null without power. */
  readonly usb: UsbController | null;
  /** Lets so many cycles of 125 MHz pass. */
  run(cycles: number): void;
}

/** A control request (USB 2.0 section 9.3). */
export interface UsbRequest {
  readonly type: number;
  readonly request: number;
  readonly value: number;
  readonly index: number;
  readonly length: number;
}

/** How a transfer ended. `gone`: three tokens in a row got no answer. */
export type TransferEnd = "done" | "stall" | "gone" | "cancelled";

/** One transfer under way, or ended. */
export interface Transfer {
  /** What the device gave; of a transfer to the device, the bytes that it took. */
  readonly bytes: Uint8Array;
  readonly end: TransferEnd | null;
  /** Ends it between two transactions. What came stays. */
  cancel(): void;
}

const CYCLES_PER_US = 125;
const FRAME_CYCLES = 1000 * CYCLES_PER_US;
/** A packet on the bus but for its data: token, handshake, gaps (USB 2.0 section 5.8.4: 13 bytes), at 12 Mbit/s. */
const OVERHEAD_US = (13 * 8) / 12;
const BYTE_US = 8 / 12;
/** How long the host waits before it asks again when nobody had anything. */
const IDLE_US = 10;
const PACKET = 64;
const TRIES = 3;
/** Spec: a reset lasts 10 ms, the device has 10 ms to recover. The controller needs neither; a tenth of it keeps the order. */
const RESET_US = 1000;
/** Longest that a control transfer may take, in microseconds of the board: its first packet (USB 2.0 section 9.2.6.4) and the rest. */
const CONTROL_US = 600_000;

/** How long a device may take from its power-on to its place on the bus: the core reads a blank chip whole before it serves. */
const PLUG_US = 2_000_000;

/** Behind a request of the enumeration that a device did not hear, as Linux does it: a bare board is deaf while its chip erases. */
const PAUSE_US = 200_000;

/** Requests, as bmRequestType and bRequest together, that begin toggles anew. */
const CLEAR_ENDPOINT_FEATURE = 0x0201;
const SET_CONFIGURATION = 0x0009;
const SET_INTERFACE = 0x010b;
const ENDPOINTS_OF: Readonly<Record<number, readonly number[]>> = {
  [USB_INTERFACES.cdc]: [USB_ENDPOINTS.notification],
  [USB_INTERFACES.cdcData]: [USB_ENDPOINTS.cdcOut, USB_ENDPOINTS.cdcIn],
  [USB_INTERFACES.vendor]: [USB_ENDPOINTS.vendorOut, USB_ENDPOINTS.vendorIn],
};

type Step = "moved" | "waits" | "ended";

export class UsbHost {
  private readonly board: UsbBoard;
  /** Time on the bus, in cycles of the board. */
  private now = 0;
  private address = 0;
  private readonly toggles = new Map<number, number>();
  private readonly running: Job[] = [];

  constructor(board: UsbBoard) {
    this.board = board;
  }

  /** Waits until the device shows itself; false when it does not within `us`. */
  plug(us: number): boolean {
    for (const end = this.us + us; !this.board.usb?.attached; ) {
      if (this.us >= end) return false;
      this.pass(IDLE_US);
    }
    return true;
  }

  /** Resets the bus in the middle of whatever there is: all transfers end, the device loses address and configuration. */
  reset(): void {
    for (const job of this.running.splice(0)) job.finish("cancelled");
    this.toggles.clear();
    this.address = 0;
    this.board.usb?.reset();
    this.pass(RESET_US);
  }

  /** Waits for the device, resets it and gives it an address. False when there is no device. @throws Panic when it does not take it */
  enumerate(address = 1, us: number = PLUG_US): boolean {
    if (!this.plug(us)) return false;
    this.reset();
    this.insist({ type: 0x00, request: 5, value: address, index: 0, length: 0 });
    this.address = address;
    // GET_STATUS: whether it listens there by now.
    this.insist({ type: 0x80, request: 0, value: 0, index: 0, length: 2 });
    return true;
  }

  private insist(request: UsbRequest): void {
    for (let tries = 1; ; tries++) {
      const { end } = this.controlNow(request);
      if (end === "done") return;
      if (end !== "gone" || tries === TRIES) throw new Panic(`Request ${request.request} ended in ${end}.`);
      this.pass(PAUSE_US);
    }
  }

  /** Begins a control transfer; `data` goes to the device when the request says so. */
  control(request: UsbRequest, data: Uint8Array = new Uint8Array(0)): Transfer {
    return this.start(new ControlJob(this, request, data));
  }

  /** Begins to read at most `length` bytes, to the first packet that is not full. */
  in(endpoint: number, length: number): Transfer {
    return this.start(new InJob(this, endpoint & 0x0f, length));
  }

  /** Begins to write; a transfer of full packets has no shorter one behind it. */
  out(endpoint: number, bytes: Uint8Array): Transfer {
    return this.start(new OutJob(this, endpoint & 0x0f, bytes));
  }

  /** A control transfer from begin to end. */
  controlNow(request: UsbRequest, data?: Uint8Array): Transfer {
    const transfer = this.control(request, data);
    this.until(transfer, CONTROL_US);
    return transfer;
  }

  /** Runs until the transfer ended. @throws Panic when `us` of the board's time were not enough */
  until(transfer: Transfer, us: number): void {
    const end = this.us + us;
    while (transfer.end === null && this.us < end) this.round();
    if (transfer.end === null) throw new Panic(`A USB transfer did not end within ${us} µs.`);
  }

  /** Tries each transfer once, and lets the board run as long as that takes on the bus. False when nothing moved. */
  round(): boolean {
    let moved = false;
    const busy = new Set<number>();
    for (const job of [...this.running]) {
      // Transfers of one endpoint come one after the other.
      if (busy.has(job.queue)) continue;
      busy.add(job.queue);
      const step = job.step();
      if (step !== "waits") moved = true;
      if (job.end !== null) this.running.splice(this.running.indexOf(job), 1);
    }
    if (!moved) this.pass(IDLE_US);
    return moved;
  }

  /** Microseconds that passed on the bus. */
  get us(): number {
    return this.now / CYCLES_PER_US;
  }

  /** Lets time pass on the bus, with its frames. */
  pass(us: number): void {
    for (const end = this.now + Math.round(us * CYCLES_PER_US); this.now < end; ) {
      const slice = Math.min(end - this.now, FRAME_CYCLES - (this.now % FRAME_CYCLES));
      this.board.run(slice);
      this.now += slice;
      if (this.now % FRAME_CYCLES === 0 && this.board.usb?.attached) this.board.usb.startOfFrame();
    }
  }

  /** Sleeps: no frames, no tokens (USB 2.0 section 7.1.7.6). */
  sleep(us: number): void {
    this.board.run(Math.round(us * CYCLES_PER_US));
  }

  /**
   * Begins the toggles anew that a request has begun anew at the device: one endpoint's when its halt is cleared (USB 2.0 section 9.4.5),
   * all with a configuration, those of an interface with it (section 9.1.1.5).
   */
  agree({ type, request, index }: UsbRequest): void {
    const what = (type << 8) | request;
    if (what === CLEAR_ENDPOINT_FEATURE) this.toggles.delete(index);
    if (what === SET_CONFIGURATION) this.toggles.clear();
    if (what === SET_INTERFACE) for (const endpoint of ENDPOINTS_OF[index] ?? []) this.toggles.delete(endpoint);
  }

  // Transactions. Each takes its time on the bus, and only then is seen.

  setup(packet: Uint8Array): "ack" | "none" {
    this.pass(OVERHEAD_US + 8 * BYTE_US);
    this.toggles.set(0x00, 1).set(0x80, 1);
    return this.board.usb?.setup(this.address, packet) ?? "none";
  }

  takePacket(endpoint: number): Packet | Refusal {
    this.pass(OVERHEAD_US);
    const answer = this.board.usb?.in(this.address, endpoint) ?? "none";
    if (typeof answer === "string") return answer;
    this.pass(answer.bytes.length * BYTE_US);
    const expected = this.toggles.get(endpoint | 0x80) ?? 0;
    if (answer.toggle !== expected) throw new Panic(`Endpoint ${endpoint} IN has toggle ${answer.toggle}.`);
    this.toggles.set(endpoint | 0x80, 1 - expected);
    return answer;
  }

  givePacket(endpoint: number, bytes: Uint8Array): "ack" | Refusal {
    this.pass(OVERHEAD_US + bytes.length * BYTE_US);
    const toggle = this.toggles.get(endpoint) ?? 0;
    const answer = this.board.usb?.out(this.address, endpoint, { toggle, bytes }) ?? "none";
    if (answer === "ack") this.toggles.set(endpoint, 1 - toggle);
    return answer;
  }

  private start(job: Job): Transfer {
    this.running.push(job);
    return job;
  }
}

/** One transfer: what it does next, and what it has. */
abstract class Job implements Transfer {
  end: TransferEnd | null = null;
  /** Of jobs with the same one the first goes first. */
  readonly queue: number;
  protected readonly host: UsbHost;
  private silent = 0;

  constructor(host: UsbHost, queue: number) {
    this.host = host;
    this.queue = queue;
  }

  abstract get bytes(): Uint8Array;
  protected abstract transact(): Step;
  /** A last word to the host's side, once. */
  finish(end: TransferEnd): void {
    this.end ??= end;
  }

  step(): Step {
    return this.end === null ? this.transact() : "ended";
  }

  cancel(): void {
    this.finish("cancelled");
  }

  /** What a refusal means: wait, or the end. */
  protected refused(answer: Refusal): Step {
    if (answer === "nak") {
      this.silent = 0;
      return "waits";
    }
    if (answer === "none" && ++this.silent < TRIES) return "waits";
    this.finish(answer === "stall" ? "stall" : "gone");
    return "ended";
  }

  protected answered(): Step {
    this.silent = 0;
    return "moved";
  }
}

class InJob extends Job {
  private readonly endpoint: number;
  private readonly length: number;
  private readonly got: Uint8Array[] = [];
  private count = 0;

  constructor(host: UsbHost, endpoint: number, length: number) {
    super(host, endpoint | 0x80);
    this.endpoint = endpoint;
    this.length = length;
  }

  get bytes(): Uint8Array {
    return join(this.got);
  }

  protected transact(): Step {
    const answer = this.host.takePacket(this.endpoint);
    if (typeof answer === "string") return this.refused(answer);
    this.got.push(answer.bytes);
    this.count += answer.bytes.length;
    if (this.count > this.length) throw new Panic(`Endpoint ${this.endpoint} gave more than ${this.length} bytes.`);
    if (this.count === this.length || answer.bytes.length < PACKET) this.finish("done");
    return this.answered();
  }
}

class OutJob extends Job {
  private readonly endpoint: number;
  private readonly all: Uint8Array;
  private count = 0;

  constructor(host: UsbHost, endpoint: number, bytes: Uint8Array) {
    super(host, endpoint);
    this.endpoint = endpoint;
    this.all = bytes;
  }

  get bytes(): Uint8Array {
    return this.all.subarray(0, this.count);
  }

  protected transact(): Step {
    const packet = this.all.subarray(this.count, this.count + PACKET);
    const answer = this.host.givePacket(this.endpoint, packet);
    if (answer !== "ack") return this.refused(answer);
    this.count += packet.length;
    if (this.count === this.all.length) this.finish("done");
    return this.answered();
  }
}

class ControlJob extends Job {
  private readonly request: UsbRequest;
  private readonly data: Uint8Array;
  private stage: "setup" | "data" | "status" = "setup";
  private readonly got: Uint8Array[] = [];
  private count = 0;

  constructor(host: UsbHost, request: UsbRequest, data: Uint8Array) {
    super(host, 0);
    this.request = request;
    this.data = data;
  }

  get bytes(): Uint8Array {
    return this.reads ? join(this.got) : this.data.subarray(0, this.count);
  }

  private get reads(): boolean {
    return (this.request.type & 0x80) !== 0 && this.request.length > 0;
  }

  protected transact(): Step {
    if (this.stage === "setup") return this.begin();
    if (this.stage === "status") return this.confirm();
    return this.reads ? this.read() : this.write();
  }

  private begin(): Step {
    const { type, request, value, index, length } = this.request;
    const packet = new Uint8Array(8);
    const view = new DataView(packet.buffer);
    packet.set([type, request]);
    for (const [at, word] of [value, index, length].entries()) view.setUint16(2 + 2 * at, word, true);
    const answer = this.host.setup(packet);
    if (answer === "none") return this.refused(answer);
    this.stage = length > 0 ? "data" : "status";
    return this.answered();
  }

  private read(): Step {
    const answer = this.host.takePacket(0);
    if (typeof answer === "string") return this.refused(answer);
    this.got.push(answer.bytes);
    this.count += answer.bytes.length;
    if (this.count > this.request.length) throw new Panic("A control answer is longer than asked for.");
    if (this.count === this.request.length || answer.bytes.length < PACKET) this.stage = "status";
    return this.answered();
  }

  private write(): Step {
    const packet = this.data.subarray(this.count, Math.min(this.count + PACKET, this.request.length));
    const answer = this.host.givePacket(0, packet);
    if (answer !== "ack") return this.refused(answer);
    this.count += packet.length;
    if (packet.length < PACKET || this.count === this.request.length) this.stage = "status";
    return this.answered();
  }

  /** The status stage goes the other way than the data. */
  private confirm(): Step {
    const answer = this.reads ? this.host.givePacket(0, new Uint8Array(0)) : this.host.takePacket(0);
    if (typeof answer === "string" && answer !== "ack") return this.refused(answer);
    if (typeof answer === "object" && answer.bytes.length > 0) throw new Panic("A status packet has bytes.");
    this.host.agree(this.request);
    this.finish("done");
    return this.answered();
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
