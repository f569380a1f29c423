// The instructions that a program may have, and how to pass over each: what follows its opcode, by the tables of the
// WebAssembly specification (binary format, instructions).

import { type ModuleReader, unsupported } from "./bytes.ts";

export const OP = {
  unreachable: 0x00,
  nop: 0x01,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  drop: 0x1a,
  select: 0x1b,
  localGet: 0x20,
  globalGet: 0x23,
  globalSet: 0x24,
  firstLoad: 0x28,
  lastStore: 0x3e,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  firstOperator: 0x45,
  i32GtU: 0x4b,
  i64LtS: 0x53,
  i64Sub: 0x7d,
  i64Shl: 0x86,
  i64ShrU: 0x88,
  i64ExtendU: 0xad,
  lastOperator: 0xc4,
  /** Of two parts: the second is in BULK, or a saturating conversion below them. */
  prefix: 0xfc,
  vectorPrefix: 0xfd,
  atomicPrefix: 0xfe,
} as const;

export const BULK = {
  memoryInit: 8,
  dataDrop: 9,
  memoryCopy: 10,
  memoryFill: 11,
  tableInit: 12,
  elementDrop: 13,
  tableCopy: 14,
} as const;

/** The type of a block without parameters and results. */
export const EMPTY_BLOCK = 0x40;

/** Numbers of at most 32 bits that follow an opcode. */
const NUMBERS: ReadonlyMap<number, number> = new Map([
  [OP.unreachable, 0],
  [OP.nop, 0],
  [OP.else, 0],
  [OP.end, 0],
  [OP.return, 0],
  [OP.drop, 0],
  [OP.select, 0],
  [OP.br, 1],
  [OP.brIf, 1],
  [OP.call, 1],
  [OP.callIndirect, 2],
  [OP.memorySize, 1],
  [OP.memoryGrow, 1],
  [OP.i32Const, 1],
]);
const BULK_NUMBERS: ReadonlyMap<number, number> = new Map([
  [BULK.memoryInit, 2],
  [BULK.dataDrop, 1],
  [BULK.memoryCopy, 2],
  [BULK.memoryFill, 1],
  [BULK.tableInit, 2],
  [BULK.elementDrop, 1],
  [BULK.tableCopy, 2],
]);

/**
 * Passes over one instruction and answers its opcode; `bulk` is its second part when it is one of BULK.
 * @throws ServiceError PROGRAM_FAILED, unsupported
 */
export function readInstruction(reader: ModuleReader): { readonly op: number; readonly bulk: number | null } {
  const op = reader.byte();
  if (op === OP.prefix) return { op, bulk: skipPrefixed(reader) };
  skipImmediates(op, reader);
  return { op, bulk: null };
}

/** @throws ServiceError PROGRAM_FAILED, unsupported, when this is not the type of a number */
export function checkValueType(type: number): void {
  if (type < 0x7c || type > 0x7f) throw unsupported("a type that is not a number");
}

function skipImmediates(op: number, reader: ModuleReader): void {
  const numbers = numbersBehind(op);
  if (numbers !== undefined) skipNumbers(numbers, reader);
  else if (op >= OP.firstLoad && op <= OP.lastStore) skipPlace(reader);
  else if (op === OP.block || op === OP.loop || op === OP.if) skipBlockType(reader);
  else if (op === OP.brTable) skipNumbers(reader.u32() + 1, reader);
  else if (op === OP.i64Const) reader.skipNumber(10);
  else if (op === OP.f32Const) reader.take(4);
  else if (op === OP.f64Const) reader.take(8);
  else if (op === OP.vectorPrefix) throw unsupported("an instruction on vectors");
  else if (op === OP.atomicPrefix) throw unsupported("an instruction of threads");
  else throw unsupported(`the instruction 0x${op.toString(16)}`);
}

function numbersBehind(op: number): number | undefined {
  if (op >= OP.firstOperator && op <= OP.lastOperator) return 0;
  if (op >= OP.localGet && op <= OP.globalSet) return 1;
  return NUMBERS.get(op);
}

function skipNumbers(count: number, reader: ModuleReader): void {
  for (let left = count; left > 0; left -= 1) reader.skipNumber(5);
}

/** Alignment and offset. Larger alignments stand for features of later versions. */
function skipPlace(reader: ModuleReader): void {
  if (reader.u32() > 3) throw unsupported("more than one memory");
  reader.skipNumber(5);
}

/** Nothing, one number, or the index of a function's type. */
function skipBlockType(reader: ModuleReader): void {
  const first = reader.bytes[reader.at];
  if (first !== undefined && first > EMPTY_BLOCK && first < 0x80) checkValueType(first);
  reader.skipNumber(5);
}

function skipPrefixed(reader: ModuleReader): number | null {
  const second = reader.u32();
  if (second < BULK.memoryInit) return null;
  const numbers = BULK_NUMBERS.get(second);
  if (numbers === undefined) throw unsupported(`the instruction 0xfc ${second}`);
  skipNumbers(numbers, reader);
  return second;
}
