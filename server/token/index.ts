// The token server: tokens call it, are debited, and get what they ask for (SPEC sections 13 to 15). It may use the store,
// the ledger, the vault, the services and host/protocol and host/engine; it knows no sockets.

export { AtRest } from "./at-rest.ts";
export { type Config, checkOffers, FIRST_CONFIG, readConfig } from "./config.ts";
export { TokenServer } from "./core.ts";
export { TokenError } from "./errors.ts";
export { Issue, type Order } from "./issue.ts";
export { type Line, Link } from "./link.ts";
export { ReceiptKey } from "./receipt.ts";
export { type Recovery, recover } from "./recover.ts";
export { doubtTables, laterTokenTables, tokenTables } from "./tables.ts";
export {
  activateToken,
  cancelToken,
  creditToken,
  holdToken,
  listTokens,
  resolveDoubt,
  showToken,
  type TokenView,
} from "./tokens.ts";
