// The hunt for defects of the driver: lives of two people who write to each other until something is not as it was promised. What is said arrives, whole and once;
// what is sealed hides one text only; what was given out is on the disk; what was read is destroyed, and nothing before it was read.

import { Random } from "../../simulator/index.ts";
import { type DriverDefect, type DriverTree, plantDriver } from "./driver-tree.ts";
import {
  type Ending,
  Finding,
  fillPair,
  type Images,
  PAD_LENGTH,
  Person,
  type Weather,
  World,
} from "./driver-world.ts";
import type { Catch } from "./hunt.ts";

/** How a segment begins. */
const SLOT_HEADER = 16;
const CREATED_SIZE = 32 * 4096;
const LIVES_MAX = 600;
const MESSAGES = 5;
/** So often a host may end while it does one thing; then it is left alone. */
const DEATHS_MAX = 4;
const ENDINGS_MAX = 20;

/** Hunts for a defect (or, with none, in the driver as it is) until something is found or `goOn` says no. */
export async function huntDriver(defect: DriverDefect | null, seed: number, goOn: () => boolean): Promise<Catch> {
  const tree = await plantDriver(defect);
  filled ??= Promise.all([fillPair(), fillPair()]);
  const [images, others] = await filled;
  let cuts = 0;
  let sign = await signOf(() => createdImageStays(tree, new Random(seed)));
  for (let life = 0; sign === "" && life < LIVES_MAX && goOn(); life++) {
    const random = new Random(seed * 100_000 + life);
    const world = new World(tree, images, random, weatherOf(random, life));
    const found = await signOf(() => new Life(world, others).live());
    if (found) sign = `life ${life}: ${found}`;
    cuts += world.events;
  }
  return { found: sign !== "", cuts, sign };
}

/** What went wrong, or nothing. */
async function signOf(something: () => Promise<void>): Promise<string> {
  try {
    await something();
    return "";
  } catch (thrown) {
    if (thrown instanceof UsedUp) return "";
    if (thrown instanceof Finding) return thrown.message;
    return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  }
}

/** A pair, and another one. */
let filled: Promise<[Images, Images]> | null = null;

/** An image that was made is a blank chip, whatever becomes of its computer. */
async function createdImageStays({ image, disk }: DriverTree, random: Random): Promise<void> {
  for (let i = 0; i < 4; i++) {
    disk.clear();
    disk.put("/new/here", new Uint8Array(0));
    image.createImage("/new/chip", CREATED_SIZE);
    disk.crash("/new/", random, false);
    const content = disk.read("/new/chip");
    if (content?.length !== CREATED_SIZE || content.some((byte) => byte !== 0xff))
      throw new Finding("a new image was lost in a crash");
  }
}

/** Every kind of bad weather alone and in company. */
function weatherOf(random: Random, life: number): Weather {
  return {
    line: life % 2 === 1,
    power: (["stays", "comes and goes", "vanishes"] as const)[Math.floor(life / 2) % 3]!,
    deaths: random.below(2) === 0,
    crashes: random.below(2) === 0,
  };
}

type Said = { readonly bundle: Uint8Array; readonly id: string };

class Life {
  readonly #world: World;
  readonly #random: Random;
  readonly #others: Images;
  #texts = 0;
  /** Something was sealed or opened since the host began. */
  #progress = false;
  /** Bundles that were removed: their names may come back in a crash. */
  readonly #removed: Set<string> = new Set();

  constructor(world: World, others: Images) {
    this.#world = world;
    this.#others = others;
    this.#random = world.random;
  }

