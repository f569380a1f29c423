/**
 * A device on a real pseudoterminal: a host opens its path like any serial port.
 */
import { execFileSync } from "node:child_process";
import { closeSync, constants, lstatSync, openSync, readlinkSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { ReadStream } from "node:tty";
import { SimulatorError } from "../error.ts";
import type { Machine } from "../machine.ts";
import { Ferry, type Line } from "./line.ts";

export interface PtyOptions {
  /** A symbolic link to the terminal, so that its path is known beforehand. An older link there is replaced, nothing else is. */
  readonly link?: string;
}

/** What `open()` of node-pty returns; its own types leave it out. */
interface OpenTerminal {
  readonly master: ReadStream;
  readonly slave: ReadStream;
  readonly ptsName: string;
}

/** A terminal that is raw before anyone can open it, and that a closing host does not end: this process holds it open. */
interface Terminal {
  readonly path: string;
  readonly master: ReadStream;
  /** Closes both of its ends here. */
  readonly close: () => void;
}

/**
 * Puts a machine on a pseudoterminal of its own.
 *
 * The host must be another process: one that waits for the terminal in this one would wait for itself.
 * @throws SimulatorError LINE_FAILED when the system gives no terminal or the link cannot be made
 */
export async function attachPty(machine: Machine, options: PtyOptions = {}): Promise<Line> {
  const { link } = options;
  const terminal = await openTerminal();
  if (link !== undefined) placeLink(link, terminal);
  const { promise: closed, resolve, reject } = Promise.withResolvers<void>();
  const ferry = new Ferry(machine, (bytes, taken) => terminal.master.write(bytes, () => taken()), fail);
  let open = true;

  function shut(): void {
    if (!open) return;
    open = false;
    ferry.stop();
    if (link !== undefined) removeLink(link, terminal.path);
    terminal.close();
  }

  function fail(error: unknown): void {
    shut();
    reject(error);
  }

  terminal.master.on("data", (bytes) => ferry.receive(bytes));
  terminal.master.on("close", resolve);
  const close = (): Promise<void> => {
    shut();
    return closed;
  };
  return { address: link ?? terminal.path, close, closed };
}

async function openTerminal(): Promise<Terminal> {
  try {
    // A CommonJS module: some loaders give its exports, some wrap them.
    const module = await import("@lydell/node-pty");
    const pty = module.default ?? module;
    const opened = (pty as unknown as { open(options: object): OpenTerminal }).open({ encoding: null });
    const { master, ptsName: path } = opened;
    // node-pty would read the slave's side and take the device's bytes from the host. Only the streams are destroyed here, never
    // the terminal as a whole: without a child process that would signal process -1, which is every process.
    opened.slave.destroy();
    master.on("error", () => master.destroy());
    const held = holdRaw(path);
    const close = (): void => {
      master.destroy();
      held();
    };
    return { path, master, close };
  } catch (cause) {
    throw failed("The system gave no pseudoterminal.", process.platform, "Use a TCP port instead.", cause);
  }
}

/**
 * Opens the slave's side and makes it raw; returns what closes it. Where there is no stty, Node's own raw mode still turns echo
 * and line editing off, and the host's serial library does the rest when it opens the terminal.
 */
function holdRaw(path: string): () => void {
  const held = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  try {
    execFileSync("stty", ["raw", "-echo"], { stdio: [held, "ignore", "ignore"] });
    return () => closeSync(held);
  } catch {
    const stream = new ReadStream(held);
    stream.setRawMode(true);
    return () => stream.destroy();
  }
}

function placeLink(link: string, terminal: Terminal): void {
  try {
    const there = lstatSync(link, { throwIfNoEntry: false });
    if (there !== undefined && !there.isSymbolicLink()) {
      throw failed(`${link} is there and is no link.`, link, "Choose another name for the link.");
    }
    const beside = `${link}.${process.pid}`;
    symlinkSync(terminal.path, beside);
    renameSync(beside, link);
  } catch (cause) {
    terminal.close();
    if (cause instanceof SimulatorError) throw cause;
    throw failed(`The link ${link} cannot be made.`, link, "Choose a path in a directory that you may write.", cause);
  }
}

/** Unless another simulator has placed its own there since. */
function removeLink(link: string, path: string): void {
  try {
    if (readlinkSync(link) === path) unlinkSync(link);
  } catch {}
}

function failed(sentence: string, about: string, advice: string, cause?: unknown): SimulatorError {
  return new SimulatorError("LINE_FAILED", sentence, { facts: { about }, advice, cause });
}
