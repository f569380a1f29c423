/**
 * Writes test/vectors from the second implementation: `node test/second/generate.ts`.
 * Every expected byte comes from this folder, and so from docs/SPEC.md alone; a test checks that the committed files are what is made here.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { equalRun } from "./box.ts";
import { type Bytes, bytesOf } from "./bytes.ts";
import { boxVectors } from "./scenarios/box.ts";
import { bundleVectors } from "./scenarios/bundle.ts";
import { controlVectors } from "./scenarios/control.ts";
import { deviceVectors } from "./scenarios/device.ts";
import { frameVectors } from "./scenarios/frame.ts";
import { journalVectors } from "./scenarios/journal.ts";
import { linkVectors } from "./scenarios/link.ts";
import { padVectors } from "./scenarios/pad.ts";
import { readyVectors } from "./scenarios/ready.ts";
import { runVectors } from "./scenarios/run.ts";
import { takenVectors } from "./scenarios/taken.ts";
import { tokenVectors } from "./scenarios/token.ts";
import { valueVectors } from "./scenarios/value.ts";
import type { Vector } from "./scenarios/vector.ts";

export const FOLDER: string = fileURLToPath(new URL("../vectors/", import.meta.url));

/** The files of test/vectors by their names. */
export function vectorFiles(): Map<string, string> {
  const vectors = [
    ...boxVectors(),
    ...runVectors(),
    ...padVectors(),
    ...controlVectors(),
    ...deviceVectors(),
    ...tokenVectors(),
    ...linkVectors(),
    ...readyVectors(),
    ...takenVectors(),
    ...frameVectors(),
    ...bundleVectors(),
    ...journalVectors(),
    ...valueVectors(),
  ];
  const files = new Map<string, string>();
  for (const vector of vectors) {
    const name = `${vector.name}.json`;
    if (files.has(name)) throw new Error(`Two vectors are named ${vector.name}.`);
    checkPads(vector);
    files.set(name, `${JSON.stringify(vector, null, 2)}\n`);
  }
  return files;
}

/** No pad of a vector has a run that a fill would refuse. */
function checkPads(vector: Vector): void {
  JSON.stringify(vector, (_, value: unknown) => {
    const seeded = typeof value === "object" && value !== null && "seed" in value;
    if (seeded && equalRun(bytesOf(value as Bytes)) >= 0) throw new Error(`The pad of ${vector.name} has equal bytes.`);
    return value;
  });
}

function write(): void {
  const files = vectorFiles();
  mkdirSync(FOLDER, { recursive: true });
  for (const name of readdirSync(FOLDER)) if (name.endsWith(".json") && !files.has(name)) rmSync(FOLDER + name);
  for (const [name, content] of files) writeFileSync(FOLDER + name, content);
  console.log(`${files.size} vectors`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) write();
