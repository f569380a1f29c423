/**
 * Time as the simulated device sees it. The chip's busy times pass on it without anyone waiting for them.
 */

export interface Clock {
  /** Microseconds since some start; never falls. */
  now(): number;
  /** Lets `us` microseconds pass. */
  pass(us: number): void;
}

/** A clock that moves only when something takes time: the same run gives the same times. */
export class VirtualClock implements Clock {
  private us = 0;

  now(): number {
    return this.us;
  }

  pass(us: number): void {
    this.us += us;
  }

  /** Puts the clock to a time it showed before. */
  set(us: number): void {
    this.us = us;
  }
}

/** The computer's own monotonic time, and what the chip's busy times add to it: for a device that people talk to. */
export class LiveClock implements Clock {
  private readonly start = performance.now();
  private added = 0;

  now(): number {
    return (performance.now() - this.start) * 1000 + this.added;
  }

  pass(us: number): void {
    this.added += us;
  }
}
