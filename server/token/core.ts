// What all links of a server share: its books, its twins, its keys, and which pads have a link right now. For a pad without
// a link, nothing is held in memory.
//
// Whatever leaves was made durable first, in this order: the database, then the limits log, then the line. So a crash never
// leaves a limit ahead of the books, and limits that are ahead tell that an older database was put back.

import type { Logger } from "pino";
import type { Engine } from "../../host/engine/index.ts";
import type { Clock } from "../clock.ts";
import type { AccountId, Ledger } from "../ledger/index.ts";
import type { Service } from "../service/index.ts";
import type { Store } from "../store/index.ts";
import { isVaultError, type LimitEntry, type Limits, type Vault } from "../vault/index.ts";
import { Answers, type Kept, type KeptBox } from "./answers.ts";
import type { AtRest } from "./at-rest.ts";
import type { Config } from "./config.ts";
import { TokenError } from "./errors.ts";
import { type Pad, Pads } from "./pads.ts";
import { Parts } from "./parts.ts";
import type { ReceiptKey } from "./receipt.ts";
import { Requests } from "./requests.ts";
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
}

/** A pad in use: its row as the last transaction left it, its link, and the work of slow services. */
export interface Seat {
  /** Null: to be read again. */
  pad: Pad | null;
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
  readonly atRest: AtRest;
  readonly receipts: ReceiptKey;
  readonly pads: Pads;
  readonly tags: Tags;
  readonly answers: Answers;
  readonly parts: Parts;
  readonly requests: Requests;
  /** Aborted when the server closes. */
  readonly closing: AbortController = new AbortController();
  readonly #seats: Map<number, Seat> = new Map();
  readonly #accounts: Map<string, AccountId> = new Map();
  /** Pads that the running work wrote, and boxes of pads that it may have changed. */
  readonly #written: number[] = [];
  readonly #touched: Kept[] = [];
  #noted = 0;
  /** Notes of this transaction; behind the settled ones are those of the work that runs. */
  readonly #notes: LimitEntry[] = [];
  #settledNotes = 0;
  #lost = 0;
  #lostBy: unknown;
  #burning: (() => void) | null = null;
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
    this.atRest = parts.atRest;
    this.receipts = parts.receipts;
    this.pads = new Pads(store);
    this.tags = new Tags(store, vault);
    this.answers = new Answers(store);
    this.parts = new Parts(store, this.atRest);
    this.requests = new Requests(store);
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

  /**
   * Runs `work` in the next group's transaction. When this resolves, everything that it wrote and noted is durable and its
   * results may leave. @throws what `work` threw, StoreError, VaultError
   */
  async commit<T>(work: () => T): Promise<T> {
    let ticket = 0;
    const result = await this.store.commit(() => {
      const before = this.#noted;
      const result = work();
      ticket = this.#noted === before ? 0 : this.#noted;
      return result;
    });
    this.#syncLimits(ticket);
    return result;
  }

  /**
   * Notes how far a pad is used, for the limits. Part of every work that moves a mark. The limits get it when the
   * transaction is on the disk and not before: a limit that is ahead of the books says that a database was put back.
   */
  note({ name, heard, up, down, split, receipt }: Pad): void {
    this.#notes.push({ pad: name, heard, up, down, split, receipt });
    this.#noted++;
  }

  /** The first of a group to come here syncs for all of them. What was noted is gone when that fails: none may leave. */
  #syncLimits(ticket: number): void {
    try {
      this.limits.sync();
    } catch (error) {
      this.#lost = this.#noted;
      this.#lostBy = error;
    }
    if (ticket > 0 && ticket <= this.#lost) throw this.#lostBy;
  }

  /** The pad as it stands, inside a work. */
  pad(number: number): Pad | undefined {
    const seat = this.#seats.get(number);
    if (seat === undefined) return this.pads.load(number);
    seat.pad ??= this.pads.load(number) ?? null;
    return seat.pad ?? undefined;
  }

  /** A work has written this pad. */
  wrote(pad: Pad): void {
    const seat = this.#seats.get(pad.pad);
    if (seat === undefined) return;
    seat.pad = pad;
    this.#written.push(pad.pad);
  }

  /** A work failed: what memory says of the pad may be wrong. */
  doubt(pad: number): void {
    const seat = this.#seats.get(pad);
    if (seat === undefined) return;
    seat.pad = null;
    seat.kept = null;
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
    this.#written.length = 0;
  }

  #undo(): void {
    this.#notes.length = this.#settledNotes;
    for (const kept of this.#touched) kept.undo();
    for (const pad of this.#written) this.doubt(pad);
    this.#touched.length = 0;
    this.#written.length = 0;
  }

  /** What a transaction has made of the pads in use is void when it fails. */
  #end(committed: boolean): void {
    if (committed) {
      this.#settle();
      for (const note of this.#notes) this.limits.note(note);
      this.#forgetNotes();
      return;
    }
    this.#undo();
    this.#forgetNotes();
    for (const pad of this.#seats.keys()) this.doubt(pad);
  }

  #forgetNotes(): void {
    this.#notes.length = 0;
    this.#settledNotes = 0;
  }

  seat(pad: number): Seat | undefined {
    return this.#seats.get(pad);
  }

  /** The seat of a pad, for who is about to use it. */
  takeSeat(pad: number): Seat {
    let seat = this.#seats.get(pad);
    if (seat === undefined) {
      seat = { pad: null, kept: null, link: null, earnings: undefined, works: new Map() };
      this.#seats.set(pad, seat);
    }
    return seat;
  }

  /** Forgets the seat of a pad when nobody uses it any more. */
  leaveSeat(pad: number): void {
    const seat = this.#seats.get(pad);
    if (seat !== undefined && seat.link === null && seat.works.size === 0) this.#seats.delete(pad);
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
      if (!isVaultError(error, "VAULT_BUSY"))
        this.log.error({ err: error }, "the twin of a cancelled token is still there");
    }
  }

  #retireLater(): void {
    this.#retiring ??= this.clock.after(this.config.limits.burnLagMs, () => {
      this.#retiring = null;
      this.retireCancelled();
    });
  }

  /** Burns what is no longer kept, some time from now. */
  burnLater(): void {
    if (this.#burning !== null || this.vault.pending() === 0) return;
    this.#burning = this.clock.after(this.config.limits.burnLagMs, () => {
      this.#burning = null;
      try {
        this.vault.flush();
      } catch (error) {
        this.log.error({ err: error }, "used pad bytes wait to be burned");
      }
      this.burnLater();
    });
  }

  /** Resolves when no slow service works any more. */
  async workDone(): Promise<void> {
    await Promise.all([...this.#seats.values()].flatMap(({ works }) => [...works.values()]));
  }

  /** Burns what waits, now. */
  stopBurning(): void {
    this.#burning?.();
    this.#retiring?.();
    while (this.vault.pending() > 0) {
      const before = this.vault.pending();
      this.vault.flush();
      if (this.vault.pending() === before) return;
    }
  }
}
