// Random lives of a pair: both ends seal, receive, release, grant and lose power at any call, again and again, also while they boot. Every step is held against
// the two ideals, which share one ledger of the pad bytes that left, since the two ends share one pad.

import { type Core, type Cut, type HalCallName, Random } from "../../simulator/index.ts";
import { drawCut, nameOf, type Tally } from "./cuts.ts";
import { type Findings, type Ideal, type Incoming, noFindings } from "./ideal.ts";
import { begin, find, open, type Plan, perform, raise, release, releaseSlot, seal } from "./operations.ts";
import { HIGH, LOW, PAD_BASE, Rig, type RigSnapshot, type Side, SLOT_SIZE, SLOTS, slotAt } from "./rig.ts";
import { idealOf, type Segment, text } from "./scenarios.ts";

const STEPS = 50;
const NO_SESSION = 2;
const EXHAUSTED = 9;
const AUTH_FAILED = 12;
/** More calls than any command or boot here makes, so that some armed cuts come late or in the next command. */
const CALLS_MAX = 30;

interface End {
  readonly side: Side;
  readonly rig: Rig;
  readonly filled: RigSnapshot;
  ideal: Ideal;
  /** The segment being sealed. */
  sealing: Segment | null;
  /** What the other end has to receive. */
  inbox: { segment: Segment; ranges: Incoming[]; slot: Incoming }[];
}

/** A pair of devices that lives one random life per seed. */
export class Pair {
  readonly #ends: [End, End];
  /** Every (operation, state, position, tear) met so far. */
  readonly distinct: Set<string> = new Set();

