// Time, as the server sees it. Everything that dates, expires or waits takes a Clock, so that a simulation can move time itself.

/** What the time is, and a way to be called later. */
export interface Clock {
  /** Milliseconds since the epoch. May step in both directions: order is never taken from it. */
  now(): number;
  /** Calls `run` once, `ms` milliseconds from now. Returns what takes the call back. */
  after(ms: number, run: () => void): () => void;
}

/** The time of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    let timer = start(ms);
    return () => clearTimeout(timer);

    // Node fires a timer of more than 2^31 - 1 ms at once, so a longer wait is made of several.
    function start(left: number): NodeJS.Timeout {
      if (left <= LONGEST_TIMER) return setTimeout(run, left);
      return setTimeout(() => {
        timer = start(left - LONGEST_TIMER);
      }, LONGEST_TIMER);
    }
  },
};

const LONGEST_TIMER = 2 ** 31 - 1;
