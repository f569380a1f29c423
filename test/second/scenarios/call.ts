/** A token and its server in the middle of a scenario: the commands of a link as steps of a world, and what the server makes of the replies. */
import { readU32 } from "../box.ts";
import { type Bytes, bytesOf, hex, type Seeded } from "../bytes.ts";
import { firstSplitOfToken } from "../end.ts";
import type { Chip } from "../journal.ts";
import { addressBytes, type Welcome } from "../link.ts";
import { opening, type Sealed, Server } from "../server.ts";
import type { Vector } from "./vector.ts";
import { CHIP, type Fill, fillOf, World } from "./world.ts";

export const MAC_KEY: Uint8Array = bytesOf({ seed: "key of receipts", length: 32 });
export const ADDRESSES: string[] = ["tcp://token.example:7300", "wss://token.example/link"];

/** What the owner and the server agreed at issue. Money in minor units. */
export interface Terms {
  asset?: string;
  limit?: bigint;
  /** Of the first receipt; 0 for none. */
  sequence?: number;
  balance?: bigint;
  list?: number;
  addresses?: string[];
}

export interface Issue extends Terms {
  burnUnit?: number;
  padLength?: number;
  split?: number;
  chip?: Chip;
}

/** The fill of a token of 16,384 bytes: two slots, up from 384, down from the end, first split 1,384. */
export function tokenFill(issue: Issue = {}): Fill {
  const { burnUnit = 1, padLength = 16384, split = firstSplitOfToken(padLength, burnUnit) } = issue;
  const pad: Seeded = { seed: "pad of a token", length: padLength };
  const fill = fillOf("low", { slots: 1, burnUnit, padLength, split, pad });
  return { ...fill, token: longForm(fill, issue) };
}

/** What stands behind byte 112 in FILL. */
function longForm(fill: Fill, terms: Terms): Bytes {
  const { asset = "EUR", limit = 1000n, sequence = 1, balance = 5000n, list = 1, addresses = ADDRESSES } = terms;
  const mac = hex(serverOf(fill, terms).mac({ sequence, call: 0, balance, up: 0 }));
  const money: Bytes = [{ u32: sequence }, { u32: 0 }, { u64: `${balance}` }, sequence === 0 ? { zeros: 16 } : mac];
  const where: Bytes = [{ u32: addresses.length }, { u32: list }, hex(addressBytes(addresses))];
  return [{ text: asset }, { zeros: 8 - asset.length }, { u64: `${limit}` }, money, where];
}

export function serverOf(fill: Fill, { asset = "EUR", sequence = 1 }: Terms): Server {
  const { padId, burnUnit, split, pad } = fill;
  const facts = { padId: bytesOf(padId), burnUnit, split };
  return new Server(facts, bytesOf(pad), bytesOf([{ text: asset }, { zeros: 8 - asset.length }]), MAC_KEY, sequence);
}

/** How the device is asked for READY, and what the welcome says beside the books. */
export interface Answer {
  again?: number;
  number?: number;
  cap?: bigint;
  welcome?: Partial<Welcome>;
}

/** The name of the device in all steps. */
const TOKEN = "token";

export class Call {
  readonly world: World;
  readonly server: Server;
  private slot = 0;

  constructor(issue: Issue = {}) {
    const fill = tokenFill(issue);
    this.world = new World({ [TOKEN]: fill }, issue.chip ?? CHIP);
    this.server = serverOf(fill, issue);
  }

  /** CALL, and the server hears it. */
  calls(skip: 0 | 1 = 0): void {
    const reply = this.world.does(TOKEN, "CALL", { u32: skip });
    this.slot = this.server.hear(reply.subarray(8));
  }

  refusesCall(code: string, skip = 0): void {
    this.world.fails(TOKEN, "CALL", { u32: skip }, code);
  }

