// The files of a simulated server: real ones, in the place of node:fs under server/vault/disk.ts. Each write can be the last of
// its process, whole, in part or not at all; what was not synced is noted, for a loss of power; and the disk can be full.

import * as fs from "node:fs";
import { Gone, HAND, type Life, type Point } from "./hand.ts";

export { constants, existsSync, fstatSync, mkdirSync, readdirSync, readSync, statSync } from "node:fs";

const open = new Map<number, { readonly path: string; readonly life: Life | null }>();

function alive(file?: number): void {
  const life = file === undefined ? HAND.life : (open.get(file)?.life ?? null);
  if (life?.dead) throw new Gone("a dead process writes");
}

function pointOf(path: string): Point {
  return path.includes("limits.log") ? "limits" : "vault";
}

export function openSync(path: string, flags: number | string, mode?: number): number {
  alive();
  const file = fs.openSync(path, flags, mode);
  open.set(file, { path, life: HAND.life });
  HAND.life?.files.add(file);
  return file;
}

export function closeSync(file: number): void {
  const life = open.get(file)?.life;
  open.delete(file);
  // After its end the files of a process are closed for it.
  if (life?.dead) return;
  life?.files.delete(file);
  fs.closeSync(file);
}

export function writeSync(
  file: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  position: number | null,
): number {
  alive(file);
  const { path, life } = open.get(file)!;
  const point = pointOf(path);
  const before = fs.fstatSync(file).size;
  if (life?.full === "files") {
    HAND.onFull(point);
    const part = length >> 1;
    // A full disk takes a part, and nothing the next time.
    if (length > 1 && before % 2 === 0) {
      note(path, before);
      return fs.writeSync(file, bytes, at, part, position);
    }
    throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  }
  const written = (to: number) => ({ path, from: before, to });
  HAND.strike(point, "before", written(before));
  note(path, before);
  const done = fs.writeSync(file, bytes, at, length, position);
  const after = fs.fstatSync(file).size;
  HAND.strike(point, "during", written(after));
  HAND.strike(point, "after", written(after));
  return done;
}

function note(path: string, size: number): void {
  if (!HAND.unsynced.has(path)) HAND.unsynced.set(path, size);
}

export function fdatasyncSync(file: number): void {
  alive(file);
  const { path } = open.get(file)!;
  const size = fs.fstatSync(file).size;
  HAND.strike(pointOf(path), "before", { path, from: size, to: size });
  HAND.unsynced.delete(path);
}

export function fsyncSync(file: number): void {
  alive(file);
}

export function renameSync(from: string, to: string): void {
  alive();
  const written = { path: to, from: 0, to: 0 };
  HAND.strike(pointOf(to), "before", written);
  fs.renameSync(from, to);
  const safe = HAND.unsynced.get(from);
  HAND.unsynced.delete(from);
  if (safe === undefined) HAND.unsynced.delete(to);
  else HAND.unsynced.set(to, safe);
  HAND.strike(pointOf(to), "after", written);
}

export function linkSync(from: string, to: string): void {
  alive();
  fs.linkSync(from, to);
}

export function unlinkSync(path: string): void {
  alive();
  fs.unlinkSync(path);
  HAND.unsynced.delete(path);
}
