// One simulated world: a server, a few people with tokens, a network, and what goes wrong, all of it drawn from a seed. Production
// code runs unmodified in it; everything that happens is an event of simulated time. After every event nobody may have found
// anything: no pad byte under two texts, books that balance, one debit and one answer for each request, and both ends agree or
// the link has said why.

import { createHash } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { downEnd, type Info, KIND_NUMBER, SLOT_BYTES, upBase } from "../../host/protocol/index.ts";
import { placesIn } from "../../server/directory.ts";
import { creditToken, resolveDoubt, type Server } from "../../server/index.ts";
import { Vault } from "../../server/vault/index.ts";
import { Random } from "../../simulator/index.ts";
import { auditBooks, readToken, servedByFails, sumsAreZero } from "./books.ts";
import { CLIENT_DISK } from "./client-disk.ts";
import { DRAWN } from "./drawn.ts";
import { chooseFaults, type Fault, newTally, type Tally } from "./faults.ts";
import { Gone, HAND } from "./hand.ts";
import { ServerHost } from "./host.ts";
import { Misfortune } from "./misfortune.ts";
import { Connection, type Weather } from "./network.ts";
import { Observer } from "./observer.ts";
import { type Ending, type Offer, Person } from "./person.ts";
import { type Place, TROUBLED_MS, type Troubled } from "./place.ts";
import { Record } from "./record.ts";
import { WORK } from "./services.ts";
import { COMMISSION, type Template, type Token } from "./template.ts";
import { settled, Time } from "./time.ts";
import { Wealth } from "./wealth.ts";

/** What became of a seed. */
export interface Life {
  readonly seed: number;
  readonly steps: number;
  /** Of everything that happened: the same for the same seed. */
  readonly hash: string;
  readonly faults: Tally;
  readonly requests: number;
  readonly answers: number;
  readonly bytesUsed: number;
  readonly bytesReused: number;
  readonly valueLost: bigint;
  readonly doubleDebits: number;
  /** What was found: nothing, when all is as promised. */
  readonly findings: readonly string[];
}

const MOST_STEPS = 200_000;
const MOST_RUNS = 60;
const PAGE = 4096;
/** Where the pad begins on the chips of the template. */
const PAD_AT = 6 * 4096;
/** Of a pad the server keeps at most this share of down for requests that come again. */
const RECORDED_SHARE = 64;
const MOST_CLOSING_STEPS = 10_000;

export interface Options {
  readonly faults?: ReadonlySet<Fault>;
  readonly trace?: (line: string) => void;
}

/** Lives one seed. */
export async function live(template: Template, base: string, seed: number, options: Options = {}): Promise<Life> {
  const world = new World(template, base, seed, options);
  try {
    return await world.live();
  } finally {
    await world.tearDown();
  }
}

class World implements Troubled, Weather {
  readonly time: Time = new Time();
  readonly random: Random;
  readonly host: ServerHost;
  readonly places: Place[];
  readonly faults: ReadonlySet<Fault>;
  readonly tally: Tally = newTally();
  readonly findings: string[] = [];
  readonly offers: Offer[] = [];
  readonly #seed: number;
  readonly #base: string;
  readonly #hash = createHash("sha256");
  readonly #trace: ((line: string) => void) | null;
  readonly #misfortune: Misfortune;
  readonly #start: number;
  #valueLost = 0n;
  #doubleDebits = 0;
  /** An older database was put back, and nobody has looked at it yet. */
  #putBack = false;
  #over = false;
  calm = false;

