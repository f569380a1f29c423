// A question to the person at the terminal. Where there is none, the answer is no, or nothing.

import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import type { Io } from "./command.ts";

/** Asks on stderr; only "y" or "yes" is yes. What cannot be undone has a phrase: then only that is, word for word. */
export async function confirm({ stdin, stderr }: Io, question: string, phrase: string | null = null): Promise<boolean> {
  const how = phrase === null ? "[y/N]" : `For good? Then type: ${phrase}\n>`;
  const answer = await ask({ stdin, stderr }, `${question} ${how} `);
  return phrase === null ? /^y(es)?$/i.test(answer) : answer === phrase;
}

/** Asks on stderr which of these names it shall be; null where nobody says one of them. */
export async function choose<Name extends string>(
  { stdin, stderr }: Io,
  question: string,
  choices: Readonly<Record<Name, string>>,
): Promise<Name | null> {
  const names = Object.keys(choices) as Name[];
  const list = names.map((name) => `  ${name.padEnd(12)}${choices[name]}\n`).join("");
  const answer = await ask({ stdin, stderr }, `${question}\n${list}> `);
  return names.find((name) => name === answer) ?? null;
}

/** What is typed on one line, without blanks around it; nothing where there is no terminal, or it ends. */
async function ask({ stdin, stderr }: Pick<Io, "stdin" | "stderr">, question: string): Promise<string> {
  if (!stdin.isTTY || !stderr.isTTY) return "";
  const terminal = createInterface({ input: stdin, output: stderr });
  const ended = once(terminal, "close").then(() => "");
  try {
    return (await Promise.race([terminal.question(question), ended])).trim();
  } finally {
    terminal.close();
  }
}
