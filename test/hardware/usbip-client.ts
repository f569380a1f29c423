/**
 * A small USB/IP client: it lists, attaches and works with a device as a kernel does, and can misbehave as none does. Its bytes are put
 * together from the protocol's description, not with the code of the server.
 */
import { connect, type Socket } from "node:net";
import type { Transport } from "../../host/driver/index.ts";
import {
  type ConfigurationFields,
  readBos,
  readConfiguration,
  readDevice,
  readString,
  readWindows,
  u16,
  type WindowsPart,
} from "./usb-read.ts";

export interface Setup {
  readonly type: number;
  readonly request: number;
  readonly value: number;
  readonly index: number;
  readonly length: number;
}

/** How a transfer ended: 0, or the negated error number; and the bytes that came, or the count of those that went. */
export interface Ended {
  readonly status: number;
  readonly bytes: Uint8Array;
  readonly moved: number;
}

export interface Pending {
  readonly sequence: number;
  /** Null when it was unlinked, or the connection went. */
  readonly ended: Promise<Ended | null>;
}

export interface ListedDevice {
  readonly busid: string;
  readonly vendor: number;
  readonly product: number;
  readonly interfaces: readonly (readonly number[])[];
}

const NONE = new Uint8Array(0);
const HEADER = 48;
const SUBMIT = 1;
const UNLINK = 2;
const SUBMITTED = 3;
const UNLINKED = 4;