  constructor(template: Template, base: string, seed: number, options: Options) {
    this.#seed = seed;
    this.#base = join(base, `seed-${seed}`);
    mkdirSync(this.#base);
    this.random = new Random(seed);
    DRAWN.seed(seed);
    this.#trace = options.trace ?? null;
    this.#start = this.time.now;
    this.faults = options.faults ?? chooseFaults(this.random);
    WORK.time = this.time;
    globalThis.setImmediate = ((run: () => void) => this.#immediate(run)) as never;
    globalThis.clearImmediate = ((cancel: () => void) => cancel?.()) as never;
    performance.now = () => this.time.now;
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (error) => this.find(`nobody takes an error: ${(error as Error).stack}`));
    CLIENT_DISK.clear();
    CLIENT_DISK.hop = () => this.time.pause(0);
    this.host = new ServerHost(this.time, this.random, this.#base, template.directory);
    const count = 1 + this.random.below(template.tokens.length);
    const first = this.random.below(template.tokens.length);
    this.places = Array.from({ length: count }, (_, i) =>
      this.#place(template.tokens[(first + i) % template.tokens.length]!),
    );
    this.#misfortune = new Misfortune(this);
  }

  #place(token: Token): Place {
    token.machine.restore(token.filled);
    token.machine.flash.random.seed(this.#seed);
    const observer = new Observer(token, (sentence) => this.find(`${token.tariff}: ${sentence}`));
    const person = new Person(this, token, token.machine, "the device", 4 + this.random.below(16));
    const place: Place = {
      token,
      observer,
      record: new Record(observer),
      person,
      wealth: new Wealth(token.issued),
      copy: null,
      lost: new Set(),
      inDoubt: false,
      untrue: 0,
      older: false,
    };
    observer.serviceOf = (id) => (person.asked.get(id) ?? place.copy?.asked.get(id))?.service;
    return place;
  }

  async live(): Promise<Life> {
    this.trace(
      `seed ${this.#seed}: ${[...this.faults].join(", ") || "no faults"}; ${this.places.map(({ token }) => token.tariff)}`,
    );
    this.host.onCommit = () => this.#committed();
    this.host.onStart = (server) => {
      for (const sentence of auditBooks(server)) this.find(`at start: ${sentence}`);
      const { restored } = server.recovery;
      if (restored > 0 && this.tally["database restored"] === 0) {
        this.find(`${restored} tokens are ahead of the books, and no older database was put back`);
      }
      for (const place of this.places) {
        const books = readToken(server, place.token.name);
        place.inDoubt = books.row.in_doubt === 1 || books.aside > 0n;
        if (restored > 0) place.untrue = books.row.receipt;
        if (this.#putBack) place.wealth.restored(books);
      }
      this.#putBack = false;
      this.#committed();
      for (const place of this.places) if (this.calm && place.inDoubt) this.resolve(place);
    };
    this.host.onFailure = (error) => this.find(`the server does not start: ${error.stack}`);
    this.host.onLog = (level, facts, sentence) => {
      // Only what is the same in each run: no paths.
      const { code, name } = "err" in facts ? (facts.err as { code?: string; name: string }) : { code: "", name: "" };
      if (level !== "info") this.trace(`server: ${sentence} ${code ?? name}`);
    };
    await this.host.start();
    for (const { person } of this.places) this.#runSoon(person);
    this.#misfortune.arrange();
    for (let credit = this.random.below(4); credit > 0; credit--) this.#creditSoon(credit, TROUBLED_MS);
    this.time.after(TROUBLED_MS, () => this.becomeCalm());
    const all = () => this.places.flatMap(({ person, copy }) => (copy === null ? [person] : [person, copy]));
    const over = () =>
      this.calm && all().every((person) => person.done && !person.running) && this.host.server !== null;
    while (!over() && this.findings.length === 0) {
      if (!(await this.time.step())) this.find("nothing happens any more");
      if (this.time.steps > MOST_STEPS) this.find("it never ends");
    }
    if (this.findings.length === 0) await this.#conclude();
    const used = this.places.reduce((sum, { observer }) => sum + observer.bytesUsed, 0);
    const reused = this.places.reduce((sum, { observer }) => sum + observer.bytesReused, 0);
    const asked = all().flatMap((person) => [...person.asked.values()]);
    this.#over = true;
    return {
      seed: this.#seed,
      steps: this.time.steps,
      hash: this.#hash.digest("hex"),
      faults: this.tally,
      requests: asked.length,
      answers: asked.filter(({ answer }) => answer !== null).length,
      bytesUsed: used,
      bytesReused: reused,
      valueLost: this.#valueLost,
      doubleDebits: this.#doubleDebits,
      findings: this.findings,
    };
  }

  async tearDown(): Promise<void> {
    for (const { person, copy } of this.places) for (const one of [person, copy]) one?.kill();
    HAND.strike = () => {};
    this.host.abandon();
    // What was under way when something was found runs out.
    for (let i = 0; i < 200 && (await this.time.step()); i++);
    rmSync(this.#base, { recursive: true, force: true });
  }

  // What happens.

  #immediate(run: () => void): () => void {
    const { life } = HAND;
    return this.time.after(0, () => {
      if (!life?.dead) run();
    });
  }

  #runSoon(person: Person): void {
    this.time.after(this.random.below(300), () => {
      if (!person.running && !person.done)
        void person.run(this.calm).catch((error) => this.find(`a program failed: ${error.stack}`));
    });
  }

  /** Somebody pays at the counter, and the operator credits it, until that is done or refused. */
  #creditSoon(credit: number, within: number): void {
    const { token } = this.places[this.random.below(this.places.length)]!;
    if (token.tariff === "tied") return;
    const price = BigInt(1 + this.random.below(60));
    const pay = () => {
      const { server } = this.host;
      if (server === null) return void this.time.after(200, pay);
      try {
        creditToken(server.token, token.name, price, `credit ${credit}`);
        this.trace(`${token.tariff} is credited ${price}`);
      } catch (error) {
        const { code = error instanceof Gone ? "killed" : "" } = error as { code?: string };
        this.trace(`${token.tariff} is not credited: ${code}`);
        if (code === "") this.find(`a credit failed with ${(error as Error).stack}`);
        if (code === "TOKEN_IN_DOUBT") return;
        this.time.after(200, pay);
      }
    };
    this.time.after(this.random.below(within), pay);
  }

  becomeCalm(): void {
    this.calm = true;
    this.trace("calm");
    this.#misfortune.end();
  }

  /** A call of a person: to the server that runs, if one does. */
  async connect(person: Person): Promise<Connection> {
    await this.time.pause(this.delay());
    if (this.host.server === null) throw Object.assign(new Error("nobody listens"), { code: "ECONNREFUSED" });
    const place = this.places.find(({ token }) => token === person.token)!;
    const connection = new Connection(this, () => this.time.now, this.host, place.observer.tap(person.hand));
    this.host.carries(connection);
    return connection;
  }

  isLost(person: Person, id: string): boolean {
    return this.places.find(({ token }) => token === person.token)!.lost.has(id);
  }

  ended(person: Person, how: Ending): void {
    const said = typeof how === "string" ? how : how.code;
    this.trace(`${person.token.tariff} (${person.hand}) ends: ${said}`);
    const place = this.places.find(({ token }) => token === person.token)!;
    void this.#lookAt(place, person, how)
      .then(() => {
        if (person.olderSaid !== null) this.#olderSaid(place, person);
        // Of two devices with one pad the one that is behind is refused like anybody whom nobody knows.
        if (place.copy !== null && person.runs > MOST_RUNS / 2) person.over ??= said;
        if (person.over === "SLOTS_EXHAUSTED" && place.copy === null)
          this.find(`${person.token.tariff} used up its slots`);
        if (person.runs > MOST_RUNS) this.find(`${person.token.tariff} did not get done in ${MOST_RUNS} runs: ${said}`);
        if (!person.done) this.#runSoon(person);
      })
      .catch((error) => this.find(`it cannot be looked at: ${error.stack}`));
  }

  /** The link is over: what the device shows contains the truth, and where both have ended in order they agree. */
  async #lookAt(place: Place, person: Person, how: Ending): Promise<void> {
    this.#misfortune.holdOff(person);
    const seen = await person.look();
    const { server } = this.host;
    if (seen !== null) this.#mustBeBurned(person, seen.info);
    if (seen === null || server === null || person.olderSaid !== null || place.older) return;
    const books = readToken(server, place.token.name);
    if (place.copy !== null || books.row.in_doubt === 1) return;
    const { receipt, openCaps } = seen.value;
    const most = receipt.balance;
    const least = most > openCaps ? most - openCaps : 0n;
    // What receipts from before a restore say of the books is true no more, when an operator has resolved the doubt.
    const cameIn = place.wealth.cameInSince(receipt.sequence);
    if (receipt.sequence > place.untrue && (books.balance > most + cameIn || books.balance < least)) {
      this.find(`${place.token.tariff} shows ${least} to ${most}, and has ${books.balance}`);
    }
    const { up, down, split } = seen.info;
    if (books.row.up > up.used) this.find("the server opened more than the device sealed");
    if (down.used > books.row.down) this.find("the device released more than the server sealed");
    if (split > books.row.split) this.find("the device holds a split that the server never granted");
    if (how !== "closed") return;
    if (books.row.up !== up.used) this.find(`up is ${up.used} at the device and ${books.row.up} at the server`);
    if (books.balance < most || books.balance > most + cameIn)
      this.find(`a closed link leaves ${most} at the device and ${books.balance} in the books`);
  }

