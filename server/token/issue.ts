// Issuing a token: a new pad, its twin in the vault, its value in the books, and what its device is filled with. The pad's
// bytes come from the caller, who writes them to the device at the same time and keeps none.

import { randomBytes } from "node:crypto";
import { firstSplitOfToken, type PadShape, slotsAtIssue, type TokenParameters } from "../../host/protocol/index.ts";
import { type AccountId, MOST } from "../ledger/index.ts";
import { isVaultError, type PadWriter } from "../vault/index.ts";
import type { TokenServer } from "./core.ts";
import { mustNotBeInDoubt } from "./doubt.ts";
import { TokenError } from "./errors.ts";
import type { Tariff } from "./tariff.ts";
import { cancelToken } from "./tokens.ts";

/** What is sold. Money in minor units. */
export interface Order {
  /** Bytes, as the device has room for them: a multiple of 4,096. */
  readonly padLength: number;
  readonly burnUnit: number;
  readonly tariff: string;
  /** What is paid; the value is this times the tariff's rate. */
  readonly price: bigint;
  /** An account that has a token already: the value of both is one then. A new account otherwise. */
  readonly account?: AccountId;
  /** What a link may cost without a press of the device's button. None means 0: every link that costs asks. */
  readonly limit?: bigint;
}

/** What the device is filled with, beside the bytes and where they come from. */
export interface DeviceParameters {
  readonly padLength: number;
  readonly burnUnit: number;
  readonly slots: { readonly low: true; readonly high: false };
  readonly firstSplit: number;
  readonly padId: Uint8Array;
  readonly token: TokenParameters;
}

const NAME_BYTES = 8;

/** A token being issued. `write` all of its bytes, then `finish`; or `discard`. */
export class Issue {
  readonly name: string;
  readonly parameters: DeviceParameters;
  readonly #server: TokenServer;
  readonly #order: Order;
  readonly #tariff: Tariff;
  readonly #shape: PadShape;
  readonly #value: bigint;
  readonly #writer: PadWriter;
  #state: "writing" | "finished" | "discarded" = "writing";

  /** @throws TokenError BAD_PRICE, TARIFF_UNKNOWN, TOKEN_IN_DOUBT, TOKEN_EXISTS; LedgerError; VaultError */
  constructor(server: TokenServer, order: Order) {
    const { padLength, burnUnit, price, account, limit = 0n } = order;
    if (typeof price !== "bigint" || price <= 0n) throw new TokenError("BAD_PRICE", { price: `${price}` });
    this.#tariff = server.tariff(order.tariff);
    this.#server = server;
    this.#order = order;
    this.#value = price * this.#tariff.rate;
    this.#shape = { padLength, burnUnit, slots: { low: slotsAtIssue(padLength), high: 0 } };
    const { asset } = this.#tariff;
    if (account !== undefined) mustNotBeInDoubt(server, account);
    const before = account === undefined ? 0n : server.ledger.balance(account).balance;
    if (before + this.#value > MOST) throw new TokenError("BAD_PRICE", { price: `${price}` });
    const padId = randomBytes(16);
    this.name = padId.subarray(0, NAME_BYTES).toString("hex");
    // The twin of a token that was cancelled is gone, and the books know it still.
    if (server.pads.named(this.name) !== undefined) throw new TokenError("TOKEN_EXISTS", { name: this.name });
    const receipt = { sequence: 1, call: 0, balance: before + this.#value, up: 0 };
    const { number, list } = server.config.addresses;
    this.parameters = {
      padLength,
      burnUnit,
      slots: { low: true, high: false },
      firstSplit: firstSplitOfToken(this.#shape),
      padId,
      token: {
        asset,
        limit,
        receipt: { sequence: 1, balance: receipt.balance, mac: server.receipts.mac({ padId, asset }, receipt) },
        addresses: { number, addresses: list },
      },
    };
    try {
      this.#writer = server.vault.create(this.name, padLength);
    } catch (error) {
      if (isVaultError(error, "PAD_EXISTS")) throw new TokenError("TOKEN_EXISTS", { name: this.name }, error);
      throw error;
    }
  }

  /** The next bytes of the pad. @throws VaultError */
  write(bytes: Uint8Array): void {
    this.#writer.write(bytes);
  }

  /**
   * Makes the token durable, with its value; it cannot call until it is activated. Returns its name.
   * @throws VaultError, StoreError, LedgerError: then there is no token
   */
  finish(): string {
    this.#writer.finish();
    const { limits, store } = this.#server;
    try {
      // So that books which are put back from before it can be told to lack it.
      limits.note({ pad: this.name, heard: 0, up: 0, down: 0, split: this.parameters.firstSplit, receipt: 1 });
      limits.sync();
      store.transact(() => this.#book());
    } catch (error) {
      this.#server.vault.retire(this.name);
      throw error;
    }
    this.#state = "finished";
    return this.name;
  }

  /**
   * Gives the token up, before `finish` or after it, when the device did not take the pad. Then its value goes back where it
   * came from, and the token is cancelled. Once more does nothing.
   * @throws VaultError, StoreError, LedgerError
   */
  discard(): void {
    if (this.#state === "writing") this.#writer.discard();
    if (this.#state === "finished") this.#revoke();
    this.#state = "discarded";
  }

  #revoke(): void {
    const { store, ledger, pads } = this.#server;
    store.transact(() => {
      const { account, asset } = pads.named(this.name)!;
      const to = ledger.named("issue", asset, "issue");
      ledger.transfer({ key: `revoke ${this.name}`, from: account, to, amount: this.#value, reason: "revoke" });
    });
    cancelToken(this.#server, this.name);
  }

  #book(): void {
    const { ledger, pads, tags } = this.#server;
    const { asset, name: tariff } = this.#tariff;
    const { name } = this;
    const account = this.#order.account ?? ledger.openAccount({ kind: "token", asset, name, floor: 0n });
    ledger.transfer({
      key: `issue ${name}`,
      from: ledger.named("issue", asset, "issue"),
      to: account,
      amount: this.#value,
      reason: "issue",
    });
    const pad = pads.insert({
      ...this.#shape,
      name,
      padId: this.parameters.padId,
      asset,
      account,
      tariff,
      issued: this.#value,
      state: "inactive",
      split: this.parameters.firstSplit,
      receipt: 1,
      addresses: this.#server.config.addresses.number,
    });
    tags.slide({ ...this.#shape, pad, name, heard: 0 });
  }
}
