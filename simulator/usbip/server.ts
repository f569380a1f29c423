/**
 * A USB device on a TCP port, for one host at a time: any USB/IP client can list it, and one can attach it, which plugs it in.
 *
 * A host that breaks the protocol is told off in the log and put out; the device is unplugged then, as by any other end of the connection.
 */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { SimulatorError } from "../error.ts";
import type { Line } from "../line/index.ts";
import { listen } from "../listen.ts";
import { GET_DEVICE_DESCRIPTOR, getConfiguration, type UsbDevice, type UsbRefusal } from "./device.ts";
import {
  BUSID_BYTES,
  COMMAND,
  DEVICE_ID,
  HEADER_BYTES,
  type Listed,
  OPERATION,
  OPERATION_BYTES,
  readBusid,
  readCommand,
  readOperation,
  STATUS,
  type Submit,
  TRANSFER_BYTES_MAX,
  USBIP_VERSION,
  writeCount,
  writeDevice,
  writeInterfaces,
  writeOperation,
  writeSubmitted,
  writeUnlinked,
} from "./wire.ts";

export interface UsbipOptions {
  /** Default 127.0.0.1: whoever reaches the port has the device. */
  readonly host?: string;
  /** Default: any free port. Clients look for 3240. */
  readonly port?: number;
  /** Told in a sentence who comes, goes and is refused. */
  readonly log?: (sentence: string) => void;
}

/** A device on a cable that goes through TCP: its address is `usbip://HOST:PORT/BUSID`. */
export interface UsbipLine extends Line {
  readonly host: string;
  readonly port: number;
  /** What a client attaches. */
  readonly busid: string;
}

const BUSID = "1-1";
/** More transfers than any host has under way at one device. */
const TRANSFERS_MAX = 1024;
/** More bytes than Linux lets its programs have under way. */
const UNDER_WAY_MAX: number = 16 << 20;
/** How a port is told to reset its device: SET_FEATURE of a hub's port (USB 2.0 section 11.24.2.13), which USB/IP passes on. */
const PORT_RESET = { type: 0x23, request: 3, value: 4 } as const;
const SET_ADDRESS = { type: 0x00, request: 5 } as const;
const NONE = new Uint8Array(0);

const STATUS_OF = { stall: STATUS.stall, gone: STATUS.gone, cancelled: STATUS.cancelled } as const;

/**
 * Puts a device behind a TCP port.
 * @throws SimulatorError LINE_FAILED when the port cannot be had, or the device does not describe itself
 */
export async function serveUsb(device: UsbDevice, options: UsbipOptions = {}): Promise<UsbipLine> {
  const { host = "127.0.0.1", port = 0, log = () => {} } = options;
  const listed = await describe(device);
  const clients = new Set<Socket>();
  const { promise: closed, resolve, reject } = Promise.withResolvers<void>();
  let attached: Socket | null = null;
  const server = createServer((socket) => {
    const who = `${socket.remoteAddress}:${socket.remotePort}`;
    clients.add(socket);
    socket.setNoDelay(true);
    socket.on("error", (error) => log(`The connection to ${who} broke: ${error.message}.`));
    socket.on("close", () => clients.delete(socket));
    converse(socket, who).catch((error) => {
      if (!(error instanceof Offence)) return fail(error);
      log(`${who} was put out: ${error.message}`);
      socket.destroy();
    });
  });

  function shut(): void {
    server.close();
    for (const client of clients) client.destroy();
  }

  function fail(error: unknown): void {
    shut();
    reject(error);
  }

  /** Answers lists until one asks for the device, and then its transfers until the end. */
  async function converse(socket: Socket, who: string): Promise<void> {
    const reader = new Reader(socket);
    for (;;) {
      const header = await reader.read(OPERATION_BYTES);
      if (header === null) return;
      const { version, code } = readOperation(header);
      if (version >>> 8 !== USBIP_VERSION >>> 8) throw new Offence(`it speaks version ${version.toString(16)}.`);
      if (code === OPERATION.list) {
        socket.write(list(listed));
      } else if (code === OPERATION.import) {
        const busid = await reader.read(BUSID_BYTES);
        if (busid === null) return;
        if (await attach(socket, who, readBusid(busid), reader)) return;
      } else {
        throw new Offence(`operation ${code.toString(16)} is none.`);
      }
    }
  }

  /** False when the device cannot be had. */
  async function attach(socket: Socket, who: string, busid: string, reader: Reader): Promise<boolean> {
    if (attached !== null || busid !== listed.busid) {
      const reason = attached === null ? `there is no device ${JSON.stringify(busid)}` : "someone else has the device";
      log(`${who} was refused: ${reason}.`);
      socket.write(writeOperation(OPERATION.imported, 1));
      return false;
    }
    attached = socket;
    log(`${who} has attached the device.`);
    const line = new Attachment(device, socket, fail);
    try {
      await device.reset();
      socket.write(Buffer.concat([writeOperation(OPERATION.imported, 0), writeDevice(listed)]));
      await line.serve(reader);
    } finally {
      await line.end();
      await device.reset();
      attached = null;
      log(`${who} has detached the device.`);
    }
    return true;
  }

  await listen(server, host, port);
  server.on("close", resolve);
  const bound = server.address() as AddressInfo;
  const close = (): Promise<void> => {
    shut();
    return closed;
  };
  const address = `usbip://${bound.family === "IPv6" ? `[${host}]` : host}:${bound.port}/${listed.busid}`;
  return { address, host, port: bound.port, busid: listed.busid, close, closed };
}

