// The hand on the disks of a simulated world: who writes, and what is to happen at which write. The stand-ins for the system
// (server-disk.ts, sqlite.ts, client-disk.ts) ask it at each operation; the world tells it what to do.

/** Where a server can be struck. */
export type Point = "store" | "limits" | "vault";
/** Before a write, in the middle of it (some of its bytes are there), or after it. */
export type Moment = "before" | "during" | "after";

/** The process is gone: thrown out of the write at which it was killed, and out of each that it still tries. */
export class Gone extends Error {}

/** What one server process has opened. */
export interface Life {
  dead: boolean;
  /** The disk takes no more: files cannot grow, or a commit finds that out. */
  full: "no" | "files" | "commits";
  readonly databases: Set<{ close(): unknown; readonly open: boolean }>;
  readonly files: Set<number>;
}

/** What the world does with the disks. */
interface Hand {
  /** The server process that runs: what is opened now is its own. */
  life: Life | null;
  /** Told at each write of the server; may throw Gone. */
  strike: (point: Point, moment: Moment, written: Written) => void;
  /** What of the server's files a loss of power takes: by path, how many bytes are safe. */
  readonly unsynced: Map<string, number>;
  /** What a write meets on a full disk. */
  onFull: (point: Point) => void;
}

/** One world at a time. */
export const HAND: Hand = { life: null, strike: () => {}, unsynced: new Map(), onFull: () => {} };

/** What is being written. */
export interface Written {
  readonly path: string;
  /** Bytes of the file before, and after. */
  readonly from: number;
  readonly to: number;
}
