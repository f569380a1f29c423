// `tearpad serve`: the server of a directory, until Ctrl-C. Everything that it knows is in that directory; what it tells while
// it runs goes to stderr, one JSON object a line, and names no client.

import process from "node:process";
import { createServer, FIRST_CONFIG, openServer } from "../server/index.ts";
import { type Io, parse, printJson } from "./command.ts";
import { stopSignal } from "./signals.ts";
import { written } from "./stdout.ts";
import { serverAddress } from "./token-link.ts";

const OPTIONS = { create: { type: "boolean" }, listen: { type: "string", multiple: true } } as const;

export async function serve(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS, [1, 1]);
  const directory = positionals[0] as string;
  const listen = values.listen?.map((text) => serverAddress("--listen", text));
  if (values.create) createServer(directory, firstConfig(listen));
  const stop = stopSignal();
  const server = await openServer(directory);
  try {
    const addresses = await server.listen(listen);
    const { restored, unknown, cutOff } = server.recovery;
    if (values.json) {
      printJson(io.stdout, { pid: process.pid, directory, addresses, restored, unknown, cutOff });
    } else {
      const lines = [
        `Serving ${directory} at ${addresses.join(" and ")}, process ${process.pid}.`,
        ...(restored > 0 ? [RESTORED(restored)] : []),
        ...(unknown > 0
          ? [`The books know nothing of ${unknown} twins: their tokens, issued since the backup, are refused.`]
          : []),
        ...(cutOff > 0 ? [`${cutOff} requests were cut off and are answered as unknown; none was charged.`] : []),
        "Ctrl-C ends it; nothing is lost when it ends in any other way.",
      ];
      io.stdout.write(`${lines.join("\n")}\n`);
    }
    await written(io.stdout); // Whoever started it must learn where it is.
    await stop.asked;
  } finally {
    await server.close();
    stop.ignore();
  }
  return 0;
}

/** The addresses that a new server is made with are those that its tokens are told; a port that is drawn each time is not. */
function firstConfig(listen: string[] | undefined): object {
  if (listen === undefined) return FIRST_CONFIG;
  return {
    ...FIRST_CONFIG,
    listen,
    addresses: { number: 1, list: listen.filter((address) => !address.endsWith(":0")) },
  };
}

const RESTORED = (tokens: number): string =>
  `An older database was put back: ${tokens} tokens go on where their pads are, and their books are in doubt until they call.`;
