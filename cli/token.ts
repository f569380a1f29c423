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

/** The books are right as they stand, or as --balance and --earnings say. */
export async function tokenResolve(args: string[], io: Io): Promise<number> {
  const options = { balance: { type: "string" }, earnings: { type: "string" } } as const;
  const { values, positionals } = parse(args, options, [2, 2]);
  const [directory, name] = positionals as [string, string];
  const { balance, earnings } = values;
  const believed = {
    ...(balance === undefined ? {} : { balance: amount("--balance", balance) }),
    ...(earnings === undefined ? {} : { earnings: amount("--earnings", earnings) }),
  };
  return inOffice(directory, ({ token }) => {
    resolveDoubt(token, name, believed);
    return tell(io, values.json, showToken(token, name));
  });
}

/** For good, so a person types the name, and a script says --yes. */
export async function tokenCancel(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { yes: { type: "boolean" }, tail: { type: "boolean" } }, [2, 2]);
  const [directory, name] = positionals as [string, string];
  return inOffice(directory, async ({ token }) => {
    const view = showToken(token, name);
    const question = `Token ${view.name} is refused from now on, and its twin is destroyed. Its ${view.balance} ${view.asset} ${values.tail ? "end with it" : "stay in its account"}.`;
    if (!values.yes && !(await confirm(io, question, view.name)))
      throw new UsageError("Nothing was changed. A script says --yes.");
    cancelToken(token, name, values.tail ? "ends" : "stays");
    return tell(io, values.json, showToken(token, name));
  });
}

export async function tokenCredit(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { price: { type: "string" }, key: { type: "string" } }, [2, 2]);
  const [directory, name] = positionals as [string, string];
  const { price, key } = values;
  // An empty key is that of a script whose variable is not set: it would pay in for the first order, and never again.
  if (price === undefined || key === undefined || key.trim() === "") {
    throw new UsageError(
      "Give --price in minor units, and --key, which is not empty: the same key again pays in once.",
    );
  }
  return inOffice(directory, ({ token }) => {
    const repeated = !creditToken(token, name, amount("--price", price), key);
    const view = showToken(token, name);
    if (values.json) printJson(io.stdout, { ...view, repeated });
    else io.stdout.write(`${[...inFull(view), ...(repeated ? [line("", REPEATED)] : [])].join("\n")}\n`);
    return 0;
  });
}

const REPEATED = "nothing was paid in now: a credit under this key was paid in before";

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

function inALine({ name, state, balance, asset, padLength, left, inDoubt, earningsInDoubt }: TokenView): string {
  const pad = `${((left / padLength) * 100).toFixed(1)} % of its pad left`;
  return `${name}  ${state.padEnd(9)} ${`${balance}`.padStart(12)} ${asset.padEnd(8)} ${pad}${inDoubt ? "  books in doubt" : earningsInDoubt > 0n ? "  earnings in doubt" : ""}`;
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
    ...(view.earningsInDoubt > 0n
      ? [
          line(
            "",
            `${view.earningsInDoubt} of its earnings may have been collected before a restore: tearpad token resolve`,
          ),
        ]
      : []),
    line("pad", `${bytes(left)} left of ${bytes(padLength)}; ${bytes(up)} used up, ${bytes(down)} down`),
    line("calls", `${calls} of ${slots}; receipt ${view.receipt}`),
  ];
}
