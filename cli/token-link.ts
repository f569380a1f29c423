// A command's link: the token that it means, its server, and what to do when the person, the device or the line goes away.
// What is under way is kept below $TEARPAD_HOME, one directory for each fill of a device, and finished by the next command. An
// answer is kept there as well until it is written where it belongs: that of a command that was cut off, until one hands it out.

import { join } from "node:path";
import type { Device } from "../host/driver/index.ts";
import {
  type Answer,
  type Link,
  type LinkEvent,
  LinkFailure,
  type LinkFailureCode,
  type Notes,
  openLink,
  type Receipt,
  type Value,
} from "../host/link/index.ts";
import { parseAddress, parseListenAddress } from "../host/protocol/index.ts";
import { deviceAddress, openAddress } from "./address.ts";
import { shown } from "./body.ts";
import { type Io, UsageError } from "./command.ts";
import { CliError } from "./errors.ts";
import { stateDirectory } from "./home.ts";
import { stopOf, stopSignal } from "./signals.ts";

export const LINK_OPTIONS = {
  device: { type: "string" },
  server: { type: "string", multiple: true },
  cap: { type: "string" },
} as const;

/** After these the link stands. It ends in order, so that the device gets the receipt for what was charged. */
const ANSWERED: readonly LinkFailureCode[] = [
  "SERVICE_ERROR",
  "CAP_EXCEEDED",
  "BAD_ANSWER",
  "NEED_GRANT",
  "PAD_EXHAUSTED",
];

const HEARD_AGAIN =
  "The server heard a call that this token had made before. Somebody repeats what was recorded on the line, which does no harm; or there is a copy of the device or its image. If there may be one, have the server hold this token.\n";

/** What LINK_OPTIONS were given. */
export interface LinkChoice {
  readonly device?: string | undefined;
  readonly server?: string[] | undefined;
  readonly cap?: string | undefined;
  readonly json?: boolean | undefined;
}

/** A request that an earlier command had not waited for, or whose answer it could not hand over. */
export interface Finished {
  readonly service: string;
  readonly charged: bigint;
  /** Null: the service failed, with this error. */
  readonly answer: Answer | null;
  readonly error: string | null;
  /** When it brought a part of a file to the server: how many bytes of it are there, and whether that is all. */
  readonly file: { readonly name: string; readonly bytes: number; readonly whole: boolean } | null;
}

/** How a link went. */
export interface Linked<Result> {
  readonly result: Result;
  /** The addresses in the order in which they were tried, and the one that took the call. */
  readonly tried: readonly string[];
  readonly address: string;
  /** What the server noted to the owner, once for each call that it noted something in. */
  readonly notices: readonly Notes[];
  readonly finished: readonly Finished[];
  /** The server's last word. */
  readonly receipt: Receipt;
  /** What the device shows after it. */
  readonly value: Value;
}

/** What a command does with its link. */
export interface Errand<Result> {
  /** While it is open. */
  use(link: Link, device: Device, finished: readonly Finished[]): Promise<Result>;
  /** Behind it, writes what came of it, and has the link forget an answer that is written. */
  tell(linked: Linked<Result>, link: Link): Promise<void>;
  /** Whether `tell` hands out this answer of an earlier command also where it prints for people. */
  handsOut?(finished: Finished): boolean;
}

/**
 * Calls the token's server, finishes what an earlier command left, does the errand, and ends the link. With --json, earlier
 * answers are handed out by `tell`, which prints linkJson.
 * @throws UsageError; LinkFailure; DriverError; CliError INTERRUPTED, OUTPUT_CLOSED
 */
