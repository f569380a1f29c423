// A pad at a glance: how much of it is used from either end, and how far the split lets each side reach.

import { downEnd, type PadPosition, roomOf, upBase } from "../host/protocol/index.ts";
import { bytes, visible } from "./command.ts";

const CELLS = 60;
const WIDTH = 11;

/** Lines about where one end of a pad stands, with a drawing of the whole. */
export function gauge(marks: PadPosition): string[] {
  const { side, slots, nextSlot, up, down, split } = marks;
  const room = roomOf(marks);
  const more = room.afterGrant - room.now;
  return [
    line("up", `${bytes(up.used)} used${side === "low" ? ", by this side" : ""}`),
    line("down", `${bytes(down.used)} used${side === "high" ? ", by this side" : ""}`),
    line("split", `at ${split.toLocaleString("en-US")}`),
    line(
      "room",
      `${bytes(room.now)} of pad for this side${more > 0 ? `, ${bytes(more)} more if the other grants them` : ""}`,
    ),
    line("slots", `${slots[side] - nextSlot} of ${slots[side]} left on this side`),
    "",
    `low ${draw(marks)} high`,
    "    = slots   # used   . free   | split",
  ];
}

/** One line of a list, whoever wrote the text. */
export function line(name: string, text: string): string {
  return `${name.padEnd(WIDTH)}${visible(text)}`;
}

/** Each cell shows its middle, so that a small part of a large pad may not be seen. */
function draw(marks: PadPosition): string {
  const base = upBase(marks);
  const end = downEnd(marks);
  const cell = (index: number): string => {
    const offset = ((index + 0.5) / CELLS) * marks.padLength;
    if (offset < base || offset >= end) return "=";
    return offset < base + marks.up.used || offset >= end - marks.down.used ? "#" : ".";
  };
  const cells = Array.from({ length: CELLS }, (_, index) => cell(index));
  cells.splice(Math.round((marks.split / marks.padLength) * CELLS), 0, "|");
  return `[${cells.join("")}]`;
}
