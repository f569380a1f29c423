// `npm run firmware [-- BOARD …]`: builds what the boards are flashed with, from the built core, and says how large it
// is. Exit code 1 and one sentence when a compiler is missing or a board is not known.

import process from "node:process";
import { BOARDS, FirmwareError, firmwareFor } from "./toolchain/index.ts";

const asked = process.argv.slice(2);
try {
  for (const board of asked.length > 0 ? asked : BOARDS) show(board);
} catch (error) {
  if (!(error instanceof FirmwareError)) throw error;
  console.error(`${error.message}\n${error.advice}`);
  process.exitCode = 1;
}

function show(board: string): void {
  const { uf2, manifest } = firmwareFor(board);
  const { flash, ram } = manifest.sizes;
  console.log(`${board}: ${uf2}`);
  console.log(`  image ${flash} bytes, RAM ${ram} bytes; core ${manifest.core}; image ${manifest.image}`);
  const parts = [...new Set(Object.keys(manifest.sizes).flatMap((name) => name.split("/").slice(1)))].toSorted();
  const rows = parts.map((part) => [
    part,
    { flash: manifest.sizes[`flash/${part}`] ?? 0, ram: manifest.sizes[`ram/${part}`] ?? 0 },
  ]);
  console.table(Object.fromEntries(rows));
}
