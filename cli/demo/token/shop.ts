// Where a token is sold: a server in a process of its own, a blank device in another one behind its own terminal, the sale
// between them as an operator makes it, and a tap on the wire. The server's directory stays from start to start, books and
// all; the token is new each time, because a start spends it.

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer as createPort } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createImage } from "../../../simulator/index.ts";
import { commandLine } from "../command-line.ts";
import { DemoError } from "../errors.ts";
import { bytesOf, type OriginalPad, padOf } from "../original.ts";
import { type Running, run } from "../running.ts";
import { chipBytesFor, type Simulated, startSimulated } from "../simulated.ts";
import { layTap, type Tap } from "./tap.ts";
import { Witness } from "./witness.ts";

/** A file goes to the server in requests of so many bytes. */
export const PART_BYTES = 65_536;
/** The pad is good for the file so many times. */
const FILES = 12;

/** What the operator sees of the token. Money in minor units. */
export interface TokenView {
  readonly name: string;
  readonly state: string;
  readonly asset: string;
  readonly balance: string;
  readonly up: number;
  readonly down: number;
  readonly split: number;
  readonly calls: number;
}

export interface AuditView {
  readonly entries: number;
  readonly assets: readonly { readonly asset: string; readonly sum: string }[];
  readonly disagreements: readonly unknown[];
}

export interface Shop {
  readonly directory: string;
  readonly image: string;
  readonly device: Simulated;
  readonly server: { readonly pid: number; readonly address: string };
  readonly tap: Tap;
  /** The token's pad, as it was made: for the witness, and for it alone. */
  readonly original: OriginalPad;
  readonly padAddress: number;
  readonly witness: Witness;
  readonly issued: TokenView;
  /** Rejects when a process ends before it is stopped. */
  readonly lost: Promise<never>;
  /** Ends the server as a power failure does, and starts it again. */
  crashServer(): Promise<void>;
  token(): Promise<TokenView>;
  audit(): Promise<AuditView>;
  end(): Promise<void>;
}

/**
 * Opens the shop and sells a token that is good for a file of `textBytes`; `anew` begins with a new server.
 * @throws DemoError SERVER_NOT_STARTED, DEVICE_NOT_STARTED, NOT_SOLD
 */
export async function openShop(home: string, { anew, textBytes }: { anew: boolean; textBytes: number }): Promise<Shop> {
  const directory = join(home, "start-server");
  const image = join(home, "start-token.tearpad");
  if (anew) rmSync(directory, { recursive: true, force: true });
  rmSync(image, { force: true });
  createImage(image, chipBytesFor(FILES * textBytes));
  const sockets = mkdtempSync(join(tmpdir(), "tearpad-")); // A socket's path must be short.
  const port = await freePort();
  const address = `tcp://127.0.0.1:${port}`;
  const created = existsSync(join(directory, "config.json")) ? [] : ["--create"];
  const starting = startSimulated("T", image, join(sockets, "T"));
  starting.catch(() => {}); // Thrown where it is waited for.
  let server = await serve(directory, address, created).catch(async (error: unknown) => {
    await (await starting.catch(() => null))?.stop();
    rmSync(sockets, { recursive: true, force: true });
    throw error;
  });
  let stopping = false;
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => {}); // Whoever waits for it is told.
  const watch = (running: Running): void => void running.lost.catch((error) => stopping || lost.reject(error));
  watch(server);
  const endings: (() => Promise<void>)[] = [() => server.stop()];
  const end = async (): Promise<void> => {
    stopping = true;
    await Promise.all(endings.map((ending) => ending()));
    rmSync(sockets, { recursive: true, force: true });
  };
  try {
    const device = await starting;
    endings.push(() => device.stop());
    device.lost.catch((error) => stopping || lost.reject(error));
    const issued = await sell(directory, device.tty, valueFor(textBytes));
    const { shape, address: padAddress, identity } = padOf(image);
    const bytes = await bytesOf(image, padAddress, shape.padLength);
    const original: OriginalPad = { bytes, shape, padId: identity.padId };
    const witness = new Witness(original);
    const tap = await layTap(port, () => witness.connection());
    endings.push(() => tap.close());
    return {
      directory,
      image,
      device,
      get server() {
        return { pid: server.pid, address };
      },
      tap,
      original,
      padAddress,
      witness,
      issued,
      lost: lost.promise,
      crashServer: async () => {
        await server.kill();
        server = await serve(directory, address, []);
        watch(server);
      },
      token: () => ask<TokenView>("token", "show", directory, issued.name),
      audit: () => ask<AuditView>("audit", directory),
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** What the job with a file costs, five times over and a little more to spend: one for each KiB, one for each part. */
function valueFor(textBytes: number): number {
  const kib = Math.ceil(textBytes / 1024);
  return 5 * (kib + Math.ceil(textBytes / PART_BYTES) + 2) + 25;
}

function serve(directory: string, address: string, more: readonly string[]): Promise<Running> {
  return run(["serve", directory, "--listen", address, ...more], {
    failed: ({ reason }) => new DemoError("SERVER_NOT_STARTED", { reason }),
    ended: ({ reason }) => new DemoError("SERVER_ENDED", { reason }),
  });
}

/** As an operator sells it; what the device allows without its button is the whole value. */
async function sell(directory: string, tty: string, value: number): Promise<TokenView> {
  const money = String(value);
  try {
    return await ask<TokenView>("issue", directory, tty, "--price", money, "--limit", money);
  } catch (error) {
    throw new DemoError("NOT_SOLD", { reason: (error as Error).message });
  }
}

/** What a command prints with --json. */
async function ask<View>(...args: string[]): Promise<View> {
  const [node, ...rest] = commandLine(...args, "--json");
  const { stdout } = await promisify(execFile)(node as string, rest, { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout) as View;
}

async function freePort(): Promise<number> {
  const probe = createPort();
  await new Promise<void>((resolve) => void probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => void probe.close(resolve));
  return port;
}
