// The meter: makes of a WebAssembly module one that counts what it does and stops when its fuel is used up. The count
// depends on the program and its input only, never on the machine, so that a fee can be checked by running it again.
//
// Fuel: 1 for each instruction, 1 for each function that is entered and for each of its locals; 1 for each 8 bytes (or
// table elements) that a bulk instruction touches, and for each 8 bytes that memory grows by. It is taken for a whole
// basic block when the block is entered: at the start of a function, at the head of a loop, behind each branch, and
// wherever a branch can arrive. What would go below zero traps.
//
// Known: WebAssembly 1.0, sign extension, saturating conversions, bulk memory, several results. Everything else is
// refused by name: imports above all, so that a program reaches nothing but its own memory.

import { ServiceError } from "../errors.ts";
import { ModuleReader, ModuleWriter, malformed, tooLarge, unsupported } from "./bytes.ts";
import { type Added, FunctionMeter, writeCharges } from "./charge.ts";
import { checkValueType, OP, readInstruction } from "./instructions.ts";

/** The exports of a metered program: what its maker exported under these names, and the meter's own. */
export interface ProgramExports {
  readonly memory: WebAssembly.Memory;
  readonly run: unknown;
  readonly allocate?: unknown;
  /** What the module had as its start function: metered, it runs when it is called. */
  readonly start?: () => void;
  /** The fuel that is left, 0 at first; below 0 when a trap was the meter's. */
  readonly fuel: WebAssembly.Global<"i64">;
}

/**
 * The module with a meter in it, its memory bounded to so many pages of 64 KiB. Of its exports memory, run and allocate
 * stay.
 * @throws ServiceError PROGRAM_FAILED: malformed, unsupported, "too large" (a function or memory) or interface
 */
export function meterProgram(module: Uint8Array, mostPages: number): Uint8Array {
  // First of all, so that no index of the program can mean one of the functions and globals that are added to it.
  if (!WebAssembly.validate(module as Uint8Array<ArrayBuffer>)) throw malformed("it is not a valid WebAssembly module");
  const program = readSections(new ModuleReader(module));
  checkTypes(program);
  if (countOf(program, SECTION.import) > 0) throw unsupported("it imports something");

  const functions = countOf(program, SECTION.function);
  const globals = countOf(program, SECTION.global);
  const added: Added = { fuel: globals, chargeItems: functions, chargePages: functions + 1 };
  const type = countOf(program, SECTION.type);

  const out = new ModuleWriter();
  out.append(HEADER);
  section(out, SECTION.type, (body) => extended(body, program, SECTION.type, 1, (b) => b.append(I32_TO_I32)));
  section(out, SECTION.function, (body) =>
    extended(body, program, SECTION.function, 2, (b) => {
      b.u32(type);
      b.u32(type);
    }),
  );
  const table = program.get(SECTION.table);
  if (table !== undefined) section(out, SECTION.table, (body) => body.append(boundedTable(table)));
  section(out, SECTION.memory, (body) => writeMemory(body, program, mostPages));
  checkGlobals(program);
  section(out, SECTION.global, (body) =>
    extended(body, program, SECTION.global, 1, (b) => b.byte(I64, 1, OP.i64Const, 0, OP.end)),
  );
  section(out, SECTION.export, (body) => writeExports(body, program, added));
  for (const id of [SECTION.element, SECTION.dataCount]) copySection(out, id, program);
  section(out, SECTION.code, (body) =>
    extended(
      body,
      program,
      SECTION.code,
      2,
      (b) => writeCharges(b, added, mostPages),
      (reader, count, b) => {
        const meter = new FunctionMeter(added);
        for (let index = 0; index < count; index += 1) b.vector(meter.metered(reader.take(reader.u32())));
      },
    ),
  );
  copySection(out, SECTION.data, program);
  return out.written().slice();
}

const HEADER = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const I32_TO_I32 = Uint8Array.of(0x60, 1, 0x7f, 1, 0x7f);
const I64 = 0x7e;
const FUNCREF = 0x70;
const MOST_TABLE_ELEMENTS = 65_536;
/** Of the parameters, and of the results, of a function or a block. */
const MOST_VALUES = 64;

const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
} as const;

type Sections = ReadonlyMap<number, Uint8Array>;

function readSections(reader: ModuleReader): Sections {
  const sections = new Map<number, Uint8Array>();
  reader.take(HEADER.length);
  while (!reader.done) {
    const id = reader.byte();
    const body = reader.take(reader.u32());
    if (id > SECTION.dataCount) throw unsupported(`section ${id}`);
    if (id !== SECTION.custom) sections.set(id, body);
  }
  return sections;
}

function countOf(program: Sections, id: number): number {
  const body = program.get(id);
  return body === undefined ? 0 : new ModuleReader(body).u32();
}

