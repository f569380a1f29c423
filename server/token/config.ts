// The configuration: one JSON file in the server's directory. What is not known is refused by name, so that a misspelt
// limit is never silently the default.

import { readFileSync } from "node:fs";
import * as z from "zod";
import { packAddresses, parseAddress, parseListenAddress } from "../../host/protocol/index.ts";
import { TokenError } from "./errors.ts";
import { type Exhaustion, isTied, type Tariff } from "./tariff.ts";

/** The configuration of a server. Times are in milliseconds, money in minor units, sizes in bytes. */
export interface Config {
  readonly listen: readonly string[];
  readonly addresses: { readonly number: number; readonly list: readonly string[] };
  readonly assets: Readonly<Record<string, { readonly decimals: number }>>;
  readonly tariffs: ReadonlyMap<string, Tariff>;
  readonly limits: {
    readonly connections: number;
    readonly halfOpen: number;
    readonly halfOpenMs: number;
    readonly idleMs: number;
    readonly giveWayMs: number;
    readonly largestRequest: number;
    readonly recordedBytes: number;
    readonly burnLagMs: number;
  };
  readonly answerAfterMs: number;
  readonly vault: { readonly epochDays: number };
  readonly services: {
    readonly quota: number;
    readonly software?: string | undefined;
    readonly goods: readonly { readonly item: string; readonly asset: string; readonly price: bigint }[];
    readonly compute: {
      readonly programs?: string | undefined;
      readonly fuelPerUnit: bigint;
      readonly mostFuel: bigint;
      readonly mostMilliseconds: number;
    };
    readonly commission: bigint;
  };
}

/** Money: whole minor units, as a number or, when large, as digits. */
const money: z.ZodType<bigint> = z
  .union([z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER), z.string().regex(/^[0-9]{1,18}$/)])
  .transform((value) => BigInt(value)) as unknown as z.ZodType<bigint>;
const name = z.string().regex(/^[a-z0-9-]{1,32}$/);
const code = z.string().regex(/^[A-Z0-9]{1,8}$/);
const fitsOnDevice = (addresses: readonly string[]): boolean => {
  try {
    packAddresses(addresses);
    return true;
  } catch {
    return false;
  }
};
const count = (least: number, most: number, otherwise: number) =>
  z.number().int().min(least).max(most).default(otherwise);

const tariff = z.strictObject({
  asset: code,
  rate: money.default(1n),
  exhaustion: z.enum(["money", "erasing", "index"] satisfies Exhaustion[]).default("money"),
  perBox: money.default(0n),
  perKiB: money.default(0n),
  perSecond: money.default(0n),
  services: z.record(name, money).default({}),
});

const MIB = 1024 * 1024;

const schema = z.strictObject({
  /** Where the server listens. */
  listen: z.array(z.string().refine((text) => parseListenAddress(text) !== null, "no address to listen at")).min(1),
  /** What devices are told about where it is found: a list with a higher number replaces the one they have. */
  addresses: z
    .strictObject({
      number: count(0, 2 ** 32 - 1, 0),
      list: z
        .array(z.string().refine((text) => parseAddress(text) !== null, "no address"))
        .refine(fitsOnDevice, "a device takes at most 16, and 220 bytes with one more for each"),
    })
    .default({ number: 0, list: [] }),
  assets: z.record(code, z.strictObject({ decimals: count(0, 18, 0) })),
  tariffs: z.record(name, tariff),
  limits: z
    .strictObject({
      /** Connections at once. */
      connections: count(1, 1_000_000, 4096),
      /** Of these such as did not become a link. */
      halfOpen: count(1, 1_000_000, 1024),
      /** How long they may stay, milliseconds. */
      halfOpenMs: count(100, 3_600_000, 10_000),
      /** How long a link may be silent, milliseconds. */
      idleMs: count(1000, 86_400_000, 600_000),
      /** After so long without a box a link gives way to a new call, milliseconds. */
      giveWayMs: count(0, 3_600_000, 30_000),
      /** Bytes of the text of a request. */
      largestRequest: count(256, 64 * MIB, MIB),
      /** Pad bytes of released answers that stay, as they were sealed, for requests which come again; at most a 64th of the pad. */
      recordedBytes: count(0, 16 * MIB, 65_536),
      /** How long after their use pad bytes are destroyed, milliseconds. */
      burnLagMs: count(10, 3_600_000, 1000),
    })
    .prefault({}),
  /** Milliseconds from a call to its welcome, or to its refusal. */
  answerAfterMs: count(0, 10_000, 25),
  vault: z
    .strictObject({
      /** Days until the key that the twins lie under is replaced, and burned pages are gone for good. */
      epochDays: count(1, 3650, 7),
    })
    .prefault({}),
  services: z
    .strictObject({
      /** Bytes that a token may keep in the service store. */
      quota: count(0, Number.MAX_SAFE_INTEGER, 64 * MIB),
      /** Folder of the service software. */
      software: z.string().optional(),
      goods: z
        .array(
          z.strictObject({
            item: z.string().regex(/^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/),
            asset: code,
            price: money,
          }),
        )
        .default([]),
      compute: z
        .strictObject({
          programs: z.string().optional(),
          fuelPerUnit: money.refine((fuel) => fuel > 0n, "at least 1").default(1_000_000n),
          mostFuel: money.default(1_000_000_000n),
          mostMilliseconds: count(1, 600_000, 10_000),
        })
        .prefault({}),
      /** What the market keeps of a price, thousandths. */
      commission: money.refine((share) => share <= 1000n, "at most 1000, which is all of a price").default(0n),
    })
    .prefault({}),
});

