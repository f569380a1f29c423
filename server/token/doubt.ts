// Books in doubt: an older database was put back, and its tokens know better. A receipt says what the value was when it was
// made, and nothing else says it. So the books are corrected by what the receipt differs from what they had then, and not to
// what it says: what moved since the restore, such as a sale, stays. What the receipt cannot vouch for is the operator's to
// decide: what was debited behind it, an account that tokens share, and what had been earned, which may have been collected
// or used up meanwhile and is set aside until then.

import type { Ready } from "../../host/protocol/index.ts";
import { earningsAccount } from "../service/index.ts";
import type { TokenServer } from "./core.ts";
import { TokenError } from "./errors.ts";
import type { Pad } from "./pads.ts";
import { isTied } from "./tariff.ts";
import type { Turn } from "./turn.ts";

/** What the operator says that is right, minor units; what is not said stands. */
export interface Believed {
  /** What the account has. */
  readonly balance?: bigint;
  /** What is left of earnings that are in doubt; the others are. */
  readonly earnings?: bigint;
}

/**
 * The books of a pad are older than its use. Only receipts that are newer than these books can end that, so this comes before
 * the pad is told how far they go by now.
 */
export function beginDoubt(server: TokenServer, pad: Pad): void {
  const { ledger, pads } = server;
  pad.inDoubt = true;
  pad.booked = pad.receipt;
  pads.doubt(pad.pad, ledger.balance(pad.account).balance);
  const earnings = earningsAccount(server.store, pad.pad);
  const amount = earnings === null ? 0n : ledger.balance(earnings).balance;
  if (earnings === null || amount === 0n) return;
  const aside = ledger.named("seller", pad.asset, `${pad.pad} in doubt`);
  ledger.transfer({ key: `doubt ${pad.pad} ${pad.epoch}`, from: earnings, to: aside, amount, reason: "doubt" });
  pads.setAside(pad.pad, aside);
  server.log.warn(
    { token: pad.name, amount: `${amount}` },
    "earnings may have been collected since: they are set aside",
  );
}

/**
 * The device brings a receipt that is newer than the books: they follow it. When it is the newest that was made, and nothing
 * was opened behind it, the doubt is over.
 * @param up how far the pad was opened when the restore was noticed
 */
export function reconcile(turn: Turn, { receipt }: Ready, up: number): void {
  const { pad, server } = turn;
  if (!pad.inDoubt) return;
  if (isTied(turn.tariff)) {
    pad.inDoubt = false; // Its value is a function of marks, and those are right.
    return;
  }
  if (receipt.sequence <= pad.booked || server.pads.sharing(pad.account) > 1) return;
  const amount = receipt.balance - server.pads.stood(pad.pad);
  correct(server, pad, amount, `receipt ${pad.pad} ${receipt.sequence}`, "device's receipt");
  turn.balanceMoved();
  if (receipt.sequence === pad.receipt && receipt.up === up) pad.inDoubt = false;
  server.log.warn({ token: pad.name, sequence: receipt.sequence }, "the books were corrected by a device's receipt");
}

/** The operator has decided. @throws TokenError TOKEN_TIED; LedgerError INSUFFICIENT for more earnings than are in doubt */
export function endDoubt(server: TokenServer, pad: Pad, { balance, earnings }: Believed): void {
  const { ledger, pads } = server;
  if (balance !== undefined) {
    if (isTied(server.tariff(pad.tariff))) throw new TokenError("TOKEN_TIED", { name: pad.name });
    const amount = balance - ledger.balance(pad.account).balance;
    correct(server, pad, amount, `resolve ${pad.pad} ${pad.epoch}`, "operator");
  }
  pad.inDoubt = false;
  const aside = pads.aside(pad.pad);
  pads.endDoubt(pad.pad);
  const earner = earningsAccount(server.store, pad.pad);
  if (aside === null || earner === null) return;
  const most = ledger.balance(aside).balance;
  const move = (to: number, amount: bigint, reason: string): void => {
    const key = `${reason} ${pad.pad} ${pad.epoch}`;
    if (amount > 0n) ledger.transfer({ key, from: aside, to, amount, reason });
  };
  move(earner, earnings ?? most, "resolve earnings");
  move(server.account("correction", pad.asset), most - (earnings ?? most), "correction");
}

/** What a token has earned and may have collected before an older database was put back. */
export function earningsInDoubt({ pads, ledger }: TokenServer, pad: number): bigint {
  const aside = pads.aside(pad);
  return aside === null ? 0n : ledger.balance(aside).balance;
}

/** Nothing comes into an account of which nobody knows whether it had come already. @throws TokenError TOKEN_IN_DOUBT */
export function mustNotBeInDoubt({ pads }: TokenServer, account: number): void {
  const name = pads.doubted(account);
  if (name !== undefined) throw new TokenError("TOKEN_IN_DOUBT", { name });
}

function correct(server: TokenServer, pad: Pad, amount: bigint, key: string, memo: string): void {
  if (amount === 0n) return;
  const correction = server.account("correction", pad.asset);
  const [from, to] = amount < 0n ? [pad.account, correction] : [correction, pad.account];
  server.ledger.transfer({ key, from, to, amount: amount < 0n ? -amount : amount, reason: "correction", memo });
}