function section(out: ModuleWriter, id: number, write: (body: ModuleWriter) => void): void {
  const body = new ModuleWriter();
  write(body);
  out.byte(id);
  out.vector(body.written());
}

function copySection(out: ModuleWriter, id: number, program: Sections): void {
  const bytes = program.get(id);
  if (bytes !== undefined) section(out, id, (body) => body.append(bytes));
}

/** The vector of a section with `more` elements behind its own, which are copied unless `own` writes them. */
function extended(
  body: ModuleWriter,
  program: Sections,
  id: number,
  more: number,
  added: (body: ModuleWriter) => void,
  own: (reader: ModuleReader, count: number, body: ModuleWriter) => void = (reader, _count, b) =>
    b.append(reader.take(reader.bytes.length - reader.at)),
): void {
  const reader = new ModuleReader(program.get(id) ?? Uint8Array.of(0));
  const count = reader.u32();
  body.u32(count + more);
  own(reader, count, body);
  added(body);
}

function checkTypes(program: Sections): void {
  const reader = new ModuleReader(program.get(SECTION.type) ?? Uint8Array.of(0));
  for (let count = reader.u32(); count > 0; count -= 1) {
    if (reader.byte() !== 0x60) throw unsupported("a type that is not of a function");
    for (let lists = 0; lists < 2; lists += 1) {
      const values = reader.u32();
      if (values > MOST_VALUES) throw tooLarge("a list of parameters or results");
      for (const type of reader.take(values)) checkValueType(type);
    }
  }
}

function boundedTable(bytes: Uint8Array): Uint8Array {
  const reader = new ModuleReader(bytes);
  const count = reader.u32();
  if (count > 1) throw unsupported("more than one table");
  if (count === 1) {
    if (reader.byte() !== FUNCREF) throw unsupported("a table of something else than functions");
    if (reader.byte() > 1) throw unsupported("this kind of table");
    if (reader.u32() > MOST_TABLE_ELEMENTS) throw tooLarge("its table");
  }
  return bytes;
}

function writeMemory(body: ModuleWriter, program: Sections, mostPages: number): void {
  const reader = new ModuleReader(program.get(SECTION.memory) ?? Uint8Array.of(0));
  const count = reader.u32();
  if (count === 0) throw new ServiceError("PROGRAM_FAILED", { fault: "interface", detail: "it has no memory" });
  if (count > 1) throw unsupported("more than one memory");
  const flags = reader.byte();
  if (flags > 1) throw unsupported("a memory that is shared, or of 64 bits");
  const least = reader.u32();
  const most = flags === 1 ? reader.u32() : mostPages;
  if (least > mostPages) {
    const detail = `it begins with more than ${mostPages} pages`;
    throw new ServiceError("PROGRAM_FAILED", { fault: "memory", detail });
  }
  body.byte(1, 1);
  body.u32(least);
  body.u32(Math.min(most, mostPages));
}

function checkGlobals(program: Sections): void {
  const reader = new ModuleReader(program.get(SECTION.global) ?? Uint8Array.of(0));
  for (let count = reader.u32(); count > 0; count -= 1) {
    checkValueType(reader.byte());
    reader.byte();
    for (let op = readInstruction(reader).op; op !== OP.end; op = readInstruction(reader).op) {
      if (op < OP.i32Const || op > OP.f64Const) {
        throw unsupported("a global that begins as something else than a constant");
      }
    }
  }
}

const KEPT_EXPORTS: Readonly<Record<string, number>> = { run: 0, allocate: 0, memory: 2 };

function writeExports(body: ModuleWriter, program: Sections, added: Added): void {
  const reader = new ModuleReader(program.get(SECTION.export) ?? Uint8Array.of(0));
  const kept = new ModuleWriter();
  let count = 0;
  for (let left = reader.u32(); left > 0; left -= 1) {
    const name = reader.take(reader.u32());
    const kind = reader.byte();
    const index = reader.u32();
    const text = new TextDecoder().decode(name);
    if (!Object.hasOwn(KEPT_EXPORTS, text)) continue;
    if (KEPT_EXPORTS[text] !== kind) {
      throw new ServiceError("PROGRAM_FAILED", { fault: "interface", detail: `${text} is not what it should be` });
    }
    writeExport(kept, text, kind, index);
    count += 1;
  }
  const start = program.get(SECTION.start);
  if (start !== undefined) {
    writeExport(kept, "start", 0, new ModuleReader(start).u32());
    count += 1;
  }
  writeExport(kept, "fuel", 3, added.fuel);
  body.u32(count + 1);
  body.append(kept.written());
}

function writeExport(body: ModuleWriter, name: string, kind: number, index: number): void {
  body.vector(new TextEncoder().encode(name));
  body.byte(kind);
  body.u32(index);
}
