// What goes wrong in a world, and when: drawn from the seed, all of it in the first seconds. Messages meet their fate one by one;
// blows wait for a write or for a call of the device's core; the rest comes at its time.

import { builtCore, type Cut, Flash, Machine, type MachineSnapshot, TEARS } from "../../simulator/index.ts";
import { CLIENT_DISK, type Owner } from "./client-disk.ts";
import type { Fault } from "./faults.ts";
import { HAND, type Moment, type Point } from "./hand.ts";
import type { Backup } from "./host.ts";
import type { Fate } from "./network.ts";
import { Person } from "./person.ts";
import { type Place, TROUBLED_MS, type Troubled } from "./place.ts";

/** One message in so many meets a fate that its world has. */
const RARE = 14;
const MOST_LATE_MS = 3000;
const FULL_MS = 400;
/** A restore so soon behind its backup finds the same links. */
const SOON_MS = 40;

export class Misfortune {
  readonly #world: Troubled;
  readonly #fates: readonly Fault[];
  #snapshots: Map<Place, MachineSnapshot> = new Map();
  #newest: Map<Place, MachineSnapshot> = new Map();
  /** What waits for a welcome. */
  #onWelcome: (() => void) | null = null;
  #strikes: { owner: Owner; person: Person; countdown: number; power: boolean } | null = null;

  constructor(world: Troubled) {
    this.#world = world;
    const fates = [
      "message lost",
      "message repeated",
      "messages reordered",
      "message delayed",
      "connection cut",
    ] as const;
    this.#fates = fates.filter((fault) => world.faults.has(fault));
    HAND.onFull = () => world.fired("server's disk full");
    CLIENT_DISK.onFull = () => world.fired("client's disk full");
    CLIENT_DISK.strikes = (owner) => this.#strike(owner);
  }

