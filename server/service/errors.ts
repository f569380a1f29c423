// Why a service did not serve. The code and the sentence go to the token's owner, sealed; a failing service changed
// nothing and costs nothing. What a body said (names, texts, bytes) is never in one.

import { type Kind, TearpadError } from "../../host/protocol/index.ts";

/** Why a program did not come to its end. */
export type ProgramFault =
  | "malformed"
  | "unsupported"
  | "too large"
  | "trap"
  | "fuel"
  | "time"
  | "memory"
  | "interface"
  | "output"
  | "stopped";

/** The errors of services, and their facts. Money is in minor units. */
export interface ServiceFacts {
  BAD_BODY: { service: string; at: string; problem: string };
  NOT_FOUND: { what: string };
  REFUSED: { reason: string };
  OUT_OF_ORDER: { expected: number };
  PROGRAM_FAILED: { fault: ProgramFault; detail: string };
  FEE_TOO_HIGH: { offered: bigint };
  NOT_VERIFIED: Record<string, never>;
  SELF_DEALING: Record<string, never>;
  TAKEN: { what: string };
  LIMIT: { what: string; most: number };
  BUSY: Record<string, never>;
}
export type ServiceErrorCode = keyof ServiceFacts;

/** A service did not serve. */
export class ServiceError<C extends ServiceErrorCode = ServiceErrorCode> extends TearpadError<C, ServiceFacts[C]> {
  constructor(code: C, facts: ServiceFacts[C], cause?: unknown) {
    super(code, facts, { ...ERRORS[code], pad: NOT_CHARGED }, cause);
  }
}

/** Whether `error` is one of a service under this code; its facts are typed then. */
export function isServiceError<C extends ServiceErrorCode>(error: unknown, code: C): error is ServiceError<C> {
  return error instanceof ServiceError && error.code === code;
}

/** What is said of each; what it means for the pad is the same for all of them. */
type Kinds<AllFacts> = { readonly [C in keyof AllFacts]: Omit<Kind<AllFacts[C]>, "pad"> };

const NOT_CHARGED = "The boxes of the request are used; nothing is charged, and the service changed nothing.";

const ERRORS: Kinds<ServiceFacts> = {
  BAD_BODY: {
    message: ({ service, at, problem }) => `The service "${service}" does not take this body: ${problem} at ${at}.`,
    advice: "Send the fields that the service names, and no others.",
  },
  NOT_FOUND: {
    message: ({ what }) => `There is no such ${what}.`,
    advice: "Ask for the list, and use a name from it.",
  },
  REFUSED: {
    message: ({ reason }) => `The service refuses: ${reason}.`,
    advice: "Change the request as the reason says.",
  },
  OUT_OF_ORDER: {
    message: ({ expected }) => `The next part of this file begins at byte ${expected}.`,
    advice: "Go on there, or begin again at 0.",
  },
  PROGRAM_FAILED: {
    message: ({ fault, detail }) => `The program failed (${fault}): ${detail}.`,
    advice: "Correct the program or its input; one that was only stopped can be run again.",
  },
  FEE_TOO_HIGH: {
    message: ({ offered }) => `This costs more than the ${offered} that were offered; the result is withheld.`,
    advice: "Offer more, or ask for less.",
  },
  NOT_VERIFIED: {
    message: () => "What was delivered does not have the digest that was promised.",
    advice: "Nothing was paid. The seller offers it again, with the digest of the bytes that are delivered.",
  },
  SELF_DEALING: {
    message: () => "Buyer and seller are the same account.",
    advice: "Buy from somebody else; what you offer yourself you can withdraw.",
  },
  TAKEN: {
    message: ({ what }) => `This ${what} is taken; choose another one.`,
    advice: "Send the request again with another one.",
  },
  LIMIT: {
    message: ({ what, most }) => `There may be at most ${most} ${what}.`,
    advice: "Ask for less, or drop something first.",
  },
  BUSY: {
    message: () => "The service has as much work waiting as it takes.",
    advice: "Ask again in a moment.",
  },
};

/** The errors of the counter where goods are handed over. A code is worth the goods: it is never in one. */
export interface CounterFacts {
  ORDER_UNKNOWN: Record<string, never>;
  HANDED_OVER: { item: string; count: number };
}
export type CounterErrorCode = keyof CounterFacts;

/** Goods are not handed over for a code. */
export class CounterError<C extends CounterErrorCode = CounterErrorCode> extends TearpadError<C, CounterFacts[C]> {
  constructor(code: C, facts: CounterFacts[C], cause?: unknown) {
    super(code, facts, { ...COUNTER_ERRORS[code], pad: "Nothing changed, and no money moved." }, cause);
  }
}

const COUNTER_ERRORS: Kinds<CounterFacts> = {
  ORDER_UNKNOWN: {
    message: () => "There is no order with this code.",
    advice: "Have it read again: 16 digits and letters, without I, L, O and U. Is it a code of this server?",
  },
  HANDED_OVER: {
    message: ({ item, count }) => `What this code stands for, ${count} of "${item}", was handed over before.`,
    advice: "A code is good once. Hand nothing over for it.",
  },
};

/** The errors of what an operator puts up for sale, found when the server starts. */
export interface ShelfFacts {
  FOLDER_UNREADABLE: { path: string };
  OFFER_UNFIT: { path: string; reason: string };
}
export type ShelfErrorCode = keyof ShelfFacts;

/** A folder or a file that a service was told to offer cannot be offered. */
export class ShelfError<C extends ShelfErrorCode = ShelfErrorCode> extends TearpadError<C, ShelfFacts[C]> {
  constructor(code: C, facts: ShelfFacts[C], cause?: unknown) {
    super(code, facts, { ...SHELF_ERRORS[code], pad: "No token is concerned: the server did not start." }, cause);
  }
}

const SHELF_ERRORS: Kinds<ShelfFacts> = {
  FOLDER_UNREADABLE: {
    message: ({ path }) => `The folder ${path} cannot be read.`,
    advice: "Check the path in the configuration, and its permissions.",
  },
  OFFER_UNFIT: {
    message: ({ path, reason }) => `${path} cannot be offered: ${reason}.`,
    advice: "Put it right, or take it out of the folder.",
  },
};
