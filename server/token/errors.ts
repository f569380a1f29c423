// What an operator can run into with the token server, in words: its directory, its configuration, its tokens, its addresses.

import { type Kinds, TearpadError } from "../../host/protocol/index.ts";
import type { PadState } from "./pads.ts";

/** The errors of the token server, and their facts. */
export interface TokenFacts {
  SERVER_EXISTS: { directory: string };
  SERVER_MISSING: { directory: string };
  SERVER_BUSY: { directory: string };
  SERVER_NOT_MADE: { directory: string; reason: string };
  SERVER_FORBIDDEN: { directory: string; reason: string };
  CONFIG_UNREADABLE: { path: string; reason: string };
  CONFIG_UNKNOWN_KEY: { path: string; key: string };
  CONFIG_INVALID: { path: string; at: string; problem: string };
  SECRET_MISSING: { path: string };
  SECRET_DAMAGED: { path: string; bytes: number };
  TOKEN_UNKNOWN: { name: string };
  TOKEN_EXISTS: { name: string };
  TOKEN_STATE: { name: string; state: PadState; needed: string };
  TOKEN_TIED: { name: string };
  TOKEN_NOT_TIED: { name: string };
  TOKEN_IN_DOUBT: { name: string };
  TARIFF_UNKNOWN: { tariff: string };
  BAD_PRICE: { price: string };
  BAD_LISTEN_ADDRESS: { address: string };
  ADDRESS_IN_USE: { address: string };
  LISTEN_FAILED: { address: string; reason: string };
}
export type TokenErrorCode = keyof TokenFacts;

/** An error of the token server. */
export class TokenError<C extends TokenErrorCode = TokenErrorCode> extends TearpadError<C, TokenFacts[C]> {
  constructor(code: C, facts: TokenFacts[C], cause?: unknown) {
    super(code, facts, ERRORS[code], cause);
  }
}

const UNTOUCHED = "No pad bytes were used and no money moved.";

const ERRORS: Kinds<TokenFacts> = {
  SERVER_EXISTS: {
    message: ({ directory }) => `There is a server in ${directory} already.`,
    pad: UNTOUCHED,
    advice: "Start it, or choose another directory for a new one.",
  },
  SERVER_MISSING: {
    message: ({ directory }) => `There is no server in ${directory}.`,
    pad: UNTOUCHED,
    advice: "Check the directory, or make a new server there.",
  },
  SERVER_BUSY: {
    message: ({ directory }) => `Another process serves ${directory}.`,
    pad: UNTOUCHED,
    advice: "One process serves a directory. The operator's commands work beside it.",
  },
  SERVER_NOT_MADE: {
    message: ({ directory, reason }) => `No server could be made in ${directory} (${reason}).`,
    pad: "What was made of it is gone again.",
    advice: "Choose a directory that this user may write to, on a disk that has room.",
  },
  SERVER_FORBIDDEN: {
    message: ({ directory, reason }) => `This user may not use the server in ${directory} (${reason}).`,
    pad: UNTOUCHED,
    advice: "Be the user that the directory belongs to, or mend its rights and those of what is in it.",
  },
  CONFIG_UNREADABLE: {
    message: ({ path, reason }) => `The configuration ${path} cannot be read: ${reason}.`,
    pad: UNTOUCHED,
    advice: "Correct the file; docs/OPERATING.md describes it.",
  },
  CONFIG_UNKNOWN_KEY: {
    message: ({ path, key }) => `The configuration ${path} has the key "${key}", which does not exist.`,
    pad: UNTOUCHED,
    advice: "Correct its spelling or remove it; docs/OPERATING.md lists the keys.",
  },
  CONFIG_INVALID: {
    message: ({ path, at, problem }) => `In the configuration ${path}, "${at}" is wrong: ${problem}.`,
    pad: UNTOUCHED,
    advice: "Correct it; docs/OPERATING.md says what belongs there.",
  },
  SECRET_MISSING: {
    message: ({ path }) => `The key file ${path} is not there.`,
    pad: UNTOUCHED,
    advice: "Put it back from where keys are kept. Without it what it protects cannot be read or checked.",
  },
  SECRET_DAMAGED: {
    message: ({ path, bytes }) => `The key file ${path} has ${bytes} bytes where 32 belong.`,
    pad: UNTOUCHED,
    advice: "Put it back from where keys are kept.",
  },
  TOKEN_UNKNOWN: {
    message: ({ name }) => `There is no token "${name}".`,
    pad: UNTOUCHED,
    advice: "The server lists its tokens with `tearpad token list`.",
  },
  TOKEN_EXISTS: {
    message: ({ name }) => `There is a token "${name}" already.`,
    pad: UNTOUCHED,
    advice: "Issue again: a new pad gets a new number of its own.",
  },
  TOKEN_STATE: {
    message: ({ name, state, needed }) => `Token "${name}" is ${state}, and must be ${needed} for this.`,
    pad: UNTOUCHED,
    advice: "Look at it with `tearpad token show`.",
  },
  TOKEN_TIED: {
    message: ({ name }) => `The value of token "${name}" is its pad: a credit cannot revive used pad bytes.`,
    pad: UNTOUCHED,
    advice: "Issue a new token, into the same account if its value is to be together with that of the old one.",
  },
  TOKEN_NOT_TIED: {
    message: ({ name }) => `The value of token "${name}" is money: it does not end with its pad.`,
    pad: UNTOUCHED,
    advice: "Cancel it without that. Its value stays in its account, for another token to be issued into.",
  },
  TOKEN_IN_DOUBT: {
    message: ({ name }) =>
      `The books of token "${name}" are in doubt: what is paid in may be in its device's receipt already.`,
    pad: UNTOUCHED,
    advice:
      "Wait for its call, which usually ends that, or say what is right with `tearpad token resolve`. Then look at its statement and pay in what is missing.",
  },
  TARIFF_UNKNOWN: {
    message: ({ tariff }) => `The configuration has no tariff "${tariff}".`,
    pad: UNTOUCHED,
    advice: "Choose one of the configuration, or add it there. A tariff that tokens have must stay.",
  },
  BAD_PRICE: {
    message: ({ price }) => `A token cannot be sold for ${price}.`,
    pad: UNTOUCHED,
    advice: "Give a price above zero, in whole minor units, that with the tariff's rate the books can hold.",
  },
  BAD_LISTEN_ADDRESS: {
    message: ({ address }) => `"${address}" is no address to listen at.`,
    pad: UNTOUCHED,
    advice: "Give tcp://host:port or ws://host:port.",
  },
  ADDRESS_IN_USE: {
    message: ({ address }) => `Another program listens at ${address}.`,
    pad: UNTOUCHED,
    advice: "End that program, or choose another port in the configuration.",
  },
  LISTEN_FAILED: {
    message: ({ address, reason }) => `The server cannot listen at ${address} (${reason}).`,
    pad: UNTOUCHED,
    advice: "Check the address, and that this user may listen at the port.",
  },
};