  /** Arranges everything that has a time. */
  arrange(): void {
    const { faults, random } = this.#world;
    const often = (fault: Fault, happen: () => void) => {
      if (!faults.has(fault)) return;
      for (let n = 1 + random.below(3); n > 0; n--) this.#at(happen);
    };
    often("server killed before a commit", () => this.#blow("server killed before a commit", "store", "before"));
    often("server killed in a commit", () => this.#blow("server killed in a commit", "store", "during"));
    often("server killed after a commit", () => this.#blow("server killed after a commit", "store", "after"));
    often("server killed at a limits write", () =>
      this.#blow("server killed at a limits write", "limits", this.#moment()),
    );
    often("server killed at a vault write", () =>
      this.#blow("server killed at a vault write", "vault", this.#moment()),
    );
    often("server killed between writes", () => {
      if (this.#world.host.server === null) return;
      this.#world.fired("server killed between writes");
      this.#world.host.kill(false);
    });
    often("server lost its power", () => this.#blow("server lost its power", this.#point(), this.#moment(), true));
    often("server's disk full", () => this.#fillServersDisk());
    if (faults.has("database restored")) this.#restoreDatabase();
    often("device's power cut", () => this.#cutDevice("device's power cut", "power"));
    often("device reset", () => this.#cutDevice("device reset", "reset"));
    if (faults.has("device image restored")) this.#restoreImage();
    if (faults.has("second copy of the device")) this.#at(() => this.#copyDevice());
    often("clock stepped forwards", () => this.#stepClock("clock stepped forwards", 1));
    often("clock stepped back", () => this.#stepClock("clock stepped back", -1));
    often("client killed", () => this.#strikeClient(false));
    often("client lost its power", () => this.#strikeClient(true));
    often("client's disk full", () => this.#fillClientsDisk());
  }

  /** Nothing goes wrong any more. */
  end(): void {
    const { host, places } = this.#world;
    host.blows.length = 0;
    this.#strikes = null;
    for (const place of places) {
      place.person.machine.disarm();
      place.copy?.machine.disarm();
      if (place.inDoubt) this.#world.resolve(place);
    }
    this.#fullServer("no");
    for (const { person } of places) if (person.process !== null) person.process.full = false;
  }

  fate(bytes: number): Fate {
    const { random, calm } = this.#world;
    if (calm || this.#fates.length === 0 || random.below(RARE) > 0) return "arrives";
    const fault = this.#fates[random.below(this.#fates.length)]!;
    this.#world.fired(fault);
    if (fault === "message lost") return "is lost";
    if (fault === "message repeated") return "comes twice";
    if (fault === "messages reordered") return "is overtaken";
    if (fault === "message delayed") return { late: random.below(MOST_LATE_MS) };
    return { cutAt: random.below(bytes) };
  }

  /** Nothing strikes a device while it is looked at from outside. */
  holdOff(person: Person): void {
    person.machine.disarm();
  }

  /** The device that is not the older one is found again. */
  bringBack(place: Place): void {
    const newest = this.#newest.get(place)!;
    place.person.machine.restore(newest);
    place.older = false;
    this.#world.trace(`${place.token.tariff}: the newer device is found again`);
  }

  #at(happen: () => void): void {
    const { time, random } = this.#world;
    time.after(random.below(TROUBLED_MS - 500), () => {
      if (!this.#world.calm) happen();
    });
  }

  #moment(): Moment {
    return (["before", "during", "after"] as const)[this.#world.random.below(3)]!;
  }

  #point(): Point {
    return (["store", "store", "limits", "vault"] as const)[this.#world.random.below(4)]!;
  }

  #blow(fault: Fault, point: Point, moment: Moment, power = false): void {
    const { host, random } = this.#world;
    const countdown = 1 + random.below(point === "vault" ? 6 : 12);
    host.blows.push({ point, moment, power, countdown, struck: () => this.#world.fired(fault) });
  }

  #fillServersDisk(): void {
    const { time, random } = this.#world;
    this.#fullServer((["files", "commits"] as const)[random.below(2)]!);
    time.after(50 + random.below(FULL_MS), () => this.#fullServer("no"));
  }

  /** The database can grow no more, and the other files take no more. */
  #fullServer(full: "no" | "files" | "commits"): void {
    const { life, server } = this.#world.host;
    if (life === null || server === null || life.dead) return;
    life.full = full;
    const { db } = server.token.store;
    db.pragma(
      `max_page_count = ${full === "files" ? (db.pragma("page_count", { simple: true }) as number) : 1_000_000}`,
    );
  }

  #restoreDatabase(): void {
    const { time, random, host } = this.#world;
    const backups: { readonly backup: Backup; readonly answers: Map<Place, Place["record"]["answers"]> }[] = [];
    const backUp = () => {
      const backup = this.#world.calm ? null : host.backUp();
      const answers = new Map(this.#world.places.map((place) => [place, place.record.answers]));
      if (backup === null) return;
      backups.push({ backup, answers });
      if (random.below(2) === 0) time.after(random.below(SOON_MS), restore);
    };
    const restore = () => {
      const { backup, answers } = backups[random.below(backups.length)] ?? {};
      if (this.#world.calm || backup === undefined || !host.restore(backup)) return;
      this.#world.fired("database restored");
      this.#world.putBack();
      for (const place of this.#world.places) {
        const before = answers!.get(place)!;
        for (const id of place.record.answers.keys()) if (!before.has(id)) place.lost.add(id);
        place.record.answers = before;
      }
    };
    for (let n = 1 + random.below(3); n > 0; n--) {
      this.#at(() => {
        if (random.below(2) === 0) backUp();
        else this.#onWelcome = backUp;
      });
    }
    for (let n = 1 + random.below(3); n > 0; n--) time.after(1000 + random.below(TROUBLED_MS - 1500), restore);
  }

  /** A welcome leaves the server. */
  welcomed(): void {
    const happen = this.#onWelcome;
    this.#onWelcome = null;
    if (happen !== null) this.#world.time.after(0, happen);
  }

  #someone(): Place {
    const { places, random } = this.#world;
    return places[random.below(places.length)]!;
  }

  #cutDevice(fault: Fault, kind: Cut["kind"]): void {
    const { random, time } = this.#world;
    const { person } = this.#someone();
    const { machine } = person;
    if (!person.running || machine.state !== "on") {
      if (!this.#world.calm && !person.done) time.after(20, () => this.#cutDevice(fault, kind));
      return;
    }
    const when = (["before", "during", "after"] as const)[random.below(3)]!;
    const gone = machine.watch((state) => {
      if (state === "on") return;
      gone();
      this.#world.fired(fault);
    });
    machine.cutAt({ call: 1 + random.below(150), when, kind, tear: TEARS[random.below(TEARS.length)]! });
  }

  #restoreImage(): void {
    const { time, random } = this.#world;
    const place = this.#someone();
    time.after(random.below(800), () => {
      const { machine } = place.person;
      if (machine.state === "on") this.#snapshots.set(place, machine.snapshot());
    });
    const restore = () => {
      const snapshot = this.#snapshots.get(place);
      if (this.#world.calm || place.copy !== null) return;
      if (place.person.running || place.person.done || snapshot === undefined) {
        time.after(5 + random.below(20), restore);
        return;
      }
      const { machine } = place.person;
      if (machine.state !== "on") return;
      this.#newest.set(place, machine.snapshot());
      machine.restore(snapshot);
      place.older = true;
      this.#world.fired("device image restored");
    };
    time.after(800 + random.below(1000), restore);
  }

  #copyDevice(): void {
    const { random } = this.#world;
    const place = this.#someone();
    const { token, person, observer } = place;
    if (person.machine.state !== "on" || place.copy !== null || place.older) return;
    const sectors = person.machine.flash.size / 4096;
    const machine = new Machine({ core: builtCore(), flash: new Flash({ sectors, seed: 1 }), entropy: 2 });
    machine.powerOn();
    machine.restore(person.machine.snapshot());
    machine.powerCut("nothing");
    observer.copied();
    place.copy = new Person(this.#world, token, machine, "the copy", 1 + random.below(4));
    this.#world.fired("second copy of the device");
    const { copy } = place;
    this.#world.time.after(random.below(500), () => void copy.run(false));
  }

  #stepClock(fault: Fault, sign: number): void {
    const { host, random } = this.#world;
    host.clockOffset += sign * random.below(100_000_000);
    this.#world.fired(fault);
  }

  #strikeClient(power: boolean): void {
    const { random, time } = this.#world;
    const { person } = this.#someone();
    if (person.process === null) {
      if (!this.#world.calm && !person.done) time.after(20, () => this.#strikeClient(power));
      return;
    }
    this.#strikes = { owner: person.process, person, countdown: 1 + random.below(30), power };
  }

  #strike(owner: Owner): boolean {
    const due = this.#strikes;
    if (due === null || due.owner !== owner || --due.countdown > 0) return false;
    this.#strikes = null;
    this.#world.fired(due.power ? "client lost its power" : "client killed");
    due.person.kill();
    const { random } = this.#world;
    if (due.power) CLIENT_DISK.losePower(due.person.directory, (bytes) => random.below(bytes + 1));
    return true;
  }

  #fillClientsDisk(): void {
    const { time, random } = this.#world;
    const { process } = this.#someone().person;
    if (process === null) return;
    process.full = true;
    time.after(50 + random.below(FULL_MS), () => {
      process.full = false;
    });
  }
}
