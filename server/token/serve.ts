// One request, from its whole text to its sealed answer, inside a turn: found again under its id, served and debited, or
// refused. What a service wrote before it failed, or before it turned out that its price is not there, is undone with the
// whole turn; the turn is then run again with the refusal.

import { runCost, TEXT_MAX_BYTES, TearpadError } from "../../host/protocol/index.ts";
import { isLedgerError, LedgerError } from "../ledger/index.ts";
import { earningsShare, isPrompt, readBody, type Served, ServiceError, type SlowService } from "../service/index.ts";
import { isVaultError } from "../vault/index.ts";
import type { TokenServer } from "./core.ts";
import { Answer, ID_BYTES, type Outcome, type Request, readRequest, wipe } from "./request.ts";
import type { OpenRequest } from "./requests.ts";
import { isTied, type Traffic, trafficPrice } from "./tariff.ts";
import { NoRoom, type Turn } from "./turn.ts";

/** What came up for one request. */
export interface Arrived extends Traffic {
  /** Null when the boxes were too many to keep. */
  readonly text: Uint8Array | null;
}

/** Why a request is not served. It is charged nothing; after `EXHAUSTED` the link ends. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** The turn cannot keep what it did: it is run again, with this refusal for the request. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

/** The same request is being worked on: it is taken when that is done. */
export class StillWorking extends Error {
  readonly done: Promise<void>;

  constructor(done: Promise<void>) {
    super("still working");
    this.done = done;
  }
}

/** Work that begins when the turn is durable. */
export interface Job {
  readonly pad: number;
  readonly request: number;
  readonly id: Uint8Array;
  readonly service: SlowService<unknown>;
  readonly body: unknown;
  /** The tariff's price of the service. */
  readonly fee: bigint;
  readonly traffic: Traffic;
  readonly hold: { readonly entry: number; readonly amount: bigint } | null;
  /** The newest receipt when it began. */
  readonly receipt: number;
}

export interface Done {
  readonly job: Job | null;
  /** The link ends: there is no value, or no pad, for another request. */
  readonly ends: boolean;
}

const ANSWERED: Done = { job: null, ends: false };
const NO_ID: Uint8Array = new Uint8Array(ID_BYTES);

const EXHAUSTED: Refusal = {
  code: "EXHAUSTED",
  message: "The value of this token does not cover what this costs.",
};
const CAP_EXCEEDED: Refusal = {
  code: "CAP_EXCEEDED",
  message: "This costs more than the owner allowed for this link.",
};
const PAD_EXHAUSTED: Refusal = {
  code: "PAD_EXHAUSTED",
  message: "The pad has no room left for this answer.",
};
const IN_DOUBT: Refusal = {
  code: "IN_DOUBT",
  message:
    "The books of this token are in doubt; until the operator has resolved that, only echo and statement are served.",
};
const NO_MONEY: Refusal = {
  code: "REFUSED",
  message: "This costs money, and the value of this token is its pad alone.",
};
const UNKNOWN: Refusal = {
  code: "OUTCOME_UNKNOWN",
  message: "The server was interrupted while it worked on this: the outcome is unknown, and nothing was charged.",
};
export const FAILED: Refusal = { code: "FAILED", message: "The service failed." };
const BAD_REQUEST: Refusal = { code: "BAD_REQUEST", message: "This is not a request." };
const TOO_LARGE: Refusal = {
  code: "REQUEST_TOO_LARGE",
  message: "The request is larger than this server takes.",
};
const UNKNOWN_SERVICE: Refusal = {
  code: "SERVICE_UNKNOWN",
  message: "This server does not offer such a service to this token.",
};

/** What is served to a token whose books are in doubt. */
const SERVED_IN_DOUBT: ReadonlySet<string> = new Set(["echo", "statement"]);

