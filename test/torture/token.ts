// A token on the bench, and what its value must be after any cut: the ideal of test/torture/ideal.ts with the money and the addresses that a server told it. The
// server's boxes are sealed by the second implementation, under marks that rise through the whole life of the ideal.

import {
  type AddressList,
  encodeAddresses,
  encodeGrant,
  encodeReady,
  encodeReceipt,
  encodeState,
  encodeWelcome,
  packAddresses,
  type Receipt,
} from "../../host/protocol/index.ts";
import type { Core } from "../../simulator/index.ts";
import * as box from "../second/box.ts";
import { type Findings, Ideal, noFindings } from "./ideal.ts";
import { open, type Plan, perform, seal } from "./operations.ts";
import {
  COMMAND,
  CONTROL_RESERVE,
  concat,
  digest,
  type Ground,
  LOW,
  PAD_ID,
  type Reply,
  Rig,
  readU32,
  SLOT_SIZE,
  type Truth,
  u32,
  writeSteps,
} from "./rig.ts";

const PAD_SECTORS = 12;
const SECTORS = PAD_SECTORS + 6;
const PAD_BYTES = PAD_SECTORS * 4096;
const SLOTS = PAD_BYTES / 8192;
const UP_BASE = SLOTS * SLOT_SIZE;
const FIRST_SPLIT = UP_BASE + Math.floor((PAD_BYTES - UP_BASE) / 16);
const FIRST_BALANCE = 5000n;

export const TOKEN: Ground = {
  pad: Uint8Array.from(Buffer.concat(Array.from({ length: PAD_BYTES / 32 }, (_, i) => digest(`token ${i}`)))),
  upBase: UP_BASE,
  downEnd: PAD_BYTES,
  slots: SLOTS,
};

/** The receipt of a sequence says always the same but for what is open. */
function receiptOf(sequence: number, call: number, open: bigint, up: number): Receipt {
  const mac = digest(`receipt ${sequence}`).subarray(0, 16);
  return { sequence, call, balance: FIRST_BALANCE - BigInt(sequence), open, up, ends: false, closed: false, mac };
}

/** The list of a number. */
function listOf(number: number): AddressList {
  return { number, addresses: [`tcp://host${number}.example:7300`, "x".repeat(1 + ((number * 37) % 150))] };
}

/** What the device says of its value and its addresses. */
interface Said {
  readonly sequence: number;
  readonly balance: bigint;
  readonly caps: bigint;
  readonly answered: number;
  readonly link: number;
  readonly list: number;
}

/** What a command may change of it. */
type Change =
  | { readonly cap: bigint; readonly answered?: number }
  | { readonly receipt: Receipt }
  | { readonly list: number };

/** A plan of a token: `worth` is what it may change of the value. */
export interface TokenPlan extends Plan {
  readonly worth?: Change;
  /** The text that the server tells. */
  readonly hears?: Uint8Array;
  /** Bytes of the reply without which nobody can use it. */
  readonly usable?: number;
}

