// Which parts of a pad hid which texts, and what is counted from that: how many bytes hid one, and how many two.

/** Pad bytes that hid a text: all that took part, the 32 of the tag's key included. */
export interface Use {
  readonly offset: number;
  readonly length: number;
  /** A digest of the text with its kind and direction. */
  readonly text: string;
}

/** How many bytes hid one text, and how many hid two or more different ones. */
export function countUses(uses: readonly Use[]): { once: number; reused: number } {
  const sorted = [...uses].sort((a, b) => a.offset - b.offset);
  let reach = 0; // Everything before lies behind: the end of what any use so far covers,
  let counted = 0; // and of what is counted as used twice.
  let all = 0;
  let reused = 0;
  for (const { offset, length } of sorted) {
    const end = offset + length;
    const twice = Math.min(end, reach) - Math.max(offset, counted);
    if (twice > 0) {
      reused += twice;
      counted = Math.min(end, reach);
    }
    all += Math.max(0, end - Math.max(offset, reach));
    reach = Math.max(reach, end);
  }
  return { once: all - reused, reused };
}