/** What a host did that the protocol forbids; its sentence goes on behind "it was put out:". */
class Offence extends Error {}

/** The transfers of one host. */
class Attachment {
  private readonly device: UsbDevice;
  private readonly socket: Socket;
  private readonly fail: (error: unknown) => void;
  private underWay = 0;
  /** By sequence: what ends a transfer, and when it has ended. */
  private readonly transfers = new Map<number, { abort: AbortController; ended: Promise<boolean> }>();
  /** By endpoint and direction: the last transfer. The next one waits for it. */
  private readonly last = new Map<string, Promise<unknown>>();

  /** @param fail told when the device cannot go on */
  constructor(device: UsbDevice, socket: Socket, fail: (error: unknown) => void) {
    this.device = device;
    this.socket = socket;
    this.fail = fail;
  }

  /** Until the host is gone. */
  async serve(reader: Reader): Promise<void> {
    for (;;) {
      const header = await reader.read(HEADER_BYTES);
      if (header === null) return;
      const { command, submit, unlink } = readCommand(header);
      if (command === COMMAND.unlink) {
        // Not awaited: what is unlinked may take a moment to end.
        void this.unlink(submit.sequence, unlink);
      } else if (command === COMMAND.submit) {
        const data = await this.dataOf(submit, reader);
        if (data === null) return;
        this.submit(submit, data);
      } else {
        throw new Offence(`command ${command} is none.`);
      }
    }
  }

  /** Ends all transfers. */
  async end(): Promise<void> {
    const all = [...this.transfers.values()];
    for (const { abort } of all) abort.abort();
    await Promise.all(all.map(({ ended }) => ended));
  }

  private async dataOf({ toHost, length }: Submit, reader: Reader): Promise<Uint8Array | null> {
    if (length < 0 || (!toHost && length > TRANSFER_BYTES_MAX)) {
      throw new Offence(`a transfer of ${length} bytes; at most ${TRANSFER_BYTES_MAX} are taken.`);
    }
    return toHost ? NONE : reader.read(length);
  }

  private submit(submit: Submit, data: Uint8Array): void {
    const { sequence } = submit;
    if (this.transfers.has(sequence)) throw new Offence(`sequence ${sequence} is under way already.`);
    if (this.transfers.size >= TRANSFERS_MAX) throw new Offence(`more than ${TRANSFERS_MAX} transfers at a time.`);
    this.underWay += data.length;
    if (this.underWay > UNDER_WAY_MAX) throw new Offence(`more than ${UNDER_WAY_MAX} bytes under way.`);
    const abort = new AbortController();
    const queue = `${submit.endpoint} ${submit.endpoint === 0 || submit.toHost}`;
    const { promise: ended, resolve } = Promise.withResolvers<boolean>();
    let begun = false;
    const drop = (): void => {
      if (begun) return;
      this.forget(submit, data);
      resolve(false);
    };
    abort.signal.addEventListener("abort", drop);
    const run = async (): Promise<void> => {
      if (abort.signal.aborted) return;
      begun = true;
      resolve(await this.transfer(submit, data, abort.signal));
    };
    const done = (this.last.get(queue) ?? Promise.resolve()).then(run).catch((error) => {
      this.fail(error);
      resolve(false);
    });
    this.last.set(queue, done);
    this.transfers.set(sequence, { abort, ended });
  }

