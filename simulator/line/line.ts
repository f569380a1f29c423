/**
 * What every line has in common: bytes from the cable go to the core, the core's bytes go to the cable, and background work is done
 * in slices between them, so that the line stays responsive. The cable has no power switch: it stays when the machine's power goes,
 * and what was on its way is lost.
 */
import type { Machine } from "../machine.ts";

/** A machine on a cable. */
export interface Line {
  /** Where a host finds the device: a path like `/dev/pts/5` or `tcp://127.0.0.1:40001`. */
  readonly address: string;
  /** Pulls the cable. The machine goes on running. */
  close(): Promise<void>;
  /**
   * Settles when the cable is out. Rejects with what made going on impossible: a `SimulatorError` of the image, or a `Panic`.
   */
  readonly closed: Promise<void>;
}

/** Longest time for which background work keeps the line waiting. */
const SLICE_MS = 4;

/** Moves bytes between one machine and one cable. */
export class Ferry {
  private readonly machine: Machine;
  private readonly write: (bytes: Uint8Array, taken: () => void) => void;
  private readonly fail: (error: unknown) => void;
  private readonly unwatch: () => void;
  private readonly waiting: Uint8Array[] = [];
  private writing = false;
  private stopped = false;
  private working: NodeJS.Immediate | null = null;

  /**
   * @param write puts bytes on the cable and calls `taken` when it takes more
   * @param fail told once when the machine cannot go on
   */
  constructor(machine: Machine, write: (bytes: Uint8Array, taken: () => void) => void, fail: (error: unknown) => void) {
    this.machine = machine;
    this.write = write;
    this.fail = fail;
    this.unwatch = machine.watch((state) => {
      if (state === "on") this.work();
      else this.waiting.length = 0;
    });
    machine.onTransmit = (bytes) => {
      this.waiting.push(bytes);
      this.drain();
    };
    this.work();
  }

  /** Bytes from the cable. */
  receive(bytes: Uint8Array): void {
    this.attempt(() => {
      if (this.machine.feed(bytes)) this.work();
    });
  }

  /** Forgets what waits for a cable end that is gone. */
  drop(): void {
    this.waiting.length = 0;
  }

  /** Ends the traffic. */
  stop(): void {
    this.unwatch();
    this.machine.onTransmit = null;
    this.drop();
    if (this.working !== null) clearImmediate(this.working);
    this.stopped = true;
  }

  private drain(): void {
    const bytes = this.waiting[0];
    if (this.writing || bytes === undefined) return;
    this.waiting.shift();
    this.writing = true;
    this.write(bytes, () => {
      this.writing = false;
      this.drain();
    });
  }

  /** Polls in slices as long as there is work. */
  private work(): void {
    if (this.stopped) return;
    this.working ??= setImmediate(() => {
      this.working = null;
      const end = performance.now() + SLICE_MS;
      this.attempt(() => {
        let more = this.machine.pump(1);
        while (more && performance.now() < end) more = this.machine.pump(1);
        if (more) this.work();
      });
    });
  }

  private attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(error);
    }
  }
}
