// The vault: what a server keeps of its pads outside of the database, and never restores. Twins at rest, of which used pages are
// forgotten for good, and the limits, an append-only log of how far each pad was used. It may use host/protocol.

export { type Disk, type Opening, systemDisk } from "./disk.ts";
export { isVaultError, VaultError } from "./errors.ts";
export { type LimitEntry, Limits } from "./limits.ts";
export { Vault } from "./vault.ts";
export type { PadWriter } from "./writer.ts";
