#!/usr/bin/env node
// The command line: `tearpad NOUN VERB`, or a verb alone for what is done most. A command is loaded when it is called.

import "./node-check.ts";
import { readFileSync } from "node:fs";
import process from "node:process";
import { type Io, UsageError } from "./command.ts";
import { exitOf } from "./exit.ts";
import { HELP, overview } from "./help.ts";
import { tell } from "./report.ts";
import { checkedOutput, written } from "./stdout.ts";

type Run = (args: string[], io: Io) => Promise<number>;

const COMMANDS: Readonly<Record<string, () => Promise<Run>>> = {
  pair: async () => (await import("./pair.ts")).pair,
  seal: async () => (await import("./seal.ts")).seal,
  open: async () => (await import("./open.ts")).open,
  "outbox list": async () => (await import("./outbox.ts")).outboxList,
  "outbox send": async () => (await import("./outbox.ts")).outboxSend,
  "outbox drop": async () => (await import("./outbox.ts")).outboxDrop,
  "device list": async () => (await import("./device.ts")).deviceList,
  "device info": async () => (await import("./device.ts")).deviceInfo,
  "device fill": async () => (await import("./device.ts")).deviceFill,
  "device selftest": async () => (await import("./selftest.ts")).deviceSelftest,
  "device flash": async () => (await import("./flash.ts")).deviceFlash,
  "image inspect": async () => (await import("./image.ts")).imageInspect,
  call: async () => (await import("./call.ts")).call,
  balance: async () => (await import("./call.ts")).balance,
  send: async () => (await import("./send.ts")).send,
  fetch: async () => (await import("./send.ts")).fetchFile,
  run: async () => (await import("./run.ts")).run,
  request: async () => (await import("./run.ts")).request,
  serve: async () => (await import("./serve.ts")).serve,
  issue: async () => (await import("./issue.ts")).issue,
  "token list": async () => (await import("./token.ts")).tokenList,
  "token show": async () => (await import("./token.ts")).tokenShow,
  "token activate": async () => (await import("./token.ts")).tokenActivate,
  "token hold": async () => (await import("./token.ts")).tokenHold,
  "token credit": async () => (await import("./token.ts")).tokenCredit,
  "token resolve": async () => (await import("./token.ts")).tokenResolve,
  "token cancel": async () => (await import("./token.ts")).tokenCancel,
  "goods show": async () => (await import("./goods.ts")).goodsShow,
  "goods hand-over": async () => (await import("./goods.ts")).goodsHandOver,
  statement: async () => (await import("./books.ts")).statement,
  audit: async () => (await import("./books.ts")).audit,
  sim: async () => (await import("./sim.ts")).sim,
  control: async () => (await import("./control.ts")).control,
  vectors: async () => (await import("./vectors.ts")).vectors,
};

const HELP_WORDS: readonly string[] = ["--help", "-h", "help"];

const stdout = checkedOutput(process.stdout);
const io: Io = {
  get stdin() {
    return process.stdin; // Not before somebody reads it.
  },
  stdout,
  stderr: process.stderr,
  env: process.env,
};

/** A reader of the help that goes away early is nothing to shout about. */
let helped = false;

const args = process.argv.slice(2);
process.exitCode = await main(args)
  .then(async (exit) => {
    if (!helped) await written(stdout);
    return exit;
  })
  .catch((error: unknown) => tell(process.stderr, error, args.includes("--json")));
// What still waits for a pipe or a device does not keep a command that was interrupted.
if (process.exitCode === exitOf("INTERRUPTED")) process.exit();

async function main(args: string[]): Promise<number> {
  const [first = "--help", second = ""] = args;
  if (first === "--version" || first === "-v") return say(`${version()}\n`);
  if (first === "help" && args.length > 1) return main([...args.slice(1), "--help"]);
  if (HELP_WORDS.includes(first)) return say(overview(version()));
  const verbs = Object.keys(COMMANDS).filter((name) => name.startsWith(`${first} `));
  if (verbs.length > 0 && HELP_WORDS.includes(second)) return say(`${verbs.map((verb) => HELP[verb]).join("\n\n")}\n`);
  const name = Object.hasOwn(COMMANDS, first) ? first : `${first} ${second}`;
  const load = COMMANDS[name];
  if (load === undefined) throw new UsageError(unknown(first));
  const rest = args.slice(name.split(" ").length);
  if (rest.includes("--help") || rest.includes("-h")) return say(`${HELP[name]}\n`);
  return (await load())(rest, io);
}

function say(text: string): number {
  helped = true;
  process.stdout.write(text);
  return 0;
}

function unknown(noun: string): string {
  const verbs = Object.keys(COMMANDS).filter((name) => name.startsWith(`${noun} `));
  if (verbs.length > 0) return `One of: tearpad ${verbs.join(", tearpad ")}`;
  return `There is no command "${noun}". tearpad --help lists them.`;
}

/** Beside the package's code in a checkout, one folder further up where it is built. */
function version(): string {
  for (const place of ["../package.json", "../../package.json"]) {
    try {
      return (JSON.parse(readFileSync(new URL(place, import.meta.url), "utf8")) as { version: string }).version;
    } catch {}
  }
  return "of unknown version";
}
