// The store: one SQLite file, group commit, and the settings under which "committed" means "on the disk".

export { isStoreError } from "./errors.ts";
export { type Migration, openStore, type StoreOptions } from "./open.ts";
export { Rows } from "./rows.ts";
export { Store } from "./store.ts";
