// The directory of a server: what lies where, and how a new one is made. The database and the configuration may be backed
// up and restored; the vault and the limits never are, and the keys are kept elsewhere as well.

import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
 * Makes everything of a new server but its database, for this user alone.
 * @throws TokenError SERVER_EXISTS; VaultError
 */
export function makeDirectory(directory: string, config: unknown): Places {
  const places = placesIn(directory);
  if (existsSync(places.config) || existsSync(places.database)) throw new TokenError("SERVER_EXISTS", { directory });
  mkdirSync(join(directory, "keys"), { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  for (const key of [places.receiptKey, places.storageKey]) {
    if (!existsSync(key)) writeFileSync(key, randomBytes(KEY_BYTES), { mode: 0o600, flush: true });
  }
  Vault.open(places.vault, places.epochKey, { create: true }).close();
  Limits.open(places.limits, { create: true }).close();
  writeFileSync(places.config, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flag: "wx", flush: true });
  return places;
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
