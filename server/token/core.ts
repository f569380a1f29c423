// What all links of a server share: its books, its twins, its keys, and which pads have a link right now. For a pad without
// a link, nothing is held in memory.
//
// Whatever leaves was made durable first, in this order: the database, then the limits log, then the line. So a crash never
// leaves a limit ahead of the books, and limits that are ahead tell that an older database was put back.

import type { Statement } from "better-sqlite3";
import type { Logger } from "pino";
import type { Engine } from "../../host/engine/index.ts";
import type { Clock } from "../clock.ts";
import type { AccountId, Ledger } from "../ledger/index.ts";
import type { Service } from "../service/index.ts";
import { promised, type Store, type Work } from "../store/index.ts";
import { isVaultError, type LimitEntry, type Limits, type Vault } from "../vault/index.ts";
import { Answers, type Kept, type KeptBox } from "./answers.ts";
import type { AtRest } from "./at-rest.ts";
import { Burning } from "./burning.ts";
import type { Config } from "./config.ts";
import { TokenError } from "./errors.ts";
import { type Pad, Pads } from "./pads.ts";
import { Parts } from "./parts.ts";
import type { ReceiptKey } from "./receipt.ts";
import { Requests } from "./requests.ts";
import { Seldom } from "./seldom.ts";
import { Tags } from "./tags.ts";
import type { Tariff } from "./tariff.ts";

/** What a token server is made of. */
export interface TokenServerParts {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly vault: Vault;
  readonly limits: Limits;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly config: Config;
  readonly services: readonly Service[];
  readonly log: Logger;
  readonly atRest: AtRest;
  readonly receipts: ReceiptKey;
}

/** A link, as the others see it. */
export interface Seated {
  /** Whether it opened a box lately: then it does not give way to another call. */
  isBusy(now: number): boolean;
  /** It gave way to another call, or the pad was taken from it. */
  displace(): void;
  /** There may be boxes to send, or a new balance to tell. */
  nudge(): void;
  /** What may still be debited in it. */
  readonly budget: bigint;
}

/** A pad in use: its link, and the work of slow services. */
export interface Seat {
  /** Where its boxes down are; null: to be read again. */
  kept: Kept | null;
  link: Seated | null;
  /** The account of what its owner earned; undefined: to be looked up. */
  earnings: AccountId | null | undefined;
  readonly works: Map<string, Promise<void>>;
}

/** The operator's own accounts, one of each in every asset. */
const OWN_ACCOUNTS = ["fees", "issue", "tail", "correction"] as const;

export class TokenServer {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly vault: Vault;
  readonly limits: Limits;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly config: Config;
  readonly services: ReadonlyMap<string, Service>;
  readonly log: Logger;
  readonly seldom: Seldom;
  readonly atRest: AtRest;
  readonly receipts: ReceiptKey;
  readonly pads: Pads;
  readonly tags: Tags;
  readonly answers: Answers;
  readonly parts: Parts;
  readonly requests: Requests;
  readonly burning: Burning;
  /** Aborted when the server closes. */
  readonly closing: AbortController = new AbortController();
  readonly #seats: Map<number, Seat> = new Map();
  readonly #accounts: Map<string, AccountId> = new Map();
  /** Boxes of pads that the running work may have changed. */
  readonly #touched: Kept[] = [];
  /** Notes of this transaction; behind the settled ones are those of the work that runs. */
  readonly #notes: LimitEntry[] = [];
  #settledNotes = 0;
  readonly #refuse: Statement;
  /** Whether a call was refused in this transaction. */
  #refused = false;
  /** Whether the limits were synced behind this transaction, and how that failed. */
  #synced = false;
  #unsynced: { readonly reason: unknown } | null = null;
  #retiring: (() => void) | null = null;

