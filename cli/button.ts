// The button of a simulated device, when a person sits at the simulator's terminal: what the device asks for is asked there, and
// Enter presses.

import { createInterface } from "node:readline";
import type { Machine } from "../simulator/index.ts";
import type { Io } from "./command.ts";

/** A device that waits looks at its button several times a second: a look after such a silence is a new question. */
const SAME_QUESTION_MS = 2000;
const QUESTION = "The device wants its button. Enter presses it, n refuses. ";

/** Asks at the terminal whenever the device looks at its button and finds nobody. Returns how that ends. */
export function buttonAtTerminal(machine: Machine, { stdin, stderr }: Pick<Io, "stdin" | "stderr">): () => void {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let open = false;
  machine.observe = ({ name, result }) => {
    if (name !== "button" || result !== 0 || machine.presence !== "ask") return;
    const now = performance.now();
    if (!open || now - lookedAt > SAME_QUESTION_MS) stderr.write(QUESTION);
    lookedAt = now;
    open = true;
  };
  // Without a terminal mode of its own, so that Ctrl-C is what it always is.
  const lines = createInterface({ input: stdin, terminal: false });
  lines.on("line", (line) => {
    if (!open) return;
    open = false;
    machine.press(/^(y(es)?)?$/i.test(line.trim()) ? "accept" : "reject");
  });
  return () => {
    machine.observe = null;
    lines.close();
  };
}