export class TokenIdeal extends Ideal {
  /** The mark behind the last box that the server sealed. */
  down = 0;
  /** The highest sequence that the server gave a receipt. */
  receipts = 1;
  /** What READY and every STATE of this link allowed together. */
  allowed = 0n;
  /** The highest number that it gave a list. */
  lists = 1;
  /** What the device said last. */
  held: Said = { sequence: 1, balance: FIRST_BALANCE - 1n, caps: 0n, answered: 0, link: 0, list: 1 };
  /** Every receipt that was shown to the device, and the caps that it must say beside that one. */
  #shown: Map<number, { readonly receipt: Receipt; readonly needed: bigint }> = new Map([
    [1, { receipt: receiptOf(1, 0, 0n, 0), needed: 0n }],
  ]);
  /** Caps that were raised by STATE in the call `#call`, with the mark behind it. */
  #raised: readonly { readonly mark: number; readonly cap: bigint }[] = [];
  #receiptFloor = 1;
  #answered: readonly [floor: number, ceiling: number] = [0, 0];
  #list: readonly [floor: number, ceiling: number] = [1, 1];

  constructor(truth: Truth) {
    super(LOW, truth, TOKEN);
  }

  override clone(): TokenIdeal {
    const copy = this.copyTo(new TokenIdeal(this.floor));
    copy.down = this.down;
    copy.receipts = this.receipts;
    copy.lists = this.lists;
    copy.allowed = this.allowed;
    copy.held = this.held;
    copy.#shown = new Map(this.#shown);
    copy.#raised = this.#raised;
    copy.#receiptFloor = this.#receiptFloor;
    copy.#answered = this.#answered;
    copy.#list = this.#list;
    return copy;
  }

  /** The receipt that the device holds, as READY says it. */
  get receipt(): Receipt {
    return this.#shown.get(this.held.sequence)!.receipt;
  }

  /** What the server's newest receipt said of our boxes, and the most that it can say is open when it has opened them up to a mark. */
  heardUp(): number {
    return this.#shown.get(this.receipts)!.receipt.up;
  }

  mostOpen(up: number): bigint {
    return this.#shown.get(this.receipts)!.needed - this.#behind(up);
  }

  /** What was raised behind a mark. */
  #behind(up: number): bigint {
    return this.#raised.filter(({ mark }) => mark > up).reduce((sum, { cap }) => sum + cap, 0n);
  }

  /** Something was asked for: from now on it may be so. */
  askValue(change: Change): void {
    if ("receipt" in change) {
      const { receipt } = change;
      if (this.#shown.has(receipt.sequence)) return;
      this.#shown.set(receipt.sequence, { receipt, needed: receipt.open + this.#behind(receipt.up) });
    } else if ("list" in change) {
      this.#list = [this.#list[0], Math.max(this.#list[1], change.list)];
    } else if (change.answered !== undefined) {
      this.#answered = [this.#answered[0], Math.max(this.#answered[1], change.answered)];
    }
  }

  /** It left the device: the server may act on it. */
  promiseValue(change: Change, mark: number): void {
    if ("receipt" in change) {
      this.#receiptFloor = Math.max(this.#receiptFloor, change.receipt.sequence);
    } else if ("list" in change) {
      this.#list = [Math.max(this.#list[0], change.list), this.#list[1]];
    } else {
      for (const [sequence, { receipt, needed }] of this.#shown) {
        this.#shown.set(sequence, { receipt, needed: needed + change.cap });
      }
      this.allowed = change.answered === undefined ? this.allowed + change.cap : change.cap;
      if (change.answered !== undefined) {
        this.#raised = [];
        this.#answered = [change.answered, Math.max(change.answered, this.#answered[1])];
      } else {
        this.#raised = [...this.#raised, { mark, cap: change.cap }];
      }
    }
  }

  override check(rig: Rig, findings: Findings): void {
    super.check(rig, findings);
    if (this.floor.state !== 3 || findings.wrong.length > 0) return;
    const connection = rig.connection();
    const said = saidBy(rig, connection);
    const shown = this.#shown.get(said.sequence);
    const { wrong } = findings;
    if (shown === undefined) {
      wrong.push(`receipt ${said.sequence}, which nobody sealed`);
      return;
    }
    if (said.sequence < this.#receiptFloor)
      wrong.push(`the receipt fell from ${this.#receiptFloor} to ${said.sequence}`);
    if (said.balance !== shown.receipt.balance) wrong.push(`receipt ${said.sequence} with another balance`);
    if (said.caps < shown.needed) wrong.push(`open caps of ${said.caps} where ${shown.needed} may be debited`);
    for (const [name, value, [floor, ceiling]] of [
      ["answered", said.answered, this.#answered],
      ["the list's number", said.list, this.#list],
    ] as const) {
      if (value < floor || value > ceiling) wrong.push(`${name} is ${value}, not ${floor} to ${ceiling}`);
    }
    this.#checkList(connection, said.list, findings);
    this.#receiptFloor = said.sequence;
    this.#answered = [said.answered, this.#answered[1]];
    this.#list = [said.list, this.#list[1]];
    this.held = said;
  }

  override believe(rig: Rig): void {
    super.believe(rig);
    this.held = saidBy(rig, rig.connection());
  }

  #checkList(connection: Uint8Array, number: number, findings: Findings): void {
    const expected = packAddresses(listOf(number).addresses);
    if (Buffer.compare(connection.subarray(32, 32 + expected.length), expected) !== 0)
      findings.wrong.push(`list ${number} has other addresses`);
  }

  /** Where the server seals its next box of so much text. */
  place(textLength: number): number {
    const size = 32 + textLength;
    this.down += size;
    return this.ground.downEnd - this.down;
  }
}

/** What VALUE and the connection page say. */
function saidBy(rig: Rig, connection: Uint8Array): Said {
  const bytes = rig.value();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    sequence: view.getUint32(0, true),
    balance: view.getBigUint64(8, true),
    caps: view.getBigUint64(16, true),
    answered: view.getUint32(28, true),
    link: bytes[48]!,
    list: readU32(connection, 28),
  };
}

/** A box of the server, and where it lies. */
export interface Down {
  readonly offset: number;
  readonly item: Uint8Array;
  readonly size: number;
  readonly text: Uint8Array;
}

/** Seals the server's next box. */
export function sealDown(ideal: TokenIdeal, kind: number, text: Uint8Array): Down {
  const offset = ideal.place(text.length);
  const size = 32 + text.length;
  const slice = TOKEN.pad.subarray(offset, offset + size);
  return { offset, size, text, item: box.seal(slice, { padId: PAD_ID, direction: "down", offset }, kind, text) };
}

/** Runs a command on device and ideal alike; see perform. */
export function act(rig: Rig, ideal: TokenIdeal, plan: TokenPlan, findings: Findings): Reply | null {
  if (plan.worth) ideal.askValue(plan.worth);
  const reply = perform(rig, ideal, plan, findings);
  const left = reply === null ? rig.heard >= 12 + (plan.usable ?? Number.POSITIVE_INFINITY) : reply.error === 0;
  if (plan.worth && left) ideal.promiseValue(plan.worth, plan.change.up ?? ideal.floor.up);
  return reply;
}

export function skip(ideal: TokenIdeal): TokenPlan {
  return { type: COMMAND.CALL, payload: u32(1), change: { next: ideal.floor.next + 1 } };
}

/** READY to the welcome of the next slot, which may carry a grant. */
export function ready(ideal: TokenIdeal, cap: bigint, grant = 0): TokenPlan {
  const { next, up, down } = ideal.floor;
  const split = Math.min(ideal.floor.split + grant, PAD_BYTES - Math.max(CONTROL_RESERVE, down));
  const notes = { heardAgain: false, inDoubt: false, nothingLeft: false };
  const known = { up: 0, down: ideal.down, released: 0, split, lastCall: 0, receiptSequence: ideal.receipts };
  const welcome = encodeWelcome({ notes, ...known, unfinished: 0, lost: 0 });
  const at = next * SLOT_SIZE + 16;
  const facts = { padId: PAD_ID, direction: "down", offset: at } as const;
  const item = box.seal(TOKEN.pad.subarray(at, at + 80), facts, box.WELCOME, welcome);
  const { sequence, balance, call, up: receiptUp, mac } = ideal.receipt;
  const receipt = { sequence, balance, call, up: receiptUp, mac };
  return {
    type: COMMAND.READY,
    payload: concat(item, u32(0, 0), box.u64(cap)),
    change: { next: next + 1, split },
    text: encodeReady({ again: 0, next: up, number: 0, down, split, cap, receipt }),
    slot: next,
    worth: { cap, answered: next + 1 },
    usable: 84,
  };
}

export function state(ideal: TokenIdeal, capInAll: bigint, cap: bigint): TokenPlan {
  const { up, down } = ideal.floor;
  return {
    type: COMMAND.STATE,
    payload: concat(box.u64(cap), u32(0)),
    change: { up: up + 52 },
    text: encodeState({ down, receiptSequence: ideal.held.sequence, cap: capInAll, ends: false, wantsRoom: false }),
    worth: { cap },
    usable: 48,
  };
}

/** The next receipt of the call that was answered last, of a server that has opened our boxes up to a mark. */
export function receipt(ideal: TokenIdeal, open: bigint, up: number): TokenPlan {
  const next = receiptOf(++ideal.receipts, ideal.held.answered, open, up);
  return opened(sealDown(ideal, box.RECEIPT, encodeReceipt(next)), { worth: { receipt: next } });
}

/** A receipt that is older than the one held: it must change nothing. */
export function oldReceipt(ideal: TokenIdeal): TokenPlan {
  const { sequence, answered } = ideal.held;
  return opened(sealDown(ideal, box.RECEIPT, encodeReceipt(receiptOf(sequence - 1, answered, 0n, 0))), {});
}

export function grant(ideal: TokenIdeal, by: number): TokenPlan {
  const split = Math.min(ideal.floor.split + by, PAD_BYTES - Math.max(CONTROL_RESERVE, ideal.down + 36));
  return opened(sealDown(ideal, box.GRANT, encodeGrant(split)), { change: { split } });
}

export function addresses(ideal: TokenIdeal): TokenPlan {
  const list = listOf(++ideal.lists);
  return opened(sealDown(ideal, box.ADDRESSES, encodeAddresses(list)), { worth: { list: list.number } });
}

function opened({ offset, item, text }: Down, extra: Partial<TokenPlan>): TokenPlan {
  return { ...open(offset, item), hears: text, ...extra };
}

/** A token that was filled and never used, and its ideal. */
export function issue(core: Core, seed: number): { rig: Rig; ideal: TokenIdeal } {
  const rig = new Rig(core, seed, SECTORS);
  const list = packAddresses(listOf(1).addresses);
  const first = receiptOf(1, 0, 0n, 0);
  const parameters = concat(
    concat(Uint8Array.of(LOW, 1, 1, 1), u32(PAD_BYTES, FIRST_SPLIT), Uint8Array.of(0, 0, 1, 0), PAD_ID),
    concat(new Uint8Array(80), new TextEncoder().encode("EUR\0\0\0\0\0"), box.u64(1_000_000n)),
    concat(u32(1, 0), box.u64(first.balance), first.mac, u32(2, 1), list),
  );
  rig.fill(LOW, writeSteps(parameters, TOKEN.pad));
  const { state, generation, next, up, down, split } = rig.info();
  const ideal = new TokenIdeal({ state, generation, next, up, down, split });
  ideal.check(rig, noFindings());
  return { rig, ideal };
}

const CALL_FIRST = 22;
const SLOTS_EXHAUSTED = 10;
const PROBE = 40;

/** What follows every boot of a token: no seal before a link, then a call, a link, and a box, all under bytes that never served. */
export function probe(rig: Rig, ideal: TokenIdeal, findings: Findings): void {
  rig.hello();
  const early = act(rig, ideal, { ...seal(ideal, new Uint8Array(4)), change: {} }, findings);
  if (early?.error !== CALL_FIRST) findings.wrong.push("a token sealed before it was linked");
  if (ideal.floor.next >= SLOTS) return;
  const call = rig.command(COMMAND.CALL, u32(0));
  const at = ideal.floor.next * SLOT_SIZE;
  if (call === null || call.error === SLOTS_EXHAUSTED) findings.wrong.push("no call after the boot");
  else if (Buffer.compare(call.payload.subarray(8), TOKEN.pad.subarray(at, at + 16)) !== 0)
    findings.wrong.push("a call with another tag than that of the next slot");
  for (const plan of [ready(ideal, 7n), null]) {
    const reply = act(rig, ideal, plan ?? receipt(ideal, 7n, ideal.floor.up), findings);
    if (reply?.error !== 0) findings.wrong.push(`no link after the boot: code ${reply?.error}`);
    ideal.check(rig, findings);
    if (findings.wrong.length > 0) return;
  }
  if (ideal.held.caps !== 7n) findings.wrong.push(`open caps of ${ideal.held.caps} behind a receipt that says 7`);
  if (ideal.room() < PROBE + 32) return;
  const reply = act(rig, ideal, seal(ideal, new Uint8Array(PROBE).fill(0x5a), 2), findings);
  if (reply?.error !== 0) findings.wrong.push(`no box after the boot: code ${reply?.error}`);
}
