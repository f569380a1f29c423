/**
 * Random histories of a token and its server, told to the built core and to the second implementation at once: whatever one answers the other
 * has to answer. Welcomes and boxes are right, nearly right and wrong, and the server raises splits over what it sealed.
 */
import { Board } from "../../cli/vectors/board.ts";
import { Random } from "../../simulator/index.ts";
import * as box from "./box.ts";
import { concat, Failure, u32 } from "./box.ts";
import { type Bytes, bytesOf, hex } from "./bytes.ts";
import { COMMANDS } from "./commands.ts";
import { Device } from "./device.ts";
import type { End } from "./end.ts";
import { addressBytes, type Welcome } from "./link.ts";
import { type Issue, MOST, payloadOf, serverOf, tokenFill } from "./scenarios/call.ts";
import { type Command, fillDevice } from "./scenarios/world.ts";
import type { Sealed, Server } from "./server.ts";

/** The first step that the two answer differently, in words; undefined when there is none. `issued` changes what the second one is filled with. */
export function firstDifference(seed: number, steps: number, issued: Issue = {}): string | undefined {
  const history = new History(new Random(seed), issued);
  for (let step = 1; step <= steps; step++) {
    const difference = history.step();
    if (difference) return `step ${step}: ${difference}`;
  }
  return undefined;
}

class History {
  private readonly random: Random;
  private readonly unit: number;
  private readonly limit: bigint;
  private readonly board: Board;
  private readonly device: Device;
  private readonly server: Server;
  /** Number of the list of addresses, and of the last receipt and call, as far as the server knows. */
  private list = 1;
  private receipt: number;
  private call = 0;

  constructor(random: Random, issued: Issue) {
    this.random = random;
    this.unit = this.pick(1, 1, 4, 16, 64);
    this.limit = this.pick(0n, 100n, 1000n, MOST);
    this.receipt = this.pick(0, 1, 7);
    const padLength = this.pick(16384, 114688);
    const chip = { sectors: 6 + padLength / 4096, burnUnit: 1 };
    const issue = { burnUnit: this.unit, padLength, limit: this.limit, sequence: this.receipt };
    const fill = tokenFill(issue);
    this.board = new Board(chip);
    this.board.boot();
    this.board.fill(fill);
    this.device = new Device(chip);
    fillDevice(this.device, tokenFill({ ...issue, ...issued }));
    this.server = serverOf(fill, issue);
  }

  /** One command, or a button or a power cut; then everything that can be asked without a change. */
  step(): string | undefined {
    const act = this.pick(
      ...[this.calls, this.answers, this.answers, this.presses, this.seals, this.seals, this.states],
      ...[this.opens, this.opens, this.opens, this.opens, this.releases, this.boots, this.refuses],
    );
    return act.call(this) ?? this.compare("VALUE", "") ?? this.compare("PAGE", { u32: 1 }) ?? this.compareMarks();
  }

  private calls(): string | undefined {
    return this.compare("CALL", { u32: this.pick(0, 0, 0, 1, 1, 2) });
  }

  /** READY, to a welcome whose fields are as they should be, or one off. */
  private answers(): string | undefined {
    const { used, split, nextSlot, slots } = this.end;
    const released = used.down;
    const right: Welcome = {
      ...{ notes: this.below(8), up: used.up, down: Math.max(released, this.server.end.used.down), released, split },
      ...{
        lastCall: this.call,
        receiptSequence: this.receipt,
        unfinished: this.below(4),
        lost: this.pick(0, this.server.end.used.down, released + 500),
      },
    };
    const field = this.pick("up", "down", "released", "lastCall", "receiptSequence") satisfies keyof Welcome;
    const change = { [field]: Math.max(0, right[field] + this.unit * this.pick(-1, 1)) };
    const other = this.pick({}, {}, {}, change, { split: this.split() });
    const item = this.server.welcome(Math.min(nextSlot, slots.low - 1), { ...right, ...other });
    if (this.below(20) === 0) this.damage(item);
    const again = Math.max(0, this.pick(used.up, used.up, used.up - this.unit, used.up + 1));
    const payload: Bytes = [hex(item), { u32: again }, { u32: this.below(5) }, { u64: `${this.cap()}` }];
    const difference = this.compare("READY", payload);
    this.call = this.end.nextSlot > nextSlot ? this.end.nextSlot : this.call;
    return difference;
  }

  private presses(): undefined {
    const button = this.pick("pressed" as const, "refused" as const);
    this.board.button(button);
    this.device.button = button === "pressed" ? 1 : 2;
  }

  private seals(): string | undefined {
    const length = this.pick(0, 1, 50, 500, 4096, 4097, this.below(300));
    return this.compare("SEAL", [{ u32: this.pick(1, 2, 2, 2, 3, 9) }, { seed: "text", length }]);
  }

  private states(): string | undefined {
    return this.compare("STATE", [{ u64: `${this.cap()}` }, { u32: this.pick(0, 0, 0, 1, 1, 2) }]);
  }