  private forget({ sequence }: Submit, data: Uint8Array): void {
    this.transfers.delete(sequence);
    this.underWay -= data.length;
  }

  /** True when its end was told; a transfer that was cancelled before anything moved has none. */
  private async transfer(submit: Submit, data: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const { sequence, toHost } = submit;
    const result = await this.carry(submit, data, signal);
    this.forget(submit, data);
    if (result === "cancelled") return false;
    if (typeof result === "number") this.tell(writeSubmitted(sequence, Math.min(result, 0), Math.max(result, 0), NONE));
    else if (typeof result === "string") this.tell(writeSubmitted(sequence, STATUS_OF[result], 0, NONE));
    else this.tell(writeSubmitted(sequence, STATUS.ok, result.length, toHost ? result : NONE));
    return true;
  }

  /** Bytes for the host, the count of those taken from it, a negative status, or a refusal. */
  private async carry(
    { deviceId, endpoint, toHost, length, packets, setup }: Submit,
    data: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array | number | UsbRefusal> {
    if (deviceId !== DEVICE_ID) return STATUS.noDevice;
    if (packets > 0) return STATUS.invalid; // Isochronous: no endpoint is.
    if (endpoint > 15) return STATUS.noEndpoint;
    if (endpoint > 0)
      return toHost ? this.device.in(endpoint, length, signal) : this.device.out(endpoint, data, signal);
    if (setup.type === PORT_RESET.type && setup.request === PORT_RESET.request && setup.value === PORT_RESET.value) {
      await this.device.reset();
      return 0;
    }
    // The address is between this host controller and the device.
    if (setup.type === SET_ADDRESS.type && setup.request === SET_ADDRESS.request) return "stall";
    if (setup.length !== length || (setup.length > 0 && (setup.type & 0x80) !== 0) !== (toHost && length > 0)) {
      return STATUS.invalid;
    }
    const answer = await this.device.control(setup, data, signal);
    return toHost || typeof answer === "string" ? answer : data.length;
  }

  private async unlink(sequence: number, target: number): Promise<void> {
    const transfer = this.transfers.get(target);
    transfer?.abort.abort();
    const told = transfer === undefined || (await transfer.ended);
    this.tell(writeUnlinked(sequence, told ? STATUS.ok : STATUS.cancelled));
  }

  private tell(bytes: Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes);
  }
}

/** Reads exact counts from a socket, no faster than they are asked for. */
class Reader {
  private readonly chunks: AsyncIterator<Buffer>;
  private held: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Null when the connection ended before. */
  async read(count: number): Promise<Uint8Array | null> {
    const parts = [this.held];
    let have = this.held.length;
    while (have < count) {
      const next = await this.chunks.next().catch(() => ({ done: true as const, value: undefined }));
      if (next.done) return null;
      parts.push(next.value);
      have += next.value.length;
    }
    const all = parts.length === 1 ? this.held : Buffer.concat(parts);
    this.held = all.subarray(count);
    return all.subarray(0, count);
  }
}

function list(listed: Listed): Uint8Array {
  return Buffer.concat([
    writeOperation(OPERATION.listed, 0),
    writeCount(1),
    writeDevice(listed),
    writeInterfaces(listed.configuration),
  ]);
}

/** A device says itself what it is. */
async function describe(device: UsbDevice): Promise<Listed> {
  const { signal } = new AbortController();
  const ask = async (setup: Parameters<UsbDevice["control"]>[0]): Promise<Uint8Array> => {
    const answer = await device.control(setup, NONE, signal);
    if (typeof answer !== "string") return answer;
    throw new SimulatorError("LINE_FAILED", "The device does not describe itself to USB.", {
      facts: { end: answer },
      advice: "Give the device power, and check that its firmware starts.",
    });
  };
  await device.reset();
  const deviceDescriptor = await ask(GET_DEVICE_DESCRIPTOR);
  const head = await ask(getConfiguration(9));
  const configuration = await ask(getConfiguration(head[2]! | (head[3]! << 8)));
  return { busid: BUSID, device: deviceDescriptor, configuration };
}