  /** The payload of READY. `again` is the welcome's up mark unless it is given. */
  payload({ again, number = 0, cap = 100n, welcome = {} }: Answer = {}): Bytes {
    const from = again ?? welcome.up ?? this.server.end.used.up;
    const item = this.server.welcome(this.slot, welcome);
    return [hex(item), { u32: from }, { u32: number }, { u64: `${cap}` }];
  }

  /** READY, and the server accepts it. */
  isReady(answer: Answer = {}): void {
    this.server.ready(this.slot, this.world.does(TOKEN, "READY", this.payload(answer)));
  }

  refusesReady(code: string, answer: Answer = {}): void {
    this.world.fails(TOKEN, "READY", this.payload(answer), code);
  }

  /** From the call to a first receipt. */
  links(answer: Answer = {}, balance = 5000n): void {
    this.calls();
    this.isReady(answer);
    this.opens(this.server.receipt(balance, answer.cap ?? 100n));
  }

  /** A box down, opened by the device. */
  opens(sealed: Sealed): void {
    this.world.does(TOKEN, "OPEN", payloadOf(sealed));
  }

  refusesOpen(code: string, payload: Bytes): void {
    this.world.fails(TOKEN, "OPEN", payload, code);
  }

  /** A box up, which the server opens. */
  seals(kind: number, text: Bytes): void {
    this.server.open(this.world.does(TOKEN, "SEAL", [{ u32: kind }, text]).subarray(8));
  }

  refusesSeal(code: string, text: Bytes = { text: "Hello" }): void {
    this.world.fails(TOKEN, "SEAL", [{ u32: 2 }, text], code);
  }

  states(cap = 0n, flags = 0): void {
    this.server.open(this.world.does(TOKEN, "STATE", [{ u64: `${cap}` }, { u32: flags }]).subarray(8));
  }

  refusesState(code: string, cap = 0n, flags = 0): void {
    this.world.fails(TOKEN, "STATE", [{ u64: `${cap}` }, { u32: flags }], code);
  }

  releases({ offset, size }: Sealed): void {
    this.world.does(TOKEN, "RELEASE", [{ u32: offset }, { u32: size }]);
  }

  /** VALUE; its second word is the call of the receipt. */
  showsValue(): void {
    this.world.does(TOKEN, "VALUE", "");
  }

  shows(...fields: string[]): void {
    this.world.shows(TOKEN, ...fields);
  }

  showsPage(page: number): void {
    const open: [number, number][] =
      page === 0
        ? [
            [32, 40],
            [252, 256],
          ]
        : [];
    this.world.does(TOKEN, "PAGE", { u32: page }, ...open);
  }

  button(button: "pressed" | "refused"): void {
    this.world.button(TOKEN, button);
  }

  reboots(): void {
    this.world.reboots(TOKEN);
  }
}

export function payloadOf(sealed: Sealed): Bytes {
  const payload = opening(sealed);
  return [{ u32: readU32(payload, 0) }, hex(sealed.item)];
}

/** Fields of INFO that a link moves. */
export const MARKS: string[] = ["upUsed", "upBurned", "downUsed", "downBurned", "split", "room", "nextSlot"];
export const COUNTERS: string[] = ["journalSequence", ...MARKS];
/** The end of the pad of a token of 16,384 bytes. */
export const END = 16384;
/** Fourteen slots. */
export const LARGE: Issue = { padLength: 114688, chip: { sectors: 34, burnUnit: 1 } };
/** The highest amount there is. */
export const MOST: bigint = 2n ** 64n - 1n;
export const HELLO: Bytes = { text: "Hello" };

/** The vector of what `play` does with a token. */
export function callVector(
  name: string,
  shows: string,
  section: string,
  play: (call: Call) => void,
  issue: Issue = {},
): Vector {
  const call = new Call(issue);
  play(call);
  return worldVector(name, shows, section, call.world);
}

export function worldVector(name: string, shows: string, section: string, { chip, fills, steps }: World): Vector {
  return { name: `device-${name}`, kind: "device", shows, section, chip, devices: fills, steps };
}
