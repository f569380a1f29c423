// The ledger: accounts, transfers and holds, double entry, in an append-only journal that an audit derives again.

export type { Disagreement } from "./audit.ts";
export { isLedgerError, LedgerError } from "./errors.ts";
export {
  type AccountId,
  type Key,
  Ledger,
} from "./ledger.ts";
export { ledgerTables, MOST } from "./tables.ts";