/** Serves one request. @throws Refused, StillWorking: the turn is run again; NoRoom: not even a refusal fits */
export function serve(turn: Turn, arrived: Arrived, refusal: Refusal | undefined): Done {
  if (arrived.text === null) return refuse(turn, NO_ID, TOO_LARGE);
  const request = readRequest(arrived.text);
  if (request === null) return refuse(turn, NO_ID, BAD_REQUEST);
  const { pad, server } = turn;
  const mark = server.answers.find(turn.kept, request.id);
  if (mark !== null && mark >= turn.keptFrom) return repeat(turn, request.id, mark);
  const open = server.requests.find(pad.pad, request.id);
  if (open !== null) {
    const done = server.seat(pad.pad)?.works.get(`${open.request}`);
    if (done !== undefined) throw new StillWorking(done);
    loseRequest(turn, open);
    return ANSWERED;
  }
  if (refusal !== undefined) return refuse(turn, request.id, refusal);
  let job: Job | null = null;
  try {
    const done = serveNew(turn, request, arrived);
    job = done.job;
    return done;
  } finally {
    if (job === null) wipe(request.body); // Else when its work is done.
  }
}

/** The recorded answer, sealed under bytes that were not used; when its record `moves`, that is where it lies now. @throws NoRoom */
export function repeat(turn: Turn, id: Uint8Array, mark: number, moves = false): Done {
  let text: Uint8Array;
  try {
    text = turn.recorded(mark);
  } catch (error) {
    // With an older database came the record of an answer whose key is destroyed.
    if (!isVaultError(error, "PAGE_BURNED")) throw error;
    return refuse(turn, id, UNKNOWN);
  }
  try {
    if (runCost(text.length, turn.pad.burnUnit).padBytes > turn.room) throw new NoRoom("a recorded answer");
    sealRun(turn, text, moves ? id : null);
  } finally {
    text.fill(0);
  }
  return ANSWERED;
}

function serveNew(turn: Turn, request: Request, arrived: Arrived): Done {
  const { pad, server, tariff } = turn;
  const service = server.services.get(request.service);
  const fee = tariff.services.get(request.service);
  if (service === undefined || fee === undefined) return refuse(turn, request.id, UNKNOWN_SERVICE);
  if (pad.inDoubt && !SERVED_IN_DOUBT.has(service.name)) return refuse(turn, request.id, IN_DOUBT);
  if (pad.closed) return refuse(turn, request.id, EXHAUSTED);
  if (tariff.perSecond > 0n) {
    // Time may be all that costs: without value for another second nothing is served.
    if (turn.available === 0n) return refuse(turn, request.id, EXHAUSTED);
    if (turn.budget === 0n) return refuse(turn, request.id, CAP_EXCEEDED);
  }
  let served: Served;
  try {
    const body = readBody(service, request.body);
    if (!isPrompt(service)) return begin(turn, request, arrived, service, body, fee);
    served = service.serve(
      {
        token: { pad: pad.pad, account: pad.account, asset: pad.asset },
        store: server.store,
        ledger: server.ledger,
        now: server.clock.now(),
        requestKey: `${pad.pad}.${pad.up}`,
        fee,
        prices: tariff.services,
      },
      body,
    );
  } catch (error) {
    throw new Refused(refusalOf(turn.server, service.name, error));
  } finally {
    // A market may have opened it, and that may be undone.
    const seat = server.seat(pad.pad);
    if (service.name === "market" && seat !== undefined) seat.earnings = undefined;
  }
  turn.balanceMoved();
  if (isTied(tariff) && (served.fee ?? 0n) > 0n) throw new Refused(NO_MONEY);
  const charge = { fee, ...served, traffic: arrived };
  const short = answer(turn, request.id, { ok: true, body: served.body }, charge, null, null);
  if (short !== null) throw new Refused(short);
  return ANSWERED;
}

/** What a service failed with, as the owner of the token sees it. @throws what the disk, and not the service, failed with */
export function refusalOf(server: TokenServer, service: string, error: unknown): Refusal {
  if (error instanceof Refused) return error.refusal;
  if (error instanceof ServiceError) {
    return { code: error.code, message: `${error.message} ${error.advice}` };
  }
  if (isLedgerError(error, "INSUFFICIENT")) return EXHAUSTED;
  const ofDisk = error instanceof TearpadError && !(error instanceof LedgerError);
  if (ofDisk || (error instanceof Error && error.name === "SqliteError")) throw error;
  server.log.error({ err: error, service }, "a service failed");
  return FAILED;
}