export async function withLink<Result>(choice: LinkChoice, io: Io, errand: Errand<Result>): Promise<void> {
  const asked = choice.cap === undefined ? null : amount("--cap", choice.cap);
  const addresses =
    choice.server === undefined ? {} : { addresses: choice.server.map((text) => serverAddress("--server", text)) };
  const signal = stopSignal();
  const stop = stopOf(signal, () => ({ doing: "linking", boxes: 0 }));
  const device = await Promise.race([openAddress(deviceAddress(choice.device, io), stop), stop.promise]);
  // Closing is what ends a command that waits for the device.
  stop.promise.catch(() => device.close());
  const tried: string[] = [];
  const notices: Notes[] = [];
  let address = "";
  const onEvent = (event: LinkEvent): void => {
    if (event.kind === "trying") tried.push(event.address);
    if (event.kind === "notice") {
      const { heardAgain, inDoubt, nothingLeft } = event;
      notices.push({ heardAgain, inDoubt, nothingLeft });
      if (heardAgain) io.stderr.write(HEARD_AGAIN);
    }
    if (event.kind === "linked") address = event.address;
  };
  try {
    const directory = await directoryOf(device, io);
    const onPresence = (): void => void io.stderr.write("Press the button of the device to allow this.\n");
    // The device may not know yet what was paid in, so it is the owner's limit alone that bounds a link.
    const cap = asked ?? (await device.value()).limit;
    const opening = openLink(device, { directory, cap, holds: true, ...addresses, onPresence, onEvent });
    const link = await Promise.race([opening, stop.promise]);
    try {
      const work = async (): Promise<Omit<Linked<Result>, "value">> => {
        const finished = await finishEarlier(link);
        const result = await errand.use(link, device, finished);
        return { result, tried, address, notices, finished, receipt: await link.close() };
      };
      const linked = await Promise.race([work(), stop.promise]);
      await Promise.race([errand.tell({ ...linked, value: link.value }, link), stop.promise]);
      for (const earlier of linked.finished) {
        const { service, charged, answer, file } = earlier;
        if (answer === null) continue;
        if (choice.json || file !== null || errand.handsOut?.(earlier)) await link.forget(answer);
        else io.stderr.write(WAITS(service, charged));
      }
    } catch (error) {
      if (endsInOrder(error)) {
        await Promise.race([link.close(), stop.promise]).catch(() => {}); // The first error is the one that matters.
      }
      throw error;
    } finally {
      await link.abandon();
    }
  } catch (error) {
    throw stop.error ?? error;
  } finally {
    signal.ignore();
    await device.close();
  }
}

function endsInOrder(error: unknown): boolean {
  if (error instanceof LinkFailure) return ANSWERED.includes(error.code);
  return error instanceof CliError && error.code === "OUTPUT_CLOSED";
}

/** Whole minor units. @throws UsageError */
export function amount(option: string, text: string): bigint {
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw new UsageError(`${option} takes whole minor units such as 250, not "${text}".`);
}

/** Where a server is, or is to be. @throws UsageError */
export function serverAddress(option: "--server" | "--listen", text: string): string {
  if ((option === "--server" ? parseAddress(text) : parseListenAddress(text)) !== null) return text;
  const takes =
    option === "--server" ? "tcp://HOST:PORT, ws://HOST:PORT or wss://HOST:PORT" : "tcp://HOST:PORT or ws://HOST:PORT";
  throw new UsageError(`${option} takes ${takes}, not "${text}".`);
}

/** What a command says after its link, for a program. */
export function linkJson({ tried, address, notices, finished, receipt, value }: Linked<unknown>): object {
  const { sequence, call, balance, closed } = receipt;
  return {
    tried,
    address,
    notices,
    finished: finished.map(finishedJson),
    receipt: { sequence, call, balance, closed },
    value: valueJson(value),
  };
}

function finishedJson({ service, charged, answer, error, file }: Finished): object {
  const outcome = answer === null ? { error } : { body: shown(answer.body) };
  return { service, charged, ...outcome, ...(file === null ? {} : { file }) };
}

/** What a device knows of its money, for a program. */
export function valueJson({ asset, receipt, openCaps, limit }: Value): object {
  return { asset, atMost: receipt.balance, atLeast: atLeast(receipt.balance, openCaps), openCaps, limit };
}

/** What is certainly left. */
export function atLeast(balance: bigint, openCaps: bigint): bigint {
  return balance > openCaps ? balance - openCaps : 0n;
}

async function directoryOf(device: Device, { env }: Io): Promise<string> {
  const { serial } = await device.info();
  return join(stateDirectory(env, "links"), serial);
}

/** Waits for the answers of requests that earlier commands made. They are paid for: each is told, or stays where it is kept. */
async function finishEarlier(link: Link): Promise<Finished[]> {
  const finished: Finished[] = [];
  for (const { service, body, answer } of await link.pending()) {
    try {
      const given = await answer();
      finished.push({ service, charged: given.charged, answer: given, error: null, file: partIn(service, body) });
    } catch (error) {
      if (!(error instanceof LinkFailure) || !("charged" in error.facts)) throw error;
      const { charged } = error.facts;
      const code = "error" in error.facts ? error.facts.error : error.code;
      finished.push({ service, charged, answer: null, error: code, file: null });
    }
  }
  return finished;
}

/** What a request brought of a file. */
function partIn(service: string, body: unknown): Finished["file"] {
  const { action, name, offset, bytes, end } = body as PutBody;
  if (service !== "store" || action !== "put") return null;
  return { name, bytes: offset + bytes.length, whole: end };
}

interface PutBody {
  readonly action: unknown;
  readonly name: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly end: boolean;
}

const WAITS = (service: string, charged: bigint): string =>
  `An earlier request to ${service} was answered, ${charged} charged; the answer is kept: tearpad call hands it out, a long one with --json.\n`;
