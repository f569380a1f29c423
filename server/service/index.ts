// What the server sells to a token, inside a link: the seam (service.ts) and nine services.

import type { AtRest } from "./at-rest.ts";
import { catalogue } from "./catalogue.ts";
import { Compute, type ComputeOptions } from "./compute/index.ts";
import { echo } from "./echo.ts";
import { Files } from "./files.ts";
import { Goods, type Item } from "./goods.ts";
import { Market } from "./market/index.ts";
import { register } from "./register.ts";
import type { Service } from "./service.ts";
import { Software } from "./software.ts";
import { statement } from "./statement.ts";

export type { AtRest } from "./at-rest.ts";
export type { ComputeOptions } from "./compute/index.ts";
export {
  isServiceError,
  ServiceError,
  ShelfError,
} from "./errors.ts";
export { findOrder, type GoodsOrder, handOver, type Item } from "./goods.ts";
export { earningsAccount, earningsShare } from "./market/index.ts";
export { numberOfPad, registeredPad } from "./register.ts";
export {
  isPrompt,
  type PromptService,
  readBody,
  SERVICE_CLASSES,
  type Served,
  type Service,
  type SlowService,
} from "./service.ts";

export interface ServiceOptions {
  readonly atRest: AtRest;
  /** The bytes that a token may keep in the service `store`. */
  readonly quota: number;
  /** The folder of the service `software`. */
  readonly software?: string | undefined;
  readonly goods: readonly Item[];
  readonly compute: ComputeOptions;
  /** What the market keeps of a price, in thousandths. */
  readonly commission: bigint;
}

/**
 * All services, always the same and in this order, whatever the configuration offers in them: their tables are part of
 * the database. Those of a program that has a server in it come last.
 * @throws ShelfError when what the operator offers cannot be offered
 */
export function createServices(options: ServiceOptions, more: readonly Service[] = []): readonly Service[] {
  const { atRest } = options;
  const services = [
    echo,
    new Files(atRest, options.quota),
    new Compute(options.compute),
    new Goods(options.goods),
    new Software(options.software),
    new Market(atRest, options.commission),
    register,
    statement,
    ...more,
  ] as readonly Service[];
  return [catalogue(services) as Service, ...services];
}
