// The service `market` (information): what owners of tokens sell each other, with the server as the clearing house. A
// seller needs no name: the proceeds go to an account that belongs to the token.
//   { action: "offer", name, price, digest, bytes, into } → {}    into: "value" or "earnings", see below
//   { action: "withdraw", name }                          → {}
//   { action: "list", after }       → { offers: [{ name, price, digest, size }] }   100 behind the name `after`
//   { action: "buy", name, price, digest }                → { bytes }   price and digest as the list showed them
//   { action: "collect" }                                 → { collected }
//
// A sale is verified first: bytes that do not have the promised digest are not delivered and earn nothing. The buyer pays
// price and fee through the ordinary debit, within the cap of the link; the seller gets the price less the commission.
// All of it is one transaction, so that both happen or neither.
// Proceeds "into value" raise the seller's value at once. Those "into earnings" stay in an account of their own, out of
// which half of what the seller's later traffic costs is paid (earnings.ts); `collect` moves what is left into the value.

import { createHash } from "node:crypto";
import * as z from "zod";
import { type AccountId, type Ledger, LedgerError } from "../../ledger/index.ts";
import type { Migration, Store } from "../../store/index.ts";
import type { AtRest } from "../at-rest.ts";
import { amount, bytes, digest, PART_BYTES, publicName } from "../body.ts";
import { ServiceError } from "../errors.ts";
import type { PromptService, Served, ServiceContext } from "../service.ts";
import { earningsAccount, openEarnings } from "./earnings.ts";

interface Offer {
  readonly action: "offer";
  readonly name: string;
  readonly price: bigint;
  readonly digest: Uint8Array;
  readonly bytes: Uint8Array;
  readonly into: "value" | "earnings";
}
interface Buy {
  readonly action: "buy";
  readonly name: string;
  readonly price: bigint;
  readonly digest: Uint8Array;
}
type Body =
  | Offer
  | Buy
  | { readonly action: "withdraw"; readonly name: string }
  | { readonly action: "list"; readonly after: string }
  | { readonly action: "collect" };

const schema: z.ZodType<Body> = z.discriminatedUnion("action", [
  z.strictObject({
    action: z.literal("offer"),
    name: publicName,
    price: amount,
    digest,
    bytes: bytes(PART_BYTES),
    into: z.enum(["value", "earnings"]),
  }),
  z.strictObject({ action: z.literal("withdraw"), name: publicName }),
  z.strictObject({ action: z.literal("list"), after: z.union([z.literal(""), publicName]) }),
  z.strictObject({ action: z.literal("buy"), name: publicName, price: amount, digest }),
  z.strictObject({ action: z.literal("collect") }),
]);

interface Row {
  readonly name: string;
  readonly pad: bigint;
  readonly asset: string;
  readonly price: bigint;
  readonly digest: Uint8Array;
  readonly sealed: Uint8Array;
  readonly earner: bigint;
}

const MOST_OFFERS = 100;
const LIST_LENGTH = 100;

/** See the head of this file. */
export class Market implements PromptService<Body> {
  readonly name = "market";
  readonly class = "information";
  readonly schema: z.ZodType<Body> = schema;
  readonly tables: Migration = {
    name: "market",
    sql: `
      CREATE TABLE offer (
        name TEXT PRIMARY KEY,
        pad INTEGER NOT NULL,
        asset TEXT NOT NULL,
        price INTEGER NOT NULL,
        digest BLOB NOT NULL,
        size INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        earner INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX offer_of_pad ON offer (pad);
      CREATE TABLE clearing (asset TEXT PRIMARY KEY, account INTEGER NOT NULL) STRICT;
      CREATE TABLE earnings (pad INTEGER PRIMARY KEY, account INTEGER NOT NULL) STRICT;
    `,
  };
  readonly #atRest: AtRest;
  readonly #commission: bigint;

  /** The server keeps `commission` thousandths of each price, rounded down. */
  constructor(atRest: AtRest, commission: bigint) {
    this.#atRest = atRest;
    this.#commission = commission;
  }

  serve(context: ServiceContext, body: Body): Served {
    switch (body.action) {
      case "offer":
        return this.#offer(context, body);
      case "withdraw":
        return withdraw(context, body.name);
      case "list":
        return list(context, body.after);
      case "buy":
        return this.#buy(context, body);
      case "collect":
        return collect(context);
    }
  }