export class UsbipClient {
  readonly socket: Socket;
  /** Settles when the connection is over. */
  readonly closed: Promise<void>;
  private deviceId = 0;
  private sequence = 0;
  private readonly pending = new Map<number, { toHost: boolean; settle: (ended: Ended | null) => void }>();
  private readonly unlinks = new Map<number, (status: number | null) => void>();
  private bytes: Buffer = Buffer.alloc(0);
  private wake: () => void = () => {};
  private over = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.wake();
    });
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.over = true;
        for (const { settle } of this.pending.values()) settle(null);
        for (const settle of this.unlinks.values()) settle(null);
        this.wake();
        resolve();
      });
    });
  }

  static connect(port: number): Promise<UsbipClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => resolve(new UsbipClient(socket)));
      socket.once("error", reject);
    });
  }

  /** OP_REQ_DEVLIST. */
  async list(): Promise<ListedDevice[]> {
    this.operation(0x8005);
    const head = await this.take(12);
    const count = head.readUInt32BE(8);
    const found: ListedDevice[] = [];
    for (let i = 0; i < count; i++) {
      const device = await this.take(312);
      const interfaces = await this.take(4 * device[311]!);
      found.push({
        busid: device.toString("latin1", 256, device.indexOf(0, 256)),
        vendor: device.readUInt16BE(300),
        product: device.readUInt16BE(302),
        interfaces: Array.from({ length: device[311]! }, (_, n) => [...interfaces.subarray(4 * n, 4 * n + 3)]),
      });
    }
    return found;
  }

  /** OP_REQ_IMPORT; false when the device is refused. */
  async attach(busid = "1-1"): Promise<boolean> {
    this.operation(0x8003, Buffer.concat([Buffer.from(busid), Buffer.alloc(32 - busid.length)]));
    const head = await this.take(8);
    if (head.readUInt32BE(4) !== 0) return false;
    const device = await this.take(312);
    this.deviceId = (device.readUInt32BE(288) << 16) | device.readUInt32BE(292);
    void this.listen();
    return true;
  }

  /** A request from begin to end. */
  async control(setup: Setup, data: Uint8Array = NONE): Promise<Ended | null> {
    return this.submit(0, (setup.type & 0x80) !== 0 && setup.length > 0, setup.length, data, setup).ended;
  }

  in(endpoint: number, length: number): Pending {
    return this.submit(endpoint, true, length, NONE);
  }

  out(endpoint: number, data: Uint8Array): Pending {
    return this.submit(endpoint, false, data.length, data);
  }

  /** USBIP_CMD_UNLINK; resolves with the status of its reply, null when the connection went. */
  unlink(pending: Pending): Promise<number | null> {
    const sequence = ++this.sequence;
    const header = this.header(UNLINK, sequence, false, 0);
    header.writeUInt32BE(pending.sequence, 20);
    this.socket.write(header);
    return new Promise((resolve) => this.unlinks.set(sequence, resolve));
  }

  /** USBIP_CMD_SUBMIT; `packets` above 0 makes it isochronous. */
  submit(endpoint: number, toHost: boolean, length: number, data: Uint8Array, setup?: Setup, packets = 0): Pending {
    const sequence = ++this.sequence;
    const header = this.header(SUBMIT, sequence, toHost, endpoint);
    header.writeInt32BE(length, 24);
    header.writeInt32BE(packets, 32);
    if (setup !== undefined) {
      header.set([setup.type, setup.request], 40);
      header.writeUInt16LE(setup.value, 42);
      header.writeUInt16LE(setup.index, 44);
      header.writeUInt16LE(setup.length, 46);
    }
    const ended = new Promise<Ended | null>((settle) => this.pending.set(sequence, { toHost, settle }));
    this.socket.write(Buffer.concat([header, data]));
    return { sequence, ended };
  }

  /** Any bytes, right or wrong. */
  raw(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Pulls the cable. */
  unplug(): Promise<void> {
    this.socket.destroy();
    return this.closed;
  }

  header(command: number, sequence: number, toHost: boolean, endpoint: number): Buffer {
    const header = Buffer.alloc(HEADER);
    for (const [i, value] of [command, sequence, this.deviceId, Number(toHost), endpoint].entries()) {
      header.writeUInt32BE(value, 4 * i);
    }
    return header;
  }

  private operation(code: number, data: Uint8Array = NONE): void {
    const head = Buffer.alloc(8);
    head.writeUInt16BE(0x0111, 0);
    head.writeUInt16BE(code, 2);
    this.socket.write(Buffer.concat([head, data]));
  }

  private async listen(): Promise<void> {
    try {
      for (;;) {
        const header = await this.take(HEADER);
        const sequence = header.readUInt32BE(4);
        const status = header.readInt32BE(20);
        if (header.readUInt32BE(0) === UNLINKED) {
          this.unlinks.get(sequence)?.(status);
          // Told of no end, and gone: it was cancelled.
          continue;
        }
        if (header.readUInt32BE(0) !== SUBMITTED) throw new Error("The server sent a command that is none.");
        const pending = this.pending.get(sequence);
        if (pending === undefined)
          throw new Error(`The server ended transfer ${sequence} twice, or one that never was.`);
        this.pending.delete(sequence);
        const moved = header.readUInt32BE(24);
        pending.settle({ status, moved, bytes: pending.toHost ? new Uint8Array(await this.take(moved)) : NONE });
      }
    } catch (error) {
      if (!this.over) throw error;
    }
  }

  private async take(count: number): Promise<Buffer> {
    while (this.bytes.length < count) {
      if (this.over) throw new Error("The connection is over.");
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const taken = this.bytes.subarray(0, count);
    this.bytes = this.bytes.subarray(count);
    return taken;
  }
}

/** All that a host reads of a device before it uses it. */
export interface Enumerated {
  readonly device: Record<string, number>;
  readonly configuration: ConfigurationFields;
  readonly strings: readonly string[];
  readonly bos: Map<string, Uint8Array>;
  readonly windows: WindowsPart[];
}

const WINDOWS_UUID = "d8dd60df-4589-4cc7-9cd2-659d9e648a9f";

/** Reads them as hosts do, heads before wholes, and sets the configuration. */
export async function enumerate(client: UsbipClient): Promise<Enumerated> {
  const ask = async (
    type: number,
    request: number,
    value: number,
    index: number,
    length: number,
  ): Promise<Uint8Array> => {
    const ended = await client.control({ type, request, value, index, length });
    if (ended?.status !== 0) throw new Error(`A request for ${value.toString(16)} ended with ${ended?.status}.`);
    return ended.bytes;
  };
  const descriptor = (type: number, number: number, length: number, index = 0): Promise<Uint8Array> =>
    ask(0x80, 6, (type << 8) | number, index, length);
  const whole = async (type: number): Promise<Uint8Array> => {
    const head = await descriptor(type, 0, 5);
    return descriptor(type, 0, u16(head, 2));
  };
  const device = readDevice(await descriptor(1, 0, 18));
  const configuration = readConfiguration(await whole(2));
  const strings: string[] = [];
  for (let i = 1; i <= 5; i++) strings.push(readString(await descriptor(3, i, 255, 0x0409)));
  const bos = readBos(await whole(0x0f));
  const platform = bos.get(WINDOWS_UUID)!;
  const windows = readWindows(await ask(0xc0, platform[6]!, 0, 7, u16(platform, 4)));
  await ask(0x00, 9, configuration.value, 0, 0);
  return { device, configuration, strings, bos, windows };
}

/** Two bulk endpoints as a transport of the driver; one long IN is always under way. */
export function bulkTransport(client: UsbipClient, endpoint: number): Transport {
  let hear: (bytes: Uint8Array) => void = () => {};
  let tell: (reason?: Error) => void = () => {};
  let reading: Pending | null = null;
  let open = true;
  const read = async (): Promise<void> => {
    while (open) {
      reading = client.in(endpoint, 4096);
      const ended = await reading.ended;
      if (ended === null || ended.status !== 0) break;
      hear(ended.bytes);
    }
    tell();
  };
  void client.closed.then(() => tell());
  void read();
  return {
    write: async (bytes) => {
      const ended = await client.out(endpoint, bytes).ended;
      if (ended === null || ended.status !== 0) throw new Error(`The device took nothing: ${ended?.status}.`);
    },
    onData: (listener) => {
      hear = listener;
    },
    onClose: (listener) => {
      tell = listener;
    },
    close: async () => {
      open = false;
      if (reading !== null && !client.socket.destroyed) await client.unlink(reading);
    },
  };
}