/** @throws Refused when the service would not do it for that */
function mostFeeOf(turn: Turn, service: SlowService<unknown>, body: unknown, fee: bigint): bigint {
  try {
    return service.mostFee(body, fee);
  } catch (error) {
    throw new Refused(refusalOf(turn.server, service.name, error));
  }
}

/** Holds the most that a slow service may cost; it begins when that is durable. */
function begin(
  turn: Turn,
  request: Request,
  arrived: Arrived,
  service: SlowService<unknown>,
  body: unknown,
  fee: bigint,
): Done {
  const { pad, server, tariff } = turn;
  // The answer is taken for one box here; a longer one is paid when it is there, or withheld.
  const mostFee = mostFeeOf(turn, service, body, fee);
  if (isTied(tariff) && mostFee > 0n) throw new Refused(NO_MONEY);
  const most = isTied(tariff)
    ? 0n
    : trafficPrice(tariff, { boxes: arrived.boxes + 1, padBytes: arrived.padBytes + TEXT_MAX_BYTES / 8 }) + mostFee;
  if (most > turn.available) throw new Refused(EXHAUSTED);
  if (most > turn.budget) throw new Refused(CAP_EXCEEDED);
  let hold: Job["hold"] = null;
  if (most > 0n) {
    const to = server.account("fees", pad.asset);
    const key = [`hold ${pad.pad}`, pad.up + pad.down] as const;
    hold = {
      entry: server.ledger.hold({ key, from: pad.account, to, amount: most, reason: service.name }),
      amount: most,
    };
    turn.budget -= most;
    turn.balanceMoved();
  }
  const number = server.requests.begin(pad.pad, request.id, hold?.entry ?? null);
  const { boxes, padBytes } = arrived;
  const { receipt } = pad;
  const job = {
    pad: pad.pad,
    request: number,
    id: request.id,
    service,
    body,
    fee,
    traffic: { boxes, padBytes },
    hold,
    receipt,
  };
  return { job, ends: false };
}

/** The end of a slow service: its answer, or its refusal, with what was held posted or voided. */
export function finish(turn: Turn, job: Job, outcome: Served | Refusal): Done {
  const { id, traffic, request } = job;
  if ("code" in outcome) {
    if (job.hold !== null) {
      turn.server.ledger.void(job.hold.entry);
      turn.budget += job.hold.amount;
      turn.balanceMoved();
    }
    return refuse(turn, id, outcome, request);
  }
  if (isTied(turn.tariff) && (outcome.fee ?? 0n) > 0n) throw new Refused(NO_MONEY);
  const charge = { fee: job.fee, ...outcome, traffic };
  const short = answer(turn, id, { ok: true, body: outcome.body }, charge, job, request);
  if (short !== null) throw new Refused(short);
  return ANSWERED;
}

/** The work of a request was cut off: nobody knows what it did, and nothing is charged. */
export function loseRequest(turn: Turn, { request, hold, id }: OpenRequest): void {
  if (hold !== null) {
    turn.server.ledger.void(hold);
    turn.balanceMoved();
  }
  refuse(turn, id, UNKNOWN, request);
}

/** Answers with a refusal, which costs nothing. @throws NoRoom */
function refuse(turn: Turn, id: Uint8Array, { code, message }: Refusal, request: number | null = null): Done {
  const short = answer(turn, id, { ok: false, error: { code, message } }, null, null, request);
  if (short !== null) throw new NoRoom(code);
  return { job: null, ends: code === EXHAUSTED.code };
}

/** What a request costs: what passed for it before its answer, and the fee of the service. */
interface Charge extends Pick<Served, "fee" | "provider"> {
  readonly traffic: Traffic;
}

