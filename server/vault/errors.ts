// What can go wrong with the twins at rest and with the log of limits: disks, keys, and files that are not what they were.

import { type Kinds, TearpadError } from "../../host/protocol/index.ts";

type OfPad = { pad: string };
type OfPath = { path: string };

/** The errors of the vault and of the limits, and their facts. A pad is named as its files are. */
export interface VaultFacts {
  VAULT_MISSING: OfPath;
  VAULT_BUSY: OfPath;
  VAULT_FULL: OfPath;
  VAULT_READ_ONLY: OfPath;
  VAULT_FAILED: { path: string; operation: string };
  PAD_MISSING: OfPad;
  PAD_EXISTS: OfPad;
  PAGE_BURNED: { pad: string; page: number };
  PAD_CORRUPT: { pad: string; page: number | null };
  KEY_MISSING: OfPath;
  KEY_WRONG: OfPath;
  LIMITS_MISSING: OfPath;
  LIMITS_FOREIGN: OfPath;
  LIMITS_CORRUPT: { path: string; position: number };
}
export type VaultErrorCode = keyof VaultFacts;

/** An error of the vault or of the limits. */
export class VaultError<C extends VaultErrorCode = VaultErrorCode> extends TearpadError<C, VaultFacts[C]> {
  constructor(code: C, facts: VaultFacts[C], cause?: unknown) {
    super(code, facts, ERRORS[code], cause);
  }
}

/** Whether `error` is one of the vault under this code; its facts are typed then. */
export function isVaultError<C extends VaultErrorCode>(error: unknown, code: C): error is VaultError<C> {
  return error instanceof VaultError && error.code === code;
}

/** Runs one operation on a file; what the disk says becomes VAULT_FULL, VAULT_READ_ONLY or VAULT_FAILED. */
export function onDisk<T>(operation: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const code = errno(error);
    if (code === null) throw error;
    if (FULL.has(code)) throw new VaultError("VAULT_FULL", { path }, error);
    if (READ_ONLY.has(code)) throw new VaultError("VAULT_READ_ONLY", { path }, error);
    throw new VaultError("VAULT_FAILED", { path, operation }, error);
  }
}

/** The system's name of what went wrong, such as ENOENT (or SQLite's, from a lock); null for what is no error of the system. */
export function errno(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  const code = String(error.code);
  return "syscall" in error || code.startsWith("SQLITE_") ? code : null;
}

const FULL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const READ_ONLY: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "SQLITE_READONLY"]);

const UNTOUCHED = "No pad bytes were used, nothing was burned, and no money moved.";
const MOVE = "Retire this pad, and issue a new one with the balance of the old: pads are never restored, money is.";

const ERRORS: Kinds<VaultFacts> = {
  VAULT_MISSING: {
    message: ({ path }) => `There is no vault at ${path}.`,
    pad: UNTOUCHED,
    advice: "Check the path and that the disk is mounted. A lost vault is not restored from a backup: retire its pads.",
  },
  VAULT_BUSY: {
    message: ({ path }) => `Another process burns in the vault at ${path}.`,
    pad: UNTOUCHED,
    advice: "One server works on a vault at a time; stop the other one first.",
  },
  VAULT_FULL: {
    message: ({ path }) => `The disk took no more at ${path}.`,
    pad: "What was to be written is undone; no pad bytes were used and no money moved. What is to be burned stays in line.",
    advice: "Make room on that disk, or raise its quota, and do it again.",
  },
  VAULT_READ_ONLY: {
    message: ({ path }) => `This process may not write ${path}.`,
    pad: UNTOUCHED,
    advice: "Check the owner of the files, their permissions, and that the disk is mounted for writing.",
  },
  VAULT_FAILED: {
    message: ({ path, operation }) => `The disk failed to ${operation} ${path}.`,
    pad: "Pad bytes are not used before they are written as used; what is to be burned stays in line.",
    advice: "Look at the disk and the system's log before going on; the cause says what the system answered.",
  },
  PAD_MISSING: {
    message: ({ pad }) => `The vault has no pad ${pad}.`,
    pad: "It was retired, its making did not finish, or its files were taken away.",
    advice: MOVE,
  },
  PAD_EXISTS: {
    message: ({ pad }) => `The vault has files of a pad ${pad} already.`,
    pad: UNTOUCHED,
    advice: "Take another name. If the making of that pad was cut short, retire it.",
  },
  PAGE_BURNED: {
    message: ({ pad, page }) => `Page ${page} of pad ${pad} is burned.`,
    pad: "Its bytes were used and are gone; nothing is used twice.",
    advice: "The marks are behind the vault: the database is older than it. Take the marks from the limits.",
  },
  PAD_CORRUPT: {
    message: ({ pad, page }) =>
      page === null ? `The keys of pad ${pad} are damaged.` : `Page ${page} of pad ${pad} is damaged.`,
    pad: "Its bytes cannot be had again, and none of them were used.",
    advice: MOVE,
  },
  KEY_MISSING: {
    message: ({ path }) => `There is no epoch key at ${path}.`,
    pad: "Without it no pad of this vault can be read.",
    advice: "Check the path and that its disk is mounted. If the key is lost so are the pads: retire them.",
  },
  KEY_WRONG: {
    message: ({ path }) => `The epoch key at ${path} is damaged, or is not that of this vault.`,
    pad: UNTOUCHED,
    advice: "Give the key that this vault was used with last; an older one was destroyed on purpose.",
  },
  LIMITS_MISSING: {
    message: ({ path }) => `There is no log of limits at ${path}.`,
    pad: "Without it a restored database could use pad bytes twice.",
    advice:
      "Check the path and that the disk is mounted. If it is lost, and the database was not restored from a backup, begin a new log: printf 'TPLIMITS\\1\\0\\0\\0\\0\\0\\0\\0' > limits.log; the server fills it when it starts. If it was restored, cancel all tokens and move their values.",
  },
  LIMITS_FOREIGN: {
    message: ({ path }) => `${path} is not a log of limits, or one of a later version.`,
    pad: UNTOUCHED,
    advice: "Check the path; it was not changed.",
  },
  LIMITS_CORRUPT: {
    message: ({ path, position }) => `The log of limits ${path} is damaged or cut at byte ${position}.`,
    pad: "What it said there about used bytes is lost; the database still knows its own marks.",
    advice:
      "Stop the server and move the file away. If the database was not restored from a backup, begin a new log: printf 'TPLIMITS\\1\\0\\0\\0\\0\\0\\0\\0' > limits.log; the server fills it when it starts. If it was restored, cancel all tokens and move their values.",
  },
};
