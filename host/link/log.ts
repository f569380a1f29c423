// What a link must not forget, as one file per token: requests until they are answered, sealed boxes until the server has
// opened them, the call under way, and how far answers were handed over. A record is appended and synced before what it
// says takes effect: before a box leaves, before an answer's pad bytes are released. What a crash tears off the end had no
// effect yet. While nothing is under way the file is a few bytes: what was in it is not kept.
// Requests lie in it as they were made, not encrypted: the directory is for this user alone.
//
// A record: u32 length of the head ‖ u32 length of the bytes ‖ u32 CRC-32 of head and bytes ‖ head (CBOR) ‖ bytes.

import { type FileHandle, mkdir, open, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { decode, encode } from "cborg";
import { onDisk, syncDirectory, writeAll } from "../driver/index.ts";
import { LinkFailure } from "./errors.ts";

const PREFIX_BYTES = 12;
/** A file with nothing under way is written anew from this size on. */
const TIDY_BYTES = 16_384;

/** Where bytes lie in the file. */
export interface Span {
  readonly at: number;
  readonly length: number;
}

/** A request that is not answered and taken yet. */
export interface LoggedRequest {
  /** Hexadecimal. */
  readonly id: string;
  readonly text: Span;
  /** How many boxes it makes, and the number of the next one to seal. */
  readonly boxes: number;
  next: number;
  /** It was sent whole before and is sealed once more: it may have been served, and its answer says nothing of boxes since. */
  asked: boolean;
  /** Its answer, when that came for nobody. */
  answer: Span | null;
}

/** A box that the device sealed and that the server is not known to have opened. */
export interface LoggedBox {
  readonly mark: number;
  readonly cost: number;
  /** The request that it is part of, and its number in it; a STATE has none. */
  readonly request: string | null;
  readonly number: number;
  /** A STATE that ends its link. */
  readonly ends: boolean;
  readonly item: Span;
}

/** The last call that was answered with READY: good again as long as the server opened no box of its link. */
export interface LoggedCall {
  readonly slot: number;
  readonly slotItem: Uint8Array;
  readonly welcome: Uint8Array;
  readonly ready: Uint8Array;
  readonly again: number;
  readonly next: number;
  /** What of down was released. */
  readonly down: number;
}

/** Refused calls: of this slot, and slots given up in a row. */
export interface Refusals {
  readonly slot: number;
  readonly count: number;
  readonly skips: number;
}

type Head =
  | { readonly t: "request"; readonly id: string; readonly boxes: number }
  | Readonly<{ t: "box"; mark: number; cost: number; request: string | null; number: number; ends: boolean }>
  | Readonly<{ t: "call"; call: LoggedCall; number: number }>
  | { readonly t: "acknowledged"; readonly up: number }
  | { readonly t: "delivered"; readonly down: number }
  | { readonly t: "answer"; readonly id: string; readonly down: number }
  | { readonly t: "done"; readonly id: string; readonly down: number }
  | { readonly t: "dropped"; readonly id: string }
  | { readonly t: "again"; readonly id: string }
  | { readonly t: "anew"; readonly down: number }
  | ({ readonly t: "refused" } & Refusals)
  | Readonly<{
      t: "base";
      acknowledged: number;
      end: number;
      delivered: number;
      call: LoggedCall | null;
      refusals: Refusals;
    }>;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly done: (at: number) => void;
  readonly failed: (error: unknown) => void;
}

const NOTHING = new Uint8Array(0);

