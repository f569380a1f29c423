// `tearpad control`: orders to a running simulator, from another terminal: above all, take its power away.

import { connectControl, type Order } from "../simulator/index.ts";
import { type Io, parse, printJson, UsageError } from "./command.ts";

const PLAIN = ["status", "power-cut", "power-on", "reset", "unplug", "disarm"] as const;

export async function control(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, {}, [2, 2]);
  const [socket, words] = positionals as [string, string];
  const order = orderOf(words);
  const remote = await connectControl(socket);
  try {
    const status = await remote.order(order);
    if (values.json) printJson(io.stdout, status);
    else io.stdout.write(`The device is ${status.state}${status.traps > 0 ? ` after ${status.traps} traps` : ""}.\n`);
  } finally {
    remote.close();
  }
  return 0;
}

/** One of the plain orders, or any order as JSON. */
function orderOf(words: string): Order {
  const plain = PLAIN.find((name) => name === words);
  if (plain !== undefined) return { do: plain };
  try {
    const order = JSON.parse(words) as Order;
    if (typeof order.do === "string") return order;
  } catch {}
  throw new UsageError(`An order is ${PLAIN.join(", ")}, or a JSON object with "do".`);
}
