// Simulated time: a queue of events, each at its moment, and nothing between them. Production code waits for nothing else: its
// timers and its setImmediate are events here, and everything that is only promises settles before the next event.

/** The system's own: taken before a world puts its events in the place of it. */
const { setImmediate: turn } = globalThis;

interface Event {
  readonly at: number;
  readonly order: number;
  run: (() => unknown) | null;
}

export class Time {
  /** Milliseconds since the epoch. */
  now = 1_700_000_000_000;
  /** Events that happened. */
  steps = 0;
  readonly #heap: Event[] = [];
  #orders = 0;

  /** Runs something so many milliseconds from now. Returns what takes it back. */
  after(milliseconds: number, run: () => unknown): () => void {
    const event: Event = { at: this.now + Math.max(0, milliseconds), order: this.#orders++, run };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  /** Lets one event happen, and everything that follows from it at once. False: there is none. */
  async step(): Promise<boolean> {
    for (;;) {
      const event = this.#pop();
      if (event === undefined) return false;
      if (event.run === null) continue;
      this.now = Math.max(this.now, event.at);
      this.steps++;
      await event.run();
      await settled();
      return true;
    }
  }

  /** A promise for a moment from now. */
  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => void this.after(milliseconds, resolve));
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

/** Until all promises that can settle have. */
export function settled(): Promise<void> {
  return new Promise((resolve) => void turn(resolve));
}
