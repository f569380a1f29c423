// Defects planted in the server, its ledger, store and vault, and in the link, one at a time: a step left out, an order swapped, a
// check skipped, a number that is wrong. A simulation that does not find them proves nothing.

import type { Fault } from "./faults.ts";
import type { Defect } from "./stage.ts";

/** A defect, and the weather in which it shows: its hunt begins there. */
export interface SimulatedDefect extends Defect {
  readonly shows: readonly Fault[];
}

const KILLS: readonly Fault[] = ["server killed after a commit", "server killed between writes", "connection cut"];
const LINES: readonly Fault[] = ["connection cut", "message lost", "message repeated"];
const RESTORED: readonly Fault[] = ["database restored"];
const RESTORED_CUT: readonly Fault[] = ["database restored", "connection cut"];

export const DEFECTS: readonly SimulatedDefect[] = [
  // What a request costs.
  {
    name: "the price of boxes is never debited",
    file: "server/token/serve.ts",
    from: 'turn.debit(charged - fee, fees, "traffic");',
    to: "",
    shows: [],
  },
  {
    name: "a service's fee is debited twice",
    file: "server/token/serve.ts",
    from: 'turn.debit(fee, provider ?? fees, "service", "fee");',
    to: 'turn.debit(fee, provider ?? fees, "service", "fee");\n  turn.debit(fee, provider ?? fees, "service", "again");',
    shows: [],
  },
  {
    name: "the cap of a link is no bound",
    file: "server/token/serve.ts",
    from: "if (charged > turn.budget + held) return CAP_EXCEEDED;",
    to: "",
    shows: [],
  },
  {
    name: "a link may be debited twice its cap",
    file: "server/token/ready.ts",
    from: "turn.budget = ready.cap;",
    to: "turn.budget = ready.cap * 2n;",
    shows: [],
  },
  {
    name: "a tied value does not follow its pad",
    file: "server/token/serve.ts",
    from: "pad.worth -= charged;",
    to: "",
    shows: [],
  },
  {
    name: "a hold is voided where it should be posted",
    file: "server/token/serve.ts",
    from: "else server.ledger.post(entry, posted);",
    to: "else server.ledger.void(entry);",
    shows: [],
  },
  {
    name: "a slow service that fails keeps what was held",
    file: "server/token/serve.ts",
    from: "turn.server.ledger.void(job.hold.entry);",
    to: "",
    shows: [],
  },
  {
    name: "what a service wrote before it failed stays",
    file: "server/token/serve.ts",
    from: "      body,\n    );\n  } catch (error) {\n    throw new Refused(refusalOf(turn.server, service.name, error));",
    to: "      body,\n    );\n  } catch (error) {\n    return refuse(turn, request.id, arrived, refusalOf(turn.server, service.name, error));",
    shows: [],
  },
  // Marks, boxes and calls.
  {
    name: "a call that comes again gets another welcome",
    file: "server/token/desk.ts",
    from: "if (call > pad.heard) return welcomeNew",
    to: "if (call >= pad.heard) return welcomeNew",
    shows: ["connection cut", "message lost", "client killed"],
  },
  {
    name: "boxes down are not kept until they are released",
    file: "server/token/turn.ts",
    from: "this.server.answers.keep(this.kept, pad.down, box, id);",
    to: "",
    shows: LINES,
  },
  {
    name: "boxes that were not released are forgotten when others are",
    file: "server/token/turn.ts",
    from: "this.server.answers.forget(this.kept, this.keptFrom);",
    to: "this.server.answers.forget(this.kept, this.pad.down);",
    shows: LINES,
  },
  {
    name: "a receipt has the number of the one before",
    file: "server/token/turn.ts",
    from: "    pad.receipt++;\n",
    to: "",
    shows: [],
  },
  {
    name: "the boxes of an unfinished run are not kept",
    file: "server/token/take.ts",
    from: "      this.#server.parts.add(pad.pad, pad.unfinished, text);\n",
    to: "",
    shows: KILLS,
  },
  {
    name: "a turn does not write its marks when only down has moved",
    file: "server/token/take.ts",
    from: "if (turn.pad.up !== up || turn.pad.down !== down) turn.write();",
    to: "if (turn.pad.up > up + 400) turn.write();",
    shows: KILLS,
  },
  {
    name: "the balance behind a debit is the one before it",
    file: "server/token/turn.ts",
    from: "this.#balance = { balance: balance - amount, held };",
    to: "this.#balance = { balance, held };",
    shows: [],
  },
  // After a crash, and after an older database.
  {
    name: "after a restore down begins where the database says",
    file: "server/token/recover.ts",
    from: "pad.down = pad.lost = limit.down;",
    to: "pad.lost = limit.down;",
    shows: RESTORED,
  },
  {
    name: "after a restore receipts have numbers that were used",
    file: "server/token/recover.ts",
    from: "pad.receipt = Math.max(pad.receipt, limit.receipt);",
    to: "",
    shows: RESTORED,
  },
  {
    name: "after a restore a welcome that is true no more is told again",
    file: "server/token/recover.ts",
    from: "pad.welcome = null;",
    to: "",
    shows: RESTORED_CUT,
  },
  {
    name: "after a restore a welcome does not say what of down is lost",
    file: "server/token/recover.ts",
    from: "pad.down = pad.lost = limit.down;",
    to: "pad.down = limit.down;",
    shows: RESTORED_CUT,
  },
  {
    name: "after a restore the rest of a run counts as a request",
    file: "server/token/recover.ts",
    from: "    pad.torn = true;\n",
    to: "",
    shows: ["database restored", "message lost", "device's power cut"],
  },
  {
    name: "the limits are not written",
    file: "server/token/core.ts",
    from: "      this.limits.sync();\n",
    to: "",
    shows: RESTORED,
  },
  {
    name: "what a crash left held is not voided",
    file: "server/token/recover.ts",
    from: "if (hold !== null) ledger.void(hold);",
    to: "",
    shows: ["server killed between writes"],
  },
  {
    name: "a request that a crash cut off is never answered",
    file: "server/token/recover.ts",
    from: "requests.lose(request);",
    to: "",
    shows: ["server killed between writes"],
  },
  {
    name: "after a restore a receipt takes away what was sold since",
    file: "server/token/doubt.ts",
    from: "receipt.balance - server.pads.stood(pad.pad)",
    to: "receipt.balance - turn.balance.balance",
    shows: RESTORED,
  },
  {
    name: "after a restore what was earned can be collected again",
    file: "server/token/doubt.ts",
    from: "if (earnings === null || amount === 0n) return;",
    to: "if (amount >= 0n) return;",
    shows: RESTORED,
  },
  {
    name: "after a restore what was debited behind the newest receipt is forgotten",
    file: "server/token/doubt.ts",
    from: "if (receipt.sequence === pad.receipt && receipt.up === up)",
    to: "if (receipt.sequence === pad.receipt)",
    shows: RESTORED,
  },
  // The market.
  {
    name: "what is sold is not paid to the seller",
    file: "server/service/market/market.ts",
    from: 'pay(earner, offer.price - commission, "sale");',
    to: 'pay(ledger.named("fees", token.asset, "fees"), offer.price - commission, "sale");',
    shows: [],
  },
  // Ledger and store.
  {
    name: "a transfer reaches one account only",
    file: "server/ledger/ledger.ts",
    from: "this.#accounts.set(t.to, { ...target, balance: grown, last: entry });",
    to: "",
    shows: [],
  },
  {
    name: "a post frees only what it pays",
    file: "server/ledger/ledger.ts",
    from: "const freed = { ...source, held: source.held - held.amount };",
    to: "const freed = { ...source, held: source.held - paid };",
    shows: [],
  },
  {
    name: "what is held can be spent",
    file: "server/ledger/ledger.ts",
    from: "this.#accounts.set(t.from, { ...source, held: source.held + t.amount });",
    to: "",
    shows: [],
  },
  {
    name: "a work that fails leaves what it wrote",
    file: "server/store/store.ts",
    from: "if (this.#saved) this.#sql.undo.run();",
    to: "",
    shows: [],
  },
  {
    name: "a work counts as done before its commit",
    file: "server/store/store.ts",
    from: "if (failure === null) done.push(work);",
    to: "if (failure === null) work.done();",
    shows: ["server's disk full"],
  },
  {
    name: "rows that an undone work has added are written",
    file: "server/store/entries.ts",
    from: "    this.values.length = this.#settled;\n",
    to: "",
    shows: [],
  },
  {
    name: "memory keeps what an undone work has changed",
    file: "server/store/rows.ts",
    from: "      if (row === undefined) this.#rows.delete(key);\n      else this.#rows.set(key, row);\n",
    to: "      void [key, row];\n",
    shows: [],
  },
  {
    name: "memory keeps what a failed commit has changed",
    file: "server/store/rows.ts",
    from: "if (!committed || this.#rows.size > MOST_ROWS) this.#rows.clear();",
    to: "if (this.#rows.size > MOST_ROWS) this.#rows.clear();",
    shows: ["server's disk full"],
  },
  {
    name: "commits are not synced",
    file: "server/store/open.ts",
    from: 'db.pragma("synchronous = FULL");',
    to: 'db.pragma("synchronous = NORMAL");',
    shows: ["server lost its power"],
  },
  // Vault.
  {
    name: "the vault burns what down has not reached",
    file: "server/token/keep.ts",
    from: "end: keptEnd(server, pad) }",
    to: "end: pad.split }",
    shows: [],
  },
  {
    name: "that used pages wait to be burned is not noted",
    file: "server/token/turn.ts",
    from: "if (this.#burns) this.server.burning.note(this.pad);",
    to: "",
    shows: KILLS,
  },
  {
    name: "what waited to be burned at a crash goes on waiting",
    file: "server/token/burning.ts",
    from: "    this.#takenUp = 0;\n",
    to: "",
    shows: KILLS,
  },
  {
    name: "new keys get their name before they are synced",
    file: "server/vault/file.ts",
    from: 'for (const [path, file] of open) onDisk("sync", path, () => disk.sync(file));',
    to: "",
    shows: ["server lost its power"],
  },
  {
    name: "burned pages are to be had again after a start",
    file: "server/vault/vault.ts",
    from: "batch.push(reduced(this.pad(name).cover, alive));",
    to: "batch.push(reduced(this.pad(name).cover, this.pad(name).cover.tree.alive()));",
    shows: [],
  },
  {
    name: "the first entry of a pad in the limits is the only one",
    file: "server/vault/limit-table.ts",
    from: "if ((limit[i] as number) > (known[i] as number)) known[i] = limit[i] as number;",
    to: "continue;",
    shows: RESTORED,
  },
  // The link.
  {
    name: "the first box that was not opened is dropped",
    file: "host/link/log.ts",
    from: "this.boxes = this.boxes.filter(({ mark }) => mark >= this.acknowledged);",
    to: "this.boxes = this.boxes.filter(({ mark }) => mark > this.acknowledged);",
    shows: LINES,
  },
  {
    name: "an answer that nobody waits for is dropped",
    file: "host/link/answers.ts",
    from: "await kept(this.#log.keepAnswer(request.id, end, text));",
    to: "await kept(this.#log.deliver(end));",
    shows: ["client killed", "client lost its power"],
  },
  {
    name: "the log of a link is not synced",
    file: "host/link/log.ts",
    from: "await this.#handle.datasync();",
    to: "",
    shows: ["client lost its power"],
  },
  {
    name: "a torn record of the log counts",
    file: "host/link/log.ts",
    from: "if (at + headLength + length > size) break;",
    to: "",
    shows: ["client lost its power", "client's disk full"],
  },
  {
    name: "what a receipt says was opened is sent again",
    file: "host/link/link.ts",
    from: "    await kept(this.#log.acknowledge(receipt.up));\n",
    to: "",
    shows: LINES,
  },
  {
    name: "a device that is older than its log is not noticed",
    file: "host/link/link.ts",
    from: "    this.#mustNotBeOlder(info);\n",
    to: "",
    shows: ["device image restored", "connection cut"],
  },
  {
    name: "boxes are not sent again",
    file: "host/link/outgoing.ts",
    from: "for (const box of boxes) await this.#wire.send(await this.#log.read(box.item));",
    to: "",
    shows: LINES,
  },
];
