// What somebody with a token should have: his value and what he earned, followed across restores by one who saw everything.
// The books may forget a credit or a sale that no receipt tells of, since a backup is older than they; they may never give what
// was spent before, nor lose what came after, and while they are in doubt they say so.

import type { TokenBooks } from "./books.ts";

export class Wealth {
  readonly #issued: bigint;
  /** What the truth is ahead of what the journal says that moved; above 0 it lacks. */
  #owed = 0n;
  #owedEarnings = 0n;
  /** What may have been lost with a database: what came in behind the newest receipt, and earnings since the backup. */
  #mayLack = 0n;
  #mayLackEarnings = 0n;
  #books: TokenBooks | null = null;
  /** What had come in when each receipt was made, or less. */
  readonly #cameIn: Map<number, bigint> = new Map();

  constructor(issued: bigint) {
    this.#issued = issued;
  }

  /** The books are those of a backup now. */
  restored(books: TokenBooks): void {
    const before = this.#books ?? books;
    const [value, earnings] = [this.value, this.earnings];
    this.#mayLack += before.given - (this.#cameIn.get(before.row.receipt) ?? 0n);
    this.#mayLackEarnings += before.earned - books.earned;
    this.#cameIn.clear();
    this.#cameIn.set(books.row.receipt, books.given);
    this.#books = books;
    this.#owed = value - movedOf(books);
    this.#owedEarnings = earnings - books.earnedMoved;
  }

  /** The books behind a commit: what is wrong with them, and what of the value was made or lost. */
  follow(books: TokenBooks): { readonly sentence: string; readonly amount: bigint } | null {
    const { receipt } = books.row;
    if (!this.#cameIn.has(receipt)) this.#cameIn.set(receipt, this.#books?.given ?? 0n);
    this.#books = books;
    const wrong = this.#wrongEarnings(books) ?? (books.row.in_doubt === 1 ? null : this.#wrongValue(books));
    if (wrong === null && books.row.in_doubt === 0) {
      // What a backup did not have is written off.
      this.#owed = books.balance - movedOf(books);
      this.#mayLack = 0n;
    }
    return wrong;
  }

  /** What came in since a receipt was made, at most. */
  cameInSince(receipt: number): bigint {
    return (this.#books?.given ?? 0n) - (this.#cameIn.get(receipt) ?? 0n);
  }

  get value(): bigint {
    return this.#books === null ? this.#issued : this.#owed + movedOf(this.#books);
  }

  get earnings(): bigint {
    return this.#owedEarnings + (this.#books?.earnedMoved ?? 0n);
  }

  /** What of earnings in doubt is right: what lacks, if anything does, and at most what is set aside. */
  get earningsToResolve(): bigint {
    const { earnings, aside } = this.#books!;
    const lacks = this.earnings - earnings;
    return [0n, lacks, aside].sort((one, other) => (one < other ? -1 : 1))[1]!;
  }

  #wrongValue({ balance }: TokenBooks): { sentence: string; amount: bigint } | null {
    const lacks = this.value - balance;
    if (lacks < 0n) return { sentence: `${-lacks} of its value were made by a restore`, amount: -lacks };
    if (lacks > this.#mayLack) return { sentence: `${lacks} of its value were lost by a restore`, amount: lacks };
    return null;
  }

  #wrongEarnings({ earnings, aside }: TokenBooks): { sentence: string; amount: bigint } | null {
    const lacks = this.earnings - earnings;
    if (lacks < 0n) return { sentence: `${-lacks} of earnings are there twice`, amount: -lacks };
    if (lacks - aside > this.#mayLackEarnings)
      return { sentence: `${lacks - aside} of earnings were lost`, amount: lacks };
    return null;
  }
}

/** What moved on an account, corrections aside. */
function movedOf({ balance, corrected }: TokenBooks): bigint {
  return balance - corrected;
}
