// The store: one SQLite file, group commit, and the settings under which "committed" means "on the disk".

export { Entries } from "./entries.ts";
export { isStoreError } from "./errors.ts";
export { Many } from "./many.ts";
export { type Migration, openStore, type StoreOptions } from "./open.ts";
export { Rows } from "./rows.ts";
export { promised, Store, type Work } from "./store.ts";
