// Requests that are not answered yet, and who waits for them. An answer that nobody waits for is on the disk until somebody
// asks; each is handed over first and forgotten then, so that a crash between gives it once more rather than never. Where
// answers are held, one that is handed over is on the disk as well, until whoever has it says that it is where it belongs.

import { LinkFailure } from "./errors.ts";
import { kept, type LinkLog, type LoggedRequest } from "./log.ts";
import { type Answer, answerOf, decodeAnswer, type Reply } from "./request.ts";

interface Waiter {
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

export class Answers {
  readonly #log: LinkLog;
  readonly #holds: boolean;
  /** By the id of the request. */
  readonly #waiters: Map<string, Waiter> = new Map();
  /** Requests whose answers were handed over, until the disk was told that they can be forgotten. */
  readonly #handed: Set<string> = new Set();

  /** @param holds whether answers are kept until {@link forget} */
  constructor(log: LinkLog, holds: boolean) {
    this.#log = log;
    this.#holds = holds;
  }

  /** Whether somebody waits. */
  get isAwaited(): boolean {
    return this.#waiters.size > 0;
  }

  /** Requests whose answers were handed to nobody and are waited for by nobody, oldest first. */
  get pending(): LoggedRequest[] {
    return [...this.#log.requests.values()].filter(({ id }) => !this.#isTaken(id));
  }

  /** The answer to a request, when it comes. @throws as {@link answerOf} does */
  wait(id: string): Promise<Answer> {
    const replied = new Promise<Reply>((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject });
    });
    const answered = replied.then(answerOf);
    answered.catch(() => {}); // Whoever waits for it gets it.
    return answered;
  }

  /** The answer to one of `pending`, which may be there already. */
  async claim({ id, answer }: LoggedRequest): Promise<Answer> {
    if (!this.#log.requests.has(id) || this.#isTaken(id)) throw new Error("an answer is taken once");
    if (answer === null) return this.wait(id);
    this.#handed.add(id);
    const text = await this.#log.read(answer);
    const reply = decodeAnswer(text);
    if (!this.#isHeld(reply)) this.forget(id).catch(() => {}); // It is handed over once more then.
    if (reply === null) throw new LinkFailure("BAD_ANSWER", { bytes: text.length });
    return answerOf({ ...reply, id });
  }

  /** The answer is where it belongs. @throws DriverError DISK_FULL, DISK_FAILED: then it is handed over once more, later */
  async forget(id: string): Promise<void> {
    try {
      if (this.#log.requests.has(id)) await this.#log.done(id, 0);
    } finally {
      this.#handed.delete(id);
    }
  }

  /**
   * The text of a whole run that came down and ends at a mark; when it resolves its pad bytes may go. Returns what it was
   * charged, when it is the answer to one of these requests.
   * @throws LinkFailure NOT_KEPT
   */
  async take(text: Uint8Array, end: number): Promise<bigint | null> {
    const reply = decodeAnswer(text);
    const request = this.#requestOf(reply?.id ?? null);
    if (request === null) {
      await kept(this.#log.deliver(end));
      return null;
    }
    const held = this.#isHeld(reply);
    if (held || !this.#waiters.has(request.id)) await kept(this.#log.keepAnswer(request.id, end, text));
    // Somebody may have asked for it meanwhile.
    const waiter = this.#waiters.get(request.id);
    if (waiter !== undefined) {
      this.#waiters.delete(request.id);
      this.#handed.add(request.id);
      if (reply === null) waiter.reject(new LinkFailure("BAD_ANSWER", { bytes: text.length }));
      else waiter.resolve({ ...reply, id: request.id });
      if (held) return reply?.charged ?? 0n;
      await kept(this.#log.done(request.id, end));
      this.#handed.delete(request.id);
    }
    return reply?.charged ?? 0n;
  }

  /** There will be no answer to this request. */
  fail(id: string, error: unknown): void {
    this.#waiters.get(id)?.reject(error);
    this.#waiters.delete(id);
  }

  /** Nobody waits any more; the requests stay. */
  failAll(error: unknown): void {
    for (const { reject } of this.#waiters.values()) reject(error);
    this.#waiters.clear();
  }

  /** What says that a service failed, or cannot be read, is worth nothing to anybody later. */
  #isHeld(reply: ReturnType<typeof decodeAnswer>): boolean {
    return this.#holds && reply !== null && reply.error === null;
  }

  #isTaken(id: string): boolean {
    return this.#waiters.has(id) || this.#handed.has(id);
  }

  /** The request that an answer is for: of one that says not, the oldest that was sent whole. */
  #requestOf(id: string | null): LoggedRequest | null {
    const open = (request: LoggedRequest) => request.answer === null && request.next === request.boxes;
    const request = id === null ? [...this.#log.requests.values()].find(open) : this.#log.requests.get(id);
    return request === undefined || request.answer !== null ? null : request;
  }
}
