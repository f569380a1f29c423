// Ranges of pages: sorted, not empty, and with a gap between any two. So two equal sets have one form.

/** From start up to, but not with, end. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The pages that hold any byte of these ranges of bytes, which may come in any order and overlap. */
export function pagesOf(bytes: readonly Range[], pageSize: number): Range[] {
  const pages: Range[] = [];
  for (const { start, end } of bytes) {
    if (start < end) pages.push({ start: Math.floor(start / pageSize), end: Math.ceil(end / pageSize) });
  }
  return joined(pages);
}

/** The same set in its one form. */
export function joined(ranges: Range[]): Range[] {
  ranges.sort((a, b) => a.start - b.start);
  const result: Range[] = [];
  for (const range of ranges) {
    const last = result.at(-1);
    if (last === undefined || range.start > last.end) result.push(range);
    else if (range.end > last.end) result[result.length - 1] = { start: last.start, end: range.end };
  }
  return result;
}

/** What is in both. */
export function common(a: readonly Range[], b: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const one = a[i] as Range;
    const other = b[j] as Range;
    const start = Math.max(one.start, other.start);
    const end = Math.min(one.end, other.end);
    if (start < end) result.push({ start, end });
    if (one.end < other.end) i++;
    else j++;
  }
  return result;
}

/** Whether the two are the same set. */
export function equal(a: readonly Range[], b: readonly Range[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i]?.start !== b[i]?.start || a[i]?.end !== b[i]?.end) return false;
  return true;
}

export function contains(ranges: readonly Range[], value: number): boolean {
  for (const { start, end } of ranges) if (value >= start && value < end) return true;
  return false;
}

/** How many are in it. */
export function count(ranges: readonly Range[]): number {
  let total = 0;
  for (const { start, end } of ranges) total += end - start;
  return total;
}
