// `tearpad goods`: the counter where an operator hands over what tokens ordered. Who brings the code of an order gets the goods,
// once; nobody says who he is. Works beside the process that serves.

import { findOrder, type GoodsOrder, handOver } from "../server/index.ts";
import { type Io, parse, printJson, UsageError } from "./command.ts";
import { confirm } from "./confirm.ts";
import { line } from "./gauge.ts";
import { inOffice } from "./office.ts";

export async function goodsShow(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, {}, [2, 2]);
  const [directory, code] = positionals as [string, string];
  return inOffice(directory, ({ token }) => tell(io, values.json, findOrder(token.store, code)));
}

/** For good, so a person types what goes over the counter, and a script says --yes. */
export async function goodsHandOver(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { yes: { type: "boolean" } }, [2, 2]);
  const [directory, code] = positionals as [string, string];
  return inOffice(directory, async ({ token }) => {
    const { store } = token;
    const order = findOrder(store, code);
    if (
      !order.handedOver &&
      !values.yes &&
      !(await confirm(io, `Hand over ${inWords(order)}: the code is good once.`, inWords(order)))
    )
      throw new UsageError("Nothing was handed over. A script says --yes.");
    return tell(io, values.json, handOver(store, code));
  });
}

/** Returns the code to exit with. */
function tell(io: Io, json: boolean | undefined, order: GoodsOrder): number {
  if (json) printJson(io.stdout, order);
  else io.stdout.write(`${line("order", `${inWords(order)}, ${order.handedOver ? "" : "not "}handed over`)}\n`);
  return 0;
}

function inWords({ item, count }: GoodsOrder): string {
  return `${count} ${item}`;
}
