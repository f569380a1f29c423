/**
 * What a board is flashed with: the image as ELF, BIN and UF2, and the manifest that says what it is.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import {
  digest,
  encodeUf2,
  FLASH_START,
  hexWord,
  MANIFEST_NAME,
  type Manifest,
  parseManifest,
  RP2040_FAMILY,
} from "../../host/boot/index.ts";
import { armVersion } from "./arm.ts";
import { FirmwareError } from "./error.ts";
import { BOARDS, buildImage, sourceFolders } from "./image.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const HARDWARE = join(ROOT, "hardware");
const CORE = join(ROOT, "build", "device.wasm");
/** Its version is the firmware's, and it names the wabt that translates. */
const PACKAGE = join(ROOT, "package.json");

/** Says what the files beside it were made of: whoever would make them of the same need not. */
const STAMP = "inputs";

/** The firmware of a board: paths, and what the manifest says. */
export interface Firmware {
  readonly elf: string;
  readonly bin: string;
  readonly uf2: string;
  readonly manifest: Manifest;
}

/**
 * The firmware of a board in `build/firmware/<board>`; built when it is not there, or when anything that it is made of
 * has changed. Several processes may ask at once: each replaces whole files, by the same bytes.
 * @throws FirmwareError
 */
export function firmwareFor(board: string): Firmware {
  if (!BOARDS.includes(board)) throw new FirmwareError("BOARD_UNKNOWN", { board, boards: BOARDS.join(", ") });
  if (!existsSync(CORE)) throw new FirmwareError("CORE_MISSING", { path: CORE });
  const place = join(ROOT, "build", "firmware", board);
  const inputs = digestOfInputs(board);
  if (readIfThere(join(place, STAMP)) !== inputs) {
    mkdirSync(place, { recursive: true });
    const made = mkdtempSync(join(place, "new-"));
    try {
      build(board, made);
      writeFileSync(join(made, STAMP), inputs);
      // The stamp goes first and comes last: who sees it sees the rest.
      rmSync(join(place, STAMP), { force: true });
      for (const name of [...filesOf(board), STAMP]) renameSync(join(made, name), join(place, name));
    } finally {
      rmSync(made, { recursive: true, force: true });
    }
  }
  const [elf, bin, uf2, manifest] = filesOf(board).map((name) => join(place, name));
  return { elf: elf!, bin: bin!, uf2: uf2!, manifest: parseManifest(readFileSync(manifest!, "utf8")) };
}

function filesOf(board: string): string[] {
  return [...["elf", "bin", "uf2"].map((kind) => `tearpad-${board}.${kind}`), MANIFEST_NAME];
}

function build(board: string, directory: string): void {
  const image = buildImage(board, join(directory, "objects"));
  const bytes = readFileSync(image.bin);
  const file = encodeUf2(bytes, { address: FLASH_START, family: RP2040_FAMILY });
  const manifest: Manifest = {
    format: 1,
    board,
    version: JSON.parse(readFileSync(PACKAGE, "utf8")).version,
    family: hexWord(RP2040_FAMILY),
    address: hexWord(FLASH_START),
    core: image.core,
    image: digest(bytes),
    uf2: digest(file),
    sizes: image.sizes,
  };
  const [elf, bin, uf2, json] = filesOf(board).map((name) => join(directory, name));
  renameSync(image.elf, elf!);
  renameSync(image.bin, bin!);
  writeFileSync(uf2!, file);
  writeFileSync(json!, `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * Everything that can change a byte of the image: sources, the generators and their package, the core, the version, the
 * compiler.
 */
function digestOfInputs(board: string): string {
  const folders = [...sourceFolders(board), join(HARDWARE, "usb"), join(HARDWARE, "toolchain")];
  const files = folders.flatMap((folder) =>
    readdirSync(folder)
      .toSorted()
      .map((name) => join(folder, name)),
  );
  const hash = createHash("sha256").update(armVersion());
  for (const file of [...files, CORE, PACKAGE]) hash.update(relative(ROOT, file)).update(readFileSync(file));
  return hash.digest("hex");
}

function readIfThere(path: string): string | null {
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}
