// The desk: a tag comes in, and a welcome goes out, or nothing that can be told from one (SPEC section 13). Who calls does
// not say which token it is; the tag finds it, and is compared in full, in constant time. What is refused, and what fails,
// waits for the disk as long as what is welcomed: a slow disk, or a full one, tells nobody which tags are known.

import { timingSafeEqual } from "node:crypto";
import { encodeWelcome, slotOffset, WELCOME_AT } from "../../host/protocol/index.ts";
import type { TokenServer } from "./core.ts";
import { grantFor } from "./grant.ts";
import type { Pad } from "./pads.ts";
import type { TagPlace } from "./tags.ts";
import { Turn } from "./turn.ts";

/** A call that was welcomed: its pad and its number, which is its slot + 1. */
export interface Welcomed {
  readonly pad: number;
  readonly call: number;
  /** The item to send. */
  readonly item: Uint8Array;
  /** What made it; null: it was welcomed before. */
  readonly turn: Turn | null;
}

const TAG_BYTES = 16;
const found = new Uint8Array(TAG_BYTES);

/** Answers a call. Null: refused, whatever the reason, an error included. The welcome is durable when this resolves. */
export async function answerCall(server: TokenServer, tag: Uint8Array): Promise<Welcomed | null> {
  let fell = false;
  try {
    const welcomed = await server.commit(() => {
      try {
        const found = welcome(server, tag);
        if (!found?.turn) server.refuse();
        return found;
      } catch (error) {
        fell = true;
        throw error;
      }
    });
    welcomed?.turn?.afterwards();
    return welcomed;
  } catch (error) {
    server.seldom.error(error, "a call was refused because of an error");
    // It fell out of its group, and has waited for nothing.
    if (fell) await server.commit(() => server.refuse()).catch(() => {});
    return null;
  }
}

function welcome(server: TokenServer, tag: Uint8Array): Welcomed | null {
  let right: { place: TagPlace; pad: Pad } | null = null;
  for (const place of server.tags.find(tag)) {
    const pad = server.pad(place.pad);
    if (pad?.state !== "active") continue;
    if (place.slot + 1 < pad.linked) hearAgain(server, pad);
    if (place.slot + 1 < pad.heard) continue;
    try {
      server.vault.read(pad.name, slotOffset(pad, "low", place.slot), found);
    } catch (error) {
      server.log.error({ err: error, token: pad.name }, "the twin of a token that called cannot be read");
      continue;
    }
    if (timingSafeEqual(found, tag)) right = { place, pad };
    found.fill(0);
  }
  if (right === null) return null;
  const { pad } = right;
  const call = right.place.slot + 1;
  if (call > pad.heard) return welcomeNew(server, pad, call);
  // The same tag gets the same welcome, until a box of its link was opened.
  if (pad.welcome === null || (pad.linked === call && pad.opened)) return null;
  return { pad: pad.pad, call, item: pad.welcome, turn: null };
}

/** The owner is told with the next welcome. Whoever listened can cause it as well: it is a notice and nothing more. */
function hearAgain(server: TokenServer, pad: Pad): void {
  if (pad.again === 1) return;
  const noticed: Pad = { ...pad, again: 1 };
  server.pads.save(noticed, pad.epoch);
}

function welcomeNew(server: TokenServer, before: Pad, call: number): Welcomed | null {
  const seat = server.seat(before.pad);
  if (seat?.link?.isBusy(server.clock.now())) return null;
  const turn = new Turn(server, before.pad, before.epoch, 0n);
  const { pad } = turn;
  pad.heard = call;
  pad.epoch++;
  pad.split = grantFor(pad, false) ?? pad.split;
  if (pad.again === 1) pad.again = 2;
  const text = encodeWelcome({
    notes: { heardAgain: pad.again === 2, inDoubt: pad.inDoubt, nothingLeft: nothingLeft(turn) },
    up: pad.up,
    down: pad.down,
    released: pad.released,
    split: pad.split,
    lastCall: pad.linked,
    receiptSequence: pad.receipt,
    unfinished: pad.unfinished,
    lost: pad.lost,
  });
  pad.welcome = turn.sealInSlot(slotOffset(pad, "low", call - 1) + WELCOME_AT, "welcome", text);
  server.tags.slide(pad);
  turn.write();
  seat?.link?.displace();
  return { pad: pad.pad, call, item: pad.welcome, turn };
}

/** Whether no request can be paid: the value is closed or gone, or the pad is used up. */
function nothingLeft({ pad, tariff, spent, available }: Turn): boolean {
  if (pad.closed || spent) return true;
  const fees = [tariff.perBox, tariff.perKiB, tariff.perSecond, ...tariff.services.values()];
  return available === 0n && (tariff.exhaustion !== "money" || fees.some((fee) => fee > 0n));
}
