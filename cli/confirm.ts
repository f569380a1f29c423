// A question to the person at the terminal. Where there is none, the answer is no.

import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import type { Io } from "./command.ts";

/** Asks on stderr; only "y" or "yes" is yes. */
export async function confirm({ stdin, stderr }: Io, question: string): Promise<boolean> {
  if (!stdin.isTTY || !stderr.isTTY) return false;
  const terminal = createInterface({ input: stdin, output: stderr });
  const ended = once(terminal, "close").then(() => "");
  try {
    const answer = await Promise.race([terminal.question(`${question} [y/N] `), ended]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
