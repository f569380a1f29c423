// The seam between the token server and what it sells. A service is a name, a class, a strict schema and a handler. The
// token server reads a request, checks its body with the schema, and then
// - a prompt service is served inside the transaction that debits the token: what it writes, what it moves in the ledger,
//   the fee and the sealed answer become durable together, or none of them does;
// - a slow service works outside of any transaction: a hold of the most that it may cost comes first, and is posted with
//   the answer, or voided.
// A service that throws a ServiceError changes nothing and costs nothing. A service learns the number of a pad and
// nothing else about its owner; fields that a schema does not name are refused, so that nobody stores what identifies.

import type * as z from "zod";
import type { AccountId, Ledger } from "../ledger/index.ts";
import type { Migration, Store } from "../store/index.ts";
import { ServiceError } from "./errors.ts";

export const SERVICE_CLASSES = ["information", "software", "goods", "communication", "calculation"] as const;
export type ServiceClass = (typeof SERVICE_CLASSES)[number];

export interface ServiceContext {
  readonly token: { readonly pad: number; readonly account: AccountId; readonly asset: string };
  readonly store: Store;
  readonly ledger: Ledger;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Unique for the request: what a service moves in the ledger has keys that begin with it. */
  readonly requestKey: string;
  /** The tariff's price of this service, minor units. */
  readonly fee: bigint;
  /** All services that the token's tariff sells, and its price of each. */
  readonly prices: ReadonlyMap<string, bigint>;
}

export interface Served {
  /** Becomes the `body` of the answer: what CBOR can say. */
  readonly body: unknown;
  /** What is debited from the token instead of the tariff's price, minor units; everything that this request costs. */
  readonly fee?: bigint;
  /** Who earns the fee; the server's fees account when nobody is named. */
  readonly provider?: AccountId;
}

interface Common<B> {
  readonly name: string;
  readonly class: ServiceClass;
  readonly schema: z.ZodType<B>;
  readonly tables?: Migration;
  /** Ends what the service keeps running. */
  close?(): Promise<void>;
}

/** A service whose whole work is reading and writing in the transaction of the debit. */
export interface PromptService<B> extends Common<B> {
  /** @throws ServiceError; what was written before is undone by whoever called */
  serve(context: ServiceContext, body: B): Served;
}

/** A service that takes its time, or that the transaction cannot undo. */
export interface SlowService<B> extends Common<B> {
  /** The most that this request may cost, `fee` being the tariff's price; it is held while the service works. */
  mostFee(body: B, fee: bigint): bigint;
  /** Ends early when `signal` aborts. Its fee is at most `mostFee`. @throws ServiceError */
  work(body: B, signal: AbortSignal): Promise<Served>;
}

export type Service = PromptService<unknown> | SlowService<unknown>;

/** Whether the service is served inside the transaction of the debit. */
export function isPrompt(service: Service): service is PromptService<unknown> {
  return "serve" in service;
}

/** The body as the service takes it. @throws ServiceError BAD_BODY, which names the place and never the content */
export function readBody(service: Service, body: unknown): unknown {
  const read = service.schema.safeParse(body);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  const at = issue === undefined || issue.path.length === 0 ? "its top" : issue.path.join(".");
  const problem = (issue?.code === "custom" ? issue.message : PROBLEMS[issue?.code ?? ""]) ?? "wrong";
  throw new ServiceError("BAD_BODY", { service: service.name, at, problem });
}

/** What can be wrong at a place, without a word of what lies there. A check of our own has words of its own. */
const PROBLEMS: Readonly<Record<string, string>> = {
  invalid_type: "missing or of another kind",
  invalid_value: "none of the words that it takes",
  invalid_union: "none of the forms that it takes",
  invalid_format: "not written as it must be",
  unrecognized_keys: "a field that it does not name",
  too_small: "too small",
  too_big: "too large",
};
