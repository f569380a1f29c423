/**
 * The symbols of an ELF file (System V ABI, 32 bits, little endian): where functions lie and what the linker script says about memory.
 */
import { Panic } from "../../simulator/index.ts";

export interface Symbols {
  /** Where a name lies; undefined when there is none of that name. */
  at(name: string): number | undefined;
  /** The function that holds an address, and how far into it. */
  functionAt(address: number): { readonly name: string; readonly offset: number } | undefined;
  /** All functions, by address. */
  readonly functions: readonly { readonly name: string; readonly address: number; readonly size: number }[];
}

const SYMBOL_TABLE = 2;
const FUNCTION = 2;

/** Reads the symbol table of a file that was not stripped. */
export function readSymbols(elf: Uint8Array): Symbols {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.length);
  if (elf.length < 52 || view.getUint32(0) !== 0x7f454c46 || elf[4] !== 1 || elf[5] !== 1)
    throw new Panic("Not an ELF file of 32 bits.");
  const u32 = (at: number): number => view.getUint32(at, true);
  const sections = u32(32);
  const size = view.getUint16(46, true);
  const count = view.getUint16(48, true);
  const places = new Map<string, number>();
  const functions: { name: string; address: number; size: number }[] = [];
  for (let section = sections; section < sections + size * count; section += size) {
    if (u32(section + 4) !== SYMBOL_TABLE) continue;
    const names = u32(sections + size * u32(section + 24) + 16);
    const from = u32(section + 16);
    for (let at = from; at < from + u32(section + 20); at += 16) {
      const name = text(elf, names + u32(at));
      if (name === "" || name.startsWith("$")) continue;
      const isFunction = (elf[at + 12]! & 15) === FUNCTION;
      places.set(name, isFunction ? u32(at + 4) & ~1 : u32(at + 4));
      if (isFunction) functions.push({ name, address: u32(at + 4) & ~1, size: u32(at + 8) });
    }
  }
  functions.sort((a, b) => a.address - b.address);
  return {
    functions,
    at: (name) => places.get(name),
    functionAt: (address) => {
      const found = functions.findLast((one) => one.address <= address);
      if (found === undefined || address >= found.address + Math.max(found.size, 2)) return undefined;
      return { name: found.name, offset: address - found.address };
    },
  };
}

function text(bytes: Uint8Array, from: number): string {
  return Buffer.from(bytes.subarray(from, bytes.indexOf(0, from))).toString("latin1");
}
