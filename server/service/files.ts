// The service `store` (communication): keeps files for a token and gives them back, part by part. Parts and names lie
// encrypted in the database. A file is there when its last part is: until then, what was under its name stays as it was. What was
// begun can be gone on with, by whoever knows that it is the same file: its digest grows with each part.
//   { action: "put", name, offset, bytes, end } → { size }              end: true with the last part
//   { action: "get", name, offset, length }     → { bytes, size, version }   another version: begin again
//   { action: "list" }                          → { files: [{ name, size }], begun: [{ name, size }], used, quota }
//   { action: "look", name }                    → { size, whole, parts, digest }   of what was begun, or else is there, or size 0:
//                                                 the lengths of its parts, and H(… H(H(first part) ‖ second part) … ‖ last part)
//                                                 with SHA-256
//   { action: "drop", name }                    → {}                    also what was begun and not ended

import { createHash } from "node:crypto";
import * as z from "zod";
import type { Migration } from "../store/index.ts";
import type { AtRest } from "./at-rest.ts";
import { bytes, count, PART_BYTES } from "./body.ts";
import { ServiceError } from "./errors.ts";
import type { PromptService, Served, ServiceContext } from "./service.ts";

/** Names are read one by one, as they are encrypted; so there are not many of them. */
const MOST_FILES = 100;
/** A part that is not the last has at least so many bytes, so that one answer reads few of them. */
const LEAST_PART_BYTES = 4096;
const MOST_FILE_BYTES = 2 ** 40;

interface Put {
  readonly action: "put";
  readonly name: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly end: boolean;
}
interface Get {
  readonly action: "get";
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}
type Body = Put | Get | { readonly action: "list" } | { readonly action: "drop" | "look"; readonly name: string };

/** The owner's own words, which nobody else sees. */
const name: z.ZodType<string> = z.string().regex(/^[^\p{Cc}]{1,100}$/u);
const schema: z.ZodType<Body> = z.discriminatedUnion("action", [
  z
    .strictObject({
      action: z.literal("put"),
      name,
      offset: count(0, MOST_FILE_BYTES),
      bytes: bytes(PART_BYTES),
      end: z.boolean(),
    })
    .refine((put) => put.end || put.bytes.length >= LEAST_PART_BYTES, "a part that is too short"),
  z.strictObject({
    action: z.literal("get"),
    name,
    offset: count(0, MOST_FILE_BYTES),
    length: count(1, PART_BYTES),
  }),
  z.strictObject({ action: z.literal("list") }),
  z.strictObject({ action: z.enum(["drop", "look"]), name }),
]);

interface File {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  /** 0 until its last part is there. */
  readonly whole: 0 | 1;
  /** Its digest, encrypted: in clear it would tell a guess of what is in the file. Or what an earlier release wrote there. */
  readonly version: Uint8Array;
}

/** A version as it is told, and as an earlier release wrote it. */
const VERSION_BYTES = 8;
const NONE: Uint8Array = new Uint8Array(0);

/** See the head of this file. */
export class Files implements PromptService<Body> {
  readonly name = "store";
  readonly class = "communication";
  readonly schema: z.ZodType<Body> = schema;
  readonly tables: Migration = {
    name: "files",
    sql: `
      CREATE TABLE file (
        id INTEGER PRIMARY KEY,
        pad INTEGER NOT NULL,
        name BLOB NOT NULL,
        size INTEGER NOT NULL,
        whole INTEGER NOT NULL,
        version BLOB NOT NULL
      ) STRICT;
      CREATE INDEX file_of_pad ON file (pad);
      CREATE TABLE file_part (
        file INTEGER NOT NULL REFERENCES file (id) ON DELETE CASCADE,
        start INTEGER NOT NULL,
        length INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        UNIQUE (file, start)
      ) STRICT;
    `,
  };
  readonly #atRest: AtRest;
  readonly #quota: number;

  /** A token may keep `quota` bytes, what it has begun included. */
  constructor(atRest: AtRest, quota: number) {
    this.#atRest = atRest;
    this.#quota = quota;
  }

  serve(context: ServiceContext, body: Body): Served {
    switch (body.action) {
      case "put":
        return this.#put(context, body);
      case "get":
        return this.#get(context, body);
      case "list":
        return this.#list(context);
      case "drop":
        return this.#drop(context, body.name);
      case "look":
        return this.#look(context, body.name);
    }
  }

