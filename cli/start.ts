// `npm start`: the whole of it in a few seconds, with nothing plugged in. Two simulated devices, each a process of its own
// behind its own terminal, hold one pad; a file goes over, an answer comes back, a power cut interrupts and loses nothing; an
// observer counts every byte of the pad that was used. Then both devices stay up, to be played with from another terminal.

import "./node-check.ts";
import { statSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Io, parse, printJson } from "./command.ts";
import {
  count,
  DemoError,
  openPads,
  openSession,
  type Pads,
  play,
  Screen,
  type Session,
  type Story,
  type Verdict,
} from "./demo/index.ts";
import { progressOn } from "./progress.ts";
import { tell } from "./report.ts";
import { stopSignal } from "./signals.ts";
import { provenanceInWords } from "./source.ts";

const HELP = `npm start -- [--file PATH] [--new] [--once] [--json]

Makes a pair of pads, puts each into a simulated device behind its own terminal, sends a file from A to B, an answer
back, and the file once more while A loses its power in the middle of a box. An observer outside the devices and the
driver counts every byte of the pad that was used. Then both devices stay up until Ctrl-C.

  --file PATH   sends this file (default: README.md of this project, or its LICENSE)
  --new         destroys the pair of earlier starts and makes a fresh one, large enough for the file
  --once        ends after the job
  --json        one JSON object on stdout when the job is done, everything else on stderr

The pair and what the observer knows are in $TEARPAD_HOME/start (default: .tearpad/start in this project). A second
npm start goes on with the same pair at its marks.

The keys of the JSON object; A is the low side, B the high side; "before" is the file, "answer" is B's, "after" is the
file that the power cut interrupted:
  ttys            a, b: the terminals
  pids            a, b: the processes of the devices
  pair            directory, fresh (made by this start), padBytes (of each device)
  provenance      where the pad came from: "csprng" (a stream pad) or "physical"
  file            the path of the file
  bytes           before, answer, after: bytes of text
  bundleBytes     before, answer, after: bytes of the bundles
  boxes           before, answer, after: boxes of the bundles
  segments        before, answer, after: segments of the bundles
  bytesSkipped    pad bytes that the power cut made useless
  sha256          before, answer, after: each sent and received
  marks           a, b: up and down (used, burned), split, nextSlot, slots, room, as the devices say
  bytesUsed       pad bytes that ever hid a text, in all starts with this pair, as the observer saw
  bytesReused     pad bytes that ever hid two different texts: 0
  disagreements   what the observer found wrong, in sentences: none
  durations       milliseconds: pair, devices, before, answer, after, observer, total

Exit codes: 0 done, or ended by Ctrl-C after the job; 1 failed: a text differs, the observer disagrees, or there is no
terminal for a device; 2 the command line makes no sense; 6 the pad or its slots are used up; 9 a device was lost;
13 the disk is full or failing; 130 interrupted before the job was done.
`;

/** How often the observer looks while the devices stay up. */
const LOOK_MS = 300;
const PROJECT = fileURLToPath(new URL("..", import.meta.url));

interface Options {
  readonly file: string;
  readonly anew: boolean;
  readonly once: boolean;
  readonly json: boolean;
}

const args = process.argv.slice(2);
const code = await main(args, process).catch((error: unknown) => tell(process.stderr, error, args.includes("--json")));
process.exit(code); // Not by itself: a driver that still waits for its device would keep the process.

async function main(args: string[], io: Io): Promise<number> {
  const flag = { type: "boolean" } as const;
  const { values } = parse(args, { file: { type: "string" }, new: flag, once: flag, help: flag }, [0, 0]);
  if (values.help) {
    io.stdout.write(HELP);
    return 0;
  }
  const { file = defaultFile(), new: anew = false, once = false, json = false } = values;
  mustBeFile(file);
  return start({ file, anew, once, json }, io);
}

async function start({ file, anew, once, json }: Options, io: Io): Promise<number> {
  const begin = performance.now();
  const screen = new Screen(json ? io.stderr : io.stdout);
  screen.line("Two devices hold the same random bytes; each byte is used once and destroyed.\n");
  const pads = await openPads(io.env.TEARPAD_HOME || join(PROJECT, ".tearpad"), anew, statSync(file).size);
  const pairDone = performance.now();
  const stop = stopSignal();
  const session = await openSession(pads);
  const devicesDone = performance.now();
  let finished = false;
  try {
    const interrupted = stop.asked.then(() => Promise.reject(new DemoError("INTERRUPTED", {})));
    pads.ledger.starts++;
    showStart(screen, pads, session);
    const played = playOn(screen, pads, session, file, io, json);
    const story = await Promise.race([played, interrupted, session.lost]);
    const storyDone = performance.now();
    const verdict = await session.examine();
    const end = performance.now();
    const durations = {
      pair: pairDone - begin,
      devices: devicesDone - pairDone,
      before: story.before.milliseconds,
      answer: story.answer.milliseconds,
      after: story.after.milliseconds,
      observer: end - storyDone,
      total: end - begin,
    };
    screen.marks(story.a, story.b);
    screen.verdict(verdict);
    if (json) printJson(io.stdout, result(pads, session, file, story, verdict, durations));
    mustAgree(verdict);
    finished = true;
    if (!once) {
      showNext(screen, session, pads, story);
      await Promise.race([stop.asked, watch(screen, session, verdict), session.lost]);
    }
  } finally {
    const last = await session.end();
    if (finished) mustAgree(last);
  }
  if (!once) screen.line("\nBoth devices are off. npm start goes on with the same pads.");
  return 0;
}

