// Many low ends at once, for measurements (bench/server.ts): they ask a server over TCP, in a thread of their own, each with
// as many requests on their way as it is told. They read no more of an answer than they must, so that the server is what is
// measured.

import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { parentPort, workerData } from "node:worker_threads";
import { type Engine, loadEngine } from "../../host/engine/index.ts";
import { ItemReader } from "../../host/protocol/index.ts";
import { type HeldReceipt, LowEnd } from "./low-end.ts";

/** What the thread gets. */
export interface DevicesTask {
  readonly port: number;
  readonly tokens: readonly { readonly pad: Uint8Array; readonly padId: Uint8Array; readonly receipt: HeldReceipt }[];
  /** The request, with its id in bytes 5 to 20. */
  readonly request: Uint8Array;
  /** How long it asks, and how often a device asks at most. */
  readonly seconds: number;
  readonly most: number;
  /** Requests of a device that are on their way at once. */
  readonly inFlight: number;
  /** Answers after which a device says what it has released. */
  readonly releaseEvery: number;
}

/** What it found. */
export interface DevicesResult {
  readonly answers: number;
  readonly seconds: number;
  /** Milliseconds from a request to its answer. */
  readonly p50: number;
  readonly p99: number;
  /** Of the processor, by this thread, from 0 to 1. */
  readonly load: number;
}

const CAP = 2n ** 40n;
const ID_AT = 5;

async function main(): Promise<void> {
  const task = workerData as DevicesTask;
  const engine = await loadEngine();
  const devices = await Promise.all(task.tokens.map((token) => Device.link(engine, task, token)));
  const latencies: number[] = [];
  parentPort?.postMessage("linked");
  const before = performance.eventLoopUtilization();
  const begun = performance.now();
  const end = begun + task.seconds * 1000;
  await Promise.all(devices.map((device) => device.ask(end, latencies)));
  const seconds = (performance.now() - begun) / 1000;
  const load = performance.eventLoopUtilization(before).utilization;
  for (const device of devices) device.close();
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  const result: DevicesResult = { answers: latencies.length, seconds, p50: at(0.5), p99: at(0.99), load };
  parentPort?.postMessage(result);
}

class Device {
  readonly #low: LowEnd;
  readonly #socket: Socket;
  readonly #task: DevicesTask;
  readonly #request: Uint8Array;
  readonly #reader = new ItemReader();
  #onItem: (kind: string, bytes: Uint8Array) => void = () => {};
  #onItems: () => void = () => {};
  #count = 0;

  private constructor(low: LowEnd, socket: Socket, task: DevicesTask) {
    this.#low = low;
    this.#socket = socket;
    this.#task = task;
    this.#request = task.request.slice();
    socket.on("data", (bytes) => {
      for (const { kind, bytes: item } of this.#reader.push(bytes)) this.#onItem(kind, item);
      this.#onItems();
    });
  }

  static link(engine: Engine, task: DevicesTask, token: DevicesTask["tokens"][number]): Promise<Device> {
    const low = new LowEnd(engine, token.pad, token.padId, { receipt: token.receipt });
    const socket = connect({ port: task.port, host: "127.0.0.1", noDelay: true });
    const device = new Device(low, socket, task);
    return new Promise((resolve, reject) => {
      socket.on("error", reject);
      device.#onItem = (kind, item) => {
        if (kind === "welcome") socket.write(low.ready(item, { cap: CAP }));
        else if (low.open(item)?.kind === "receipt") resolve(device);
      };
      socket.write(low.call());
    });
  }

  /** Asks again and again until then. */
  ask(end: number, latencies: number[]): Promise<void> {
    const { most, inFlight } = this.#task;
    return new Promise((resolve, reject) => {
      /** When the requests that are on their way left, oldest first. */
      const begun: number[] = [];
      let first: Uint8Array | null = null;
      this.#onItems = () => {
        const now = performance.now();
        const boxes: Uint8Array[] = [];
        for (; begun.length < inFlight && now < end && this.#count < most; begun.push(now)) boxes.push(...this.#next());
        if (boxes.length > 0) this.#socket.write(Buffer.concat(boxes));
        else if (begun.length === 0) resolve();
      };
      this.#onItem = (kind, item) => {
        const heard = this.#low.open(item);
        if (heard === null) return reject(new Error(`${kind} does not open`));
        if (heard.kind !== "last" && heard.kind !== "data") return;
        first ??= heard.text;
        if (heard.kind === "data") return;
        // "ok" stands behind the id, and is true.
        if (first[24] !== 0xf5) return reject(new Error(`a refusal: ${Buffer.from(first).toString("latin1")}`));
        first = null;
        latencies.push(performance.now() - begun.shift()!);
      };
      this.#socket.on("close", () => reject(new Error("a line ended")));
      this.#onItems();
    });
  }

  /** The boxes of the next request, and before them from time to time what is released. */
  #next(): Uint8Array[] {
    new DataView(this.#request.buffer).setUint32(ID_AT, ++this.#count, true);
    const boxes = this.#low.sealRun(this.#request);
    if (this.#count % this.#task.releaseEvery !== 0) return boxes;
    this.#low.release();
    return [...boxes, this.#low.state()];
  }

  close(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.destroy();
  }
}

await main();
