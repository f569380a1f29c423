// Earnings: what a token earned on the market and left there to make its traffic cheaper. Each token has one such account,
// whoever buys; it outlives every offer. Of each charge for traffic a half is paid out of it, as long as it lasts: the
// token's value falls at the reduced rate, and whoever earns the traffic gets all of it.

import type { AccountId, Ledger } from "../../ledger/index.ts";
import type { Store } from "../../store/index.ts";
import type { ServiceContext } from "../service.ts";

/** The account of what this pad earned, or null when it never offered anything into it. */
export function earningsAccount(store: Store, pad: number): AccountId | null {
  return store.db.prepare<[number], number>("SELECT account FROM earnings WHERE pad = ?").pluck().get(pad) ?? null;
}

/** The same, opened when there is none. */
export function openEarnings({ store, ledger, token }: ServiceContext): AccountId {
  const found = earningsAccount(store, token.pad);
  if (found !== null) return found;
  const account = ledger.named("seller", token.asset, String(token.pad));
  store.db.prepare("INSERT INTO earnings (pad, account) VALUES (?, ?)").run(token.pad, account);
  return account;
}

/** What of a charge for traffic, in minor units, the earnings pay; the token pays the rest. */
export function earningsShare(ledger: Ledger, account: AccountId, traffic: bigint): bigint {
  const { balance, held } = ledger.balance(account);
  const half = traffic / 2n;
  return half < balance - held ? half : balance - held;
}
