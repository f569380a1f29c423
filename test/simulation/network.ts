// The network of a simulated world: lines that keep bytes in order and take their time, and what can happen to them. What leaves
// an end is seen by the observer before anything befalls it.

import type { Transport } from "../../host/driver/index.ts";
import type { Link } from "../../server/token/index.ts";
import type { Tap } from "./observer.ts";

/** What befalls a message. A cut lets so many of its bytes through. */
export type Fate =
  | "arrives"
  | "is lost"
  | "comes twice"
  | "is overtaken"
  | { readonly cutAt: number }
  | { readonly late: number };

/** What a network asks of its world. */
export interface Weather {
  after(milliseconds: number, run: () => void): () => void;
  /** How long a message takes. */
  delay(): number;
  fate(bytes: number): Fate;
  /** Whether the server takes no more for a moment. */
  isSlow(): boolean;
  record(what: "up" | "down", bytes: Uint8Array): void;
}

/** Where lines end on the server's side. */
export interface Host {
  admit(line: { send(bytes: Uint8Array): unknown; end(): void; flow(on: boolean): void }): Link | null;
  leave(link: Link): void;
}

/** One direction of a line. */
class Pipe {
  readonly #weather: Weather;
  readonly #hear: (bytes: Uint8Array) => void;
  readonly #cut: () => void;
  #lastAt = 0;
  #overtaken: Uint8Array | null = null;
  #held: (() => void)[] | null = null;
  readonly #now: () => number;

  constructor(weather: Weather, now: () => number, hear: (bytes: Uint8Array) => void, cut: () => void) {
    this.#weather = weather;
    this.#now = now;
    this.#hear = hear;
    this.#cut = cut;
  }

  send(bytes: Uint8Array): void {
    const fate = this.#weather.fate(bytes.length);
    if (fate === "is lost") return;
    if (fate === "is overtaken" && this.#overtaken === null) {
      this.#overtaken = bytes;
      return;
    }
    const late = typeof fate === "object" && "late" in fate ? fate.late : 0;
    if (typeof fate === "object" && "cutAt" in fate) {
      this.arrive(() => this.#hear(bytes.subarray(0, fate.cutAt)), 0);
      this.arrive(this.#cut, 0);
      return;
    }
    this.arrive(() => this.#hear(bytes), late);
    if (fate === "comes twice") this.arrive(() => this.#hear(bytes), 0);
    const overtaken = this.#overtaken;
    this.#overtaken = null;
    if (overtaken !== null) this.arrive(() => this.#hear(overtaken), 0);
  }

  /** Something that happens behind everything that was sent before. */
  arrive(run: () => void, late: number): void {
    const at = Math.max(this.#lastAt, this.#now() + this.#weather.delay() + late);
    this.#lastAt = at;
    this.#weather.after(at - this.#now(), () => {
      if (this.#held !== null) this.#held.push(run);
      else run();
    });
  }

  flow(on: boolean): void {
    if (!on) this.#held ??= [];
    const held = this.#held;
    if (!on || held === null) return;
    this.#held = null;
    for (const run of held) this.arrive(run, 0);
  }
}

/** A connection. The client has the transport; the server's end is admitted by its host when the client's call arrives. */
export class Connection {
  readonly transport: Transport;
  readonly #weather: Weather;
  readonly #host: Host;
  #link: Link | null = null;
  #openUp = true;
  #openDown = true;
  #hear: (bytes: Uint8Array) => void = () => {};
  #tell: (reason?: Error) => void = () => {};
  readonly #up: Pipe;
  readonly #down: Pipe;

  /** @param now the time; @param tap what sees the bytes */
  constructor(weather: Weather, now: () => number, host: Host, tap: Tap) {
    this.#weather = weather;
    this.#host = host;
    this.#up = new Pipe(
      weather,
      now,
      (bytes) => this.#openDown && this.#link?.receive(bytes),
      () => this.cut(),
    );
    this.#down = new Pipe(
      weather,
      now,
      (bytes) => this.#openUp && this.#hear(bytes),
      () => this.cut(),
    );
    this.transport = {
      write: async (bytes) => {
        if (!this.#openUp) throw Object.assign(new Error("EPIPE"), { code: "EPIPE" });
        const copy = bytes.slice();
        weather.record("up", copy);
        tap.up(copy);
        this.#up.send(copy);
      },
      onData: (listener) => {
        this.#hear = listener;
      },
      onClose: (listener) => {
        this.#tell = listener;
      },
      close: async () => this.closeHere(),
    };
    this.#link = host.admit({
      send: (bytes) => {
        if (!this.#openDown) return true;
        const copy = bytes.slice();
        weather.record("down", copy);
        tap.down(copy);
        this.#down.send(copy);
        if (!weather.isSlow()) return true;
        weather.after(weather.delay(), () => this.#openDown && this.#link?.drained());
        return false;
      },
      end: () => this.#end(),
      flow: (on) => this.#up.flow(on),
    });
    if (this.#link === null) this.#end();
  }

  /** The server has ended it: behind what was sent. */
  #end(): void {
    if (!this.#openDown) return;
    this.#openDown = false;
    this.#down.arrive(() => this.#endUp(), 0);
    this.#leave();
  }

  #endUp(): void {
    if (!this.#openUp) return;
    this.#openUp = false;
    this.#tell();
  }

  #leave(): void {
    const link = this.#link;
    if (link !== null) this.#weather.after(0, () => this.#host.leave(link));
  }

  /** The client's end is closed. */
  closeHere(): void {
    this.#openUp = false;
    this.#up.arrive(() => this.#endDown(), 0);
  }

  #endDown(): void {
    if (!this.#openDown) return;
    this.#openDown = false;
    this.#leave();
  }

  /** Both ends hear of it, sooner or later. */
  cut(): void {
    this.#weather.after(this.#weather.delay(), () => this.#endUp());
    this.#weather.after(this.#weather.delay(), () => this.#endDown());
  }

  /** The server's process is gone: the client hears of it. */
  gone(): void {
    this.#openDown = false;
    this.#weather.after(this.#weather.delay(), () => this.#endUp());
  }
}