  #offer(context: ServiceContext, offer: Offer): Served {
    const { store, token } = context;
    if (!isDigestOf(offer.digest, offer.bytes)) throw new ServiceError("NOT_VERIFIED", {});
    if (readOffer(store, offer.name) !== undefined) throw new ServiceError("TAKEN", { what: "name" });
    const offers = store.db
      .prepare<[number], number>("SELECT count(*) FROM offer WHERE pad = ?")
      .pluck()
      .get(token.pad);
    if ((offers ?? 0) >= MOST_OFFERS)
      throw new ServiceError("LIMIT", { what: "offers of one token", most: MOST_OFFERS });
    const earner = offer.into === "value" ? token.account : openEarnings(context);
    store.db
      .prepare(
        "INSERT INTO offer (name, pad, asset, price, digest, size, sealed, earner) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      )
      .run(
        offer.name,
        token.pad,
        token.asset,
        offer.price,
        offer.digest,
        offer.bytes.length,
        this.#atRest.seal(offer.bytes),
        earner,
      );
    return { body: {} };
  }

  #buy(context: ServiceContext, { name, price, digest: promised }: Buy): Served {
    const { store, ledger, token, requestKey, fee } = context;
    const offer = readOffer(store, name);
    if (offer === undefined) throw new ServiceError("NOT_FOUND", { what: "offer" });
    if (offer.asset !== token.asset)
      throw new ServiceError("REFUSED", { reason: `this is sold for ${offer.asset} only` });
    if (offer.price !== price || Buffer.compare(offer.digest, promised) !== 0) {
      throw new ServiceError("REFUSED", { reason: "this is not what is offered under the name now" });
    }
    const earner = Number(offer.earner);
    if (Number(offer.pad) === token.pad || earner === token.account) throw new ServiceError("SELF_DEALING", {});
    const { balance, held } = ledger.balance(token.account);
    const needed = offer.price + fee;
    if (needed > balance - held) {
      throw new LedgerError("INSUFFICIENT", { account: token.account, needed, available: balance - held });
    }
    const delivery = this.#atRest.open(offer.sealed);
    if (!isDigestOf(offer.digest, delivery)) throw new ServiceError("NOT_VERIFIED", {});

    // The debit of this request pays price and fee into the clearing account, which pays them out here and is at zero
    // when the transaction ends. If the debit fails nothing of this has happened.
    const clearing = clearingAccount(store, ledger, token.asset);
    if (ledger.balance(clearing).balance !== 0n) throw new Error("an earlier sale was not paid for");
    const commission = (offer.price * this.#commission) / 1000n;
    const pay = (to: AccountId, what: bigint, reason: string) => {
      if (what === 0n) return;
      ledger.transfer({ key: `${requestKey}/${reason}`, from: clearing, to, amount: what, reason });
    };
    pay(earner, offer.price - commission, "sale");
    pay(ledger.named("fees", token.asset, "fees"), commission + fee, "commission");
    return { body: { bytes: delivery }, fee: needed, provider: clearing };
  }
}

function withdraw({ store, token }: ServiceContext, name: string): Served {
  const { changes } = store.db.prepare("DELETE FROM offer WHERE name = ? AND pad = ?").run(name, token.pad);
  if (changes === 0) throw new ServiceError("NOT_FOUND", { what: "offer of yours" });
  return { body: {} };
}

function list({ store, token }: ServiceContext, after: string): Served {
  const offers = store.db
    .prepare<[string, string, number]>(
      "SELECT name, price, digest, size FROM offer WHERE asset = ? AND name > ? ORDER BY name LIMIT ?",
    )
    .safeIntegers()
    .all(token.asset, after, LIST_LENGTH);
  return { body: { offers } };
}

function collect({ store, ledger, token, requestKey }: ServiceContext): Served {
  const account = earningsAccount(store, token.pad);
  const collected = account === null ? 0n : ledger.balance(account).balance;
  if (account !== null && collected > 0n) {
    ledger.transfer({
      key: `${requestKey}/collect`,
      from: account,
      to: token.account,
      amount: collected,
      reason: "collect",
    });
  }
  return { body: { collected } };
}

function readOffer(store: Store, name: string): Row | undefined {
  return store.db.prepare<[string], Row>("SELECT * FROM offer WHERE name = ?").safeIntegers().get(name);
}

/** Between transactions there is nothing in it; within one it pays out before it is paid, and so it has no floor. */
function clearingAccount(store: Store, ledger: Ledger, asset: string): AccountId {
  const found = store.db.prepare<[string], number>("SELECT account FROM clearing WHERE asset = ?").pluck().get(asset);
  if (found !== undefined) return found;
  const account = ledger.openAccount({ kind: "provider", asset, name: "market", floor: null });
  store.db.prepare("INSERT INTO clearing (asset, account) VALUES (?, ?)").run(asset, account);
  return account;
}

function isDigestOf(promised: Uint8Array, content: Uint8Array): boolean {
  return createHash("sha256").update(content).digest().equals(promised);
}
