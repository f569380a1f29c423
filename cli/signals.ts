// Ctrl-C and a polite kill, for commands that have something to put away first.

import process from "node:process";

export interface StopSignal {
  /** Resolves when the person, or the system, wants the command to end. */
  readonly asked: Promise<void>;
  /** Leaves the signals to Node again. */
  ignore(): void;
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
