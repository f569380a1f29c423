// The board's own memcpy, memset and memchr, compiled for this machine under other names: they do what every other does, wherever source and target lie.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { findCompiler } from "../../hardware/native/index.ts";

const MEMORY = fileURLToPath(new URL("../../hardware/common/memory.c", import.meta.url));
/** A word off its alignment would be a fault on the board. */
const ALIGNED = ["-fsanitize=alignment", "-fsanitize-undefined-trap-on-error"];
const RENAMED = ["memcpy", "memset", "memchr"].map((name) => `-D${name}=board_${name}`);

/** Ends with 1 at the first difference, and says where. */
const MAIN = `
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void* board_memcpy(void* restrict to, const void* restrict from, size_t count);
void* board_memset(void* to, int value, size_t count);
void* board_memchr(const void* from, int value, size_t count);

enum { LONGEST = 40, AROUND = 8 };

static _Alignas(8) uint8_t source[LONGEST + 2 * AROUND], one[LONGEST + 2 * AROUND], other[LONGEST + 2 * AROUND];

static int differs(const char* what, int from, int to, int count) {
  if (memcmp(one, other, sizeof one) == 0) return 0;
  printf("%s of %d bytes, %d to %d\\n", what, count, from, to);
  return 1;
}

int main(void) {
  for (unsigned i = 0; i < sizeof source; i++) source[i] = (uint8_t)(i * 37 + 1);
  for (int from = 0; from < AROUND; from++) {
    for (int count = 0; count <= LONGEST; count++) {
      for (int to = 0; to < AROUND; to++) {
        memset(one, 0x55, sizeof one);
        memset(other, 0x55, sizeof other);
        memcpy(one + to, source + from, (size_t)count);
        if (board_memcpy(other + to, source + from, (size_t)count) != other + to || differs("memcpy", from, to, count))
          return 1;
      }
      memset(one, 0x55, sizeof one);
      memset(other, 0x55, sizeof other);
      memset(one + from, 0x1a3, (size_t)count);
      if (board_memset(other + from, 0x1a3, (size_t)count) != other + from || differs("memset", from, from, count))
        return 1;
      for (int value = 0; value < 256; value++) {
        if (board_memchr(source + from, value | 0x100, (size_t)count) == memchr(source + from, value, (size_t)count))
          continue;
        printf("memchr of %d in %d bytes at %d\\n", value, count, from);
        return 1;
      }
    }
  }
  return 0;
}
`;

const compiler = findCompiler();
if (compiler === null && !process.env.CI)
  console.warn("not shown here, because there is no C compiler: the board's memcpy, memset and memchr");

it.skipIf(compiler === null && !process.env.CI)("memory is copied, set and searched as everywhere else", () => {
  const folder = mkdtempSync(join(tmpdir(), "tearpad-memory-"));
  writeFileSync(join(folder, "main.c"), MAIN);
  const run = (command: string, parameters: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync(command, parameters, { encoding: "utf8", cwd: folder });
    return `${status} ${stdout}${stderr}`;
  };
  expect(
    run(compiler!, [
      "-std=c11",
      "-O2",
      "-fno-strict-aliasing",
      "-ffreestanding",
      "-c",
      MEMORY,
      "-o",
      "memory.o",
      ...RENAMED,
      ...ALIGNED,
    ]),
  ).toBe("0 ");
  expect(run(compiler!, ["-std=c11", "-fno-builtin", "main.c", "memory.o", "-o", "main"])).toBe("0 ");
  expect(run(join(folder, "main"), [])).toBe("0 ");
  rmSync(folder, { recursive: true });
});
