// Ctrl-C and a polite kill, for commands that have something to put away first.

import process from "node:process";
import { CliError, type CliFacts } from "./errors.ts";

export interface StopSignal {
  /** Resolves when the person, or the system, wants the command to end. */
  readonly asked: Promise<void>;
  /** Leaves the signals to Node again. */
  ignore(): void;
}

/** What ends when the command is to end: `promise` rejects then, and `error` is there. */
export interface Stop {
  readonly promise: Promise<never>;
  readonly error: CliError | null;
}

/** Turns the wish into an error that says how far it had come. */
export function stopOf({ asked }: StopSignal, facts: () => CliFacts["INTERRUPTED"]): Stop {
  let error: CliError | null = null;
  const promise = asked.then(() => {
    error = new CliError("INTERRUPTED", facts());
    throw error;
  });
  promise.catch(() => {}); // Nobody may be waiting for it.
  return {
    promise,
    get error() {
      return error;
    },
  };
}

/** The bytes of a stream, until the command is to end. */
export async function* until({ promise }: Stop, stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const bytes = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([bytes.next(), promise]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    bytes.return?.()?.catch(() => {}); // Not waited for: it may be stuck in a read that never comes back.
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export function stopSignal(): StopSignal {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const heard = (): void => resolve();
  for (const signal of SIGNALS) process.on(signal, heard);
  return {
    asked,
    ignore: () => {
      for (const signal of SIGNALS) process.off(signal, heard);
    },
  };
}
