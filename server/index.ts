// A server: everything of one directory, put together. One process serves it; others may look at its books and work on them
// meanwhile (an office), as the operator's commands do.

import { type Logger, pino } from "pino";
import { loadEngine } from "../host/engine/index.ts";
import { type Clock, systemClock } from "./clock.ts";
import { lockOf, makeServer, type Places, placesOf, readKey, reasonOf } from "./directory.ts";
import { Ledger, ledgerTables } from "./ledger/index.ts";
import { Door, type Listener, listenAt } from "./listen/index.ts";
import { createServices, type Service } from "./service/index.ts";
import { type Migration, openStore } from "./store/index.ts";
import {
  AtRest,
  type Config,
  checkOffers,
  doubtTables,
  FIRST_CONFIG,
  Issue,
  laterTokenTables,
  type Order,
  ReceiptKey,
  type Recovery,
  readConfig,
  recover,
  TokenError,
  TokenServer,
  tokenTables,
} from "./token/index.ts";
import { Upkeep } from "./upkeep.ts";
import { Limits, systemDisk, Vault } from "./vault/index.ts";

export type { Clock } from "./clock.ts";
export { findOrder, type GoodsOrder, handOver } from "./service/index.ts";
export * from "./token/index.ts";

export interface ServerOptions {
  readonly clock?: Clock;
  /** Standard error otherwise. It gets no addresses of clients, no tags and nothing of what they say. */
  readonly log?: Logger;
  /** Services beside the server's own. Once there, they stay: their tables are part of the database. */
  readonly services?: readonly Service[];
}

const LOCK_WAIT_MS = 200;

/** Makes a new server in a directory, or nothing. @throws TokenError SERVER_EXISTS, SERVER_NOT_MADE; VaultError, StoreError */
export function createServer(directory: string, config: unknown = FIRST_CONFIG): void {
  makeServer(directory, config, (path) => openStore(path, [ledgerTables], { create: true }).close());
}

/**
 * Opens the server of a directory to serve it: brings its books and its limits together first.
 * @throws TokenError SERVER_MISSING, SERVER_FORBIDDEN, SERVER_BUSY, CONFIG_…, SECRET_…; StoreError, VaultError
 */
export async function openServer(directory: string, options: ServerOptions = {}): Promise<Server> {
  const places = placesOf(directory);
  const unlock = lock(directory, lockOf(places));
  try {
    const token = await open(places, options);
    token.vault.clearUnfinished();
    return new Server(token, recover(token), unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Opens the books of a directory beside the process that serves it, if one does. @throws as openServer, but for SERVER_BUSY */
export async function openOffice(directory: string, options: ServerOptions = {}): Promise<Office> {
  const token = await open(placesOf(directory), options);
  token.store.transact(() => token.openAccounts());
  return new Office(token);
}

/** @throws TokenError SERVER_BUSY, SERVER_FORBIDDEN */
function lock(directory: string, path: string): () => void {
  let unlock: (() => void) | null;
  try {
    unlock = systemDisk.lock(path, LOCK_WAIT_MS);
  } catch (error) {
    throw new TokenError("SERVER_FORBIDDEN", { directory, reason: reasonOf(error) }, error);
  }
  if (unlock === null) throw new TokenError("SERVER_BUSY", { directory });
  return unlock;
}

async function open(places: Places, options: ServerOptions): Promise<TokenServer> {
  const config = readConfig(places.config);
  const atRest = new AtRest(readKey(places.storageKey));
  const receipts = new ReceiptKey(readKey(places.receiptKey));
  const { clock = systemClock, log = pino({ base: null }, pino.destination(2)) } = options;
  const services = servicesOf(config, atRest, options.services);
  // In the order in which they came to be: what a later version of the server adds comes behind its own services.
  const own = services.length - (options.services?.length ?? 0);
  const tables = [tablesOf(services.slice(0, own)), [laterTokenTables, doubtTables], tablesOf(services.slice(own))];
  const engine = await loadEngine();
  const store = openStore(places.database, [ledgerTables, tokenTables, ...tables.flat()]);
  try {
    const ledger = new Ledger(store, clock);
    const vault = Vault.open(places.vault, places.epochKey);
    const limits = Limits.open(places.limits);
    const parts = { store, ledger, vault, limits, engine, clock, config, services, log, atRest, receipts };
    const token = new TokenServer(parts);
    try {
      checkOffers(places.config, config, services, token.pads.sold());
    } catch (error) {
      vault.close();
      limits.close();
      throw error;
    }
    return token;
  } catch (error) {
    store.close();
    throw error;
  }
}

function tablesOf(services: readonly Service[]): Migration[] {
  return services.flatMap(({ tables }) => (tables === undefined ? [] : [tables]));
}

function servicesOf({ services }: Config, atRest: AtRest, more: readonly Service[] | undefined): readonly Service[] {
  const { software, compute, ...rest } = services;
  const { programs, ...bounds } = compute;
  const options = {
    ...rest,
    atRest,
    ...(software === undefined ? {} : { software }),
    compute: { ...bounds, ...(programs === undefined ? {} : { programs }) },
  };
  return createServices(options, more);
}

/** The books of a server, for its operator. */
export class Office {
  readonly token: TokenServer;

  constructor(token: TokenServer) {
    this.token = token;
  }

  /** Begins to issue a token. @throws TokenError, LedgerError, VaultError */
  issue(order: Order): Issue {
    return new Issue(this.token, order);
  }

  /** Closes the files. */
  async close(): Promise<void> {
    const { store, vault, limits, services } = this.token;
    for (const service of services.values()) await service.close?.();
    this.token.stopBurning();
    store.close();
    vault.close();
    limits.close();
  }
}

/** A server that serves. */
export class Server extends Office {
  /** What its start found. */
  readonly recovery: Recovery;
  /** The door that lines come in by. */
  readonly door: Door;
  readonly #upkeep: Upkeep;
  readonly #unlock: () => void;
  #listeners: Listener[] = [];

  constructor(token: TokenServer, recovery: Recovery, unlock: () => void) {
    super(token);
    this.recovery = recovery;
    this.door = new Door(token);
    this.#upkeep = new Upkeep(token);
    this.#unlock = unlock;
  }

  /**
   * Listens at the addresses of the configuration, and returns those that it got.
   * @throws TokenError BAD_LISTEN_ADDRESS, ADDRESS_IN_USE, LISTEN_FAILED: then it listens nowhere
   */
  async listen(addresses: readonly string[] = this.token.config.listen): Promise<string[]> {
    try {
      for (const address of addresses) this.#listeners.push(await listenAt(this.door, address));
    } catch (error) {
      await this.#silence();
      throw error;
    }
    return this.#listeners.map(({ address }) => address);
  }

  /** Ends all links, burns what waits to be burned, and closes the files. */
  override async close(): Promise<void> {
    this.token.closing.abort();
    this.#upkeep.stop();
    this.door.close();
    await this.#silence();
    await this.token.workDone();
    await this.token.commit(() => undefined); // The last one: nothing waits for the disk behind it.
    await super.close();
    this.#unlock();
  }

  async #silence(): Promise<void> {
    const listeners = this.#listeners;
    this.#listeners = [];
    await Promise.all(listeners.map((listener) => listener.close()));
  }
}
