// Runs the vectors of test/vectors in whatever world this module is loaded: boxes in the engine; frames, devices and journals in a core with a body. (Bundles
// need a host with files; they are Node's alone, as are the kinds that need no core.)

import { type Engine, EngineError } from "../../host/engine/index.ts";
import { FrameDecoder } from "../../host/protocol/index.ts";
import type { ChipShape, MakeBody } from "./body.ts";
import { concat } from "./body.ts";
import { type Bytes, bytesOf, type Expected, hex, mustBe, mustEqual, u32 } from "./bytes.ts";
import { type CommandName, Host, type Refusal } from "./host.ts";

interface BoxVector {
  readonly kind: "box";
  readonly pad: { readonly seed: string; readonly length: number };
  readonly padId: string;
  readonly direction: "up" | "down";
  readonly offset: number;
  readonly slice?: Bytes;
  readonly text?: Bytes;
  readonly boxKind?: number;
  readonly item?: string;
  readonly expect: { readonly item: string } | { readonly error: string };
}

interface FrameVector {
  readonly kind: "frame";
  readonly chip: ChipShape;
  readonly exchanges: readonly { readonly in: Bytes; readonly out: readonly (string | FrameFields)[] }[];
}

interface FrameFields {
  readonly type: number;
  readonly sequence: number;
  readonly session: number;
  readonly payload: string;
}

interface Fill {
  readonly side: "low" | "high";
  readonly slots: number;
  readonly provenance: number;
  readonly padLength: number;
  readonly split: number;
  readonly burnUnit: number;
  readonly padId: string;
  readonly pad: { readonly seed: string };
  readonly key: string;
  readonly tag: string;
  readonly token?: Bytes;
}

interface Step {
  readonly on?: string;
  readonly command: CommandName | "REBOOT" | "BUTTON";
  readonly button?: "pressed" | "refused";
  readonly payload?: Bytes;
  readonly reply?: Expected;
  readonly info?: Readonly<Record<string, number | string>>;
  readonly error?: Refusal;
  readonly wait?: boolean;
}

interface DeviceVector {
  readonly kind: "device";
  readonly chip: ChipShape;
  readonly devices: Readonly<Record<string, Fill | null>>;
  readonly steps: readonly Step[];
}

interface JournalVector {
  readonly kind: "journal";
  readonly chip: ChipShape;
  readonly traps: number;
  readonly flash: readonly { readonly at: number; readonly bytes: Bytes }[];
  readonly expect: {
    readonly info: Readonly<Record<string, number | string>>;
    readonly burned?: readonly (readonly [number, number])[];
    readonly unwritten?: boolean;
    readonly noSession?: readonly number[];
  };
  readonly steps: readonly Step[];
}

export type Vector = { readonly name: string } & (BoxVector | FrameVector | DeviceVector | JournalVector);

/** Kinds that run everywhere. */
export const KINDS: readonly string[] = ["box", "frame", "device", "journal"];

/** By name "ok", or what is not as the vector says. */
export async function runVectors(
  vectors: readonly Vector[],
  engine: Engine,
  makeBody: MakeBody,
): Promise<Record<string, string>> {
  const outcomes: Record<string, string> = {};
  for (const vector of vectors) {
    try {
      if (vector.kind === "box") await runBox(vector, engine);
      else if (vector.kind === "frame") await runFrame(vector, makeBody);
      else if (vector.kind === "device") await runDevice(vector, makeBody);
      else await runJournal(vector, makeBody);
      outcomes[vector.name] = "ok";
    } catch (error) {
      outcomes[vector.name] = error instanceof Error ? error.message : String(error);
    }
  }
  return outcomes;
}

const OPENING = 3;

async function runBox(vector: BoxVector, engine: Engine): Promise<void> {
  const { offset, direction, boxKind, expect } = vector;
  // The engine makes and opens DATA and LAST; openings are the device's own.
  if (boxKind === OPENING) return;
  const place = { padId: await bytesOf(vector.padId), direction, offset };
  const slice = await bytesOf(vector.slice ?? { ...vector.pad, from: offset, length: 32 + 4096 });
  if ("error" in expect) {
    const item = await bytesOf(vector.item ?? "");
    return mustEqual(
      "opening",
      codeOf(() => engine.open(place, slice, item)),
      expect.error,
    );
  }
  const kind = boxKind === 1 ? "data" : "last";
  const text = await bytesOf(vector.text ?? "");
  await mustBe("the box", engine.seal(place, kind, slice, text), expect.item);
  const opened = engine.open(place, slice, await bytesOf(expect.item));
  mustEqual("kind", opened.kind, kind);
  await mustBe("text", opened.text, hex(text));
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return "success";
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return error.code === "BAD_BOX" ? "BAD_ARGUMENT" : error.code;
  }
}

async function runFrame({ chip, exchanges }: FrameVector, makeBody: MakeBody): Promise<void> {
  const body = makeBody(chip);
  body.boot();
  for (const [number, exchange] of exchanges.entries()) {
    const what = `exchange ${number + 1}`;
    const sent = hex(body.feed(await bytesOf(exchange.in))).match(/(..)*?00/g) ?? [];
    mustEqual(`${what}: number of frames`, sent.length, exchange.out.length);
    for (const [i, out] of exchange.out.entries()) {
      const bytes = await bytesOf(sent[i]!);
      if (typeof out === "string") await mustBe(what, bytes, out);
      else await mustBeFrame(what, bytes, out);
    }
  }
}

