// `tearpad statement` and `tearpad audit`: the books of a server. A statement is what moved on one token's account; an audit
// derives every balance again from the journal and says where they differ.

import { showToken } from "../server/index.ts";
import { type Io, parse, printJson, UsageError } from "./command.ts";
import { inOffice } from "./office.ts";

const ENTRIES = 100;

export async function statement(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { entries: { type: "string" } }, [2, 2]);
  const [directory, name] = positionals as [string, string];
  const limit = Number(values.entries ?? ENTRIES);
  if (!Number.isSafeInteger(limit) || limit < 1) throw new UsageError("--entries takes a number above 0.");
  return inOffice(directory, ({ token }) => {
    const { name: tokenName, account, asset, balance } = showToken(token, name);
    const entries = token.store.transact(() => token.ledger.statement(account, 0, limit));
    if (values.json) {
      printJson(io.stdout, { token: tokenName, account, asset, balance, entries });
      return 0;
    }
    for (const { at, amount, balance: after, reason, memo } of entries) {
      const what = memo === null ? reason : `${reason}: ${memo}`;
      const sum = `${amount > 0n ? "+" : ""}${amount}`;
      io.stdout.write(`${new Date(at).toISOString()}  ${sum.padStart(12)}  ${`${after}`.padStart(12)}  ${what}\n`);
    }
    io.stdout.write(`${" ".repeat(40)}${`${balance}`.padStart(12)}  ${asset}\n`);
    return 0;
  });
}

export async function audit(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, {}, [1, 1]);
  return inOffice(positionals[0] as string, ({ token }) => {
    const report = token.store.transact(() => token.ledger.audit());
    const { entries, accounts, openHolds, assets, disagreements } = report;
    if (values.json) {
      printJson(io.stdout, report);
    } else {
      io.stdout.write(`${entries} entries, ${accounts} accounts, ${openHolds} open holds.\n`);
      for (const { asset, sum, circulating } of assets) {
        io.stdout.write(`${asset.padEnd(8)} sum ${sum}, ${circulating} in accounts above zero\n`);
      }
      for (const { name, stated, derived, ...where } of disagreements) {
        io.stdout.write(`✗ ${name} ${JSON.stringify(where)}: stands ${stated}, follows ${derived}\n`);
      }
      io.stdout.write(disagreements.length === 0 ? "The books balance.\n" : "The books do NOT balance.\n");
    }
    return disagreements.length === 0 ? 0 : 1;
  });
}