  constructor(core: Core) {
    this.#ends = [LOW, HIGH].map((side) => {
      const rig = new Rig(core, 80 + side);
      rig.fill(side as Side);
      return { side, rig, filled: rig.snapshot(), ideal: idealOf(rig, side as Side), sealing: null, inbox: [] } as End;
    }) as [End, End];
  }

  /** Lives the life of a seed and adds what it finds to the tally. */
  live(seed: number, tally: Tally): void {
    const random = new Random(seed);
    const [low, high] = this.#ends;
    for (const end of this.#ends) {
      end.rig.restore(end.filled);
      end.rig.flash.random.seed(seed * 2 + end.side);
      end.ideal = idealOf(end.rig, end.side);
      end.sealing = null;
      end.inbox = [];
    }
    high.ideal.emissions = low.ideal.emissions;
    for (let step = 0; step < STEPS; step++) {
      const end = this.#ends[random.below(2)]!;
      const findings = noFindings();
      const [name, cuts] = this.#step(end, this.#ends[1 - end.side]!, random, findings);
      if (low.ideal.floor.split > high.ideal.floor.split) findings.wrong.push("low holds a split that high never gave");
      tally.bytesReused += findings.reused;
      tally.messagesLost += findings.lost;
      tally.cuts += cuts;
      if (findings.reused || findings.lost || findings.wrong.length) {
        if (tally.failures.length < 20) {
          tally.failures.push(
            `life ${seed}, step ${step}, ${name}: ${[...findings.wrong, `${findings.reused} reused`, `${findings.lost} lost`].join("; ")}`,
          );
        }
        return;
      }
    }
  }

  /** One operation, cut or not, and the boots behind it. Returns its name and how many cuts came. */
  #step(end: End, peer: End, random: Random, findings: Findings): [string, number] {
    const { rig } = end;
    let cuts = 0;
    let last: HalCallName | "" = "";
    rig.machine.observe = (call) => {
      last = call.name;
    };
    const arm = (): Cut => {
      const cut = drawCut(random, CALLS_MAX);
      rig.machine.cutAt(cut);
      return cut;
    };
    let cut = random.below(2) ? arm() : null;
    const name = this.#operate(end, peer, random, findings);
    if (!cut && random.below(4) === 0) this.#repeatLast(end, findings);
    const met = (): void => {
      const { generation, next, up, down, split } = end.ideal.floor;
      this.distinct.add(
        `${end.side} ${name} ${generation} ${next} ${up} ${down} ${split} ${rig.flash.programs(0)} ${last} ${nameOf(cut!)}`,
      );
      cuts++;
    };
    let came = cut !== null && !rig.machine.disarm();
    let booted = false;
    while (rig.machine.state === "off" || rig.machine.state === "held") {
      booted = true;
      if (came) met();
      cut = random.below(3) === 0 ? arm() : null;
      rig.machine.powerOn();
      came = cut !== null && !rig.machine.disarm();
    }
    rig.machine.observe = null;
    end.ideal.check(rig, findings);
    if (booted) {
      this.#deliver(end, peer);
      const stale = perform(rig, end.ideal, seal(end.ideal, text(10, 5)), findings);
      if (stale?.error !== NO_SESSION) findings.wrong.push("a frame of the session before the boot was not refused");
      rig.hello();
    }
    return [name, cuts];
  }

  /** The reply was lost on its way: the same frame brings the same reply, and nothing is done again. */
  #repeatLast(end: End, findings: Findings): void {
    const { rig } = end;
    const frame = rig.lastFrame;
    if (frame === null || rig.machine.state !== "on") return;
    const before = Buffer.concat(rig.line);
    rig.line.length = 0;
    rig.machine.feed(frame);
    if (Buffer.compare(before, Buffer.concat(rig.line)) !== 0)
      findings.wrong.push("a repeated frame brought another reply");
  }

  /** What was sealed so far goes to the other end; after a boot the host goes on in a new segment. */
  #deliver(end: End, peer: End): void {
    const segment = end.sealing;
    end.sealing = null;
    if (segment === null) return;
    const at = slotAt(end.side, segment.slot);
    const ranges = segment.boxes.map(
      (box): Incoming => ({ start: box.offset, end: box.offset + 32 + box.text.length, status: "kept" }),
    );
    const slot: Incoming = { start: at, end: at + SLOT_SIZE, status: "kept" };
    peer.ideal.incoming.push(...ranges, slot);
    peer.inbox.push({ segment, ranges, slot });
  }

  #operate(end: End, peer: End, random: Random, findings: Findings): string {
    const { ideal } = end;
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2:
        return end.sealing ? this.#seal(end, peer, random, findings) : this.#begin(end, findings);
      case 3:
      case 4:
      case 5:
        return this.#receive(end, random, findings);
      case 6:
        if (end.side === HIGH && random.below(4) === 0) {
          const reply = perform(
            end.rig,
            ideal,
            { ...raise(ideal, ideal.room() + 1 + random.below(500)), change: {} },
            findings,
          );
          if (reply && reply.error !== EXHAUSTED) findings.wrong.push("a grant of what high has used was not refused");
          return "raise too far";
        }
        if (end.side === HIGH && ideal.room() > 600) {
          this.#do(end, raise(ideal, 1 + random.below(500)), findings);
          return "raise";
        }
        return end.sealing ? this.#seal(end, peer, random, findings) : this.#begin(end, findings);
      default:
        end.rig.machine.powerCut();
        return "boot";
    }
  }

  #do(end: End, plan: Plan, findings: Findings): Uint8Array | null {
    const reply = perform(end.rig, end.ideal, plan, findings);
    if (reply?.error) findings.wrong.push(`command ${plan.type} refused with code ${reply.error}`);
    return reply && !reply.error ? reply.payload : null;
  }

  #begin(end: End, findings: Findings): string {
    const slot = end.ideal.floor.next;
    if (slot >= SLOTS) return "nothing";
    const split = end.ideal.floor.split;
    const payload = this.#do(end, begin(end.ideal), findings);
    if (payload) {
      const tagAndOpening = Uint8Array.from(Buffer.concat([payload.subarray(12, 28), payload.subarray(28)]));
      end.sealing = { slot, tagAndOpening, split, boxes: [] };
    }
    return "begin";
  }

  #seal(end: End, peer: End, random: Random, findings: Findings): string {
    const segment = end.sealing!;
    const room = end.ideal.room() - 32;
    const last = random.below(4) === 0 || room < 8;
    if (room < 0) {
      this.#deliver(end, peer);
      return "nothing";
    }
    const plain = text(Math.min(room, random.below(5) ? random.below(200) : random.below(3000)), random.below(256));
    const offset = end.ideal.position(32 + plain.length);
    const payload = this.#do(end, seal(end.ideal, plain, last ? 2 : 1), findings);
    if (payload) segment.boxes.push({ offset, item: payload.slice(8), text: plain });
    if (payload && last) this.#deliver(end, peer);
    return "seal";
  }

  /** Opens the oldest segment that is not done, and perhaps releases what it opened. */
  #receive(end: End, random: Random, findings: Findings): string {
    const parcel = end.inbox[0];
    if (!parcel) return "nothing";
    const { segment, ranges, slot } = parcel;
    if (slot.status === "released" || this.#isGone(end, slot)) {
      slot.status = "released";
      end.inbox.shift();
      return "nothing";
    }
    if (!this.#do(end, find(end.ideal, segment.tagAndOpening, segment.split), findings)) return "find";
    const releases = random.below(3) > 0;
    for (const [i, box] of segment.boxes.entries()) {
      const range = ranges[i]!;
      if (range.status !== "kept" && this.#isGone(end, range)) {
        range.status = "released";
        continue;
      }
      if (i === 0 && random.below(3) === 0) {
        const forged = box.item.slice();
        forged[4 + random.below(forged.length - 4)]! ^= 1 << random.below(8);
        const reply = perform(end.rig, end.ideal, open(box.offset, forged), findings);
        if (reply && reply.error !== AUTH_FAILED) findings.wrong.push("a forged box was not refused");
        if (!reply) return "open";
      }
      const payload = this.#do(end, open(box.offset, box.item), findings);
      if (!payload) return "open";
      if (Buffer.compare(payload.subarray(4), box.text) !== 0) findings.wrong.push("a box opened to another text");
      if (releases && !this.#do(end, release(end.ideal, range), findings)) return "release";
    }
    if (!releases) return "open";
    if (this.#do(end, releaseSlot(segment.slot, slot), findings)) end.inbox.shift();
    return "release the slot";
  }

  /** Whether a release that was cut was finished by the boot. */
  #isGone(end: End, range: Incoming): boolean {
    return end.rig.flash.content(PAD_BASE + range.start, range.end - range.start).every((byte) => byte === 0);
  }
}
