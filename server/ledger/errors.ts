// What the ledger refuses, in words. A refusal changes nothing: every check comes before the first write.

import { type Kind, TearpadError } from "../../host/protocol/index.ts";

/** The errors of the ledger, and their facts. Amounts are in minor units; an `entry` is a line of the journal. */
export interface LedgerFacts {
  INSUFFICIENT: { account: number; needed: bigint; available: bigint };
  OVERFLOW: { account: number };
  BAD_AMOUNT: { amount: string; least: bigint; most: bigint };
  BAD_ASSET: { asset: string };
  ASSET_MISMATCH: { from: string; to: string };
  SAME_ACCOUNT: { account: number };
  ACCOUNT_UNKNOWN: { account: number };
  NAME_TAKEN: { kind: string; asset: string; name: string };
  KEY_REUSED: { key: string; entry: number };
  KEY_PASSED: { series: string; number: number; last: number };
  HOLD_UNKNOWN: { hold: number };
  HOLD_ENDED: { hold: number; how: "post" | "void" | "expire"; amount: bigint; entry: number };
}
export type LedgerErrorCode = keyof LedgerFacts;

/** Why the ledger refused. */
export class LedgerError<C extends LedgerErrorCode = LedgerErrorCode> extends TearpadError<C, LedgerFacts[C]> {
  constructor(code: C, facts: LedgerFacts[C]) {
    super(code, facts, { ...ERRORS[code], pad: "No money moved." });
  }
}

/** Whether `error` is one of the ledger under this code; its facts are typed then. */
export function isLedgerError<C extends LedgerErrorCode>(error: unknown, code: C): error is LedgerError<C> {
  return error instanceof LedgerError && error.code === code;
}

const ERRORS: { readonly [C in LedgerErrorCode]: Omit<Kind<LedgerFacts[C]>, "pad"> } = {
  INSUFFICIENT: {
    message: ({ account, needed, available }) =>
      `Account ${account} has ${available} available and this needs ${needed}.`,
    advice: "Spend less, or top the account up.",
  },
  OVERFLOW: {
    message: ({ account }) => `Account ${account} would pass what a balance can be.`,
    advice: "Check the amount; move part of the balance to another account first.",
  },
  BAD_AMOUNT: {
    message: ({ amount, least, most }) =>
      `"${amount}" cannot be: whole minor units, as a bigint, from ${least} to ${most} are expected here.`,
    advice: "Give an amount within these bounds.",
  },
  BAD_ASSET: {
    message: ({ asset }) => `"${asset}" is no asset: its code is 1 to 8 of A to Z and 0 to 9.`,
    advice: "Give the code of an asset, such as CRED.",
  },
  ASSET_MISMATCH: {
    message: ({ from, to }) => `Money of ${from} cannot go to an account of ${to}.`,
    advice: "Choose two accounts of one asset. An exchange is two transfers.",
  },
  SAME_ACCOUNT: {
    message: ({ account }) => `Account ${account} cannot pay itself.`,
    advice: "Choose two accounts.",
  },
  ACCOUNT_UNKNOWN: {
    message: ({ account }) => `There is no account ${account}.`,
    advice: "Check the number.",
  },
  NAME_TAKEN: {
    message: ({ kind, asset, name }) => `There is a ${kind} account of ${asset} named "${name}" already.`,
    advice: "Choose another name, or use that account.",
  },
  KEY_REUSED: {
    message: ({ key, entry }) => `The key ${key} was used for something else, entry ${entry}.`,
    advice: "Use a new key for every new request; repeat a request unchanged under its own key.",
  },
  KEY_PASSED: {
    message: ({ series, number, last }) =>
      `Number ${number} of the series "${series}" was passed over: its last is ${last}, and numbers only rise.`,
    advice: "Use numbers above the last.",
  },
  HOLD_UNKNOWN: {
    message: ({ hold }) => `There is no hold ${hold}.`,
    advice: "Check the number.",
  },
  HOLD_ENDED: {
    message: ({ hold, how, amount }) => `Hold ${hold} has ended: ${ENDINGS[how]} ${amount}.`,
    advice: "Nothing more can be done with it; what is still owed is another transfer.",
  },
};

const ENDINGS = {
  post: "it was posted with",
  void: "it was voided and freed",
  expire: "it expired and freed",
} as const;
