// What an operator does with tokens: looks at them, activates them once their device is filled, holds and cancels them, pays
// in, and resolves a doubt. A token is named as its pad is, or as "number:" and the number that its owner chose. Each is one transaction. A running server notices: the epoch of the row has risen, so a link of
// that token commits nothing more.

import type { AccountId } from "../ledger/index.ts";
import { numberOfPad, registeredPad } from "../service/index.ts";
import type { TokenServer } from "./core.ts";
import { type Believed, earningsInDoubt, endDoubt, mustNotBeInDoubt } from "./doubt.ts";
import { TokenError } from "./errors.ts";
import { bytesLeft, type Pad, type PadState } from "./pads.ts";
import { isTied, worthAt } from "./tariff.ts";

/** A token as its operator sees it. Money in minor units, marks in bytes. */
export interface TokenView {
  readonly name: string;
  /** That its owner chose at first use, or null. */
  readonly number: string | null;
  readonly state: PadState;
  readonly asset: string;
  readonly tariff: string;
  readonly account: AccountId;
  readonly balance: bigint;
  readonly held: bigint;
  readonly inDoubt: boolean;
  /** What it has earned and may have collected before an older database was put back. */
  readonly earningsInDoubt: bigint;
  readonly closed: boolean;
  readonly padLength: number;
  /** Pad bytes that neither direction has used. */
  readonly left: number;
  readonly up: number;
  readonly down: number;
  readonly released: number;
  readonly split: number;
  readonly calls: number;
  readonly slots: number;
  readonly receipt: number;
}

/** All tokens, oldest first. */
export function listTokens(server: TokenServer): TokenView[] {
  return [...server.pads.all()].map((pad) => view(server, pad));
}

/** @throws TokenError TOKEN_UNKNOWN */
export function showToken(server: TokenServer, name: string): TokenView {
  return view(server, named(server, name));
}

/** The device holds the pad: the token may call. @throws TokenError TOKEN_UNKNOWN, TOKEN_STATE */
export function activateToken(server: TokenServer, name: string): void {
  change(server, name, ["inactive", "held"], "inactive or held", (pad) => {
    pad.state = "active";
  });
}

/** Until it is activated again the token is refused. @throws TokenError TOKEN_UNKNOWN, TOKEN_STATE */
export function holdToken(server: TokenServer, name: string): void {
  change(server, name, ["active"], "active", (pad) => {
    pad.state = "held";
  });
}

/**
 * Ends a token for good: it is refused, and its twin is destroyed, by the process that serves if there is one. Its value stays in its
 * account, for another token to be issued into; or, of a tied token, ends with it, as its tail: one that has made all its
 * calls cannot come to the end of its pad any more.
 * @throws TokenError TOKEN_UNKNOWN, TOKEN_STATE, TOKEN_NOT_TIED
 */
export function cancelToken(server: TokenServer, name: string, value: "stays" | "ends" = "stays"): void {
  change(server, name, ["inactive", "active", "held"], "not cancelled", (pad) => {
    if (value === "ends") bookTail(server, pad);
    pad.state = "cancelled";
    server.tags.forget(pad.pad);
  });
  server.retireCancelled();
}

/**
 * The books are right as they stand, or as the operator says here: the doubt is over.
 * @throws TokenError TOKEN_UNKNOWN, TOKEN_STATE, TOKEN_TIED; LedgerError INSUFFICIENT
 */
export function resolveDoubt(server: TokenServer, name: string, believed: Believed = {}): void {
  change(server, name, ["inactive", "active", "held"], "not cancelled", (pad) => endDoubt(server, pad, believed));
}

/**
 * Pays into the account of a token: what is paid times the rate of its tariff. A token whose value is its pad takes none.
 * @param key chosen by whoever pays: a repeat under the same key pays once
 * @returns whether it paid in; false: it was such a repeat
 * @throws TokenError TOKEN_UNKNOWN, TOKEN_TIED, TOKEN_IN_DOUBT, BAD_PRICE; LedgerError KEY_REUSED, BAD_AMOUNT, OVERFLOW
 */
export function creditToken(server: TokenServer, name: string, price: bigint, key: string): boolean {
  if (price <= 0n) throw new TokenError("BAD_PRICE", { price: `${price}` });
  const paid = server.store.transact(() => {
    const { account, asset, tariff } = named(server, name);
    const { rate } = server.tariff(tariff);
    if (isTied(server.tariff(tariff))) throw new TokenError("TOKEN_TIED", { name });
    mustNotBeInDoubt(server, account);
    const from = server.account("issue", asset);
    const before = server.ledger.balance(account).balance;
    server.ledger.transfer({ key: `credit ${key}`, from, to: account, amount: price * rate, reason: "credit" });
    return server.ledger.balance(account).balance > before;
  });
  for (const seat of server.seats) seat.link?.nudge();
  return paid;
}

function bookTail(server: TokenServer, pad: Pad): void {
  if (!isTied(server.tariff(pad.tariff))) throw new TokenError("TOKEN_NOT_TIED", { name: pad.name });
  const tail = worthAt(pad, pad.up + pad.down);
  const book = (kind: "fees" | "tail", amount: bigint, reason: string): void => {
    const to = server.account(kind, pad.asset);
    if (amount > 0n) server.ledger.transfer({ key: `${reason} of ${pad.name}`, from: pad.account, to, amount, reason });
  };
  book("fees", pad.worth - tail, "pad");
  book("tail", tail, "tail");
  pad.worth = 0n;
  pad.closed = true;
}

function change(
  server: TokenServer,
  name: string,
  states: readonly PadState[],
  needed: string,
  alter: (pad: Pad) => void,
): void {
  const pad = server.store.transact(() => {
    const pad = named(server, name);
    if (!states.includes(pad.state)) throw new TokenError("TOKEN_STATE", { name, state: pad.state, needed });
    const { epoch } = pad;
    pad.epoch++;
    alter(pad);
    server.pads.save(pad, epoch);
    return pad;
  });
  server.doubt(pad.pad);
  server.seat(pad.pad)?.link?.displace();
}

const OWNERS_NUMBER = "number:";

function named(server: TokenServer, name: string): Pad {
  const pad = name.startsWith(OWNERS_NUMBER) ? numbered(server, name) : server.pads.named(name);
  if (pad === undefined) throw new TokenError("TOKEN_UNKNOWN", { name });
  return pad;
}

function numbered(server: TokenServer, name: string): Pad | undefined {
  const pad = registeredPad(server.store, name.slice(OWNERS_NUMBER.length));
  return pad === null ? undefined : server.pads.load(pad);
}

function view(server: TokenServer, pad: Pad): TokenView {
  const { name, state, asset, tariff, account, inDoubt, closed, padLength, up, down, released, split, receipt } = pad;
  return {
    name,
    number: numberOfPad(server.store, pad.pad),
    state,
    asset,
    tariff,
    account,
    ...server.ledger.balance(account),
    inDoubt,
    earningsInDoubt: earningsInDoubt(server, pad.pad),
    closed,
    padLength,
    left: bytesLeft(pad),
    up,
    down,
    released,
    split,
    calls: pad.heard,
    slots: pad.slots.low,
    receipt,
  };
}
