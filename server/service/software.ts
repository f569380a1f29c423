// The service `software` (software): gives out the files that the operator put into a folder, part by part, with the
// SHA-256 that the whole must have. Every part is a request and has the tariff's price.
//   { action: "list" }                       → { files: [{ name, size, sha256 }] }
//   { action: "get", name, offset, length }  → { bytes, size, sha256 }
// The folder is read when the server starts: what is put there later, or changed, is offered after the next start.

import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { count, PART_BYTES, publicName } from "./body.ts";
import { ServiceError, ShelfError } from "./errors.ts";
import type { PromptService, Served } from "./service.ts";

type Body =
  | { readonly action: "list" }
  | { readonly action: "get"; readonly name: string; readonly offset: number; readonly length: number };

const schema: z.ZodType<Body> = z.discriminatedUnion("action", [
  z.strictObject({ action: z.literal("list") }),
  z.strictObject({
    action: z.literal("get"),
    name: publicName,
    offset: count(0, Number.MAX_SAFE_INTEGER),
    length: count(1, PART_BYTES),
  }),
]);

interface Package {
  readonly path: string;
  readonly size: number;
  /** When it was changed last: another time is another content. */
  readonly changed: number;
  readonly sha256: Uint8Array;
}

/** See the head of this file. */
export class Software implements PromptService<Body> {
  readonly name = "software";
  readonly class = "software";
  readonly schema: z.ZodType<Body> = schema;
  readonly #packages: ReadonlyMap<string, Package>;

  /** Offers the files that lie in `folder`; nothing without one. @throws ShelfError */
  constructor(folder: string | undefined) {
    this.#packages = folder === undefined ? new Map() : readFolder(folder);
  }

  serve(_context: unknown, body: Body): Served {
    if (body.action === "list") {
      const files = [...this.#packages].map(([name, { size, sha256 }]) => ({ name, size, sha256 }));
      return { body: { files } };
    }
    const found = this.#packages.get(body.name);
    if (found === undefined) throw new ServiceError("NOT_FOUND", { what: "file" });
    return { body: { bytes: readPart(found, body.offset, body.length), size: found.size, sha256: found.sha256 } };
  }
}

function readFolder(folder: string): Map<string, Package> {
  try {
    const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
    return new Map(files.map(({ name }) => [name, readPackage(name, join(folder, name))]));
  } catch (error) {
    if (error instanceof ShelfError) throw error;
    throw new ShelfError("FOLDER_UNREADABLE", { path: folder }, error);
  }
}

function readPackage(name: string, path: string): Package {
  if (!publicName.safeParse(name).success) {
    throw new ShelfError("OFFER_UNFIT", {
      path,
      reason: "its name is not of lower case letters, digits, dots and hyphens",
    });
  }
  const file = openSync(path, "r");
  try {
    const hash = createHash("sha256");
    const buffer = new Uint8Array(PART_BYTES);
    for (let got = readSync(file, buffer); got > 0; got = readSync(file, buffer)) hash.update(buffer.subarray(0, got));
    const { size, mtimeMs } = fstatSync(file);
    return { path, size, changed: mtimeMs, sha256: new Uint8Array(hash.digest()) };
  } finally {
    closeSync(file);
  }
}

function readPart({ path, size, changed }: Package, offset: number, length: number): Uint8Array {
  try {
    const file = openSync(path, "r");
    try {
      const now = fstatSync(file);
      if (now.size !== size || now.mtimeMs !== changed) throw new Error("the file was changed");
      const part = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
      const got = part.length === 0 ? 0 : readSync(file, part, 0, part.length, offset);
      if (got !== part.length) throw new Error("the file became shorter");
      return part;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw new ServiceError("REFUSED", { reason: "the operator is changing this file" }, error);
  }
}
