// A copy of the driver, of the protocol and of the simulator with at most one defect in it, on a disk that forgets (driver-disk.ts). Everything else in the copy
// runs as it is.

import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A replacement in one source file, which must apply exactly once. */
export interface DriverDefect {
  readonly name: string;
  /** Relative to the root of the project. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** What the hunt uses of a copy. */
export interface DriverTree {
  readonly driver: typeof import("../../host/driver/index.ts");
  readonly machine: typeof import("../../simulator/machine.ts");
  readonly flash: typeof import("../../simulator/flash.ts");
  readonly image: typeof import("../../simulator/image.ts");
  readonly disk: typeof import("./driver-disk.ts")["disk"];
}

const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));
const FOLDERS = ["host/driver", "host/protocol", "simulator"];
const DISK = "disk.ts";

/** Loads a copy with a defect, or with none. Throws when the source has no place for it, or more than one. */
export async function plantDriver(defect: DriverDefect | null): Promise<DriverTree> {
  const mutants = join(ROOT, "build", "mutants");
  await mkdir(mutants, { recursive: true });
  const tree = await mkdtemp(join(mutants, "driver-"));
  try {
    for (const folder of FOLDERS) await copy(folder, tree, defect);
    await cp(join(ROOT, "test/torture/driver-disk.ts"), join(tree, DISK));
    const load = async <Module>(path: string): Promise<Module> => (await import(join(tree, path))) as Module;
    return {
      driver: await load("host/driver/index.ts"),
      machine: await load("simulator/machine.ts"),
      flash: await load("simulator/flash.ts"),
      image: await load("simulator/image.ts"),
      disk: (await load<typeof import("./driver-disk.ts")>(DISK)).disk,
    };
  } finally {
    await rm(tree, { recursive: true });
  }
}

/** Copies the files of a folder, without its subfolders. */
async function copy(folder: string, tree: string, defect: DriverDefect | null): Promise<void> {
  const disk = `"${"../".repeat(folder.split("/").length)}${DISK}"`;
  await mkdir(join(tree, folder), { recursive: true });
  for (const name of await readdir(join(ROOT, folder))) {
    if (!name.endsWith(".ts")) continue;
    const file = `${folder}/${name}`;
    const source = plantIn(await readFile(join(ROOT, file), "utf8"), defect?.file === file ? defect : null);
    await writeFile(join(tree, file), source.replaceAll(/"node:fs(\/promises)?"/g, disk));
  }
}

function plantIn(source: string, defect: DriverDefect | null): string {
  if (defect === null) return source;
  if (source.split(defect.from).length !== 2) {
    throw new Error(`${defect.file} has not exactly one place for: ${defect.name}`);
  }
  return source.replace(defect.from, () => defect.to);
}
