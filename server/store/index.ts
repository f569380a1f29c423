// The store: one SQLite file, group commit, and the settings under which "committed" means "on the disk".

export { isStoreError } from "./errors.ts";
export { type Migration, openStore, type StoreOptions } from "./open.ts";
export { Rows, type Source } from "./rows.ts";
export { type Remembered, Store } from "./store.ts";