async function mustBeFrame(what: string, bytes: Uint8Array, expected: FrameFields): Promise<void> {
  const [frame] = new FrameDecoder().push(bytes);
  if (frame === undefined || "fault" in frame) throw new Error(`${what}: no frame`);
  for (const field of ["type", "sequence", "session"] as const)
    mustEqual(`${what}: ${field}`, frame[field], expected[field]);
  await mustBe(`${what}: payload`, frame.payload, expected.payload);
}

async function runDevice({ chip, devices, steps }: DeviceVector, makeBody: MakeBody): Promise<void> {
  const hosts = new Map<string, Host>();
  for (const [name, fill] of Object.entries(devices)) {
    const host = new Host(makeBody(chip));
    host.body.boot();
    if (fill) await fillDevice(host, fill);
    hosts.set(name, host);
  }
  for (const [number, step] of steps.entries()) await runStep(hosts.get(step.on ?? "")!, `step ${number + 1}`, step);
}

async function fillDevice(host: Host, fill: Fill): Promise<void> {
  const { side, slots, provenance, padLength, split, burnUnit, padId, pad, key, tag, token = "" } = fill;
  const head = concat(Uint8Array.of(side === "low" ? 0 : 1, 1, slots, provenance), u32(padLength, split));
  const unit = Uint8Array.of(0, 0, burnUnit, 0);
  host.must("FILL", concat(head, unit, await bytesOf(padId), new Uint8Array(80), await bytesOf(token)));
  for (let from = 0; from < padLength; from += 4096) {
    host.must("WRITE", concat(u32(from), await bytesOf({ ...pad, from, length: 4096 })));
  }
  host.must("COMMIT", await bytesOf([key, tag]));
  await mustInform(host, { state: 3 });
}

async function runStep(
  host: Host,
  where: string,
  { command, payload = "", button, reply: expected, info, error, wait }: Step,
): Promise<void> {
  if (command === "REBOOT") {
    host.reboot();
    return;
  }
  if (command === "BUTTON") {
    host.body.button(button!);
    return;
  }
  if (info) {
    await mustInform(host, info);
    return;
  }
  const what = `${where}, ${command}`;
  const reply = host.ask(command, await bytesOf(payload), wait);
  if (reply instanceof Uint8Array) {
    mustEqual(what, "success", error?.code ?? "success");
    await mustBe(what, reply, expected ?? "");
  } else {
    mustRefuse(what, reply, error);
  }
}

function mustRefuse(what: string, reply: Refusal, error: Refusal | undefined): void {
  mustEqual(what, `${reply.code} ${reply.detail}`, `${error?.code ?? "success"} ${error?.detail}`);
  if (error?.facts.length) mustEqual(`${what}: facts`, reply.facts.join(), error.facts.join());
}

async function runJournal({ chip, traps, flash, expect, steps }: JournalVector, makeBody: MakeBody): Promise<void> {
  const host = new Host(makeBody(chip));
  const { body } = host;
  for (const { at, bytes } of flash) body.put(at, await bytesOf(bytes));
  const before = body.chip();
  body.boot(traps);
  await mustInform(host, expect.info);
  const after = body.chip();
  if (expect.unwritten) mustEqual("the chip", hex(after), hex(before));
  if (expect.burned) {
    const pad = 4096 * (chip.sectors >= 256 ? 32 : 6);
    for (const [offset, length] of expect.burned) before.fill(0, pad + offset, pad + offset + length);
    mustEqual("the pad", hex(after.subarray(pad)), hex(before.subarray(pad)));
  }
  if (expect.noSession) {
    const reply = host.askWithoutSession("SEAL");
    if (reply instanceof Uint8Array) throw new Error("a command was served without a session");
    mustRefuse("before HELLO", reply, { code: "NO_SESSION", detail: 0, facts: expect.noSession });
  }
  for (const [number, step] of steps.entries()) await runStep(host, `step ${number + 1}`, step);
}

/** The fields of INFO: offset and size; a size above 4 is written in hexadecimal. */
const INFO: Readonly<Record<string, readonly [number, number]>> = {
  ...fields(0, 1, "state side suite section work error traps provenance"),
  ...fields(8, 4, "reason workDone workAll bootEpoch generation journalSequence"),
  padId: [32, 16],
  serial: [48, 8],
  ...fields(
    56,
    4,
    "padLength slotsLow slotsHigh nextSlot upUsed upBurned downUsed downBurned split room burnUnit failedTags chipSize",
  ),
};

function fields(offset: number, size: number, names: string): Record<string, readonly [number, number]> {
  return Object.fromEntries(names.split(" ").map((name, i) => [name, [offset + i * size, size]]));
}

async function mustInform(host: Host, expected: Readonly<Record<string, number | string>>): Promise<void> {
  const info = host.must("INFO", new Uint8Array(0));
  for (const [name, value] of Object.entries(expected)) {
    const [offset, size] = INFO[name]!;
    const bytes = info.subarray(offset, offset + size);
    await mustBe(name, bytes, typeof value === "string" ? value : hex(u32(value).subarray(0, size)));
  }
}