  constructor(parts: TokenServerParts) {
    const { store, vault, services } = parts;
    this.store = store;
    this.ledger = parts.ledger;
    this.vault = vault;
    this.limits = parts.limits;
    this.engine = parts.engine;
    this.clock = parts.clock;
    this.config = parts.config;
    this.services = new Map(services.map((service) => [service.name, service]));
    this.log = parts.log;
    this.seldom = new Seldom(parts.log, parts.clock);
    this.atRest = parts.atRest;
    this.receipts = parts.receipts;
    this.pads = new Pads(store);
    this.tags = new Tags(store, vault);
    this.answers = new Answers(store);
    this.parts = new Parts(store, this.atRest);
    this.requests = new Requests(store);
    this.burning = new Burning(this);
    this.#refuse = store.db.prepare("UPDATE refusal SET count = count + 1");
    store.remember({
      write: () => {},
      settle: () => this.#settle(),
      undo: () => this.#undo(),
      end: (committed) => this.#end(committed),
    });
    store.onForeignChange(() => {
      for (const seat of this.#seats.values()) seat.link?.nudge();
      this.#retireLater();
    });
  }

  /** Takes `work` into the next group's transaction. When it is done, everything that it wrote and noted is durable and may leave. */
  enter(work: Work): void {
    this.store.enter({
      run: () => work.run(),
      done: () => {
        const failure = this.#syncLimits();
        if (failure === null) work.done();
        else work.failed(failure.reason);
      },
      failed: (reason) => work.failed(reason),
    });
  }

  /** The same for a function. @throws what `work` threw, StoreError, VaultError */
  commit<T>(work: () => T): Promise<T> {
    return promised(work, (entered) => this.enter(entered));
  }

  /**
   * Notes how far a pad is used, for the limits. Part of every work that moves a mark. The limits get it when the
   * transaction is on the disk and not before: a limit that is ahead of the books says that a database was put back.
   */
  note({ name, heard, up, down, split, receipt }: Pad): void {
    this.#notes.push({ pad: name, heard, up, down, split, receipt });
  }

  /** Has the work that runs wait for the same of the disk as one that welcomes a call: a call was refused. */
  refuse(): void {
    this.#refuse.run();
    this.#refused = true;
  }

  /**
   * The first of a group to come here syncs for all of them. When that fails none may leave, not even what was durable before:
   * it may rest on what an earlier group could not have synced.
   */
  #syncLimits(): { readonly reason: unknown } | null {
    if (this.#synced) return this.#unsynced;
    this.#synced = true;
    this.#unsynced = null;
    try {
      this.limits.sync();
    } catch (reason) {
      this.#unsynced = { reason };
    }
    return this.#unsynced;
  }

  /** The pad as it stands, inside a work. */
  pad(number: number): Pad | undefined {
    return this.#seats.has(number) ? this.pads.get(number) : this.pads.load(number);
  }

  /** A work failed: what memory says of the pad may be wrong. */
  doubt(pad: number): void {
    const seat = this.#seats.get(pad);
    if (seat !== undefined) seat.kept = null;
    this.pads.forget(pad);
  }

  /** The boxes down of a pad, for a work that may change them. */
  keptToChange(pad: Pad): Kept {
    const kept = this.#kept(pad);
    kept.begin();
    this.#touched.push(kept);
    return kept;
  }

  /** The kept boxes down of a pad from a mark on, in order, at most `count`; between works. */
  keptFrom(pad: number, mark: number, count: number): KeptBox[] {
    const row = this.pad(pad);
    return row === undefined ? [] : this.answers.from(this.#kept(row), mark, count);
  }

  #kept(pad: Pad): Kept {
    const seat = this.#seats.get(pad.pad);
    if (seat === undefined) return this.answers.of(pad);
    if (seat.kept?.newest !== pad.answer) seat.kept = null;
    seat.kept ??= this.answers.of(pad);
    return seat.kept;
  }

  #settle(): void {
    this.#settledNotes = this.#notes.length;
    for (const kept of this.#touched) kept.settle();
    this.#touched.length = 0;
  }

  #undo(): void {
    this.#notes.length = this.#settledNotes;
    for (const kept of this.#touched) kept.undo();
    this.#touched.length = 0;
  }

  /** What a transaction has made of the pads in use is void when it fails. */
  #end(committed: boolean): void {
    if (committed) {
      this.#synced = false;
      this.#settle();
      for (const note of this.#notes) this.limits.note(note);
      if (this.#refused) this.limits.repeat();
      this.#forgetNotes();
      return;
    }
    this.#undo();
    this.#forgetNotes();
    for (const seat of this.#seats.values()) seat.kept = null;
  }

  #forgetNotes(): void {
    this.#notes.length = 0;
    this.#settledNotes = 0;
    this.#refused = false;
  }

  seat(pad: number): Seat | undefined {
    return this.#seats.get(pad);
  }

  /** The seat of a pad, for who is about to use it. */
  takeSeat(pad: number): Seat {
    let seat = this.#seats.get(pad);
    if (seat === undefined) {
      seat = { kept: null, link: null, earnings: undefined, works: new Map() };
      this.#seats.set(pad, seat);
    }
    return seat;
  }

  /** Forgets the seat of a pad when nobody uses it any more. */
  leaveSeat(pad: number): void {
    const seat = this.#seats.get(pad);
    if (seat === undefined || seat.link !== null || seat.works.size > 0) return;
    this.#seats.delete(pad);
    this.pads.forget(pad);
  }

  get seats(): Iterable<Seat> {
    return this.#seats.values();
  }

  tariff(name: string): Tariff {
    const tariff = this.config.tariffs.get(name);
    if (tariff === undefined) throw new TokenError("TARIFF_UNKNOWN", { tariff: name });
    return tariff;
  }

  /** Opens the accounts of the operator that are missing; inside a transaction that is then committed. */
  openAccounts(): void {
    for (const asset of Object.keys(this.config.assets)) {
      for (const kind of OWN_ACCOUNTS) this.#accounts.set(`${kind} ${asset}`, this.ledger.named(kind, asset, kind));
    }
  }

  /** An account of the operator in an asset of the configuration. */
  account(kind: (typeof OWN_ACCOUNTS)[number], asset: string): AccountId {
    const account = this.#accounts.get(`${kind} ${asset}`);
    if (account === undefined) throw new Error(`there is no ${kind} account in ${asset}`);
    return account;
  }

  /** Destroys the twins of cancelled tokens. Another process may be at it: then that one does. */
  retireCancelled(): void {
    try {
      for (const name of this.pads.toRetire()) {
        this.vault.retire(name);
        this.pads.retired(name);
      }
    } catch (error) {
      if (!isVaultError(error, "VAULT_BUSY")) this.seldom.error(error, "the twin of a cancelled token is still there");
    }
  }

  #retireLater(): void {
    this.#retiring ??= this.clock.after(this.config.limits.burnLagMs, () => {
      this.#retiring = null;
      this.retireCancelled();
    });
  }

  /** Resolves when no slow service works any more. */
  async workDone(): Promise<void> {
    await Promise.all([...this.#seats.values()].flatMap(({ works }) => [...works.values()]));
  }

  /** Burns what waits, now. @throws StoreError, VaultError */
  stopBurning(): void {
    this.#retiring?.();
    this.burning.end();
  }
}
