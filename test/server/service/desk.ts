/**
 * A desk that does with requests what the seam says, and nothing else: the body is checked, a prompt service is served in
 * the transaction that debits, a slow one works between a hold and its end. The store and the ledger are real.
 */

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AccountId, Ledger, ledgerTables } from "../../../server/ledger/index.ts";
import {
  type AtRest,
  createServices,
  isPrompt,
  readBody,
  type Served,
  type Service,
  ServiceError,
  type ServiceOptions,
} from "../../../server/service/index.ts";
import { openStore, type Store } from "../../../server/store/index.ts";

const ASSET = "TPD";
const NOW = 1_700_000_000_000;

export interface Token {
  readonly pad: number;
  readonly account: AccountId;
  readonly asset: string;
}

export interface DeskOptions extends Partial<Omit<ServiceOptions, "atRest">> {
  /** The tariff: nothing for what is not named. */
  readonly fees?: Readonly<Record<string, bigint>>;
}

/** AES-256-GCM under a key of this process. */
const key = randomBytes(32);
const atRest: AtRest = {
  seal(bytes) {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  },
  open(sealed) {
    const cipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12));
    cipher.setAuthTag(sealed.subarray(-16));
    return Buffer.concat([cipher.update(sealed.subarray(12, -16)), cipher.final()]);
  },
};

export class Desk {
  readonly directory: string = mkdtempSync(join(tmpdir(), "tearpad-desk-"));
  readonly services: readonly Service[];
  readonly store: Store;
  readonly ledger: Ledger;
  readonly #fees: Readonly<Record<string, bigint>>;
  #requests = 0;

  constructor(options: DeskOptions = {}) {
    this.#fees = options.fees ?? {};
    this.services = createServices({
      quota: 1_000_000,
      goods: [],
      commission: 0n,
      compute: { fuelPerUnit: 1000n, mostFuel: 100_000_000n, mostMilliseconds: 5000 },
      ...options,
      atRest,
    });
    const tables = this.services.flatMap((service) => service.tables ?? []);
    this.store = openStore(join(this.directory, "server.db"), [ledgerTables, ...tables], { create: true });
    this.ledger = new Ledger(this.store);
  }

  /** A token with this value. */
  token(pad: number, value: bigint, asset: string = ASSET): Token {
    return this.store.transact(() => {
      const account = this.ledger.openAccount({ kind: "token", asset, name: `pad ${pad}`, floor: 0n });
      const issue = this.ledger.named("issue", asset, "issue");
      if (value > 0n)
        this.ledger.transfer({ key: `issue ${pad}`, from: issue, to: account, amount: value, reason: "issue" });
      return { pad, account, asset };
    });
  }

  service(name: string): Service {
    const found = this.services.find((service) => service.name === name);
    if (found === undefined) throw new Error(`there is no service ${name}`);
    return found;
  }

  /** The body of the answer. @throws what the service or the ledger refuses; then nothing has changed */
  async ask(
    token: Token,
    name: string,
    body: unknown,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<unknown> {
    const service = this.service(name);
    const requestKey = `request ${++this.#requests}`;
    const fee = this.#fees[name] ?? 0n;
    const read = readBody(service, body);
    if (isPrompt(service)) {
      return this.store.commit(() => {
        const { store, ledger } = this;
        const prices = new Map(this.services.map((each) => [each.name, this.#fees[each.name] ?? 0n]));
        const served = service.serve({ token, store, ledger, now: NOW, requestKey, fee, prices }, read);
        this.#pay(token, requestKey, served, fee);
        return served.body;
      });
    }
    const most = service.mostFee(read, fee);
    const to = this.#feesAccount(token.asset);
    const hold =
      most === 0n
        ? null
        : await this.store.commit(() =>
            this.ledger.hold({ key: requestKey, from: token.account, to: to(), amount: most, reason: name }),
          );
    let served: Served;
    try {
      served = await service.work(read, signal);
    } catch (error) {
      if (hold !== null) await this.store.commit(() => this.ledger.void(hold));
      throw error;
    }
    const charged = served.fee ?? fee;
    if (charged > most) throw new Error("a service takes no more than it said");
    if (hold !== null) {
      await this.store.commit(() => (charged === 0n ? this.ledger.void(hold) : this.ledger.post(hold, charged)));
    }
    return served.body;
  }

  /** The code of the refusal, or null. */
  async refusal(token: Token, name: string, body: unknown): Promise<string | null> {
    try {
      await this.ask(token, name, body);
      return null;
    } catch (error) {
      if (error instanceof ServiceError) return error.code;
      if (error instanceof Error && "code" in error) return String(error.code);
      throw error;
    }
  }

  value(token: Token): bigint {
    const { balance, held } = this.ledger.balance(token.account);
    return balance - held;
  }

  /** What an account of the operator has. */
  has(kind: "fees" | "provider" | "seller", name: string, asset: string = ASSET): bigint {
    return this.store.transact(() => this.ledger.balance(this.ledger.named(kind, asset, name)).balance);
  }

  /** Whether the books balance, and nothing is held. */
  balanced(): boolean {
    const report = this.store.transact(() => this.ledger.audit());
    const sums = this.store.db
      .prepare<[], bigint>("SELECT sum(balance) FROM account GROUP BY asset")
      .safeIntegers()
      .pluck()
      .all();
    const held = this.store.db.prepare<[], number>("SELECT count(*) FROM hold").pluck().get();
    return report.disagreements.length === 0 && sums.every((sum) => sum === 0n) && held === 0;
  }

  /** Every byte of the database as it lies on the disk. */
  disk(): Buffer {
    const files = readdirSync(this.directory).filter((name) => name.startsWith("server.db"));
    return Buffer.concat(files.map((name) => readFileSync(join(this.directory, name))));
  }

  async close(): Promise<void> {
    for (const service of this.services) await service.close?.();
    this.store.close();
    rmSync(this.directory, { recursive: true });
  }

  #pay(token: Token, key: string, served: Served, fee: bigint): void {
    const amount = served.fee ?? fee;
    if (amount === 0n) return;
    const to = served.provider ?? this.#feesAccount(token.asset)();
    this.ledger.transfer({ key: `${key}/fee`, from: token.account, to, amount, reason: "service" });
  }

  #feesAccount(asset: string): () => AccountId {
    return () => this.ledger.named("fees", asset, "fees");
  }
}
