/**
 * One process at a time on one file. Two simulators on one image would use the same pad bytes twice, so this lock errs on the side
 * of "busy", and takes over only from a process that is certainly gone.
 *
 * Node has no lock that the kernel gives back when a process dies, so a lock is an empty file beside the image whose name says who
 * holds it, and which file: `IMAGE.lock-PID-START-NAMESPACE-BOOT-MACHINE-INODE`. Whoever wants the image creates its own file and
 * then looks for others, with the same inode as well as with the same name: an image that is renamed while it is open stays locked.
 * Of two that come together at least one sees the other, and gives way. A file never names two processes, since none has the
 * same id and start time as another, so removing the file of a dead one can never take the lock from a living one.
 *
 * Only the directory of the file is looked at. That the file has no second name elsewhere, and did not leave, the image checks.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, unlinkSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";

/** A process as the name of its lock file tells it. */
export interface Holder {
  readonly pid: number;
  /** Its lock file. */
  readonly path: string;
}

/** What follows the name of an image in the name of a lock. */
const OWNER = /\.lock-(\d+)-(\d+)-(\d+)-([0-9a-f]{8})-([0-9a-f]{8})-(\d+)$/;
/** Times that two which come together try again before both call it busy. */
const TRIES = 8;

/**
 * Takes the lock of a file that exists.
 * @param real its path without symbolic links
 * @returns what gives it back, or the process that has it
 * @throws the file system's error when the directory cannot be read or written
 */
export function lock(real: string, inode: bigint): { readonly release: () => void } | { readonly holder: Holder } {
  const mine = `${real}.lock-${ownName()}-${inode}`;
  for (let tries = 0; ; tries++) {
    const before = others(real, inode, "");
    if (before !== null) return { holder: before };
    closeSync(openSync(mine, "wx", 0o600));
    const other = others(real, inode, mine);
    if (other === null) return { release: () => removeIfThere(mine) };
    removeIfThere(mine);
    if (tries === TRIES) return { holder: other };
    sleep(1 + Math.random() * 2 ** tries);
  }
}

/** A living holder other than `mine`; the files of dead ones are removed on the way. */
function others(real: string, inode: bigint, mine: string): Holder | null {
  let found: Holder | null = null;
  for (const name of readdirSync(dirname(real))) {
    const path = join(dirname(real), name);
    const owner = OWNER.exec(name);
    if (owner === null || path === mine) continue;
    const who = owner.slice(1);
    if (name.slice(0, owner.index) !== basename(real) && who[5] !== String(inode)) continue;
    if (isAlive(who)) found = { pid: Number(who[0]), path };
    else removeIfThere(path);
  }
  return found;
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function ownName(): string {
  return [process.pid, startTime(process.pid) ?? 0, pidNamespace(), bootId(), machineId()].join("-");
}

/** False only when the process is certainly gone: it is of an earlier boot of this machine, or of this one and not running. */
function isAlive([pid, start, namespace, boot, machine]: string[]): boolean {
  if (machine !== machineId()) return true;
  if (boot !== bootId()) return false;
  if (namespace !== pidNamespace()) return true;
  return isRunning(Number(pid), Number(start));
}

function isRunning(pid: number, start: number): boolean {
  if (process.platform === "linux") return startTime(pid) === start;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Start of a Linux process in clock ticks since boot (proc(5), stat, field 22); null when it does not run or is a zombie. */
function startTime(pid: number): number | null {
  const stat = contentOf(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.length < 20 || fields[0] === "Z" || fields[0] === "X" ? null : Number(fields[19]);
}

function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
  } catch {
    return "0";
  }
}

/** Different at each boot where the system says so; otherwise one boot is taken to last for ever. */
function bootId(): string {
  return short(contentOf("/proc/sys/kernel/random/boot_id"));
}

/** Cloned machines and containers may have one id in common: the name of the host tells them apart. */
function machineId(): string {
  return short(`${contentOf("/etc/machine-id")} ${hostname()}`);
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function short(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
