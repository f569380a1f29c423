/**
 * The server's side of a link as far as its bytes go (docs/SPEC.md sections 13 and 14): what it seals for one pad and what it makes of READY.
 * Which pad a tag belongs to, what is stored and what is debited is not here.
 */
import * as box from "./box.ts";
import { concat, equal, Failure, readU32, u32 } from "./box.ts";
import { End, type PadFacts } from "./end.ts";
import {
  type AddressList,
  addressesText,
  type Ready,
  type Receipt,
  readReady,
  receiptMac,
  receiptText,
  type Welcome,
  welcomeText,
} from "./link.ts";

/** How far ahead of the calls that it has heard the server knows tags. */
const WINDOW = 16;

/** A box in the stream of down, and where it lies. */
export interface Sealed {
  offset: number;
  size: number;
  item: Uint8Array;
}

export class Server {
  readonly end: End;
  private readonly asset: Uint8Array;
  private readonly key: Uint8Array;
  /** The number of the highest call that was heard. */
  private heard = 0;
  /** The number of the last call that became a link. */
  private lastCall = 0;
  private released = 0;
  private receiptSequence: number;
  /** The last welcome: a READY is held against what it said. */
  private said: Welcome | undefined;

  constructor(facts: Omit<PadFacts, "side" | "slots">, pad: Uint8Array, asset: Uint8Array, key: Uint8Array, first = 0) {
    this.end = new End({ ...facts, side: "high", slots: ["low"] }, pad);
    this.asset = asset;
    this.key = key;
    this.receiptSequence = first;
  }

  /** The slot of a tag, among the next ones. */
  hear(tag: Uint8Array): number {
    for (let slot = this.heard; slot < Math.min(this.heard + WINDOW, this.end.slots.low); slot++) {
      if (equal(this.end.slice(this.end.slotAt("low", slot), 16), tag)) {
        this.heard = slot + 1;
        return slot;
      }
    }
    throw new Failure("SLOT_UNKNOWN");
  }

  /** The welcome to the call of a slot; what `change` says is not as it stands in the books. */
  welcome(slot: number, change: Partial<Welcome> = {}): Uint8Array {
    const { used, split } = this.end;
    const marks = { up: used.up, down: used.down, released: this.released, split };
    const rest = { notes: 0, lastCall: this.lastCall, receiptSequence: this.receiptSequence, unfinished: 0, lost: 0 };
    this.said = { ...marks, ...rest, ...change };
    const at = this.end.slotAt("low", slot) + 16;
    return this.end.sealAt(at, this.end.slice(at, 80), "down", box.WELCOME, welcomeText(this.said));
  }

  /** AUTH_FAILED, or what SPEC names when it is not to be accepted; then nothing has been changed. */
  ready(slot: number, item: Uint8Array): Ready {
    if (readU32(item, 0) !== 0x50040) throw new Failure("BAD_ARGUMENT");
    const ready = readReady(this.end.openAt(this.end.slotAt("low", slot) + 96, 96, item).text);
    const { again, next, down, receipt } = ready;
    const said = this.said as Welcome;
    const boxes = said.up <= again && again <= next && this.end.base + next <= said.split;
    const known = receipt.sequence === 0 || equal(receipt.mac, this.mac(receipt));
    if (!boxes || down < said.released || down > said.down || !known) throw new Failure("BAD_ARGUMENT");
    this.lastCall = slot + 1;
    this.released = down;
    return ready;
  }

  mac(receipt: Pick<Receipt, "sequence" | "call" | "balance" | "up">): Uint8Array {
    return receiptMac(this.key, this.end.facts.padId, this.asset, receipt);
  }

  /** The next receipt of the link, or what `change` makes of it. */
  receipt(balance: bigint, open: bigint, change: Partial<Omit<Receipt, "mac">> = {}): Sealed {
    const next = { sequence: this.receiptSequence + 1, call: this.lastCall, up: this.end.used.up, flags: 0 };
    const receipt = { ...next, balance, open, ...change };
    this.receiptSequence = Math.max(this.receiptSequence, receipt.sequence);
    return this.seal(box.RECEIPT, receiptText({ ...receipt, mac: this.mac(receipt) }));
  }

  /** Raises the split first where it is higher and may be raised; a server that is wrong says something else. */
  grant(split: number): Sealed {
    const { end } = this;
    if (split > end.split && split <= end.end - end.used.down - 1024) end.split = split;
    return this.seal(box.GRANT, u32(split));
  }

  addresses(list: AddressList): Sealed {
    return this.seal(box.ADDRESSES, addressesText(list));
  }

  /** The next box down, of any kind and text. */
  seal(kind: number, text: Uint8Array): Sealed {
    const before = this.end.used.down;
    const { offset, item } = this.end.seal(kind, text);
    return { offset, size: this.end.used.down - before, item };
  }

  /** A box up at the expected mark: `again`, `next` and STATE are for whoever keeps a link. */
  open(item: Uint8Array): { kind: number; text: Uint8Array } {
    const { length } = box.shape(item);
    const size = box.consumed(length, this.end.facts.burnUnit);
    const offset = this.end.offsetOf("up", this.end.used.up, size);
    const opened = this.end.openAt(offset, size, item);
    this.end.used.up += size;
    return opened;
  }
}

/** A box as it goes into the payload of OPEN. */
export function opening({ offset, item }: Sealed): Uint8Array {
  return concat(u32(offset), item);
}
