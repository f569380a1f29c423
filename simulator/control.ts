/**
 * The hand on the power switch from another process: orders to a running simulator over a local socket that only its owner may
 * open (a path; on Windows a named pipe).
 *
 * JSON lines both ways. An order is `{"id":number,"do":…}` with the fields of {@link Order}; the answer has the same id and either
 * `status` ({@link Status}) or `error` (a sentence). Orders of one connection are carried out in order, except that `until` answers
 * when its state comes.
 */
import { lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { SimulatorError } from "./error.ts";
import type { SectorFault, Tear } from "./flash.ts";
import type { Cut, HalCallName, Machine, MachineState, Presence } from "./machine.ts";

/** What can be asked of a running simulator. */
export type Order =
  /** Nothing but the status. */
  | { readonly do: "status" }
  /** Arms a cut; see `Machine.cutAt`. */
  | { readonly do: "cut-at"; readonly cut: Cut }
  | { readonly do: "disarm" }
  | { readonly do: "power-cut"; readonly tear?: Tear }
  | { readonly do: "power-on" }
  | { readonly do: "reset" }
  /** Answers when the machine is in the state. */
  | { readonly do: "until"; readonly state: MachineState }
  /** Who answers at the button from now on, and a press or a refusal for the next look of one who is asked. */
  | { readonly do: "button"; readonly presence?: Presence; readonly press?: "accept" | "reject" }
  | { readonly do: "supply"; readonly low: boolean }
  /** Replaces the faults of the chip; maps are lists of pairs. An empty order heals it. */
  | {
      readonly do: "faults";
      readonly bus?: 0x00 | 0xff;
      readonly sectors?: ReadonlyArray<readonly [sector: number, fault: SectorFault]>;
      readonly wornAfter?: number;
      readonly stuck?: ReadonlyArray<readonly [address: number, bits: { mask: number; value: number }]>;
    }
  /** Decay of stable bits. */
  | { readonly do: "flip"; readonly address: number; readonly mask: number }
  /** Pulls the cable. */
  | { readonly do: "unplug" };

export interface Status {
  readonly state: MachineState;
  readonly traps: number;
  readonly calls: Readonly<Record<HalCallName, number>>;
  /** Time of the machine in microseconds. */
  readonly us: number;
}

/** Orders to a simulator in another process. */
export interface Remote {
  /**
   * Has an order carried out.
   * @throws SimulatorError CONTROL_FAILED when it cannot be, or the simulator has gone
   */
  order(order: Order): Promise<Status>;
  close(): void;
}

interface Answer {
  readonly id: number;
  readonly status?: Status;
  readonly error?: string;
}

/**
 * Takes orders for a machine at a path.
 * @param unplug what pulls the machine's cable
 * @returns what ends it
 * @throws SimulatorError CONTROL_FAILED when the path cannot be had
 */
export async function serveControl(
  machine: Machine,
  path: string,
  unplug: () => Promise<void>,
): Promise<() => Promise<void>> {
  const clients = new Set<Socket>();
  const server = createServer((socket) => {
    clients.add(socket);
    socket.on("close", () => clients.delete(socket));
    hear(socket, async (line) => {
      const answer = await carryOut(machine, unplug, line);
      if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
    });
  });
  await listen(server, path);
  return () => {
    for (const client of clients) client.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
}

/**
 * Connects to a simulator that takes orders at `path`.
 * @throws SimulatorError CONTROL_FAILED when none does
 */
export async function connectControl(path: string): Promise<Remote> {
  const socket = await open(path).catch((cause) => {
    throw failed(`No simulator takes orders at ${path}.`, path, PATH_ADVICE, cause);
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  hear(socket, (line) => {
    const answer = JSON.parse(line) as Answer;
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  socket.on("close", () => {
    for (const [id, settle] of waiting) settle({ id });
    waiting.clear();
  });
  let orders = 0;
  return {
    order: async (order) => {
      if (!socket.writable) throw gone(path);
      const id = ++orders;
      const answer = await new Promise<Answer>((resolve) => {
        waiting.set(id, resolve);
        socket.write(`${JSON.stringify({ id, ...order })}\n`);
      });
      if (answer.error !== undefined) throw failed(answer.error, path, REFUSED_ADVICE);
      if (answer.status === undefined) throw gone(path);
      return answer.status;
    },
    close: () => {
      socket.destroy();
    },
  };
}

/** Reads lines until the other side is gone, in whatever way it went. */
function hear(socket: Socket, line: (text: string) => void): void {
  socket.on("error", () => socket.destroy());
  createInterface({ input: socket })
    .on("error", () => socket.destroy())
    .on("line", line);
}

async function carryOut(machine: Machine, unplug: () => Promise<void>, line: string): Promise<Answer> {
  let id = 0;
  try {
    const order = JSON.parse(line) as Order & { id: number };
    id = order.id;
    await obey(machine, unplug, order);
    const { state, traps, calls } = machine;
    return { id, status: { state, traps, calls, us: machine.clock.now() } };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

async function obey(machine: Machine, unplug: () => Promise<void>, order: Order): Promise<void> {
  switch (order.do) {
    case "status":
      return;
    case "cut-at":
      return machine.cutAt(order.cut);
    case "disarm":
      machine.disarm();
      return;
    case "power-cut":
      return machine.powerCut(order.tear);
    case "power-on":
      machine.powerOn();
      return;
    case "reset":
      machine.reset();
      return;
    case "until":
      return until(machine, order.state);
    case "button":
      if (order.presence !== undefined) machine.presence = order.presence;
      if (order.press !== undefined) machine.press(order.press);
      return;
    case "supply":
      machine.supplyLow = order.low;
      return;
    case "faults": {
      const { do: _, bus, wornAfter } = order;
      machine.flash.faults = {
        ...(bus !== undefined && { bus }),
        ...(wornAfter !== undefined && { wornAfter }),
        ...(order.sectors && { sectors: new Map(order.sectors) }),
        ...(order.stuck && { stuck: new Map(order.stuck) }),
      };
      return;
    }
    case "flip":
      return machine.flash.flip(order.address, order.mask);
    case "unplug":
      return unplug();
    default:
      throw new Error(`There is no order ${JSON.stringify(order)}.`);
  }
}

function until(machine: Machine, state: MachineState): Promise<void> {
  if (machine.state === state) return Promise.resolve();
  return new Promise((resolve) => {
    const unwatch = machine.watch((now) => {
      if (now !== state) return;
      unwatch();
      resolve();
    });
  });
}

/** Takes the path; a socket that nobody answers any more is removed first, any other file is left alone. */
async function listen(server: Server, path: string): Promise<void> {
  try {
    await bind(server, path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const free = code === "EADDRINUSE" && isSocket(path) && !(await answers(path));
    if (!free) throw failed(`The simulator cannot take orders at ${path}.`, path, PATH_ADVICE, cause);
    unlinkSync(path);
    await bind(server, path);
  }
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The socket is made before listen returns: there is no moment at which another user may open it.
    const before = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off("error", reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}

async function answers(path: string): Promise<boolean> {
  try {
    (await open(path)).destroy();
    return true;
  } catch {
    return false;
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

const PATH_ADVICE =
  "Check that the simulator runs, and that the path is its own, not that of another file, and not too long for a socket (about 100 bytes).";
const REFUSED_ADVICE = "See how the device is with the order status, and give one that it can carry out then.";

function gone(path: string): SimulatorError {
  return failed("The simulator has gone.", path, "Start it again: the device recovers by its journal.");
}

function failed(sentence: string, path: string, advice: string, cause?: unknown): SimulatorError {
  return new SimulatorError("CONTROL_FAILED", sentence, { facts: { path }, advice, cause });
}
