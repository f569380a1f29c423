// The service `goods` (goods): takes an order for something that is handed over at a counter. The confirmation is a code;
// whoever brings it gets the goods, once, and says nothing about himself. The server keeps the digest of the code only.
//   { action: "list" }               → { items: [{ item, asset, price }] }
//   { action: "order", item, count } → { code, item, count, price }

import { createHash, randomInt } from "node:crypto";
import * as z from "zod";
import type { Migration, Store } from "../store/index.ts";
import { count, publicName } from "./body.ts";
import { CounterError, ServiceError } from "./errors.ts";
import type { PromptService, Served, ServiceContext } from "./service.ts";

/** What the operator sells; the price is of one, in minor units of the asset. */
export interface Item {
  readonly item: string;
  readonly asset: string;
  readonly price: bigint;
}

type Body = { readonly action: "list" } | { readonly action: "order"; readonly item: string; readonly count: number };

const schema: z.ZodType<Body> = z.discriminatedUnion("action", [
  z.strictObject({ action: z.literal("list") }),
  z.strictObject({ action: z.literal("order"), item: publicName, count: count(1, 1000) }),
]);

/** Read aloud without mistakes: no I, L, O, U. */
const CODE_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_LENGTH = 16;

/** See the head of this file. */
export class Goods implements PromptService<Body> {
  readonly name = "goods";
  readonly class = "goods";
  readonly schema: z.ZodType<Body> = schema;
  readonly tables: Migration = {
    name: "goods",
    sql: `
      CREATE TABLE goods_order (
        code_digest BLOB PRIMARY KEY,
        item TEXT NOT NULL,
        count INTEGER NOT NULL,
        handed_over INTEGER NOT NULL DEFAULT 0
      ) STRICT;
    `,
  };
  readonly #items: readonly Item[];

  constructor(items: readonly Item[]) {
    this.#items = items;
  }

  serve(context: ServiceContext, body: Body): Served {
    if (body.action === "list") return { body: { items: this.#items } };
    const { asset } = context.token;
    const wanted = this.#items.find(({ item }) => item === body.item);
    if (wanted === undefined) throw new ServiceError("NOT_FOUND", { what: "item" });
    if (wanted.asset !== asset) throw new ServiceError("REFUSED", { reason: `this is sold for ${wanted.asset} only` });

    const code = Array.from({ length: CODE_LENGTH }, () => CODE_LETTERS[randomInt(CODE_LETTERS.length)]).join("");
    context.store.db
      .prepare("INSERT INTO goods_order (code_digest, item, count) VALUES (?, ?, ?)")
      .run(digestOf(code), body.item, body.count);
    const price = wanted.price * BigInt(body.count);
    return {
      body: { code, item: body.item, count: body.count, price },
      fee: context.fee + price,
      provider: context.ledger.named("provider", asset, "goods"),
    };
  }
}

/** What was ordered under a code. */
export interface GoodsOrder {
  readonly item: string;
  readonly count: number;
  readonly handedOver: boolean;
}

/** At the counter: what this code stands for, however it was written down. @throws CounterError ORDER_UNKNOWN */
export function findOrder(store: Store, code: string): GoodsOrder {
  const row = store.db
    .prepare<[Uint8Array], { item: string; count: number; handed_over: number }>(
      "SELECT item, count, handed_over FROM goods_order WHERE code_digest = ?",
    )
    .get(digestOf(plainCode(code)));
  if (row === undefined) throw new CounterError("ORDER_UNKNOWN", {});
  return { item: row.item, count: row.count, handedOver: row.handed_over !== 0 };
}

/** What this code stands for is handed over, now and once. @throws CounterError ORDER_UNKNOWN, HANDED_OVER */
export function handOver(store: Store, code: string): GoodsOrder {
  return store.transact(() => {
    const order = findOrder(store, code);
    const { item, count, handedOver } = order;
    if (handedOver) throw new CounterError("HANDED_OVER", { item, count });
    store.db.prepare("UPDATE goods_order SET handed_over = 1 WHERE code_digest = ?").run(digestOf(plainCode(code)));
    return { ...order, handedOver: true };
  });
}

/** A code as it was made, from what somebody wrote: in small letters, in groups, with an O for a zero or an I or L for a one. */
function plainCode(written: string): string {
  return written.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1");
}

function digestOf(code: string): Uint8Array {
  return createHash("sha256").update(code).digest();
}
