// The directory of a server: what lies where, and how a new one is made. The database and the configuration may be backed
// up and restored; the vault and the limits never are, and the keys are kept elsewhere as well.

import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { TearpadError } from "../host/protocol/index.ts";
import { TokenError } from "./token/index.ts";
import { Limits, Vault } from "./vault/index.ts";

/** The files of a server. */
export interface Places {
  readonly config: string;
  readonly database: string;
  readonly vault: string;
  readonly limits: string;
  readonly epochKey: string;
  readonly receiptKey: string;
  readonly storageKey: string;
  /** Held by the process that serves. */
  readonly lock: string;
}

const KEY_BYTES = 32;

export function placesIn(directory: string): Places {
  return {
    config: join(directory, "config.json"),
    database: join(directory, "tearpad.db"),
    vault: join(directory, "vault"),
    limits: join(directory, "limits.log"),
    epochKey: join(directory, "keys", "epoch.key"),
    receiptKey: join(directory, "keys", "receipt.key"),
    storageKey: join(directory, "keys", "storage.key"),
    lock: join(directory, "server.lock"),
  };
}

/**
 * Makes everything of a new server, for this user alone, or nothing.
 * @param makeDatabase makes the database at a path
 * @throws TokenError SERVER_EXISTS, SERVER_NOT_MADE; VaultError; what `makeDatabase` throws
 */
export function makeServer(directory: string, config: unknown, makeDatabase: (path: string) => void): void {
  const places = placesIn(directory);
  const { database } = places;
  if (existsSync(places.config) || existsSync(database)) throw new TokenError("SERVER_EXISTS", { directory });
  const missing = [...placesAbove(directory), ...Object.values(places), `${database}-wal`, `${database}-shm`];
  const made = missing.filter((path) => !existsSync(path));
  try {
    makeAll(places, directory, config);
    makeDatabase(database);
  } catch (error) {
    for (const path of made) rmSync(path, { recursive: true, force: true });
    if (error instanceof TearpadError) throw error;
    throw new TokenError("SERVER_NOT_MADE", { directory, reason: reasonOf(error) }, error);
  }
}

/** What there is of a server, before anything of it is opened. @throws TokenError SERVER_MISSING, SERVER_FORBIDDEN */
export function placesOf(directory: string): Places {
  const places = placesIn(directory);
  try {
    statSync(places.config);
    return places;
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === "ENOENT" || reason === "ENOTDIR") throw new TokenError("SERVER_MISSING", { directory }, error);
    throw new TokenError("SERVER_FORBIDDEN", { directory, reason }, error);
  }
}

/**
 * Where the process that serves holds its lock: beside the books themselves, so that a second directory whose links lead to the
 * same ones is served by nobody else.
 */
export function lockOf(places: Places): string {
  try {
    return join(dirname(realpathSync(places.database)), "server.lock");
  } catch {
    return places.lock; // Without books nothing is served: that is found when they are opened.
  }
}

/** The code of what the system says, such as EACCES. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}

/** A directory and those that it lies in, outermost first. */
function placesAbove(directory: string): string[] {
  const above = dirname(directory);
  return above === directory ? [directory] : [...placesAbove(above), directory];
}

function makeAll(places: Places, directory: string, config: unknown): void {
  // One by one: asked for all at once, Node does not end where a file system takes no names, as /proc.
  for (const path of [...placesAbove(directory), join(directory, "keys")]) {
    if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
  }
  chmodSync(directory, 0o700);
  for (const key of [places.receiptKey, places.storageKey]) {
    if (!existsSync(key)) writeFileSync(key, randomBytes(KEY_BYTES), { mode: 0o600, flush: true });
  }
  Vault.open(places.vault, places.epochKey, { create: true }).close();
  Limits.open(places.limits, { create: true }).close();
  writeFileSync(places.config, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flag: "wx", flush: true });
}

/** The key in a file. @throws TokenError SECRET_MISSING, SECRET_DAMAGED */
export function readKey(path: string): Uint8Array {
  let key: Uint8Array;
  try {
    key = readFileSync(path);
  } catch (error) {
    throw new TokenError("SECRET_MISSING", { path }, error);
  }
  if (key.length !== KEY_BYTES) throw new TokenError("SECRET_DAMAGED", { path, bytes: key.length });
  return key;
}
