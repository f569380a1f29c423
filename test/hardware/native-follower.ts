// A native device that does whatever a simulated one does. Behind every call both must have sent the same bytes, be in the same state after as many HAL calls, and
// at every boot and whenever somebody looks hold the same flash.

import { expect } from "vitest";
import { NativeDevice } from "../../hardware/native/index.ts";
import type { HalCall, Machine } from "../../simulator/index.ts";

/** Processes that follow nobody at the moment. */
const idle: NativeDevice[] = [];
const followers: Follower[] = [];

/** Lets a native device follow this machine from now on, whatever it did before. */
export function follow(machine: Machine): Follower {
  const follower = new Follower(machine, idle.pop() ?? new NativeDevice());
  followers.push(follower);
  return follower;
}

/** Compares what all of them hold at last, and lets go of their machines. */
export function endFollowing(): void {
  for (const follower of followers.splice(0)) {
    follower.compareFlash();
    follower.leave();
    idle.push(follower.device);
  }
}

/** Ends the processes. */
export function endProcesses(): void {
  for (const device of idle.splice(0)) device.close();
}

export class Follower {
  readonly device: NativeDevice;
  /** Comparisons made so far. */
  compared = 0;
  private readonly machine: Machine;
  private drawn: Uint8Array[] = [];
  private sent: Uint8Array[] = [];
  private inside = false;
  private supplyLow = false;

  constructor(machine: Machine, device: NativeDevice) {
    this.machine = machine;
    this.device = device;
    const { flash } = machine;
    const { overprogram, burnUnit, erase64 } = flash;
    device.renew({ sectors: flash.size / 4096, burnUnit, overprogram, erase64 });
    this.copyAll();
    this.attach();
  }

  compareFlash(): void {
    // A reset may have left the chip busy; it is done when the next boot has waited for it.
    if (this.machine.state === "held") return;
    if (!same(this.device.content(), this.machine.flash.content(0, this.machine.flash.size)))
      expect.fail("native and simulated flash are not the same");
  }

  /** The machine goes on alone. */
  leave(): void {
    for (const name of FOLLOWED) delete (this.machine as Partial<Machine>)[name];
    this.machine.observe = null;
    this.machine.onBytes = null;
  }

  /** Takes the simulated device over as it is now. */
  private copyAll(): void {
    const { machine, device } = this;
    const { memory, state, traps, pressed, supplyLow } = machine.snapshot();
    const chip = machine.flash.content(0, machine.flash.size);
    const own = device.content();
    for (let at = 0; at < chip.length; at += 4096) {
      const sector = chip.subarray(at, at + 4096);
      if (!same(sector, own.subarray(at, at + 4096))) device.put(at, sector);
    }
    device.putBack(state, traps, memory);
    device.supply(supplyLow);
    this.supplyLow = supplyLow;
    if (machine.presence !== "ask") device.press(machine.presence, "always");
    else if (pressed !== "none") device.press(pressed);
  }

  private attach(): void {
    const { machine, device } = this;
    const simulated = Object.fromEntries(
      FOLLOWED.map((name) => [name, machine[name].bind(machine)]),
    ) as unknown as Pick<Machine, (typeof FOLLOWED)[number]>;
    machine.observe = ({ name, data }: HalCall) => {
      if (name === "entropy") this.drawn.push(data.slice());
    };
    machine.onBytes = (to, bytes) => {
      if (to === "host") this.sent.push(bytes);
    };
    machine.powerOn = () => {
      this.compareFlash();
      const traps = machine.state === "off" ? 0 : machine.traps;
      return this.both(simulated.powerOn, () => device.powerOn(traps));
    };
    machine.reset = () => {
      this.compareFlash();
      return this.both(simulated.reset, () => device.powerOn(machine.traps));
    };
    machine.powerCut = (tear) =>
      this.both(
        () => simulated.powerCut(tear),
        () => device.powerOff(),
      );
    machine.feed = (bytes) =>
      this.both(
        () => simulated.feed(bytes),
        () => device.feed(bytes),
      );
    machine.pump = (polls) =>
      this.both(
        () => simulated.pump(polls),
        () => device.pump(polls),
      );
    machine.cutAt = (cut) => {
      simulated.cutAt(cut);
      device.cutAt(cut);
    };
    machine.disarm = () => {
      device.disarm();
      return simulated.disarm();
    };
    machine.press = (how) => {
      simulated.press(how);
      device.press(how ?? "accept");
    };
    machine.restore = (snapshot) => {
      this.compareFlash();
      simulated.restore(snapshot);
      this.copyAll();
    };
  }

  private both<Result>(simulated: () => Result, native: () => unknown): Result {
    // The machine calls its own methods, too.
    if (this.inside) return simulated();
    this.drawn = [];
    this.sent = [];
    const before = this.machine.callsInAll;
    const result = this.undisturbed(simulated);
    const made = this.machine.callsInAll - before;
    if (this.drawn.length > 0) this.device.entropy(Buffer.concat(this.drawn).subarray(0, 64));
    if (this.supplyLow !== this.machine.supplyLow) this.device.supply(this.machine.supplyLow);
    this.supplyLow = this.machine.supplyLow;
    const calls = this.device.calls;
    const answer = native();
    if (answer instanceof Uint8Array) this.compareBytes(Buffer.concat(this.sent), answer);
    this.compared++;
    expect({ state: this.device.state, traps: this.device.traps, calls: this.device.calls - calls }).toEqual({
      state: this.machine.state,
      traps: this.machine.traps,
      calls: made,
    });
    return result;
  }

  private undisturbed<Result>(call: () => Result): Result {
    this.inside = true;
    try {
      return call();
    } finally {
      this.inside = false;
    }
  }

  /** The same frames; but those of SELFTEST say which body this is and what it measured. */
  private compareBytes(simulated: Uint8Array, native: Uint8Array): void {
    if (same(simulated, native)) return;
    const [ours, theirs] = [framesIn(native), framesIn(simulated)];
    expect(ours.map((frame, i) => (isMeasured(frame) && isMeasured(theirs[i] ?? "") ? theirs[i] : frame))).toEqual(
      theirs,
    );
  }
}

/** In hexadecimal. */
function framesIn(bytes: Uint8Array): string[] {
  return (
    Buffer.from(bytes)
      .toString("hex")
      .match(/(..)*?00|(..)+$/g) ?? []
  );
}

/** A reply to SELFTEST; the first byte is how far the first zero is. */
function isMeasured(frame: string): boolean {
  return frame.slice(2, 4) === "d0";
}

const FOLLOWED = ["powerOn", "reset", "powerCut", "feed", "pump", "cutAt", "disarm", "press", "restore"] as const;

function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
