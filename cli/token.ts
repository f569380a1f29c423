// `tearpad token`: the tokens of a server, for its operator. Works beside the process that serves, which notices at once.

import {
  activateToken,
  cancelToken,
  creditToken,
  holdToken,
  listTokens,
  type Office,
  resolveDoubt,
  showToken,
  type TokenView,
} from "../server/index.ts";
import { bytes, type Io, parse, printJson, UsageError } from "./command.ts";
import { confirm } from "./confirm.ts";
import { line } from "./gauge.ts";
import { inOffice } from "./office.ts";
import { amount } from "./token-link.ts";

export async function tokenList(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, {}, [1, 1]);
  return inOffice(positionals[0] as string, ({ token }) => {
    const tokens = listTokens(token);
    if (values.json) printJson(io.stdout, { tokens });
    else if (tokens.length === 0) io.stdout.write("No token was issued yet.\n");
    else for (const view of tokens) io.stdout.write(`${inALine(view)}\n`);
    return 0;
  });
}

export async function tokenShow(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, {}, [2, 2]);
  const [directory, name] = positionals as [string, string];
  return inOffice(directory, ({ token }) => tell(io, values.json, showToken(token, name)));
}

export const tokenActivate: Verb = change(activateToken);
export const tokenHold: Verb = change(holdToken);
export const tokenResolve: Verb = change(resolveDoubt);

/** For good, so a person types the name, and a script says --yes. */
export async function tokenCancel(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { yes: { type: "boolean" } }, [2, 2]);
  const [directory, name] = positionals as [string, string];
  return inOffice(directory, async ({ token }) => {
    const view = showToken(token, name);
    const question = `Token ${view.name} is refused from now on, and its twin is destroyed. Its ${view.balance} ${view.asset} stay in its account.`;
    if (!values.yes && !(await confirm(io, question, view.name)))
      throw new UsageError("Nothing was changed. A script says --yes.");
    cancelToken(token, name);
    return tell(io, values.json, showToken(token, name));
  });
}

export async function tokenCredit(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { price: { type: "string" }, key: { type: "string" } }, [2, 2]);
  const [directory, name] = positionals as [string, string];
  const { price, key } = values;
  if (price === undefined || key === undefined) {
    throw new UsageError("Give --price in minor units, and --key: the same key again pays in once.");
  }
  return inOffice(directory, ({ token }) => {
    creditToken(token, name, amount("--price", price), key);
    return tell(io, values.json, showToken(token, name));
  });
}

type Verb = (args: string[], io: Io) => Promise<number>;

function change(alter: (token: Office["token"], name: string) => void): Verb {
  return (args, io) => {
    const { values, positionals } = parse(args, {}, [2, 2]);
    const [directory, name] = positionals as [string, string];
    return inOffice(directory, ({ token }) => {
      alter(token, name);
      return tell(io, values.json, showToken(token, name));
    });
  };
}

/** Returns the code to exit with. */
function tell(io: Io, json: boolean | undefined, view: TokenView): number {
  if (json) printJson(io.stdout, view);
  else io.stdout.write(`${inFull(view).join("\n")}\n`);
  return 0;
}

function inALine({ name, state, balance, asset, padLength, left, inDoubt }: TokenView): string {
  const pad = `${((left / padLength) * 100).toFixed(1)} % of its pad left`;
  return `${name}  ${state.padEnd(9)} ${`${balance}`.padStart(12)} ${asset.padEnd(8)} ${pad}${inDoubt ? "  books in doubt" : ""}`;
}

function inFull(view: TokenView): string[] {
  const { name, number, state, balance, held, asset, tariff, account, padLength, left, up, down, calls, slots } = view;
  return [
    line("token", `${name}, ${state}${view.closed ? ", its value is closed" : ""}`),
    ...(number === null ? [] : [line("", `its owner's number: ${number}`)]),
    line(
      "value",
      `${balance} ${asset}${held > 0n ? `, of which ${held} are held` : ""}; account ${account}, tariff ${tariff}`,
    ),
    ...(view.inDoubt ? [line("", "its books are in doubt: tearpad token resolve when they are right")] : []),
    line("pad", `${bytes(left)} left of ${bytes(padLength)}; ${bytes(up)} used up, ${bytes(down)} down`),
    line("calls", `${calls} of ${slots}; receipt ${view.receipt}`),
  ];
}