  private opens(): string | undefined {
    const make = this.pick(this.aReceipt, this.aReceipt, this.aGrant, this.aGrant, this.aList, this.aBox);
    const sealed = unlessFull(() => make.call(this));
    if (!sealed) return undefined;
    if (this.below(10) === 0) this.damage(sealed.item);
    return this.compare("OPEN", payloadOf(sealed));
  }

  private aReceipt(): Sealed {
    const sequence = Math.max(0, this.receipt + this.pick(1, 1, 1, 2, 0, -1));
    const call = Math.max(0, this.call + this.pick(0, 0, 0, 1, -1));
    const up = Math.max(0, this.end.used.up - this.pick(0, 0, 1, this.unit, 4096));
    const change = { sequence, call, up, flags: this.below(4) };
    const sealed = this.server.receipt(BigInt(this.below(10000)), BigInt(this.below(1000)), change);
    this.receipt = Math.max(this.receipt, sequence);
    return sealed;
  }

  private aGrant(): Sealed {
    return this.server.grant(this.split());
  }

  private aList(): Sealed {
    this.list += this.pick(1, 1, 1, 0);
    const addresses = Array.from({ length: 1 + this.below(5) }, () => "a".repeat(1 + this.below(30)));
    const bytes = addressBytes(addresses);
    if (this.below(5) === 0) this.damage(bytes);
    const count = addresses.length + this.pick(0, 0, 0, 0, 1);
    return this.server.seal(box.ADDRESSES, concat(u32(this.list, count), bytes));
  }

  private aBox(): Sealed {
    return this.server.seal(this.pick(1, 2), bytesOf({ seed: "answer", length: this.pick(0, 10, 400) }));
  }

  private releases(): string | undefined {
    const { start, end } = this.end.verified;
    const offset = start + this.unit * this.pick(0, 0, 1);
    const length = end - offset + this.unit * this.pick(0, 0, 1);
    return end > start ? this.compare("RELEASE", [{ u32: offset }, { u32: length }]) : undefined;
  }

  private boots(): undefined {
    if (this.below(2) === 0) return;
    this.board.boot();
    this.device.reboot();
  }

  private refuses(): string | undefined {
    return this.below(2) === 0
      ? this.compare("BEGIN", [{ u32: 0xffffffff }, { u32: 0 }])
      : this.compare("RAISE", { u32: 5000 });
  }

  /** A split to be told: the right ones, and wrong ones that a device finds. */
  private split(): number {
    const { split, end, used } = this.end;
    const higher = split + this.unit * this.below(200);
    const unaligned = this.unit > 1 ? split + 1 : 0;
    const opened = this.end.verified.start + this.unit * this.pick(0, 1);
    return this.pick(
      higher,
      higher,
      split,
      split - this.unit,
      unaligned,
      opened,
      end - 1023,
      end - used.down + 1,
      0xffffffff,
      0,
    );
  }

  private cap(): bigint {
    const { limit } = this;
    return this.pick(0n, 1n, 50n, limit / 2n, limit, limit === MOST ? limit : limit + 1n);
  }

  private get end(): End {
    return this.device.end as End;
  }

  private compare(command: Command, payload: Bytes): string | undefined {
    const ours = this.board.ask(command, payload);
    const theirs = answerOf(() => this.device.execute(COMMANDS[command], bytesOf(payload)));
    const core = ours instanceof Uint8Array ? hex(ours) : `${ours.code} ${ours.detail} ${ours.facts}`;
    return core === theirs ? undefined : `${command} is answered ${core}, and by the second implementation ${theirs}`;
  }

  /** INFO without the serial, which is random, and the work that is done. */
  private compareMarks(): string | undefined {
    const ours = this.board.must("INFO", "");
    const theirs = this.device.execute(COMMANDS.INFO, new Uint8Array(0));
    const core = maskedInfo(ours);
    const second = maskedInfo(theirs);
    return core === second ? undefined : `INFO is ${core}, and in the second implementation ${second}`;
  }

  private damage(bytes: Uint8Array): void {
    const at = this.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << this.below(8));
  }

  private below(count: number): number {
    return this.random.below(count);
  }

  private pick<Choice>(...choices: Choice[]): Choice {
    return choices[this.below(choices.length)] as Choice;
  }
}

function answerOf(run: () => Uint8Array): string {
  try {
    return hex(run());
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    return `${failure.code} ${failure.detail} ${[0, 1, 2, 3].map((i) => failure.facts[i] ?? 0)}`;
  }
}

/** Nothing when the server has no room left. */
function unlessFull(make: () => Sealed): Sealed | undefined {
  try {
    return make();
  } catch (failure) {
    if (failure instanceof Failure && failure.code === "EXHAUSTED") return undefined;
    throw failure;
  }
}

function maskedInfo(info: Uint8Array): string {
  return hex(info.slice().fill(0, 12, 20).fill(0, 48, 56));
}
