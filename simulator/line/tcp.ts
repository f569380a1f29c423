/**
 * A device behind a TCP port, for one host at a time.
 */
import { createServer, type Server, type Socket } from "node:net";
import { listen } from "../listen.ts";
import type { Machine } from "../machine.ts";
import { Ferry, type Line } from "./line.ts";

export interface TcpOptions {
  /** Default 127.0.0.1: whoever reaches the port has the device. */
  readonly host?: string;
  /** Default: any free port. */
  readonly port?: number;
  /** Told in a sentence who comes, goes and is refused. */
  readonly log?: (sentence: string) => void;
}

/**
 * Puts a machine behind a TCP port. A second client is refused at once while one is connected.
 * @throws SimulatorError LINE_FAILED when the port cannot be had
 */
export async function attachTcp(machine: Machine, options: TcpOptions = {}): Promise<Line> {
  const { host = "127.0.0.1", port = 0, log = () => {} } = options;
  const { promise: closed, resolve, reject } = Promise.withResolvers<void>();
  let client: Socket | null = null;
  const ferry = new Ferry(machine, (bytes, taken) => (client === null ? taken() : client.write(bytes, taken)), fail);
  const server = createServer((socket) => {
    const who = `${socket.remoteAddress}:${socket.remotePort}`;
    socket.on("error", (error) => log(`The connection to ${who} broke: ${error.message}.`));
    if (client !== null) {
      log(`${who} was refused: someone else is connected.`);
      socket.destroy();
      return;
    }
    log(`${who} is connected.`);
    client = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    socket.on("data", (bytes) => ferry.receive(bytes));
    socket.on("close", () => {
      log(`${who} has gone.`);
      client = null;
      ferry.drop();
    });
  });

  let open = true;

  function shut(): void {
    if (!open) return;
    open = false;
    ferry.stop();
    server.close();
    client?.destroy();
  }

  function fail(error: unknown): void {
    shut();
    reject(error);
  }

  try {
    await listen(server, host, port);
  } catch (error) {
    ferry.stop();
    throw error;
  }
  server.on("close", resolve);
  const close = (): Promise<void> => {
    shut();
    return closed;
  };
  return { address: addressOf(server), close, closed };
}

function addressOf(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return "";
  return `tcp://${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`;
}
