// A question to the person at the terminal. Where there is none, the answer is no.

import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import type { Io } from "./command.ts";

/** Asks on stderr; only "y" or "yes" is yes. What cannot be undone has a phrase: then only that is, word for word. */
export async function confirm({ stdin, stderr }: Io, question: string, phrase: string | null = null): Promise<boolean> {
  if (!stdin.isTTY || !stderr.isTTY) return false;
  const terminal = createInterface({ input: stdin, output: stderr });
  const ended = once(terminal, "close").then(() => "");
  const how = phrase === null ? "[y/N]" : `For good? Then type: ${phrase}\n>`;
  try {
    const answer = (await Promise.race([terminal.question(`${question} ${how} `), ended])).trim();
    return phrase === null ? /^y(es)?$/i.test(answer) : answer === phrase;
  } finally {
    terminal.close();
  }
}
