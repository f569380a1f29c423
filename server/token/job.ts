// The work of a slow service between its two transactions: a hold before it, and the answer behind it, with the hold posted
// or voided. The link may end meanwhile: the answer is then kept for the next one.

import { TearpadError } from "../../host/protocol/index.ts";
import type { Served } from "../service/index.ts";
import { isStoreError } from "../store/index.ts";
import type { TokenServer } from "./core.ts";
import type { Pad } from "./pads.ts";
import { wipe } from "./request.ts";
import { FAILED, finish, type Job, type Refusal, Refused, refusalOf } from "./serve.ts";
import { NoRoom, Turn } from "./turn.ts";

const RETRY_MS = 1000;

/** The pad, the cap and the account behind the answer of a slow service. */
export interface Answered {
  readonly pad: Pad;
  readonly budget: bigint;
  readonly balance: { readonly balance: bigint; readonly held: bigint };
  readonly ends: boolean;
}

/**
 * Runs a job and makes its answer durable. Null when that was not possible: the request is then voided when it comes again,
 * or at the next start. Never rejects.
 * @param budget what may still be debited in the link that asked
 */
export async function runJob(server: TokenServer, job: Job, budget: bigint): Promise<Answered | null> {
  const seat = server.takeSeat(job.pad);
  const { promise, resolve } = Promise.withResolvers<void>();
  seat.works.set(`${job.request}`, promise);
  try {
    let outcome: Served | Refusal;
    try {
      outcome = await job.service.work(job.body, server.closing.signal);
    } catch (error) {
      outcome = refusalOfWork(server, job, error);
    }
    if (server.closing.signal.aborted) return null; // The next start says that it is unknown.
    return await persist(server, job, outcome, budget);
  } finally {
    wipe(job.body);
    seat.works.delete(`${job.request}`);
    server.leaveSeat(job.pad);
    resolve();
  }
}

/** A disk that takes nothing now may do so later: then it is tried again. */
async function persist(
  server: TokenServer,
  job: Job,
  outcome: Served | Refusal,
  budget: bigint,
): Promise<Answered | null> {
  for (;;) {
    try {
      return await commitAnswer(server, job, outcome, budget);
    } catch (error) {
      server.doubt(job.pad);
      server.log.error({ err: error, service: job.service.name }, "the answer of a service is not durable");
      if (!(error instanceof TearpadError) || isStoreError(error, "STORE_CLOSED")) return null;
    }
    await pause(server);
    if (server.closing.signal.aborted) return null;
  }
}

function pause({ clock, closing }: TokenServer): Promise<void> {
  return new Promise((resolve) => {
    clock.after(RETRY_MS, resolve);
    closing.signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function refusalOfWork(server: TokenServer, job: Job, error: unknown): Refusal {
  try {
    return refusalOf(server, job.service.name, error);
  } catch {
    server.log.error({ err: error, service: job.service.name }, "a service failed");
    return FAILED;
  }
}

async function commitAnswer(
  server: TokenServer,
  job: Job,
  outcome: Served | Refusal,
  budget: bigint,
): Promise<Answered | null> {
  const seat = server.seat(job.pad);
  const answered = await server
    .commit(() => {
      const turn = new Turn(server, job.pad, null, budget);
      let ends = false;
      try {
        // It may be done already: what failed then was the limits log behind it.
        if (server.requests.isOpen(job.request)) ends = finish(turn, job, outcome).ends;
      } catch (error) {
        // Its hold was voided before it turned out that not even a refusal fits.
        if (!(error instanceof NoRoom)) throw error;
        server.requests.lose(job.request);
        ends = true;
      }
      if (ends) receiptIfRoom(turn, true);
      else if (turn.pad.receipt !== job.receipt) {
        // A later link got a receipt that does not know of this debit, and the newest one has to.
        turn.budget = seat?.link?.budget ?? 0n;
        receiptIfRoom(turn, false);
      }
      turn.write();
      return { turn, ends };
    })
    .catch((error: unknown) => {
      if (error instanceof Refused) return error.refusal;
      throw error;
    });
  if (!("turn" in answered)) return commitAnswer(server, job, answered, budget);
  answered.turn.afterwards();
  seat?.link?.nudge();
  const { turn, ends } = answered;
  return { pad: turn.pad, budget: turn.budget, balance: turn.balance, ends };
}

function receiptIfRoom(turn: Turn, ends: boolean): void {
  try {
    turn.receipt(ends);
  } catch (error) {
    if (!(error instanceof NoRoom)) throw error;
  }
}