/** See the head of this file. Methods that write throw DriverError DISK_FULL or DISK_FAILED, and nothing is changed then. */
export class LinkLog {
  readonly path: string;
  /** In the order in which they were made. */
  readonly requests: Map<string, LoggedRequest> = new Map();
  /** In the order of their marks; where one does not begin where the one before ends, a box was lost. */
  boxes: LoggedBox[] = [];
  /** The highest mark that the server is known to have opened up to. */
  acknowledged = 0;
  /** The mark behind the last box that the device is known to have sealed. */
  end = 0;
  /** The mark of down up to which everything was handed over. */
  delivered = 0;
  call: LoggedCall | null = null;
  refusals: Refusals = { slot: 0, count: 0, skips: 0 };
  #handle: FileHandle;
  #size = 0;
  #queue: Waiting[] = [];
  #flushing = false;
  /** What uses the file uses it one after the other. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Opens the log of a token in a directory, which is made for this user alone when it is not there. */
  static async open(directory: string, token: string): Promise<LinkLog> {
    const path = join(directory, `${token}.link`);
    return onDisk(path, 0, async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const log = new LinkLog(path, await openOrCreate(path));
      await log.#replay();
      await syncDirectory(directory);
      await log.tidy().catch(() => {}); // It is only larger than it need be.
      return log;
    });
  }

  /** The bytes at a span. */
  async read({ at, length }: Span): Promise<Uint8Array> {
    return onDisk(this.path, 0, () => readFully(this.#handle, at, length));
  }

  async request(id: string, boxes: number, text: Uint8Array): Promise<LoggedRequest> {
    await this.#append({ t: "request", id, boxes }, text);
    return this.requests.get(id) as LoggedRequest;
  }

  async box(box: Omit<LoggedBox, "item">, item: Uint8Array): Promise<void> {
    const { mark, cost, request, number, ends } = box;
    await this.#append({ t: "box", mark, cost, request, number, ends }, item);
  }

  /** A READY is about to leave: boxes behind its `again` cannot arrive any more, and `number` is that of the next one. */
  async called(call: LoggedCall, number: number): Promise<void> {
    await this.#append({ t: "call", call, number }, NOTHING);
  }

  /** The server has opened up to this mark. */
  async acknowledge(up: number): Promise<void> {
    if (up > this.acknowledged) await this.#append({ t: "acknowledged", up }, NOTHING);
  }

  /** Everything up to this mark of down was handed over. */
  async deliver(down: number): Promise<void> {
    if (down > this.delivered) await this.#append({ t: "delivered", down }, NOTHING);
  }

  /** An answer that nobody waits for. */
  async keepAnswer(id: string, down: number, text: Uint8Array): Promise<void> {
    await this.#append({ t: "answer", id, down }, text);
  }

  /** A request whose answer was handed over. */
  async done(id: string, down: number): Promise<void> {
    await this.#append({ t: "done", id, down }, NOTHING);
  }

  /** A request that is given up. */
  async drop(id: string): Promise<void> {
    await this.#append({ t: "dropped", id }, NOTHING);
  }

  /** A request that the server has opened whole, and whose answer does not come: it is sealed once more. */
  async again(id: string): Promise<void> {
    await this.#append({ t: "again", id }, NOTHING);
  }

  /** Another program used the token meanwhile: what it did not seal itself must be asked again, under the same ids. */
  async anew(down: number): Promise<void> {
    await this.#append({ t: "anew", down }, NOTHING);
  }

  async refused(refusals: Refusals): Promise<void> {
    await this.#append({ t: "refused", ...refusals }, NOTHING);
  }

  /** Where the boxes that are left can end, lowest first: before each gap, before a STATE that ends, and at the end. */
  ends(): number[] {
    const ends: number[] = [];
    let mark = this.acknowledged;
    for (const box of this.boxes) {
      if (box.mark !== mark || box.ends) ends.push(mark);
      mark = box.mark + box.cost;
    }
    return [...ends, mark];
  }

  /** The request whose run is unfinished when the boxes end at a mark, and the number of its box that comes next. */
  unfinished(end: number): { readonly request: LoggedRequest; readonly number: number } | null {
    const next = this.#nextAt(end);
    for (const request of this.requests.values()) {
      const number = next.get(request.id) ?? request.next;
      if (number > 0 && number < request.boxes) return { request, number };
    }
    return null;
  }

  /** Requests without an answer of which the server is known to have opened every box. */
  opened(): LoggedRequest[] {
    const onTheWay = new Set(this.boxes.map(({ request }) => request));
    return [...this.requests.values()].filter(
      ({ id, next, boxes, answer }) => answer === null && next === boxes && !onTheWay.has(id),
    );
  }

  /**
   * Writes the file anew without what is not needed any more, when nothing is under way. Whole: also when answers are kept in
   * it, or it is small. Nothing may be read from it then.
   */
  tidy({ whole }: { whole: boolean } = { whole: false }): Promise<void> {
    const tidied = this.#turn.then(() => this.#tidy(whole));
    this.#turn = tidied.catch(() => {});
    return tidied;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#handle.close();
  }

  async #tidy(whole: boolean): Promise<void> {
    if (this.boxes.length > 0 || this.#queue.length > 0 || this.#size <= (whole ? 0 : TIDY_BYTES)) return;
    if (this.requests.size > 0 && !whole) return;
    const { acknowledged, end, delivered, call, refusals } = this;
    const records = [recordBytes({ t: "base", acknowledged, end, delivered, call, refusals }, NOTHING)];
    for (const { id, boxes, text, answer } of this.requests.values()) {
      if (answer === null) return;
      records.push(recordBytes({ t: "request", id, boxes }, await this.read(text)));
      records.push(recordBytes({ t: "answer", id, down: 0 }, await this.read(answer)));
    }
    const bytes = Buffer.concat(records);
    if (bytes.length >= this.#size) return;
    await onDisk(this.path, bytes.length, async () => {
      const temporary = `${this.path}.new`;
      const handle = await open(temporary, "w+", 0o600);
      try {
        await writeAll(handle, bytes, 0);
        await handle.sync();
        await rename(temporary, this.path);
      } catch (error) {
        await handle.close();
        throw error;
      }
      const old = this.#handle;
      this.#handle = handle;
      await old.close();
      this.requests.clear();
      this.#size = 0;
      await this.#replay();
      await syncDirectory(dirname(this.path));
    });
  }

  /** For each request that boxes behind a mark belong to: the number of the first of them. */
  #nextAt(end: number): Map<string, number> {
    const next = new Map<string, number>();
    for (const { mark, cost, request, number } of this.boxes) {
      if (request === null || mark + cost <= end) continue;
      next.set(request, Math.min(number, next.get(request) ?? number));
    }
    return next;
  }

  #append(head: Head, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const record = recordBytes(head, bytes);
      const done = (at: number) => {
        this.#apply(head, { at: at + record.length - bytes.length, length: bytes.length });
        resolve();
      };
      this.#queue.push({ bytes: record, done, failed: reject });
      if (this.#flushing) return;
      this.#flushing = true;
      this.#turn = this.#turn.then(() => this.#flush());
    });
  }

  /** Writes what is waiting, all at once. */
  async #flush(): Promise<void> {
    this.#flushing = false;
    const batch = this.#queue;
    this.#queue = [];
    const bytes = Buffer.concat(batch.map((waiting) => waiting.bytes));
    try {
      await onDisk(this.path, bytes.length, async () => {
        await writeAll(this.#handle, bytes, this.#size);
        await this.#handle.datasync();
      });
    } catch (error) {
      await this.#handle.truncate(this.#size).catch(() => {}); // What lies behind the end is written over otherwise.
      for (const waiting of batch) waiting.failed(error);
      return;
    }
    for (const waiting of batch) {
      const at = this.#size;
      this.#size += waiting.bytes.length;
      waiting.done(at);
    }
  }

  async #replay(): Promise<void> {
    const { size } = await this.#handle.stat();
    while (this.#size + PREFIX_BYTES <= size) {
      const prefix = await readFully(this.#handle, this.#size, PREFIX_BYTES);
      const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
      const headLength = view.getUint32(0, true);
      const length = view.getUint32(4, true);
      const at = this.#size + PREFIX_BYTES;
      if (at + headLength + length > size) break;
      const record = await readFully(this.#handle, at, headLength + length);
      if (crc32(record) !== view.getUint32(8, true)) break;
      this.#apply(decode(record.subarray(0, headLength)) as Head, { at: at + headLength, length });
      this.#size = at + headLength + length;
    }
    if (this.#size < size) await this.#handle.truncate(this.#size);
  }

  #apply(head: Head, bytes: Span): void {
    switch (head.t) {
      case "base":
        this.acknowledged = head.acknowledged;
        this.end = head.end;
        this.delivered = head.delivered;
        this.call = head.call;
        this.refusals = head.refusals;
        return;
      case "request":
        this.requests.set(head.id, {
          id: head.id,
          text: bytes,
          boxes: head.boxes,
          next: 0,
          asked: false,
          answer: null,
        });
        return;
      case "box": {
        this.boxes.push({ ...head, item: bytes });
        this.end = head.mark + head.cost;
        const request = head.request === null ? undefined : this.requests.get(head.request);
        if (request !== undefined) request.next = head.number + 1;
        return;
      }
      case "call":
        this.#cut(head.call.again, head.number);
        this.end = head.call.next;
        this.call = head.call;
        this.refusals = { slot: head.call.slot, count: 0, skips: 0 };
        return;
      case "acknowledged":
        this.#acknowledge(head.up);
        return;
      case "delivered":
        this.delivered = head.down;
        return;
      case "answer": {
        const request = this.requests.get(head.id);
        if (request !== undefined) request.answer = bytes;
        this.#answered(head.id);
        this.delivered = Math.max(this.delivered, head.down);
        return;
      }
      case "done":
        this.#answered(head.id);
        this.requests.delete(head.id);
        this.delivered = Math.max(this.delivered, head.down);
        return;
      case "dropped":
        this.requests.delete(head.id);
        return;
      case "anew":
        this.boxes = [];
        for (const request of this.requests.values()) if (request.answer === null) askAnew(request);
        this.delivered = Math.max(this.delivered, head.down);
        return;
      case "again": {
        const request = this.requests.get(head.id);
        if (request !== undefined) askAnew(request);
        return;
      }
      case "refused":
        this.refusals = { slot: head.slot, count: head.count, skips: head.skips };
        return;
    }
  }

  #acknowledge(up: number): void {
    this.acknowledged = Math.max(this.acknowledged, up);
    this.boxes = this.boxes.filter(({ mark }) => mark >= this.acknowledged);
  }

  /** What is answered was opened, and all before it. */
  #answered(id: string): void {
    if (this.requests.get(id)?.asked === true) return;
    const last = this.boxes.findLast(({ request }) => request === id);
    if (last !== undefined) this.#acknowledge(last.mark + last.cost);
  }

  /** Boxes behind a mark are lost: their texts are sealed anew, from the number that READY announced. */
  #cut(again: number, number: number): void {
    for (const [id, next] of this.#nextAt(again)) {
      const request = this.requests.get(id);
      if (request !== undefined) request.next = next;
    }
    this.boxes = this.boxes.filter(({ mark, cost }) => mark + cost <= again);
    if (number > 0) return;
    for (const request of this.requests.values()) if (request.next < request.boxes) request.next = 0;
  }
}

