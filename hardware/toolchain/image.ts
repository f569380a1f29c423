/**
 * A board's image: the core as C, what every board has, and what this board has, compiled and linked. The same bytes
 * come out wherever the checkout lies and whenever it is built: no paths, no dates, and the files in the order of their
 * names.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeDescriptors } from "../usb/index.ts";
import { arm } from "./arm.ts";
import { checkedLoader, type ImageSums, LOADER_SIZE, sumImage } from "./loader.ts";
import { readSizes, type Sizes } from "./sizes.ts";
import { translateCore } from "./translate.ts";

const HARDWARE = fileURLToPath(new URL("..", import.meta.url));

/** The boards that there are: one folder each. */
export const BOARDS: readonly string[] = readdirSync(join(HARDWARE, "boards")).toSorted();

/** In hardware/common, and no part of what is linked. */
const LOADER = "loader.c";

/** A page of the flash: an image is whole pages, the last filled with what erased flash reads. */
const PAGE = 256;
const ERASED = 0xff;

const FLAGS = [
  "-mcpu=cortex-m0plus",
  "-mthumb",
  "-std=c11",
  "-O2",
  "-ffreestanding",
  "-fno-common",
  "-ffunction-sections",
  "-fdata-sections",
  // A loop that copies stays a loop: it may be memcpy's own.
  "-fno-tree-loop-distribute-patterns",
  // No assertion names its file.
  "-DNDEBUG",
];
const WARNINGS = ["-Wall", "-Wextra", "-Werror"];

/** What was built, with the paths of it. */
export interface Image {
  readonly elf: string;
  readonly bin: string;
  readonly sizes: Sizes;
  /** SHA-256 of the core that is in it. */
  readonly core: string;
}

/** Compiles one file and gives the path of its object. */
type Compile = (source: string, flags: readonly string[]) => string;

/** Folders whose C belongs to every board, and the board's own. */
export function sourceFolders(board: string): string[] {
  return [join(HARDWARE, "core"), join(HARDWARE, "common"), join(HARDWARE, "boards", board)];
}

/**
 * Compiles and links in `directory`.
 * @param altered texts that stand in for files of the firmware, by their names: for tests that plant a defect
 * @throws FirmwareError COMPILER_MISSING; Error when something does not compile, or outgrows the lengths in the board's
 * link.ld
 */
export function buildImage(board: string, directory: string, altered: ReadonlyMap<string, string> = new Map()): Image {
  mkdirSync(directory, { recursive: true });
  const core = translateCore(directory);
  writeDescriptors(directory);
  const folders = sourceFolders(board);
  const compile: Compile = (source, flags) => {
    const object = join(directory, `${basename(source, ".c")}.o`);
    const names = [`-ffile-prefix-map=${directory}=.`, `-ffile-prefix-map=${HARDWARE}=hardware/`];
    const includes = [...folders, directory].map((folder) => `-I${folder}`);
    arm("gcc", [...FLAGS, ...flags, ...names, ...includes, "-c", source, "-o", object]);
    return object;
  };

  const sources = folders.flatMap((folder) => cFiles(folder)).filter((path) => basename(path) !== LOADER);
  const objects = [
    ...sources.map((source) => compile(standIn(source, directory, altered), WARNINGS)),
    // Generated: it has functions that this core does not need, and the linker leaves them out.
    compile(core.source, ["-w"]),
  ];
  const elf = join(directory, "image.elf");
  const map = join(directory, "image.map");
  const script = join(HARDWARE, "boards", board, "link.ld");
  const where = [`-L${join(HARDWARE, "common")}`, `-T${script}`, `-Wl,-Map=${map}`];
  const how = ["-nostdlib", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,--strip-debug"];
  arm("gcc", [...FLAGS, ...how, ...where, ...objects, "-lgcc", "-o", elf]);

  // The linker leaves room for the loader, which can be made only now: it knows what the rest sums up to.
  const image = binary(elf);
  const source = standIn(join(HARDWARE, "common", LOADER), directory, altered);
  const loader = buildLoader(compile, source, directory, sumImage(image.subarray(LOADER_SIZE)));
  image.set(loader);
  writeFileSync(join(directory, "loader"), loader);
  arm("objcopy", ["--update-section", `.loader=${join(directory, "loader")}`, elf]);
  const bin = join(directory, "image.bin");
  writeFileSync(bin, image);
  return { elf, bin, sizes: readSizes(readFileSync(map, "utf8"), image.length), core: core.sha256 };
}

function standIn(source: string, directory: string, altered: ReadonlyMap<string, string>): string {
  const text = altered.get(basename(source));
  if (text === undefined) return source;
  const path = join(directory, basename(source));
  writeFileSync(path, text);
  return path;
}

/** The loader of an image with these sums, with its own checksum. */
function buildLoader(compile: Compile, source: string, directory: string, { words, sum, sums }: ImageSums): Uint8Array {
  const known = [`-DIMAGE_WORDS=${words}u`, `-DIMAGE_SUM=${sum}u`, `-DIMAGE_SUMS=${sums}u`];
  const object = compile(source, [...WARNINGS, "-Os", ...known]);
  const elf = join(directory, "loader.elf");
  const script = join(HARDWARE, "common", "loader.ld");
  arm("gcc", [...FLAGS, "-nostdlib", "-Wl,--build-id=none", `-T${script}`, object, "-o", elf]);
  const bin = `${elf}.bin`;
  arm("objcopy", ["-O", "binary", elf, bin]);
  return checkedLoader(readFileSync(bin));
}

/** What an ELF file loads, in whole pages. */
function binary(elf: string): Uint8Array {
  const bin = `${elf}.bin`;
  arm("objcopy", ["-O", "binary", elf, bin]);
  return wholePages(readFileSync(bin));
}

function cFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".c"))
    .toSorted()
    .map((name) => join(folder, name));
}

function wholePages(image: Uint8Array): Uint8Array {
  const pages = new Uint8Array(Math.ceil(image.length / PAGE) * PAGE).fill(ERASED);
  pages.set(image);
  return pages;
}
