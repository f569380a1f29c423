/** WebAssembly modules put together by hand, byte by byte, for programs that no compiler would make. */

export const I32 = 0x7f;
export const I64 = 0x7e;

export interface Function {
  readonly parameters?: readonly number[];
  readonly results?: readonly number[];
  /** How many, and of which type. */
  readonly locals?: readonly (readonly [count: number, type: number])[];
  /** Its instructions without the last `end`. */
  readonly code: readonly number[];
  readonly name?: string;
}

export interface Parts {
  readonly functions: readonly Function[];
  /** Pages at first and at most; 1 when nothing is said; null: no memory. */
  readonly memory?: readonly number[] | null;
  readonly start?: number;
  /** Numbers of functions that the table holds, from 0. */
  readonly table?: readonly number[];
  /** Whole sections, as they are: number and content. */
  readonly sections?: readonly (readonly [id: number, body: readonly number[]])[];
}

/** The module of these parts. */
export function moduleOf({ functions, memory = [1], start, table, sections = [] }: Parts): Uint8Array {
  const exported = functions.flatMap(({ name }, index) =>
    name === undefined ? [] : [[...text(name), 0, ...leb(index)]],
  );
  if (memory !== null) exported.push([...text("memory"), 2, 0]);
  const made = new Map<number, number[]>([
    [1, vector(functions.map((f) => [0x60, ...vector(types(f.parameters)), ...vector(types(f.results))]))],
    [3, vector(functions.map((_, index) => leb(index)))],
    [7, vector(exported)],
    [10, vector(functions.map((f) => sized([...locals(f), ...f.code, 0x0b])))],
  ]);
  if (table !== undefined) {
    made.set(4, [1, 0x70, 0, ...leb(table.length)]);
    made.set(9, [1, 0, 0x41, 0, 0x0b, ...vector(table.map(leb))]);
  }
  if (memory !== null) made.set(5, [1, memory.length - 1, ...memory.flatMap(leb)]);
  if (start !== undefined) made.set(8, leb(start));
  for (const [id, body] of sections) made.set(id, [...body]);
  const ordered = [...made].sort(([a], [b]) => PLACE.indexOf(a) - PLACE.indexOf(b));
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...ordered.flatMap(([id, body]) => [id, ...sized(body)])]);
}

/** A number as WebAssembly writes it: unsigned. */
export function leb(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...leb(Math.floor(value / 128))];
}

/** `i32.const value`, for values that are not negative. */
export function i32(value: number): number[] {
  const bytes = leb(value);
  return (bytes.at(-1) ?? 0) < 0x40 ? [0x41, ...bytes] : [0x41, ...bytes.slice(0, -1), (bytes.at(-1) ?? 0) | 0x80, 0];
}

/** The function `run` of a program with this code, which leaves no output. */
export function run(code: readonly number[], more: Partial<Function> = {}): Function {
  return { name: "run", parameters: [I32, I32], results: [I64], code: [...code, 0x42, 0], ...more };
}

/** The order of sections. */
const PLACE = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

function types(list: readonly number[] = []): number[][] {
  return list.map((type) => [type]);
}

function locals({ locals: groups = [] }: Function): number[] {
  return vector(groups.map(([count, type]) => [...leb(count), type]));
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...leb(items.length), ...items.flat()];
}

function sized(body: readonly number[]): number[] {
  return [...leb(body.length), ...body];
}

function text(name: string): number[] {
  return sized([...new TextEncoder().encode(name)]);
}
