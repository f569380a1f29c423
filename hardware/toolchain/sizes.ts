/**
 * What an image is made of, from the linker's map: bytes of flash and of RAM by part.
 */

import { LOADER_SIZE } from "./loader.ts";

/** Bytes: `flash` and `ram` in all, and by part as `flash/core`, `ram/core` and so on. */
export type Sizes = Readonly<Record<string, number>>;

/** Which part an object file belongs to; what stands nowhere is the board's. */
const PARTS: readonly (readonly [part: string, objects: RegExp])[] = [
  ["core", /^(core|body|wasm-rt)$/],
  ["start", /^(start|clocks|reset)$/],
  ["nor", /^(nor|spi|boot_flash)$/],
  ["uart", /^uart$/],
  ["usb", /^usb/],
  ["runtime", /^(memory|lib\w+\.a)$/],
];

const FLASH_AT = 0x1000_0000;
const RAM_AT = 0x2000_0000;
const RAM_END = 0x2004_0000;

/** Reads the map that `-Wl,-Map` wrote. What lies between parts, for alignment, and behind the last is `padding`. */
export function readSizes(map: string, imageBytes: number): Sizes {
  const flash: Parts = {};
  const ram: Parts = {};
  const begin = map.indexOf("Linker script and memory map");
  // Name, address, size and file of an input section; behind a long name the rest stands on the next line.
  for (const [, section, address, size, file] of map
    .slice(begin)
    .matchAll(/^ (\.\S+|COMMON)\s+0x([0-9a-f]+) +0x([0-9a-f]+) (\S.*)$/gm)) {
    const at = Number.parseInt(address!, 16);
    const bytes = Number.parseInt(size!, 16);
    const part = partOf(file!);
    const inRam = at >= RAM_AT && at < RAM_END;
    if (inRam) add(ram, part, bytes);
    if ((at >= FLASH_AT && at < RAM_AT) || (inRam && !/^(\.bss|COMMON)/.test(section!))) add(flash, part, bytes);
  }
  add(flash, "start", LOADER_SIZE);
  add(flash, "padding", imageBytes - sum(flash));
  const stack = /^\.stack\s+0x[0-9a-f]+\s+0x([0-9a-f]+)/m.exec(map);
  add(ram, "stack", Number.parseInt(stack![1]!, 16));
  return { flash: imageBytes, ...named("flash", flash), ram: sum(ram), ...named("ram", ram) };
}

type Parts = Record<string, number>;

function partOf(file: string): string {
  const name = /([^/]+?)(?:\.o)?(?:\(\S+\))?$/.exec(file)?.[1] ?? file;
  return PARTS.find(([, objects]) => objects.test(name))?.[0] ?? "board";
}

function add(parts: Parts, part: string, bytes: number): void {
  if (bytes > 0) parts[part] = (parts[part] ?? 0) + bytes;
}

function sum(parts: Parts): number {
  return Object.values(parts).reduce((total, bytes) => total + bytes, 0);
}

function named(memory: string, parts: Parts): Parts {
  const entries = Object.entries(parts).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([part, bytes]) => [`${memory}/${part}`, bytes]));
}
