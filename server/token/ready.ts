// READY: both ends are proven, and say where they stand (SPEC section 13). In one transaction the call becomes a link: what
// the device released is let go, its receipt is checked, and a new one is sealed for it. The same READY is accepted again,
// as long as no box of its link was opened: nothing is sealed for it then, what was kept goes out again.

import {
  decodeReady,
  downEnd,
  encodeAddresses,
  type LinkItem,
  READY_AT,
  type Ready,
  slotOffset,
  upBase,
} from "../../host/protocol/index.ts";
import type { TokenServer } from "./core.ts";
import { reconcile } from "./doubt.ts";
import { loseRequest, repeat } from "./serve.ts";
import { NoRoom, Turn } from "./turn.ts";

/** Where the marks of up jump, and to which box of a run. */
export interface Jump {
  readonly again: number;
  readonly next: number;
  readonly number: number;
}

/** A call that has become a link. */
export interface Accepted {
  readonly epoch: number;
  readonly cap: bigint;
  readonly budget: bigint;
  readonly jump: Jump | null;
  /** The mark of the boxes that go out first. */
  readonly from: number;
  readonly ends: boolean;
  readonly balance: bigint;
  readonly turn: Turn;
}

/** Makes a link of a call, inside a work. Null: this READY is not accepted. @throws NoRoom: the pad is used up */
export function acceptReady(server: TokenServer, number: number, call: number, item: LinkItem): Accepted | null {
  const turn = new Turn(server, number, null, 0n);
  const { pad } = turn;
  if (pad.state !== "active" || pad.heard !== call || (pad.linked === call && pad.opened)) return null;
  const text = turn.openInSlot(slotOffset(pad, "low", call - 1) + READY_AT, item);
  if (text === null) return null;
  const ready = decodeReady(text);
  text.fill(0);
  if (ready === null || !isPossible(turn, call, ready)) return null;
  const { up } = pad;
  const jump = jumpAt(turn, ready);
  if (jump === "impossible") return null;

  pad.epoch++;
  if (pad.linked !== call) {
    pad.linked = call;
    pad.opened = false;
    if (pad.again === 2) pad.again = 0;
  }
  turn.budget = ready.cap;
  turn.release(ready.down);
  reconcile(turn, ready, up);
  answerAgain(turn);
  answerUnknown(turn);
  const { addresses } = server.config;
  if (pad.addresses < addresses.number && addresses.list.length > 0) {
    turn.seal("addresses", encodeAddresses({ number: addresses.number, addresses: addresses.list }));
    pad.addresses = addresses.number;
  }
  if (turn.spent) turn.close();
  const ends = pad.closed;
  // The pad that it takes is debited with the first box: this READY may come again, with the same cap.
  if (pad.receiptCall !== call) turn.receipt(ends, false);
  turn.write();
  const { epoch } = pad;
  const from = Math.max(pad.released, pad.lost);
  return { epoch, cap: ready.cap, budget: turn.budget, jump, from, ends, balance: turn.balance.balance, turn };
}

/**
 * Answers that the device has not released and that lie below what was lost with a database: they are sealed anew behind it,
 * once, since nothing below comes any more. One for which there is no room waits for its token to ask again.
 */
function answerAgain(turn: Turn): void {
  const { pad, server } = turn;
  try {
    for (const { mark, id } of server.answers.between(turn.kept, pad.released, pad.lost)) repeat(turn, id, mark, true);
  } catch (error) {
    if (!(error instanceof NoRoom)) throw error;
  }
}

/** Answers the requests whose work was cut off, by a crash or a failing disk. One for which there is no room waits. */
function answerUnknown(turn: Turn): void {
  const works = turn.server.seat(turn.pad.pad)?.works;
  for (const request of turn.server.requests.open(turn.pad.pad)) {
    if (works?.has(`${request.request}`)) continue;
    try {
      loseRequest(turn, request);
    } catch (error) {
      if (error instanceof NoRoom) return;
      throw error;
    }
  }
}

function isPossible({ pad, server }: Turn, call: number, ready: Ready): boolean {
  // The same READY once more, which had its jump at once: its boxes before that are lost, and up stands where they ended.
  const jumped = pad.linked === call && pad.up === ready.next;
  const aligned = [ready.again, ready.next, ready.down].every((mark) => mark % pad.burnUnit === 0);
  return (
    aligned &&
    (pad.up <= ready.again || jumped) &&
    ready.again <= ready.next &&
    upBase(pad) + ready.next <= pad.split &&
    pad.released <= ready.down &&
    ready.down <= pad.down &&
    ready.split <= pad.split &&
    downEnd(pad) - pad.down >= pad.split &&
    ready.receipt.sequence <= pad.receipt &&
    server.receipts.isOurs(pad, ready.receipt)
  );
}

/** The jump of this READY, when boxes come again before it; otherwise it is made here. */
function jumpAt(turn: Turn, { again, next, number }: Ready): Jump | null | "impossible" {
  if (again > turn.pad.up) return { again, next, number };
  return makeJump(turn, { again, next, number }) ? null : "impossible";
}

/** Goes on at `next`: with the unfinished run, or, from number 0, without it. */
export function makeJump({ pad, server }: Turn, { next, number }: Jump): boolean {
  if (number !== 0 && number !== pad.unfinished && !pad.torn) return false;
  if (number === 0) {
    if (pad.unfinished > 0) server.parts.drop(pad.pad);
    pad.unfinished = pad.runBytes = pad.runText = 0;
    pad.torn = false;
  }
  pad.up = next;
  return true;
}
