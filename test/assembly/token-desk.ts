// A token and the server's end of its pad in one program: the world of the link's tests. The device is the core in the simulator behind the driver; the server is
// that of the second implementation, so that the two agree on SPEC alone.

import { randomBytes } from "node:crypto";
import {
  type Device,
  fillDevice,
  firstSplitOfToken,
  openDevice,
  slotsAtIssue,
  type TokenParameters,
} from "../../host/driver/index.ts";
import { builtCore, Flash, lineTo, Machine, type MachineSnapshot } from "../../simulator/index.ts";
import { fastClock, inOnePiece, padParameters, SECTORS_BEFORE_PAD } from "../host/pair.ts";
import { receiptMac } from "../second/link.ts";
import { type Sealed, Server } from "../second/server.ts";

export const PAD_SECTORS = 40;
export const LIMIT = 1000n;
export const BALANCE = 5000n;
export const LIST = { number: 3, addresses: ["tcp://one.example:7300", "ws://two.example/link"] } as const;
const ASSET = "EUR";
const ASSET_BYTES = Uint8Array.from(Buffer.from(ASSET.padEnd(8, "\0")));
const MAC_KEY = new Uint8Array(32).fill(9);

/** A filled token, to go back to, and its server. */
export class TokenDesk {
  readonly machine: Machine;
  readonly pad: Uint8Array;
  device!: Device;
  server!: Server;
  readonly #filled: MachineSnapshot;
  readonly #padId: Uint8Array;
  readonly #split: number;

  private constructor(machine: Machine, pad: Uint8Array, padId: Uint8Array, split: number) {
    this.machine = machine;
    this.pad = pad;
    this.#padId = padId;
    this.#split = split;
    this.#filled = machine.snapshot();
  }

  static async open(token: Partial<TokenParameters> = {}): Promise<TokenDesk> {
    const [pad, padId] = [new Uint8Array(randomBytes(PAD_SECTORS * 4096)), randomBytes(16)];
    const flash = new Flash({ sectors: PAD_SECTORS + SECTORS_BEFORE_PAD, seed: 1 });
    const machine = new Machine({ core: builtCore(), flash, entropy: 1, presence: "ask" });
    machine.powerOn();
    const device = await openDevice(lineTo(machine), { clock: fastClock });
    const shape = { padLength: pad.length, burnUnit: 1, slots: { low: slotsAtIssue(pad.length), high: 0 } };
    const split = firstSplitOfToken(shape);
    const first = { sequence: 1, call: 0, balance: BALANCE, up: 0 };
    const receipt = { ...first, mac: receiptMac(MAC_KEY, padId, ASSET_BYTES, first) };
    await fillDevice(
      device,
      {
        ...padParameters("low", pad.length, padId),
        slots: { low: true, high: false },
        firstSplit: split,
        token: { asset: ASSET, limit: LIMIT, receipt, addresses: LIST, ...token },
      },
      inOnePiece(pad),
    );
    await device.close();
    return new TokenDesk(machine, pad, padId, split);
  }

  /** The token as it was filled, with a server that knows no more. */
  async begin(): Promise<this> {
    this.machine.restore(this.#filled);
    this.machine.presence = "ask";
    this.server = new Server(
      { padId: this.#padId, burnUnit: 1, split: this.#split },
      this.pad.slice(),
      ASSET_BYTES,
      MAC_KEY,
      1,
    );
    await this.connect();
    return this;
  }

  async connect(): Promise<void> {
    this.device = await openDevice(lineTo(this.machine), { clock: fastClock });
  }

  /** The power goes and comes. */
  async reboot(): Promise<void> {
    this.machine.powerCut();
    this.machine.powerOn();
    await this.connect();
  }

  /** The welcome to the next call. */
  async welcome(change: Partial<Parameters<Server["welcome"]>[1]> = {}): Promise<Uint8Array> {
    const { slot } = await this.device.call(false);
    return this.server.welcome(slot, change);
  }

  /** A call up to READY, and what the server reads in it. */
  async ready(cap = 100n): Promise<ReturnType<Server["ready"]>> {
    const { slot, slotItem } = await this.device.call(false);
    if (this.server.hear(slotItem.subarray(4)) !== slot) throw new Error("the server found another slot");
    const { used } = this.server.end;
    const item = await this.device.ready({ welcomeItem: this.server.welcome(slot), again: used.up, number: 0, cap });
    return this.server.ready(slot, item);
  }

  /** A whole link: linked when it returns. */
  async link(cap = 100n): Promise<void> {
    await this.ready(cap);
    await this.opens(this.server.receipt(BALANCE, cap));
  }

  /** OPEN of a box that the server sealed; whether it was refused. */
  async opens({ offset, item }: Sealed): Promise<boolean> {
    return (await this.device.open(offset, item)).refused;
  }

  /** All that a use of the pad or of the value would change. */
  async all(): Promise<object> {
    const { up, down, split, nextSlot, journalSequence } = await this.device.info();
    const pages = [await this.device.page(0), await this.device.page(1)].map((page) =>
      Buffer.from(page).toString("hex"),
    );
    return { up, down, split, nextSlot, journalSequence, pages, value: await this.device.value() };
  }

  content(offset: number, length: number): Uint8Array {
    return this.machine.flash.content(SECTORS_BEFORE_PAD * 4096 + offset, length);
  }
}
