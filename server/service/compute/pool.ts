// The computers of the compute service: a few threads that run one program at a time each. A program cannot outlive its
// time: the thread that runs it is ended. So is a thread that answers something else than it was asked. Jobs wait in order,
// and only so many of them.

import { Worker } from "node:worker_threads";
import { ServiceError, type ServiceFacts } from "../errors.ts";
import { BEGUN, type Job, type Outcome } from "./run.ts";

export interface PoolLimits {
  readonly threads: number;
  /** How many jobs may wait for a thread. */
  readonly waiting: number;
  /** How long one program may run, milliseconds, from when a thread takes it up. */
  readonly milliseconds: number;
}

interface Task {
  readonly number: number;
  readonly job: Job;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Runs programs in threads. Threads start when there is work, and keep no process alive without it. */
export class Pool {
  readonly #limits: PoolLimits;
  readonly #idle: Worker[] = [];
  readonly #running = new Map<Task, (why: ServiceError) => void>();
  readonly #threads = new Set<Worker>();
  #queue: Task[] = [];
  #lastNumber = 0;

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  /**
   * The outcome of a job, as its thread answered and as it could be: fuel within what was given.
   * @throws ServiceError PROGRAM_FAILED, also when `signal` aborts (stopped); BUSY
   */
  run(job: Job, signal: AbortSignal): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(stopped());
      if (this.#queue.length >= this.#limits.waiting) return reject(new ServiceError("BUSY", {}));
      this.#lastNumber += 1;
      const abort = () => this.#stop(task);
      const done = <T>(settle: (value: T) => void) => {
        return (value: T) => {
          signal.removeEventListener("abort", abort);
          settle(value);
        };
      };
      const task: Task = { number: this.#lastNumber, job, resolve: done(resolve), reject: done(reject) };
      signal.addEventListener("abort", abort, { once: true });
      this.#queue.push(task);
      this.#next();
    });
  }

  /** Ends all threads; what ran or waited is stopped. */
  async close(): Promise<void> {
    const threads = [...this.#threads];
    for (const task of [...this.#queue, ...this.#running.keys()]) this.#stop(task);
    await Promise.all(threads.map((thread) => thread.terminate()));
  }

  #next(): void {
    while (this.#queue.length > 0) {
      const thread = this.#idle.pop() ?? this.#start();
      if (thread === null) return;
      this.#give(thread, this.#queue.shift() as Task);
    }
  }

  #start(): Worker | null {
    if (this.#threads.size >= this.#limits.threads) return null;
    const thread = new Worker(THREAD, { resourceLimits: THREAD_LIMITS });
    this.#threads.add(thread);
    // One that comes to an end while it waits for work makes room for another.
    thread.on("exit", () => {
      this.#threads.delete(thread);
      if (this.#idle.includes(thread)) this.#idle.splice(this.#idle.indexOf(thread), 1);
    });
    return thread;
  }

  #give(thread: Worker, task: Task): void {
    const { milliseconds } = this.#limits;
    let timer: NodeJS.Timeout | undefined;
    const settle = (): void => {
      clearTimeout(timer);
      this.#running.delete(task);
      thread.off("message", hear).off("error", breakOff).off("exit", leave);
    };
    const end = (error: ServiceError): void => {
      settle();
      this.#threads.delete(thread);
      // What a thread still says while it ends concerns nobody.
      thread.on("error", () => undefined);
      void thread.terminate();
      task.reject(error);
      this.#next();
    };
    const hear = (reply: unknown): void => {
      if (reply === BEGUN) {
        timer = setTimeout(() => end(failure("time", `it ran longer than ${milliseconds} ms`)), milliseconds);
        return;
      }
      const answer = readReply(task.number, task.job, reply);
      if (answer === null) {
        end(failure("stopped", "its thread answered something else"));
        return;
      }
      settle();
      thread.unref();
      this.#idle.push(thread);
      if (answer instanceof ServiceError) task.reject(answer);
      else task.resolve(answer);
      this.#next();
    };
    const breakOff = (error: Error): void => end(broken(error));
    const leave = (): void => end(failure("stopped", "the thread that ran it came to an end"));
    thread.on("message", hear).on("error", breakOff).on("exit", leave);
    thread.ref();
    this.#running.set(task, end);
    thread.postMessage({ number: task.number, job: task.job });
  }

  #stop(task: Task): void {
    const end = this.#running.get(task);
    if (end === undefined) {
      this.#queue = this.#queue.filter((waiting) => waiting !== task);
      task.reject(stopped());
    } else end(stopped());
  }
}

/**
 * What a thread answered: an outcome, or why there is none. Null when it cannot be the answer to this job: another number,
 * a fee that is missing, negative or above what was given, an output that is missing or too long.
 */
export function readReply(number: number, job: Job, reply: unknown): Outcome | ServiceError | null {
  const { failure: why, ...answer } = reply as Partial<Outcome> & {
    number?: number;
    failure?: ServiceFacts["PROGRAM_FAILED"];
  };
  if (answer.number !== number) return null;
  if (why !== undefined) return new ServiceError("PROGRAM_FAILED", why);
  const { fuel, output } = answer;
  if (typeof fuel !== "bigint" || fuel < 0n || fuel > job.fuel) return null;
  if (!(output instanceof Uint8Array) || output.length > job.mostOutputBytes) return null;
  return { fuel, output };
}

// As built, the thread lies beside this file as JavaScript.
const THREAD = new URL(import.meta.url.endsWith(".ts") ? "./thread.ts" : "./thread.js", import.meta.url);
const THREAD_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8, codeRangeSizeMb: 16, stackSizeMb: 2 };

function failure(
  fault: ServiceFacts["PROGRAM_FAILED"]["fault"],
  detail: string,
  cause?: unknown,
): ServiceError<"PROGRAM_FAILED"> {
  return new ServiceError("PROGRAM_FAILED", { fault, detail }, cause);
}

function broken(error: Error & { readonly code?: string }): ServiceError<"PROGRAM_FAILED"> {
  if (error.code === "ERR_WORKER_OUT_OF_MEMORY") return failure("memory", "its thread had no more", error);
  return failure("stopped", "the thread that ran it broke", error);
}

function stopped(): ServiceError<"PROGRAM_FAILED"> {
  return failure("stopped", "whoever asked for it is gone, or the server ends");
}
