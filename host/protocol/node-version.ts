// Says whether the Node that runs us is one that we can run on. Old versions must be able to load this file, so it imports
// nothing and uses nothing that they lack.

/** The oldest Node that the package supports; `engines` in package.json says the same. */
const OLDEST: readonly [major: number, minor: number] = [22, 12];

/** The Node that runs us is older than the package supports. Nothing was opened; pads are as they were. */
export class NodeTooOld extends Error {
  override readonly name: string = "NodeTooOld";
  readonly code: "NODE_TOO_OLD" = "NODE_TOO_OLD";
  /** The version that runs us, as `process.versions.node` gives it. */
  readonly running: string;
  /** The oldest version that will do. */
  readonly oldest: string;

  constructor(running: string) {
    const oldest = OLDEST.join(".");
    super(`Tearpad needs Node ${oldest} or newer and this is Node ${running}; install a newer Node and run it again.`);
    this.running = running;
    this.oldest = oldest;
  }
}

/** Gives the error to report when the running Node is too old, and undefined on a newer one and in a browser. */
export function nodeTooOld(running: string | undefined = runningNode()): NodeTooOld | undefined {
  if (running === undefined) return undefined;
  const [major = 0, minor = 0] = running.split(".").map(Number);
  const old = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  return old ? new NodeTooOld(running) : undefined;
}

function runningNode(): string | undefined {
  const world = globalThis as { process?: { versions?: { node?: string } } };
  return world.process?.versions?.node;
}
