/** The texts of the boxes that a link has beside those of its runs, and the receipt's MAC (docs/SPEC.md sections 13 and 14). */
import { createHmac } from "node:crypto";
import { concat, readU32, readU64, u32, u64 } from "./box.ts";

export interface Welcome {
  /** Bit 0 an earlier call was heard again, bit 1 the books are in doubt, bit 2 nothing is left. */
  notes: number;
  up: number;
  down: number;
  released: number;
  split: number;
  lastCall: number;
  receiptSequence: number;
  unfinished: number;
  /** Down below it does not come any more. */
  lost: number;
}

/** A receipt as a device keeps it and sends it back. */
export interface HeldReceipt {
  /** 0: none. */
  sequence: number;
  balance: bigint;
  call: number;
  up: number;
  mac: Uint8Array;
}

export const NO_RECEIPT: HeldReceipt = { sequence: 0, balance: 0n, call: 0, up: 0, mac: new Uint8Array(16) };

export interface Ready {
  again: number;
  next: number;
  number: number;
  down: number;
  split: number;
  cap: bigint;
  receipt: HeldReceipt;
}

export interface Receipt extends HeldReceipt {
  open: bigint;
  /** Bit 0 the link ends with it, bit 1 the value is closed. */
  flags: number;
}

export interface State {
  down: number;
  receiptSequence: number;
  cap: bigint;
  /** Bit 0: the link ends; bit 1: a grant is asked for. */
  flags: number;
}

export interface AddressList {
  number: number;
  addresses: string[];
}

export const NO_ADDRESSES: AddressList = { number: 0, addresses: [] };

export function welcomeText(welcome: Welcome): Uint8Array {
  const { notes, up, down, released, split, lastCall, receiptSequence, unfinished, lost } = welcome;
  return concat(u32(notes, up, down, released, split, lastCall, receiptSequence, unfinished, lost), new Uint8Array(12));
}

/** Reserved bytes are ignored. */
export function readWelcome(text: Uint8Array): Welcome {
  const at = (offset: number): number => readU32(text, offset);
  const marks = { up: at(4), down: at(8), released: at(12), split: at(16) };
  return {
    notes: text[0] as number,
    ...marks,
    lastCall: at(20),
    receiptSequence: at(24),
    unfinished: at(28),
    lost: at(32),
  };
}

export function readyText({ again, next, number, down, split, cap, receipt }: Ready): Uint8Array {
  const { sequence, balance, call, up, mac } = receipt;
  return concat(u32(again, next, number, down, split, sequence), u64(cap), u64(balance), u32(call, up), mac);
}

export function readReady(text: Uint8Array): Ready {
  const at = (offset: number): number => readU32(text, offset);
  const receipt = { sequence: at(20), balance: readU64(text, 32), call: at(40), up: at(44), mac: text.slice(48, 64) };
  return { again: at(0), next: at(4), number: at(8), down: at(12), split: at(16), cap: readU64(text, 24), receipt };
}

export function receiptText({ sequence, call, balance, open, up, flags, mac }: Receipt): Uint8Array {
  return concat(u32(sequence, call), u64(balance), u64(open), u32(up, flags), mac);
}

export function readReceipt(text: Uint8Array): Receipt {
  const at = (offset: number): number => readU32(text, offset);
  const money = { balance: readU64(text, 8), open: readU64(text, 16) };
  return { sequence: at(0), call: at(4), ...money, up: at(24), flags: at(28), mac: text.slice(32, 48) };
}

export function stateText({ down, receiptSequence, cap, flags }: State): Uint8Array {
  return concat(u32(down, receiptSequence), u64(cap), u32(flags));
}

export function readState(text: Uint8Array): State {
  return { down: readU32(text, 0), receiptSequence: readU32(text, 4), cap: readU64(text, 8), flags: readU32(text, 16) };
}

export function addressesText({ number, addresses }: AddressList): Uint8Array {
  return concat(u32(number, addresses.length), addressBytes(addresses));
}

/** Each behind its length. */
export function addressBytes(addresses: string[]): Uint8Array {
  return concat(...addresses.map((address) => concat(Uint8Array.of(address.length), Buffer.from(address, "latin1"))));
}

/** The list of an ADDRESSES, or nothing when it is not right or empty. */
export function readAddresses(text: Uint8Array): AddressList | undefined {
  const addresses = splitAddresses(text.subarray(8), readU32(text, 4));
  return addresses?.length ? { number: readU32(text, 0), addresses } : undefined;
}

/** Right (section 10): at most 16, each of 1 to 200 bytes from 21 to 7E, and nothing behind them. */
export function splitAddresses(bytes: Uint8Array, count: number): string[] | undefined {
  if (count > 16) return undefined;
  const addresses: string[] = [];
  let at = 0;
  while (addresses.length < count) {
    const length = bytes[at] ?? 0;
    const address = bytes.subarray(at + 1, at + 1 + length);
    const printable = address.every((byte) => byte >= 0x21 && byte <= 0x7e);
    if (length < 1 || length > 200 || address.length < length || !printable) return undefined;
    addresses.push(Buffer.from(address).toString("latin1"));
    at += 1 + length;
  }
  return at === bytes.length ? addresses : undefined;
}

/** Of the receipt's fields; `open` and flags are not in it. */
export function receiptMac(
  key: Uint8Array,
  padId: Uint8Array,
  asset: Uint8Array,
  receipt: Pick<HeldReceipt, "sequence" | "call" | "balance" | "up">,
): Uint8Array {
  const { sequence, call, balance, up } = receipt;
  const message = concat(Buffer.from("tearpad receipt 1"), padId, asset, u32(sequence, call), u64(balance), u32(up));
  return Uint8Array.from(createHmac("sha256", key).update(message).digest().subarray(0, 16));
}
