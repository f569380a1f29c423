// Packs the package, installs it in an empty project as a newcomer would, and uses it there: the four subpaths with their
// types, the command, and every Node on the PATH, where one that is too old must be told so in one sentence.
// `npm run check` ends with this. It needs npm and its registry or cache; it leaves nothing behind but dist/.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { nodeTooOld } from "../../host/protocol/node-version.ts";

const CHECKOUT = fileURLToPath(new URL("../../", import.meta.url));
const SUBPATHS = ["driver", "engine", "link", "simulator"] as const;

const folder = mkdtempSync(join(tmpdir(), "tearpad-package-"));
try {
  checkPackage(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function checkPackage(project: string): void {
  installPacked(project);
  claim("an empty project imports the four subpaths with their types");
  compileUse(project);
  for (const node of nodesOnPath()) {
    const version = run(node, ["--version"], project).trim().slice(1);
    if (nodeTooOld(version)) {
      claim(`Node ${version} is told that it is too old`);
      checkRefusal(node, project);
    } else {
      claim(`Node ${version} runs what was compiled, and the command`);
      run(node, ["use.js"], project);
      assert.equal(run(node, [commandFile(project), "--version"], project).trim(), ownVersion());
    }
  }
  claim("npx finds the command");
  assert.equal(run("npx", ["--no-install", "tearpad", "--version"], project).trim(), ownVersion());
  claim("the driver loads without what the simulator needs");
  remove(project, "@lydell");
  importAlone(project, "driver");
  claim("the engine loads without what the driver needs");
  remove(project, "serialport", "@serialport");
  importAlone(project, "engine");
}

function installPacked(project: string): void {
  run("npm", ["pack", "--silent", "--pack-destination", project], CHECKOUT);
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz"));
  assert.ok(tarball, "npm pack wrote a tarball");
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  run("npm", ["install", "--no-fund", "--no-audit", "--prefer-offline", `./${tarball}`], project);
}

/**
 * The compiler and the types of Node come from the checkout: a real project would have its own. The file to compile is kept
 * as text, since in the checkout the subpaths lead to dist/, which need not be there.
 */
function compileUse(project: string): void {
  cpSync(join(CHECKOUT, "test/package/use.txt"), join(project, "use.ts"));
  const compilerOptions = {
    strict: true,
    target: "es2023",
    module: "nodenext",
    moduleResolution: "nodenext",
    types: ["node"],
    typeRoots: [join(CHECKOUT, "node_modules/@types")],
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
  run(join(CHECKOUT, "node_modules/.bin/tsc"), [], project);
}

/** A library throws an error with a code, the command prints its sentence; neither shows a stack or fails in another way. */
function checkRefusal(node: string, project: string): void {
  for (const subpath of SUBPATHS) {
    const script = `import("tearpad/${subpath}").catch((error) => console.log(error.code + " " + error.message));`;
    assert.match(run(node, ["--eval", script], project), /^NODE_TOO_OLD Tearpad needs Node .*\.\n$/);
  }
  const refused = spawnSync(node, [commandFile(project), "--version"], { cwd: project, encoding: "utf8" });
  assert.equal(refused.status, 1);
  assert.equal(refused.stdout, "");
  assert.match(refused.stderr, /^Tearpad needs Node .*\.\n$/);
}

function importAlone(project: string, subpath: string): void {
  run(process.execPath, ["--input-type=module", "--eval", `await import("tearpad/${subpath}");`], project);
}

function remove(project: string, ...packages: string[]): void {
  for (const name of packages) {
    const installed = join(project, "node_modules", name);
    assert.ok(existsSync(installed), `${name} was installed with the package`);
    rmSync(installed, { recursive: true });
  }
}

function nodesOnPath(): string[] {
  const candidates = (process.env.PATH ?? "").split(delimiter).map((place) => join(place, "node"));
  return [
    ...new Set([process.execPath, ...candidates].filter((file) => existsSync(file)).map((file) => realpathSync(file))),
  ];
}

function commandFile(project: string): string {
  return realpathSync(join(project, "node_modules/.bin/tearpad"));
}

function ownVersion(): string {
  return JSON.parse(readFileSync(join(CHECKOUT, "package.json"), "utf8")).version;
}

/** What a command prints; its failure is ours. An npm above us must not tell an npm below us which project it is in. */
function run(command: string, args: readonly string[], cwd: string): string {
  const inherited = Object.entries(process.env).filter(([name]) => !/^npm_(?!config_)|_prefix$/.test(name));
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env: Object.fromEntries(inherited),
    encoding: "utf8",
  });
  assert.equal(status, 0, `${command} ${args.join(" ")} ended with status ${status}\n${stdout}${stderr}`);
  return stdout;
}

function claim(text: string): void {
  process.stdout.write(`${text}\n`);
}
