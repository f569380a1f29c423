// What a world consists of, as misfortune sees it.

import type { Fault } from "./faults.ts";
import type { ServerHost } from "./host.ts";
import type { Observer } from "./observer.ts";
import type { Person, Surroundings } from "./person.ts";
import type { Record } from "./record.ts";
import type { Token } from "./template.ts";
import type { Wealth } from "./wealth.ts";

/** Simulated time in which things go wrong. */
export const TROUBLED_MS = 4000;

/** A token in a world, who has it, who watches it, and what was answered to it. */
export interface Place {
  readonly token: Token;
  readonly observer: Observer;
  readonly record: Record;
  readonly person: Person;
  readonly wealth: Wealth;
  /** Who has a second device with the same pad. */
  copy: Person | null;
  /** Answers that an older database, put back, knows nothing of. */
  readonly lost: Set<string>;
  inDoubt: boolean;
  /** The newest receipt that was made before an older database was put back, 0 when none was. */
  untrue: number;
  /** Its device may be an older image now. */
  older: boolean;
}

/** A world in which something can go wrong. */
export interface Troubled extends Surroundings {
  readonly host: ServerHost;
  readonly places: readonly Place[];
  readonly faults: ReadonlySet<Fault>;
  /** Nothing goes wrong any more. */
  readonly calm: boolean;
  /** An older database is in the place of the server's own. */
  putBack(): void;
  /** A fault has come. */
  fired(fault: Fault): void;
  /** The operator resolves the doubt of a token. */
  resolve(place: Place): void;
}