  #put({ store, token }: ServiceContext, put: Put): Served {
    const { db } = store;
    const files = this.#files({ store, token });
    const old = files.find((file) => file.name === put.name && file.whole === 1);
    let begun = files.find((file) => file.name === put.name && file.whole === 0);
    let used = sizeOf(files);
    if (put.offset === 0 && begun !== undefined) {
      db.prepare("DELETE FROM file WHERE id = ?").run(begun.id);
      used -= begun.size;
      begun = undefined;
    }
    if (put.offset !== (begun?.size ?? 0)) throw new ServiceError("OUT_OF_ORDER", { expected: begun?.size ?? 0 });
    if (used + put.bytes.length > this.#quota) throw new ServiceError("LIMIT", { what: "bytes", most: this.#quota });
    if (begun === undefined && files.length >= MOST_FILES) {
      throw new ServiceError("LIMIT", { what: "files", most: MOST_FILES });
    }

    const before = begun === undefined ? NONE : this.#digestOf(begun);
    const version = this.#atRest.seal(createHash("sha256").update(before).update(put.bytes).digest());
    const id = begun?.id ?? this.#begin({ store, token }, put.name, version);
    const size = put.offset + put.bytes.length;
    db.prepare("INSERT INTO file_part (file, start, length, sealed) VALUES (?, ?, ?, ?)").run(
      id,
      put.offset,
      put.bytes.length,
      this.#atRest.seal(put.bytes),
    );
    db.prepare("UPDATE file SET size = ?, version = ?, whole = ? WHERE id = ?").run(size, version, put.end ? 1 : 0, id);
    if (put.end && old !== undefined) db.prepare("DELETE FROM file WHERE id = ?").run(old.id);
    return { body: { size } };
  }

  #get(context: ServiceContext, { name, offset, length }: Get): Served {
    const file = this.#files(context).find((f) => f.name === name && f.whole === 1);
    if (file === undefined) throw new ServiceError("NOT_FOUND", { what: "file" });
    const end = Math.min(offset + length, file.size);
    const parts = context.store.db
      .prepare<[number, number, number], { start: number; sealed: Uint8Array }>(
        "SELECT start, sealed FROM file_part WHERE file = ? AND start < ? AND start + length > ? ORDER BY start",
      )
      .all(file.id, end, offset);
    const answer = new Uint8Array(Math.max(0, end - offset));
    for (const { start, sealed } of parts) {
      const part = this.#atRest.open(sealed);
      answer.set(part.subarray(Math.max(0, offset - start), end - start), Math.max(0, start - offset));
    }
    return { body: { bytes: answer, size: file.size, version: this.#digestOf(file).subarray(0, VERSION_BYTES) } };
  }

  #list(context: ServiceContext): Served {
    const files = this.#files(context);
    const those = (whole: 0 | 1) =>
      files.filter((file) => file.whole === whole).map(({ name, size }) => ({ name, size }));
    return { body: { files: those(1), begun: those(0), used: sizeOf(files), quota: this.#quota } };
  }

  #look(context: ServiceContext, name: string): Served {
    const [file] = this.#files(context)
      .filter((found) => found.name === name)
      .sort((one, other) => one.whole - other.whole);
    if (file === undefined) return { body: { size: 0, whole: false, parts: [], digest: NONE } };
    const parts = context.store.db
      .prepare<[number], number>("SELECT length FROM file_part WHERE file = ? ORDER BY start")
      .pluck()
      .all(file.id);
    return { body: { size: file.size, whole: file.whole === 1, parts, digest: this.#digestOf(file) } };
  }

  #digestOf({ version }: File): Uint8Array {
    return version.length === VERSION_BYTES ? version : new Uint8Array(this.#atRest.open(version));
  }

  #drop(context: ServiceContext, name: string): Served {
    const files = this.#files(context).filter((file) => file.name === name);
    if (files.length === 0) throw new ServiceError("NOT_FOUND", { what: "file" });
    for (const { id } of files) context.store.db.prepare("DELETE FROM file WHERE id = ?").run(id);
    return { body: {} };
  }

  #begin({ store, token }: Pick<ServiceContext, "store" | "token">, name: string, version: Uint8Array): number {
    const { lastInsertRowid } = store.db
      .prepare("INSERT INTO file (pad, name, size, whole, version) VALUES (?, ?, 0, 0, ?)")
      .run(token.pad, this.#atRest.seal(new TextEncoder().encode(name)), version);
    return Number(lastInsertRowid);
  }

  #files({ store, token }: Pick<ServiceContext, "store" | "token">): File[] {
    return store.db
      .prepare<[number], Omit<File, "name"> & { name: Uint8Array }>(
        "SELECT id, name, size, whole, version FROM file WHERE pad = ? ORDER BY id",
      )
      .all(token.pad)
      .map((row) => ({ ...row, name: new TextDecoder().decode(this.#atRest.open(row.name)) }));
  }
}

function sizeOf(files: readonly File[]): number {
  return files.reduce((sum, file) => sum + file.size, 0);
}