/**
 * Seals and records the answer of a request and debits what the request cost; without `charge` that is nothing. Returns why
 * not, with nothing done, when the value, the cap or the pad does not suffice. The numbers in an answer depend on its
 * length and the price on its boxes: both are found together.
 */
function answer(
  turn: Turn,
  id: Uint8Array,
  outcome: Outcome,
  charge: Charge | null,
  job: Job | null,
  request: number | null,
): Refusal | null {
  const { pad, server, tariff } = turn;
  const tied = isTied(tariff);
  const held = job?.hold?.amount ?? 0n;
  const available = turn.available + held;
  const fee = charge?.fee ?? 0n;
  const answer = new Answer(id, outcome);
  const earnings = charge === null || tied ? null : turn.earnings;
  let share = 0n;
  let charged = 0n;
  for (;;) {
    const rest = available > charged ? available - charged : 0n;
    const { boxes, padBytes } = runCost(answer.length(charged, rest), pad.burnUnit);
    if (padBytes > turn.room) return PAD_EXHAUSTED;
    let price = 0n;
    if (charge !== null && tied) price = turn.due(padBytes);
    else if (charge !== null) {
      const { traffic } = charge;
      const whole = trafficPrice(tariff, { boxes: traffic.boxes + boxes, padBytes: traffic.padBytes + padBytes });
      share = earnings === null ? 0n : earningsShare(server.ledger, earnings, whole);
      price = whole - share + fee;
    }
    if (price <= charged) break;
    charged = price;
  }
  if (charged > available) return EXHAUSTED;
  if (charged > turn.budget + held) return CAP_EXCEEDED;
  if (earnings !== null && share > 0n) {
    const key = [`share ${pad.pad}`, pad.up + pad.down] as const;
    const to = server.account("fees", pad.asset);
    server.ledger.transfer({ key, from: earnings, to, amount: share, reason: "traffic" });
  }
  try {
    pay(turn, charged, fee, charge?.provider, job);
  } catch (error) {
    // A service that names an account which cannot take its fee.
    if (error instanceof LedgerError) throw new Refused(refusalOf(server, job?.service.name ?? "prompt", error));
    throw error;
  }
  const text = answer.text(charged, available - charged);
  try {
    // An unreadable request has no id under which it could come again.
    sealRun(turn, text, id === NO_ID ? null : id);
    if (request !== null) server.requests.end(request);
  } finally {
    text.fill(0);
    answer.wipe();
  }
  return null;
}

/** Moves what a request cost: from the account, or out of its hold, to the fees and to who earned the fee. */
function pay(turn: Turn, charged: bigint, fee: bigint, provider: number | undefined, job: Job | null): void {
  const { pad, server, tariff } = turn;
  const fees = server.account("fees", pad.asset);
  if (isTied(tariff)) {
    pad.worth -= charged;
    turn.debit(charged, fees, "pad");
    return;
  }
  if (job?.hold == null) {
    turn.debit(charged - fee, fees, "traffic");
    turn.debit(fee, provider ?? fees, "service", "fee");
    return;
  }
  const { entry, amount } = job.hold;
  const posted = charged < amount ? charged : amount;
  if (posted === 0n) server.ledger.void(entry);
  else server.ledger.post(entry, posted);
  turn.budget += amount - posted;
  turn.balanceMoved();
  turn.debit(charged - posted, fees, "traffic");
  if (provider !== undefined && fee > 0n) {
    const key = [`earned ${pad.pad}`, pad.up + pad.down] as const;
    server.ledger.transfer({ key, from: fees, to: provider, amount: fee, reason: "service" });
  }
}

/** A text down, as one run. */
function sealRun(turn: Turn, text: Uint8Array, id: Uint8Array | null): void {
  for (let at = 0; at === 0 || at < text.length; at += TEXT_MAX_BYTES) {
    const ends = at + TEXT_MAX_BYTES >= text.length;
    turn.seal(ends ? "last" : "data", text.subarray(at, at + TEXT_MAX_BYTES), at === 0 ? id : null);
  }
}
