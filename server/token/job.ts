// The work of a slow service between its two transactions: a hold before it, and the answer behind it, with the hold posted
// or voided. The link may end meanwhile: the answer is then kept for the next one.

import type { Served } from "../service/index.ts";
import type { TokenServer } from "./core.ts";
import type { Pad } from "./pads.ts";
import { wipe } from "./request.ts";
import { finish, type Job, type Refusal, Refused, refusalOf } from "./serve.ts";
import { NoRoom, Turn } from "./turn.ts";

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
      outcome = refusalOf(server, job.service.name, error);
    }
    if (server.closing.signal.aborted) return null; // The next start says that it is unknown.
    return await commitAnswer(server, job, outcome, budget);
  } catch (error) {
    server.doubt(job.pad);
    server.log.error({ err: error, service: job.service.name }, "the answer of a service was lost");
    return null;
  } finally {
    wipe(job.body);
    seat.works.delete(`${job.request}`);
    server.leaveSeat(job.pad);
    resolve();
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
        ends = finish(turn, job, outcome).ends;
      } catch (error) {
        // Its hold was voided before it turned out that not even a refusal fits.
        if (!(error instanceof NoRoom)) throw error;
        server.requests.lose(job.request);
        ends = true;
      }
      if (ends) lastReceipt(turn);
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

function lastReceipt(turn: Turn): void {
  try {
    turn.receipt(true);
  } catch (error) {
    if (!(error instanceof NoRoom)) throw error;
  }
}
