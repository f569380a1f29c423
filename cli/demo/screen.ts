// What a newcomer sees: short, in the order in which it happens, as wide as the terminal.

import { stripVTControlCharacters, styleText } from "node:util";
import { downEnd, type PadPosition, roomOf, upBase } from "../../host/protocol/index.ts";
import type { Exchange, Standing, Verdict } from "./pair/index.ts";

type Style = Parameters<typeof styleText>[0];

const WIDTH_LEAST = 60;
const WIDTH_MOST = 120;
const INDENT = "   ";
const NAME_WIDTH = 10;
/** So many disagreements are told; --json has all. */
const SENTENCES = 5;

/** Prints to one stream. */
export class Screen {
  readonly #out: NodeJS.WriteStream;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  line(text = ""): void {
    this.#out.write(`${text}\n`);
  }

  /** A heading, with how long it took at the right edge. */
  heading(text: string, milliseconds?: number): void {
    this.line();
    if (milliseconds === undefined) {
      this.line(this.#paint("bold", text));
      return;
    }
    const time = `${(milliseconds / 1000).toFixed(1)} s`;
    const gap = Math.max(1, this.#width - text.length - time.length);
    this.line(`${this.#paint("bold", text)}${" ".repeat(gap)}${this.#paint("dim", time)}`);
  }

  /** Lines below a heading. */
  detail(text: string): void {
    for (const part of this.#wrap(text, INDENT.length)) this.line(`${INDENT}${part}`);
  }

  /** A name and what it is. */
  fact(name: string, text: string): void {
    const [first = "", ...more] = this.#wrap(text, NAME_WIDTH);
    this.line(`${this.#paint("bold", name.padEnd(NAME_WIDTH))}${first}`);
    for (const part of more) this.line(`${" ".repeat(NAME_WIDTH)}${part}`);
  }

  /** A command to be typed. */
  command(text: string): void {
    this.line(`${INDENT}${this.#paint("cyan", text)}`);
  }

  /** The digests at both ends of a text's way. */
  digests({ sent, received }: Exchange["sha256"]): void {
    this.line(`${INDENT}sent      ${sent}`);
    this.line(`${INDENT}received  ${received} ${this.#paint("green", "✓")}`);
  }

  /** Names and what two ends say, side by side. */
  columns(
    ends: readonly [string, string],
    rows: readonly (readonly [string, string | bigint, string | bigint])[],
  ): void {
    for (const [name, one, other] of [["", ...ends] as const, ...rows]) {
      this.line(`${INDENT}${name.padEnd(24)}${`${one}`.padStart(18)}${`${other}`.padStart(18)}`);
    }
  }

  /** Sentences, each with whether it holds. */
  verdicts(sentences: readonly (readonly [holds: boolean, sentence: string])[]): void {
    this.line();
    for (const [holds, sentence] of sentences) {
      this.detail(`${sentence} ${holds ? this.#paint("green", "✓") : this.#paint("red", "✗")}`);
    }
  }

  /** Both ends side by side, and a drawing of both. */
  marks(a: Standing, b: Standing): void {
    this.heading("Where both ends stand");
    const row = (name: string, of: (end: Standing) => string): void =>
      this.line(`${INDENT}${name.padEnd(24)}${of(a).padStart(18)}${of(b).padStart(18)}`);
    row("", ({ side }) => (side === "low" ? "device A (low)" : "device B (high)"));
    row("up, A to B: used", ({ up }) => count(up.used));
    row("down, B to A: used", ({ down }) => count(down.used));
    row("split", ({ split }) => count(split));
    row("slots used", ({ side, slots, nextSlot }) => `${nextSlot} of ${slots[side]}`);
    row("room, in bytes of pad", (end) => count(roomOf(end).now));
    this.line();
    const cells = this.#width - INDENT.length - "A  []".length;
    this.line(`${INDENT}A  [${this.#draw(a, cells)}]`);
    this.line(`${INDENT}B  [${this.#draw(b, cells)}]`);
    const legend = "= slots   # used and destroyed   . free   | split: A below, B above";
    this.line(`${INDENT}    ${this.#paint("dim", legend)}`);
  }

  /** The observer's verdict. */
  verdict({ bytesUsed, bytesReused, bytesSkipped, boxes, disagreements }: Verdict): void {
    this.heading("The observer, outside the devices and the driver");
    this.detail("It reads both lines and holds a third copy of the pad, for this demonstration");
    this.detail("alone: of a real pair there are two copies, and nobody else could check.");
    const agrees = disagreements.length === 0;
    const good = agrees ? this.#paint("green", " ✓") : "";
    this.detail(`${count(boxes)} boxes and openings left a device; ciphertext XOR text is the pad there${good}`);
    const reused = this.#paint(bytesReused === 0 ? "green" : "red", `${count(bytesReused)} used twice`);
    this.detail(`Bytes of pad: ${count(bytesUsed)} used once, ${reused}, ${count(bytesSkipped)} skipped by power cuts`);
    if (agrees) this.detail(`On both chips used bytes are zero and all others untouched; marks agree${good}`);
    for (const sentence of disagreements.slice(0, SENTENCES)) this.detail(this.#paint("red", `✗ ${sentence}`));
    const more = disagreements.length - SENTENCES;
    if (more > 0) this.detail(`and ${count(more)} more`);
  }

  /** The pad from its first byte to its last. What is used at all shows. */
  #draw(end: PadPosition, cells: number): string {
    const base = upBase(end);
    const top = downEnd(end);
    const low = Math.max(1, Math.round((base / end.padLength) * cells));
    const high = Math.max(1, Math.round(((end.padLength - top) / end.padLength) * cells));
    const free = cells - low - high - 1;
    const cell = (top - base) / free;
    const split = Math.round((end.split - base) / cell);
    const up = Math.min(split, Math.ceil(end.up.used / cell));
    const down = Math.min(free - split, Math.ceil(end.down.used / cell));
    const used = (length: number): string => this.#paint("yellow", "#".repeat(length));
    return [
      "=".repeat(low),
      used(up),
      ".".repeat(split - up),
      "|",
      ".".repeat(free - split - down),
      used(down),
      "=".repeat(high),
    ].join("");
  }

  /** The text in lines that fit beside a margin; colours count for nothing. */
  #wrap(text: string, margin: number): string[] {
    const lines = [""];
    for (const word of text.split(" ")) {
      const line = lines.at(-1) as string;
      const longer = line === "" ? word : `${line} ${word}`;
      if (stripVTControlCharacters(longer).length <= this.#width - margin) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return lines;
  }

  get #width(): number {
    return Math.min(WIDTH_MOST, Math.max(WIDTH_LEAST, this.#out.columns ?? 80));
  }

  #paint(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#out });
  }
}

/** A number for people. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}
