// The store: one SQLite file, group commit, and the settings under which "committed" means "on the disk".

export { isStoreError, StoreError, type StoreErrorCode, type StoreFacts } from "./errors.ts";
export { type Migration, openStore, type StoreOptions } from "./open.ts";
export { Store } from "./store.ts";
