// The ledger: accounts, transfers and holds, double entry, in an append-only journal that an audit derives again.

export type { AuditReport, Disagreement } from "./audit.ts";
export { isLedgerError, LedgerError, type LedgerErrorCode, type LedgerFacts } from "./errors.ts";
export {
  type Account,
  type AccountId,
  type AccountKind,
  type Amount,
  type Asset,
  type Hold,
  type Key,
  Ledger,
  type Transfer,
} from "./ledger.ts";
export type { Entry } from "./statement.ts";
export { ledgerTables, MOST } from "./tables.ts";