  async live(): Promise<void> {
    for (let message = 0; message < MESSAGES; message++) {
      const [from, to] = this.#random.below(2) ? this.#world.people : this.#world.people.toReversed();
      if (message === 1 && this.#world.weather.power === "vanishes") await this.#takeAnother(from!);
      if (message === 2) await this.#askTooMuch(from!);
      if (message === 3 && this.#random.below(3) === 0) await this.#sayTwoAtOnce(from!, to!);
      else await this.#say(from!, to!);
    }
    const reused = this.#world.bytesReused();
    if (reused > 0) throw new Finding(`${reused} pad bytes hid two texts`);
  }

  async #say(from: Person, to: Person): Promise<void> {
    const text = this.#text(this.#random.below(3) === 0 ? this.#random.below(12_000) : this.#random.below(300));
    const said = await this.#seal(from, text);
    await this.#openTruncated(to, said.bundle);
    await this.#open(from, to, said.bundle, text);
    await this.#remove(from, said.id);
  }

  async #remove(from: Person, id: string): Promise<void> {
    this.#removed.add(id);
    await this.#must(() => this.#outbox(from).then((outbox) => outbox.remove(id)));
  }

  #text(length: number): Uint8Array {
    const text = new Uint8Array(length);
    this.#random.fill(text);
    return text;
  }

  /** Seals a text, however often the host ends on the way. */
  async #seal(from: Person, text: Uint8Array): Promise<Said> {
    const { driver, disk } = this.#world.tree;
    const grant = from.side === "high" && this.#random.below(4) === 0 ? this.#random.below(2000) : 0;
    for (let deaths = 0; deaths < ENDINGS_MAX; deaths++) {
      const ending = await this.#host(deaths, async () => {
        const outbox = await this.#outbox(from);
        for (const entry of await outbox.list()) {
          if (entry.finished && !this.#removed.has(entry.id)) return { id: entry.id, sealed: null };
          await outbox.remove(entry.id);
        }
        const device = await this.#device(from);
        const sealed = await driver.sealRun(device, text, outbox, {
          ...(grant > 0 && { grant }),
          onProgress: () => this.#trouble(from),
        });
        return { id: sealed.id, sealed };
      });
      const crashed = this.#perhapsCrash(from);
      if (ending === "died" || this.#isLostAtOnce(ending)) continue;
      if (isUsedUp(ending)) throw new UsedUp();
      const { id, sealed } = outcome(ending);
      const bundle = disk.read(`${from.home}/outbox/${id}.bundle`);
      // One that was found there had its name from a host that ended before it could make it durable: it may be lost, and is sealed anew.
      if (bundle === null && sealed === null) continue;
      if (bundle === null) throw new Finding(`a sealed bundle was lost${crashed}`);
      if (sealed !== null && bundle.length !== sealed.bundleBytes)
        throw new Finding(`a sealed bundle became shorter${crashed}`);
      const steady = this.#world.weather.power === "stays" && !this.#world.weather.deaths;
      if (sealed !== null && steady && (sealed.segments > 1 || sealed.bytesSkipped > 0)) {
        throw new Finding(`${sealed.bytesSkipped} pad bytes were skipped though the device never lost its power`);
      }
      return { id, bundle };
    }
    throw new Finding("a text cannot be sealed, however often one tries");
  }

  /** A bundle of which a part is missing: refused, with nothing to show for it. */
  async #openTruncated(to: Person, bundle: Uint8Array): Promise<void> {
    if (this.#random.below(2)) return;
    this.#world.calmDown();
    const path = this.#path(to);
    const before = to.pad();
    const part = bundle.subarray(0, SLOT_HEADER + this.#random.below(bundle.length - SLOT_HEADER));
    const ending = await this.#world.run(() => this.#openAs(to, part, path, () => {}));
    this.#world.calm = false;
    const code = ending !== "died" && "failed" in ending ? (ending.failed as { code?: string }).code : "none";
    if (code !== "TRUNCATED") throw new Finding(`a bundle cut short ended with ${code}`);
    if (Buffer.compare(before, to.pad()) !== 0) throw new Finding("pad bytes of a bundle cut short were destroyed");
    if (this.#world.tree.disk.read(path) !== null) throw new Finding("a bundle cut short became a file");
  }

  /** Opens a bundle, however often the host ends on the way. */
  async #open(from: Person, to: Person, bundle: Uint8Array, text: Uint8Array): Promise<void> {
    const { disk } = this.#world.tree;
    const path = this.#path(to);
    const file = `${to.home}/received/bundle-${this.#texts}`;
    const fromFile = this.#random.below(2) === 0;
    if (fromFile) disk.put(file, bundle.slice());
    for (let deaths = 0; deaths < ENDINGS_MAX; deaths++) {
      const ending = await this.#host(deaths, () =>
        this.#openAs(to, fromFile ? file : bundle, path, () => this.#trouble(to)),
      );
      const crashed = this.#perhapsCrash(to);
      const written = disk.read(path);
      if (written !== null && Buffer.compare(written, text) !== 0)
        throw new Finding(`a file under its name is not the whole text${crashed}`);
      if (ending === "died" || this.#isLostAtOnce(ending)) continue;
      const unknown = deaths > 0 && "failed" in ending && (ending.failed as { code?: string }).code === "SLOT_UNKNOWN";
      if (!unknown) outcome(ending);
      if (written === null)
        throw new Finding(`the text is gone and its bundle was ${unknown ? "forgotten" : "released"}${crashed}`);
      break;
    }
    this.#mustBeGone(from, to, bundle);
  }

  /** What the boxes and slots of a bundle lay under is zero at the reader's end. */
  #mustBeGone(from: Person, to: Person, bundle: Uint8Array): void {
    const pad = to.pad();
    const sealed = Buffer.from(bundle);
    for (const { start, end, bytes, whole } of [...from.boxes, ...from.slots]) {
      const at = whole ? sealed.indexOf(Buffer.from(bytes)) : -1;
      if (at < 0) continue;
      if (pad.subarray(start, end).some((byte) => byte !== 0)) {
        throw new Finding(`pad bytes ${start} to ${end} of a bundle that was read are not destroyed`);
      }
    }
  }

  async #openAs(to: Person, bundle: Uint8Array | string, path: string, onProgress: () => void): Promise<unknown> {
    const { driver } = this.#world.tree;
    const device = await this.#device(to);
    const source = typeof bundle === "string" ? bundle : pieces(bundle);
    return driver.openBundle(device, source, driver.fileSink(path), { onProgress });
  }

  /** A text that is longer than what is left: refused, and nothing is used. */
  async #askTooMuch(from: Person): Promise<void> {
    const { driver } = this.#world.tree;
    this.#world.calmDown();
    const [before, code, after] = await this.#must(async () => {
      const device = await driver.openDevice(this.#world.connect(from), { clock: this.#world.clock });
      const first = await device.info();
      const sealed = driver.sealRun(device, new Uint8Array(PAD_LENGTH), await this.#outbox(from));
      const refused = await sealed.then(
        () => "success",
        (error: { code?: string }) => error.code,
      );
      return [first, refused, await device.info()] as const;
    });
    this.#world.calm = false;
    if (code !== "EXHAUSTED" && code !== "NEED_GRANT") throw new Finding(`a text that does not fit ended with ${code}`);
    if (
      before.nextSlot !== after.nextSlot ||
      before.up.used !== after.up.used ||
      before.down.used !== after.down.used
    ) {
      throw new Finding("pad bytes were used for a text that does not fit");
    }
  }

  /** The device goes away while it seals, and what comes back is another one. */
  async #takeAnother(from: Person): Promise<void> {
    const { tree, clock, random } = this.#world;
    const other = new Person(tree, from.side, this.#others[from.side], random.u32(), "another");
    const before = other.pad();
    this.#world.calmDown();
    const code = await this.#must(async () => {
      const device = await tree.driver.openDevice(this.#world.connect(from, other), { clock });
      const onProgress = (): void => from.machine.cutAt({ call: 1 + random.below(10), when: "before", kind: "power" });
      const sealed = tree.driver.sealRun(device, this.#text(9000), await this.#outbox(from), { onProgress });
      return sealed.then(() => "success", codeOf);
    });
    if (code !== "OTHER_PAD")
      throw new Finding(`a text begun with one pad and to be ended with another ended with ${code}`);
    if (Buffer.compare(before, other.pad()) !== 0)
      throw new Finding("a pad was used for a text that was begun with another");
    this.#world.calmDown();
    this.#world.calm = false;
  }

  /** Two programs' worth of texts through one device at the same time. */
  async #sayTwoAtOnce(from: Person, to: Person): Promise<void> {
    const { driver, disk } = this.#world.tree;
    this.#world.calmDown();
    const texts = [this.#text(9000), this.#text(5000)];
    const ids = await this.#must(async () => {
      const device = await driver.openDevice(this.#world.connect(from), { clock: this.#world.clock });
      const outbox = await this.#outbox(from);
      const sealed = await Promise.all(texts.map((text) => driver.sealRun(device, text, outbox)));
      return sealed.map(({ id }) => id);
    });
    for (const [i, id] of ids.entries()) {
      const bundle = disk.read(`${from.home}/outbox/${id}.bundle`);
      if (bundle === null) throw new Finding("one of two bundles was lost");
      await this.#open(from, to, bundle, texts[i]!);
      await this.#remove(from, id);
    }
    this.#world.calm = false;
  }

  /** Something that a host does, mortal as long as it did not end too often. */
  #host<Result>(deaths: number, program: () => Promise<Result>): Promise<Ending<Result>> {
    this.#progress = false;
    if (deaths >= DEATHS_MAX) this.#world.calmDown();
    return this.#world.run(program).finally(() => {
      this.#world.calm = false;
    });
  }

  /** Something small that succeeds. */
  async #must<Result>(program: () => Promise<Result>): Promise<Result> {
    this.#world.calm = true;
    const ending = await this.#world.run(program);
    this.#world.calm = false;
    if (ending === "died") throw new Finding("it ended without a reason");
    return outcome(ending);
  }

  /** The device went away before it was asked for anything but how it is: one tries again. */
  #isLostAtOnce(ending: Exclude<Ending<unknown>, "died">): boolean {
    if (this.#world.weather.power === "stays" || this.#progress || !("failed" in ending)) return false;
    const code = codeOf(ending.failed);
    return ["NO_ANSWER", "DEVICE_LOST", "TIMEOUT", "BAD_REPLY"].includes(code);
  }

  /** Something happens to a person who is in the middle of something, perhaps. */
  #trouble(person: Person): void {
    this.#progress = true;
    this.#world.perhapsCut(person);
    this.#world.perhapsEnd();
  }

  /** The computer of a host loses its power, and everything that is not synced. Says so. */
  #perhapsCrash(person: Person): string {
    if (!this.#world.weather.crashes || this.#random.below(2)) return "";
    this.#world.events++;
    this.#world.tree.disk.crash(person.home, this.#random, false);
    return " in a crash";
  }

  #outbox(person: Person): ReturnType<World["tree"]["driver"]["openOutbox"]> {
    return this.#world.tree.driver.openOutbox(`${person.home}/outbox`);
  }

  async #device(person: Person): ReturnType<World["tree"]["driver"]["openDevice"]> {
    this.#world.perhapsCut(person);
    return this.#world.tree.driver.openDevice(this.#world.connect(person), { clock: this.#world.clock });
  }

  /** Where the next text goes. */
  #path(person: Person): string {
    const path = `${person.home}/texts/text-${++this.#texts}`;
    this.#world.tree.disk.put(`${person.home}/texts/here`, new Uint8Array(0));
    return path;
  }
}

function outcome<Result>(ending: Exclude<Ending<Result>, "died">): Result {
  if ("failed" in ending) throw ending.failed;
  return ending.done;
}

async function* pieces(bundle: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bundle.length; at += 5000) yield bundle.slice(at, at + 5000);
}

/** So many texts were sealed again and again that the pad is at its end, and the life with it. */
class UsedUp extends Error {}

function isUsedUp(ending: Exclude<Ending<unknown>, "died">): boolean {
  const code = "failed" in ending ? codeOf(ending.failed) : "";
  return ["NEED_GRANT", "EXHAUSTED", "SLOTS_EXHAUSTED"].includes(code);
}

/** The code of an error, or of what ended a text that was begun. */
function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: string; cause?: unknown };
  return code === "SEAL_UNFINISHED" ? codeOf(cause) : String(code);
}
