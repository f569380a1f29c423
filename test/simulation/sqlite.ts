// SQLite as a simulated server has it: the real one on a real file, with a hand on each COMMIT, where its writes become true. A
// process can end before it, in the middle of what it writes to the log, or after it.

import { statSync } from "node:fs";
import Real from "better-sqlite3";
import { Gone, HAND, type Life } from "./hand.ts";

export default class Database extends Real {
  readonly #life: Life | null = HAND.life;
  #synced: boolean | null = null;

  constructor(path: string, options?: Real.Options) {
    if (HAND.life?.dead) throw new Gone("a dead process opens a database");
    super(path, options);
    HAND.life?.databases.add(this);
  }

  override prepare(sql: string): never {
    const statement = super.prepare(sql);
    if (sql === "COMMIT" && this.name.endsWith("tearpad.db")) {
      const run = statement.run.bind(statement);
      Object.assign(statement, { run: () => this.#commit(run) });
    }
    return statement as never;
  }

  #commit(run: () => Real.RunResult): Real.RunResult {
    if (this.#life?.dead) throw new Gone("a dead process commits");
    if (this.#life?.full === "commits") {
      HAND.onFull("store");
      throw new Real.SqliteError("database or disk is full", "SQLITE_FULL");
    }
    const path = `${this.name}-wal`;
    const size = () => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const from = size();
    HAND.strike("store", "before", { path, from, to: from });
    const result = run();
    const to = size();
    // What SQLite was not asked to sync is lost with the power.
    this.#synced ??= (super.pragma("synchronous", { simple: true }) as number) >= 2;
    if (!this.#synced && !HAND.unsynced.has(path)) HAND.unsynced.set(path, from);
    HAND.strike("store", "during", { path, from, to });
    HAND.strike("store", "after", { path, from, to });
    return result;
  }
}