function defaultFile(): string {
  const [found] = ["README.md", "LICENSE"].map((name) => join(PROJECT, name)).filter(isFile);
  return found ?? fileURLToPath(import.meta.url);
}

function mustBeFile(path: string): void {
  if (!isFile(path)) throw new DemoError("NOT_A_FILE", { path });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function mustAgree({ bytesReused, disagreements }: Verdict): void {
  if (bytesReused > 0 || disagreements.length > 0) throw new DemoError("DISAGREEMENT", { bytesReused, disagreements });
}

/** The job, told step by step. */
function playOn(
  screen: Screen,
  pads: Pads,
  session: Session,
  file: string,
  io: Io,
  json: boolean,
): Promise<Story> {
  const name = relative(process.cwd(), file);
  return play(pads, session, file, progressOn(io.stderr, !json), {
    granted: (bytes, { milliseconds }) => {
      screen.heading(`0  B grants A ${count(bytes)} bytes of room`, milliseconds);
      screen.detail("A's part of the pad is nearly used up; B moves the split, and A may seal on");
    },
    sent: (exchange) => {
      const { textBytes, boxes, bundleBytes, milliseconds } = exchange;
      screen.heading(`1  A seals ${name}, B opens it`, milliseconds);
      screen.detail(`${count(textBytes)} bytes of text in ${boxesInWords(boxes)}: a bundle of ${count(bundleBytes)} bytes`);
      screen.digests(exchange);
    },
    answered: (text, { milliseconds }) => {
      screen.heading("2  B answers, A opens it", milliseconds);
      screen.detail(`“${text}”`);
    },
    cut: (box, boxes, exchange) => {
      const { bytesSkipped, milliseconds } = exchange;
      screen.heading(`3  A seals it again, and loses its power in the middle of box ${box + 1} of ${boxes}`, milliseconds);
      screen.detail("A boots again, and the driver goes on where it was, in a second segment");
      screen.detail(`${count(bytesSkipped)} bytes of pad, reserved for the torn box: skipped, destroyed, never used`);
      screen.digests(exchange);
    },
  });
}

function boxesInWords(boxes: number): string {
  return boxes === 1 ? "1 box" : `${count(boxes)} boxes`;
}

function showStart(screen: Screen, pads: Pads, { devices: { low, high } }: Session): void {
  const { fresh, directory, original, provenance, ledger } = pads;
  const where = relative(process.cwd(), directory);
  const history = fresh ? "new" : `the same as before, start ${ledger.starts} with it`;
  screen.fact("The pair", `${history}: ${count(original.bytes.length)} bytes on each device, in ${where}`);
  screen.fact("", `from ${provenanceInWords(provenance)}`);
  screen.fact("Device A", `${low.tty}, process ${low.pid}, low side: seals from the start of the pad`);
  screen.fact("Device B", `${high.tty}, process ${high.pid}, high side: seals from its end`);
}

/** What can be typed in a second terminal while the devices are up. */
function showNext(screen: Screen, { devices: { low, high } }: Session, { images }: Pads, { startsLeft }: Story): void {
  const tearpad = "npm run -s tearpad --";
  screen.heading("Now you: in a second terminal, in this directory");
  screen.command(`echo hi | ${tearpad} seal --device ${low.tty} > note.box`);
  screen.command(`${tearpad} open --device ${high.tty} < note.box`);
  screen.command(`${tearpad} device info ${low.tty}`);
  screen.command(`${tearpad} control ${low.socket} power-cut`);
  screen.command(`${tearpad} control ${low.socket} power-on`);
  screen.command(`${tearpad} image inspect ${relative(process.cwd(), images.low)}`);
  screen.line();
  if (startsLeft < 3) screen.line(`The pad is good for ${startsLeft} more starts with this file; npm start -- --new makes a fresh pair.`);
  screen.line("Both devices stay up, and the observer goes on watching, until you press Ctrl-C.");
}

/** Tells what passes, and ends only with a disagreement. */
async function watch(screen: Screen, session: Session, verdict: Verdict): Promise<never> {
  for (let before = verdict; ; ) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const now = session.observe();
    mustAgree(now);
    if (now.bytesUsed !== before.bytesUsed) {
      screen.detail(`${count(now.bytesUsed - before.bytesUsed)} more bytes of pad used, ${now.bytesReused} used twice`);
    }
    before = now;
  }
}

function result(
  { directory, fresh, original, provenance }: Pads,
  { devices: { low, high } }: Session,
  file: string,
  { before, answer, after, a, b }: Story,
  { bytesUsed, bytesReused, disagreements }: Verdict,
  durations: Record<string, number>,
): object {
  const each = <T>(of: (exchange: Story["before"]) => T) => ({ before: of(before), answer: of(answer), after: of(after) });
  const marks = ({ up, down, split, nextSlot, slots, room }: Story["a"]) => ({ up, down, split, nextSlot, slots, room });
  return {
    ttys: { a: low.tty, b: high.tty },
    pids: { a: low.pid, b: high.pid },
    pair: { directory, fresh, padBytes: original.bytes.length },
    provenance,
    file,
    bytes: each(({ textBytes }) => textBytes),
    bundleBytes: each(({ bundleBytes }) => bundleBytes),
    boxes: each(({ boxes }) => boxes),
    segments: each(({ segments }) => segments),
    bytesSkipped: after.bytesSkipped,
    sha256: each(({ sha256 }) => sha256),
    marks: { a: marks(a), b: marks(b) },
    bytesUsed,
    bytesReused,
    disagreements,
    durations: Object.fromEntries(Object.entries(durations).map(([name, ms]) => [name, Math.round(ms)])),
  };
}
