/**
 * Time on the board: cycles of the 125 MHz that the firmware sets up, and the alarms that the peripherals of rp2040js set on them. Before
 * that, on the ring oscillator, the processor takes many of them for each of its own.
 */
import type { Core } from "./core.ts";

export const CYCLES_PER_SECOND = 125_000_000;
export const CYCLES_PER_MICROSECOND = 125;
const NANOSECONDS_PER_CYCLE = 8;

/** One appointment; scheduling it again moves it. */
export class Alarm {
  /** When it rings; Infinity when it is not set. */
  at: number = Number.POSITIVE_INFINITY;
  readonly ring: () => void;
  private readonly clock: CycleClock;

  constructor(clock: CycleClock, ring: () => void) {
    this.clock = clock;
    this.ring = ring;
  }

  schedule(nanoseconds: number): void {
    // At least a cycle ahead: an alarm that sets itself again must not stop the time.
    this.set(this.clock.now + Math.max(1, Math.ceil(nanoseconds / NANOSECONDS_PER_CYCLE)));
  }

  /** Rings when the processor has run to this cycle. */
  set(cycle: number): void {
    this.at = cycle;
    this.clock.moved(this);
  }

  cancel(): void {
    this.at = Number.POSITIVE_INFINITY;
  }
}

export class CycleClock {
  /** Whose cycles are counted; set once it is made. */
  core: Core | null = null;
  private readonly begun: number;
  private readonly alarms: Alarm[] = [];
  /** No alarm rings before it. */
  private soonest: number = Number.POSITIVE_INFINITY;

  /** @param begun the cycle of this boot */
  constructor(begun: number) {
    this.begun = begun;
  }

  /** Cycles since the first power-on. */
  get now(): number {
    return this.core?.now ?? this.begun;
  }

  /** Nanoseconds since this boot. */
  get nanos(): number {
    return (this.now - this.begun) * NANOSECONDS_PER_CYCLE;
  }

  createAlarm(ring: () => void): Alarm {
    const alarm = new Alarm(this, ring);
    this.alarms.push(alarm);
    return alarm;
  }

  /** The cycle of the next alarm, or an earlier one; Infinity when there is none. */
  get next(): number {
    return this.soonest;
  }

  moved(alarm: Alarm): void {
    if (alarm.at >= this.soonest) return;
    this.soonest = alarm.at;
    this.core?.stopAt(alarm.at);
  }

  /** Rings what is due, the earliest first. */
  ring(): void {
    const { now } = this;
    if (now < this.soonest) return;
    for (;;) {
      let first: Alarm | null = null;
      for (const alarm of this.alarms) if (first === null || alarm.at < first.at) first = alarm;
      this.soonest = first?.at ?? Number.POSITIVE_INFINITY;
      if (first === null || first.at > now) return;
      first.cancel();
      first.ring();
    }
  }
}