  /** What a device has used, either way, is on its chip no more. */
  #mustBeBurned({ machine, token }: Person, { up, down }: Info): void {
    const [base, end] = [upBase(token.shape), downEnd(token.shape)];
    for (const [from, length] of [
      [base, up.used],
      [end - down.used, down.used],
    ] as const) {
      const left = machine.flash.content(PAD_AT + from, length).findIndex((byte) => byte !== 0);
      if (left !== -1) this.find(`${token.tariff}: the device still has pad byte ${from + left}, which was used`);
    }
  }

  #olderSaid(place: Place, person: Person): void {
    const said = person.olderSaid;
    person.olderSaid = null;
    if (said === "DEVICE_OLDER" && place.copy !== null) {
      person.over = said;
      return;
    }
    if (said === "DEVICE_OLDER" && place.older) {
      this.#misfortune.bringBack(place);
      return;
    }
    this.find(`${place.token.tariff} heard ${said}, and nothing was older`);
  }

  /** Behind each commit: the books sum to zero, and what was answered is what was taken. */
  #committed(): void {
    const { server } = this.host;
    if (server === null) return;
    if (!sumsAreZero(server)) this.find("the accounts of an asset do not sum to zero");
    for (const place of this.places) this.#compare(place, server);
    this.#compareSales(server);
  }

  /** What buyers paid for is what sellers got, less the commission. */
  #compareSales(server: Server): void {
    let [paid, got] = [0n, 0n];
    for (const { token, person, copy, record } of this.places) {
      const { sold, earned } = readToken(server, token.name);
      got += sold + earned;
      for (const { id, price } of [...person.asked.values(), ...(copy?.asked.values() ?? [])]) {
        if (price > 0n && record.answers.get(id)?.ok) paid += price - (price * BigInt(COMMISSION)) / 1000n;
      }
    }
    if (paid === got) return;
    this.find(`buyers paid ${paid}, and sellers got ${got}`);
    this.#valueLost += paid > got ? paid - got : got - paid;
  }

  #compare({ token, record, wealth }: Place, server: Server): void {
    const books = readToken(server, token.name);
    const { balance, taken, given, corrected, row } = books;
    record.read(server, row.pad);
    const { charged } = record;
    if (balance !== token.issued - taken + given + corrected)
      this.find(`${token.tariff}: ${balance} is left of ${token.issued} less ${taken} and with ${given}`);
    const wrong = token.tariff === "tied" ? null : wealth.follow(books);
    if (wrong !== null) {
      this.find(`${token.tariff}: ${wrong.sentence}`);
      this.#valueLost += wrong.amount;
    }
    if (token.tariff === "tied" ? balance === BigInt(row.worth) : taken === charged) return;
    this.find(`${token.tariff}: its answers say ${charged}, and ${taken} was taken; ${balance} of ${row.worth}`);
    if (taken > charged) this.#doubleDebits++;
    else this.#valueLost += charged - taken;
  }

  /** What must be true of the whole when nothing is under way. */
  async #conclude(): Promise<void> {
    this.#examineBooks();
    if (this.random.below(2) === 0) await this.#drive(this.host.stop());
    else this.host.abandon();
    await this.host.start();
    this.#examineBooks();
    const places = placesIn(this.host.directory);
    const vault = Vault.open(places.vault, places.epochKey);
    for (const place of this.places) this.#examineVault(place, vault);
    vault.close();
    await this.#drive(this.host.stop());
  }

  /** Pages of which every byte was used up are gone from the vault, as somebody else finds it, however the process before has ended. */
  #examineVault({ token }: Place, vault: Vault): void {
    const { row } = readToken(this.host.server!, token.name);
    const [base, end] = [upBase(token.shape), downEnd(token.shape)];
    const recorded = Math.max(0, row.down - Math.floor(token.shape.padLength / RECORDED_SHARE));
    const used = [
      { from: 0, to: SLOT_BYTES * (row.heard - 1) },
      { from: base, to: base + row.up },
      { from: end - Math.min(row.released, recorded), to: end },
    ];
    for (const { from, to } of used) {
      for (let page = Math.ceil(from / PAGE); (page + 1) * PAGE <= to; page++) {
        try {
          vault.read(token.name, page * PAGE, new Uint8Array(16));
          this.find(`${token.tariff}: page ${page} is used up, and the vault still has it`);
        } catch (error) {
          if ((error as { code?: string }).code !== "PAGE_BURNED") throw error;
        }
      }
    }
  }

  /** Lets time pass until something is done. */
  async #drive(doing: Promise<void>): Promise<void> {
    let done = false;
    const finished = doing.finally(() => {
      done = true;
    });
    for (let steps = 0; !done && steps < MOST_CLOSING_STEPS; steps++) if (!(await this.time.step())) await settled();
    if (done) return finished;
    this.find("the server does not end");
  }

  #examineBooks(): void {
    const server = this.host.server!;
    for (const sentence of auditBooks(server)) this.find(sentence);
    for (const place of this.places) this.#examine(place);
    const served = this.places.flatMap(({ person, copy, record }) =>
      [...person.asked.values(), ...(copy?.asked.values() ?? [])].filter(
        ({ id, service }) => service === "fails" && record.answers.get(id)?.ok,
      ),
    );
    if (served.length !== servedByFails(server))
      this.find(`${servedByFails(server)} were served, and ${served.length} answered`);
  }

  #examine(place: Place): void {
    const { token, person, copy } = place;
    const { held } = readToken(this.host.server!, token.name);
    if (held !== 0n) this.find(`${token.tariff}: ${held} stays held`);
    const { answers } = place.record;
    const asked = [...person.asked.values(), ...(copy?.asked.values() ?? [])];
    for (const { id, answer, service, refused } of asked) {
      const recorded = answers.get(id);
      if (answer === null) {
        if (person.over !== null || copy !== null) continue;
        if (recorded !== undefined)
          this.find(`${token.tariff}: ${service} ${id} was answered, and nobody heard it (${refused})`);
        else if (refused === null) this.find(`${token.tariff}: ${service} ${id} was never answered`);
        continue;
      }
      if (place.lost.has(id)) continue;
      if (recorded === undefined)
        this.find(`${token.tariff}: ${service} ${id} was answered, and the books have no such answer`);
      else if (
        recorded.ok !== answer.ok ||
        recorded.charged !== answer.charged ||
        recorded.balance !== answer.balance
      ) {
        this.find(`${token.tariff}: ${service} ${id} was answered otherwise than the books say`);
      }
    }
  }

  // What the network asks.

  after(milliseconds: number, run: () => void): () => void {
    return this.time.after(milliseconds, run);
  }

  delay(): number {
    return 1 + this.random.below(6);
  }

  fate(bytes: number): ReturnType<Weather["fate"]> {
    return this.#misfortune.fate(bytes);
  }

  isSlow(): boolean {
    return this.random.below(40) === 0;
  }

  record(what: "up" | "down", bytes: Uint8Array): void {
    if (what === "down" && bytes[2] === KIND_NUMBER.welcome) this.#misfortune.welcomed();
    if (!this.#over) this.#hash.update(`${this.time.now} ${what} ${bytes.length} `).update(bytes);
  }

  // What is noticed.

  find(sentence: string): void {
    this.trace(`FOUND: ${sentence}`);
    this.findings.push(sentence);
  }

  putBack(): void {
    this.#putBack = true;
  }

  fired(fault: Fault): void {
    this.tally[fault]++;
    this.trace(`FAULT: ${fault}`);
  }

  trace(sentence: string): void {
    if (!this.#over) this.#hash.update(sentence);
    this.#trace?.(`${String(this.time.now - this.#start).padStart(7)} ${sentence}`);
  }

  resolve(place: Place): void {
    const { server } = this.host;
    if (server === null) return;
    const { value, earningsToResolve } = place.wealth;
    const tied = place.token.tariff === "tied";
    resolveDoubt(server.token, place.token.name, tied ? {} : { balance: value, earnings: earningsToResolve });
    place.inDoubt = false;
  }
}
