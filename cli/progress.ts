// A bar on stderr for what takes long, only where a person looks on: nothing on a pipe, nothing with --json.

const WIDTH = 30;
const REDRAW_MS = 100;

export interface Progress {
  /** How far it is, of how much where that is known; redrawn at most ten times a second. */
  show(label: string, done: number, total: number | null): void;
  /** Takes the bar away. */
  end(): void;
}

/** @param wanted false for a command that prints for a program */
export function progressOn(stderr: NodeJS.WriteStream, wanted: boolean): Progress {
  if (!wanted || !stderr.isTTY) return { show: () => {}, end: () => {} };
  let drawn = 0;
  return {
    show: (label, done, total) => {
      const now = performance.now();
      if (done !== total && now - drawn < REDRAW_MS) return;
      drawn = now;
      stderr.write(`\r\x1b[K${bar(label, done, total)}`);
    },
    end: () => {
      if (drawn > 0) stderr.write("\r\x1b[K");
      drawn = 0;
    },
  };
}

function bar(label: string, done: number, total: number | null): string {
  if (total === null) return `${label} ${done.toLocaleString("en-US")} bytes`;
  const part = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.round(part * WIDTH);
  return `${label} ${"█".repeat(full)}${"░".repeat(WIDTH - full)} ${Math.floor(part * 100)}%`;
}
