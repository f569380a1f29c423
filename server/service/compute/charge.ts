// Charging: what is put into the functions of a program so that they take fuel for what they do (meter.ts says how much).

import { ModuleReader, ModuleWriter, tooLarge } from "./bytes.ts";
import { BULK, checkValueType, EMPTY_BLOCK, OP, readInstruction } from "./instructions.ts";

/** Indices of what the meter adds, behind what the module has. */
export interface Added {
  readonly fuel: number;
  readonly chargeItems: number;
  readonly chargePages: number;
}

/** Of one function, its parameters not counted. */
const MOST_LOCALS = 4096;
/** Of a metered function. What a compiler needs for one grows with its size, and with its locals in each of its blocks. */
const MOST_FUNCTION_BYTES = 131_072;
const MOST_LOCALS_IN_BLOCKS = 1_000_000;

/** The two functions that charge for what an instruction is told to do: each takes and gives back its last operand. */
export function writeCharges(body: ModuleWriter, added: Added, mostPages: number): void {
  const items = new ModuleWriter();
  items.byte(0);
  takeFuel(items, added, () => items.byte(OP.localGet, 0, OP.i64ExtendU, OP.i64Const, 3, OP.i64ShrU));
  items.byte(OP.localGet, 0, OP.end);
  body.vector(items.written());

  // More pages than there may be are not given, and cost nothing.
  const pages = new ModuleWriter();
  pages.byte(0, OP.localGet, 0, OP.i32Const);
  pages.signed(mostPages);
  pages.byte(OP.i32GtU, OP.if, EMPTY_BLOCK, OP.localGet, 0, OP.return, OP.end);
  takeFuel(pages, added, () => pages.byte(OP.localGet, 0, OP.i64ExtendU, OP.i64Const, 13, OP.i64Shl));
  pages.byte(OP.localGet, 0, OP.end);
  body.vector(pages.written());
}

/** fuel := fuel - amount; trap when it is below 0. */
function takeFuel(out: ModuleWriter, { fuel }: Added, amount: () => void): void {
  out.byte(OP.globalGet);
  out.u32(fuel);
  amount();
  out.byte(OP.i64Sub, OP.globalSet);
  out.u32(fuel);
  out.byte(OP.globalGet);
  out.u32(fuel);
  out.byte(OP.i64Const, 0, OP.i64LtS, OP.if, EMPTY_BLOCK, OP.unreachable, OP.end);
}

/** Puts the meter into the functions of one module, one after the other. */
export class FunctionMeter {
  readonly #added: Added;
  readonly #out = new ModuleWriter();
  readonly #block = new ModuleWriter();
  #cost = 0;
  #blocks = 0;

  constructor(added: Added) {
    this.#added = added;
  }

  /** The body of a function (without its length) with the meter in it; valid until the next one. */
  metered(body: Uint8Array): Uint8Array {
    this.#out.clear();
    const reader = new ModuleReader(body);
    const locals = readLocals(reader);
    this.#cost = 1 + locals;
    this.#blocks = 0;
    this.#out.append(body.subarray(0, reader.at));
    while (!reader.done) this.#instruction(reader);
    this.#endBlock();
    if (this.#out.length > MOST_FUNCTION_BYTES || locals * this.#blocks > MOST_LOCALS_IN_BLOCKS) {
      throw tooLarge("a function");
    }
    return this.#out.written();
  }

  #instruction(reader: ModuleReader): void {
    const start = reader.at;
    const { op, bulk } = readInstruction(reader);
    if (op === OP.memoryGrow) this.#charge(this.#added.chargePages);
    if (bulk !== null && BY_LENGTH.has(bulk)) this.#charge(this.#added.chargeItems);
    this.#block.append(reader.bytes.subarray(start, reader.at));
    if (op !== OP.end && op !== OP.else) this.#cost += 1;
    // A table of branches has at most as many of them as it has bytes.
    if (op === OP.brTable) this.#blocks += reader.at - start;
    if (ENDS_BLOCK.has(op)) this.#endBlock();
  }

  #charge(helper: number): void {
    this.#block.byte(OP.call);
    this.#block.u32(helper);
  }

  #endBlock(): void {
    if (this.#cost > 0) {
      takeFuel(this.#out, this.#added, () => {
        this.#out.byte(OP.i64Const);
        this.#out.signed(this.#cost);
      });
    }
    this.#out.append(this.#block.written());
    this.#block.clear();
    this.#blocks += 1;
    this.#cost = 0;
  }
}

function readLocals(reader: ModuleReader): number {
  let locals = 0;
  for (let groups = reader.u32(); groups > 0; groups -= 1) {
    locals += reader.u32();
    checkValueType(reader.byte());
  }
  if (locals > MOST_LOCALS) throw tooLarge("the locals of a function");
  return locals;
}

/** What follows in the text need not follow in time, or something else can arrive there. */
const ENDS_BLOCK: ReadonlySet<number> = new Set([
  OP.unreachable,
  OP.loop,
  OP.if,
  OP.else,
  OP.end,
  OP.br,
  OP.brIf,
  OP.brTable,
  OP.return,
]);

/** Instructions whose last operand says how much they do. */
const BY_LENGTH: ReadonlySet<number> = new Set([
  BULK.memoryInit,
  BULK.memoryCopy,
  BULK.memoryFill,
  BULK.tableInit,
  BULK.tableCopy,
]);