/** Reads a configuration. @throws TokenError CONFIG_UNREADABLE, CONFIG_UNKNOWN_KEY, CONFIG_INVALID */
export function readConfig(path: string): Config {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new TokenError(
      "CONFIG_UNREADABLE",
      { path, reason: (error as NodeJS.ErrnoException).code ?? "failed" },
      error,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TokenError("CONFIG_UNREADABLE", { path, reason: "it is no JSON" }, error);
  }
  return checkConfig(path, value);
}

/** @param path what errors call it */
function checkConfig(path: string, value: unknown): Config {
  const read = schema.safeParse(value);
  if (!read.success) {
    const issue = read.error.issues[0]!;
    const at = issue.path.join(".");
    if (issue.code === "unrecognized_keys") {
      const key = [...issue.path, issue.keys[0]].join(".");
      throw new TokenError("CONFIG_UNKNOWN_KEY", { path, key });
    }
    throw new TokenError("CONFIG_INVALID", { path, at, problem: issue.message });
  }
  const refused = (at: string, problem: string) => new TokenError("CONFIG_INVALID", { path, at, problem });
  const items = new Set<string>();
  for (const [i, { item, asset }] of read.data.services.goods.entries()) {
    const at = `services.goods.${i}`;
    if (read.data.assets[asset] === undefined) throw refused(at, `there is no asset "${asset}"`);
    if (items.has(item)) throw refused(at, `"${item}" is there already`);
    items.add(item);
  }
  const tariffs = new Map<string, Tariff>();
  for (const [tariffName, { services, ...rest }] of Object.entries(read.data.tariffs)) {
    const tariff: Tariff = { name: tariffName, ...rest, services: new Map(Object.entries(services)) };
    const wrong = (problem: string) => refused(`tariffs.${tariffName}`, problem);
    if (read.data.assets[tariff.asset] === undefined) throw wrong(`there is no asset "${tariff.asset}"`);
    if (tariff.rate === 0n) throw wrong("a rate is above zero");
    const fees = [tariff.perBox, tariff.perKiB, tariff.perSecond, ...tariff.services.values()];
    if (isTied(tariff) && fees.some((fee) => fee !== 0n)) throw wrong("a value tied to the pad has no other prices");
    tariffs.set(tariffName, tariff);
  }
  return { ...read.data, tariffs };
}

/**
 * Whether a server can be run by this configuration: it sells services that there are, and the tokens that it has have tariffs.
 * @throws TokenError CONFIG_INVALID
 */
export function checkOffers(
  path: string,
  { tariffs }: Config,
  services: readonly { readonly name: string }[],
  sold: readonly { readonly tariff: string; readonly asset: string }[],
): void {
  const names = new Set(services.map(({ name }) => name));
  const refused = (at: string, problem: string) => new TokenError("CONFIG_INVALID", { path, at, problem });
  for (const { name: tariff, services: offered } of tariffs.values()) {
    for (const name of offered.keys()) {
      if (!names.has(name)) throw refused(`tariffs.${tariff}.services.${name}`, "there is no such service");
    }
  }
  for (const { tariff, asset } of sold) {
    const now = tariffs.get(tariff);
    if (now === undefined) throw refused(`tariffs.${tariff}`, "it is missing, and tokens have it");
    if (now.asset !== asset) throw refused(`tariffs.${tariff}.asset`, `tokens have this tariff in ${asset}`);
  }
}

/** What a new server begins with. */
export const FIRST_CONFIG = {
  listen: ["tcp://127.0.0.1:7447", "ws://127.0.0.1:7448"],
  addresses: { number: 1, list: ["tcp://127.0.0.1:7447"] },
  assets: { TPD: { decimals: 2 } },
  tariffs: {
    standard: {
      asset: "TPD",
      rate: 1,
      perKiB: 1,
      services: {
        echo: 0,
        catalogue: 0,
        statement: 0,
        register: 0,
        store: 1,
        compute: 1,
        goods: 0,
        software: 1,
        market: 0,
      },
    },
    tied: {
      asset: "TPD",
      rate: 1,
      exhaustion: "erasing",
      services: { echo: 0, catalogue: 0, statement: 0, register: 0, store: 0 },
    },
  },
} as const;