function askAnew(request: LoggedRequest): void {
  if (request.next === request.boxes) request.asked = true;
  request.next = 0;
}

/** Opens a file to be read and written; it is there afterwards, empty when it was not before. */
/** Something that the rest of a link must find on the disk. @throws LinkFailure NOT_KEPT */
export async function kept(written: Promise<void>): Promise<void> {
  try {
    await written;
  } catch (cause) {
    throw new LinkFailure("NOT_KEPT", {}, cause);
  }
}

async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return open(path, "wx+", 0o600);
  }
}

async function readFully(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let have = 0; have < length; ) {
    const { bytesRead } = await handle.read(bytes, have, length - have, position + have);
    if (bytesRead === 0) throw new Error("the file ends before what it says it holds");
    have += bytesRead;
  }
  return bytes;
}

function recordBytes(head: Head, bytes: Uint8Array): Uint8Array {
  const headBytes = encode(head);
  const record = new Uint8Array(PREFIX_BYTES + headBytes.length + bytes.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, headBytes.length, true);
  view.setUint32(4, bytes.length, true);
  record.set(headBytes, PREFIX_BYTES);
  record.set(bytes, PREFIX_BYTES + headBytes.length);
  view.setUint32(8, crc32(record.subarray(PREFIX_BYTES)), true);
  return record;
}
