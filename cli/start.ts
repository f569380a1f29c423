// `npm start`: the whole of it in a few seconds, with nothing plugged in. Two simulated devices, each a process of its own
// behind its own terminal, hold one pad; a file goes over, an answer comes back, a power cut interrupts and loses nothing; an
// observer counts every byte of the pad that was used. Then a server sells a token, which calls it, pays, loses its power and
// its server, and spends its value. All of them stay up then, to be played with from another terminal.

import "./node-check.ts";
import { statSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Io, parse, printJson } from "./command.ts";
import {
  count,
  DemoError,
  KEYS,
  openPads,
  openSession,
  openShop,
  type Pads,
  play,
  playToken,
  resultOf,
  Screen,
  type Session,
  type Shop,
  type Story,
  showShop,
  showTokenEnd,
  TOKEN_KEYS,
  type TokenStory,
  tellToken,
  tokenResult,
  undestroyed,
  type Verdict,
} from "./demo/index.ts";
import { progressOn } from "./progress.ts";
import { tell } from "./report.ts";
import { stopSignal } from "./signals.ts";
import { originInWords } from "./source.ts";

const HELP = `npm start -- [--file PATH] [--new] [--once] [--json]

Makes a pair of pads, puts each into a simulated device behind its own terminal, sends a file from A to B, an answer
back, and the file once more while A loses its power in the middle of a box. An observer outside the devices and the
driver counts every byte of the pad that was used.

Then starts a server, has it sell a prepaid token into a third device, and plays the token's job over TCP: it calls without
naming itself, sends the file and gets it back, loses its power, loses its server, computes, and spends its value until
service stops. A witness on the wire checks every byte. All of them stay up until Ctrl-C.

  --file PATH   sends this file (default: README.md of this project, or its LICENSE)
  --new         destroys the pair of earlier starts and makes a fresh one, large enough for the file
  --once        ends after the job
  --json        one JSON object on stdout when the job is done; everything else on stderr, an error as one JSON object

The pair and what the observer knows are in $TEARPAD_HOME/start (default: .tearpad/start in this project), the server in
start-server beside it. A second npm start goes on with the same pair at its marks, and with the same server and its books;
the token is a new one each time, since each start spends it.

${KEYS}${TOKEN_KEYS}
Exit codes: 0 done, or ended by Ctrl-C after the job; 1 failed: a text differs, the observer disagrees, or there is no
terminal for a device; 2 the command line makes no sense; 6 the pad or its slots are used up; 9 a device was lost;
13 the disk is full or failing; 130 interrupted before the job was done.
`;

/** Fewer starts than these left, and the user is told. */
const STARTS_LOW = 3;
/** How often the observer looks while the devices stay up. */
const LOOK_MS = 300;
const PROJECT = fileURLToPath(new URL("..", import.meta.url));

interface Options {
  readonly file: string;
  readonly anew: boolean;
  readonly once: boolean;
  readonly json: boolean;
}

/** The screen is that of a terminal where there is one. */
type Terminal = Io & Pick<NodeJS.Process, "stdout">;

const args = process.argv.slice(2);
const code = await main(args, process).catch((error: unknown) => tell(process.stderr, error, args.includes("--json")));
process.exit(code); // Not by itself: a driver that still waits for its device would keep the process.

async function main(args: string[], io: Terminal): Promise<number> {
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

async function start({ file, anew, once, json }: Options, io: Terminal): Promise<number> {
  const begin = performance.now();
  const screen = new Screen(json ? io.stderr : io.stdout);
  screen.line("Two devices hold the same random bytes; each byte is used once and destroyed.\n");
  const stop = Promise.race([stopSignal().asked, readersGone(io)]);
  const home = io.env.TEARPAD_HOME || join(PROJECT, ".tearpad");
  const textBytes = statSync(file).size;
  const pads = await openPads(home, { anew, textBytes, stop });
  const pairDone = performance.now();
  const session = await openSession(pads);
  const devicesDone = performance.now();
  let opening: Promise<Shop> | null = null;
  try {
    const interrupted = stop.then(() => Promise.reject(new DemoError("INTERRUPTED", {})));
    pads.ledger.starts++;
    showStart(screen, pads, session);
    const played = playOn(screen, pads, session, file, io, json);
    const story = await Promise.race([played, interrupted, session.lost]);
    const storyDone = performance.now();
    const verdict = await session.examine();
    const observed = performance.now() - storyDone;
    screen.marks(story.a, story.b);
    screen.verdict(verdict);
    mustAgree(verdict);

    opening = openShop(home, { anew, textBytes });
    const shop = await Promise.race([opening, interrupted]);
    showShop(screen, shop);
    const telling = tellToken(screen, shown(file));
    const spending = playToken(shop, file, progressOn(io.stderr, !json), telling);
    const token = await Promise.race([spending, interrupted, session.lost, shop.lost]);
    const left = await undestroyed(shop);
    showTokenEnd(screen, shop, token, left);

    const durations = {
      pair: pairDone - begin,
      devices: devicesDone - pairDone,
      observer: observed,
      total: performance.now() - begin,
    };
    const result = {
      ...resultOf(pads, session, file, story, verdict, durations),
      token: tokenResult(shop, token, left),
    };
    if (json) printJson(io.stdout, result);
    mustHold(token, left);
    if (story.startsLeft < STARTS_LOW) showLow(screen, story.startsLeft);
    if (!once) {
      showNext(screen, session, pads, shop);
      await Promise.race([stop, watch(screen, session, verdict), session.lost, shop.lost]);
    }
  } finally {
    const opened = await opening?.catch(() => null); // Also one that was interrupted while it opened.
    await opened?.end();
    mustAgree(await session.end());
  }
  if (!once)
    screen.line("\nAll devices and the server are off. npm start goes on with the same pads and the same books.");
  return 0;
}

/** Resolves when nobody reads any more what is printed here. */
function readersGone({ stdout, stderr }: Io): Promise<void> {
  return new Promise((resolve) => {
    for (const stream of [stdout, stderr]) stream.on("error", () => resolve());
  });
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

/** The witness, the books and both ends agree with the token's job. */
function mustHold({ testimony, audit, device, server }: TokenStory, undestroyed: number): void {
  const { bytesReused, disagreements } = testimony;
  const found = [...disagreements];
  if (audit.disagreements.length > 0) found.push("the books do not balance");
  if (String(device.balance) !== server.balance) found.push("token and server show different balances");
  if (undestroyed > 0) found.push(`${undestroyed} used bytes are not destroyed on the token`);
  if (bytesReused > 0 || found.length > 0) throw new DemoError("DISAGREEMENT", { bytesReused, disagreements: found });
}

/** The job of the pair, told step by step. */
function playOn(screen: Screen, pads: Pads, session: Session, file: string, io: Io, json: boolean): Promise<Story> {
  return play(pads, session, file, progressOn(io.stderr, !json), {
    granted: (bytes, { milliseconds }) => {
      screen.heading(`0  B grants A ${count(bytes)} bytes of room`, milliseconds);
      screen.detail("A's part of the pad is nearly used up; B moves the split, and A may seal on");
    },
    sent: (exchange) => {
      const { textBytes, boxes, bundleBytes, milliseconds } = exchange;
      screen.heading(`1  A seals ${shown(file)}, B opens it`, milliseconds);
      screen.detail(
        `${count(textBytes)} bytes of text in ${boxesInWords(boxes)}: a bundle of ${count(bundleBytes)} bytes`,
      );
      screen.digests(exchange.sha256);
    },
    answered: (text, { milliseconds }) => {
      screen.heading("2  B answers, A opens it", milliseconds);
      screen.detail(`“${text}”`);
    },
    cut: (box, boxes, exchange) => {
      const { bytesSkipped, milliseconds } = exchange;
      screen.heading(
        `3  A seals it again, and loses its power in the middle of box ${box + 1} of ${boxes}`,
        milliseconds,
      );
      const onward = box > 0 ? "goes on where it was, in a second segment" : "begins the bundle anew";
      screen.detail(`A boots again, and the driver ${onward}`);
      screen.detail(`${count(bytesSkipped)} bytes of pad, reserved for the torn box: skipped, destroyed, never used`);
      screen.digests(exchange.sha256);
    },
  });
}

function boxesInWords(boxes: number): string {
  return boxes === 1 ? "1 box" : `${count(boxes)} boxes`;
}

function showStart(screen: Screen, pads: Pads, { devices: { low, high } }: Session): void {
  const { fresh, directory, original, identity, ledger } = pads;
  const history = fresh ? "new" : `that of before, at its marks (start ${ledger.starts} with it)`;
  screen.fact("The pair", `${history}: ${count(original.bytes.length)} bytes on each device, in ${shown(directory)}`);
  for (const sentence of originInWords(identity).split("\n")) screen.fact("", sentence);
  screen.fact("Device A", `${low.tty}, process ${low.pid}, low side: seals from the start of the pad`);
  screen.fact("Device B", `${high.tty}, process ${high.pid}, high side: seals from its end`);
}

function showLow(screen: Screen, startsLeft: number): void {
  screen.heading("The pad is running low");
  screen.detail(
    `What is left is good for ${startsLeft === 1 ? "1 more start" : `${startsLeft} more starts`} with this file.`,
  );
  screen.detail("npm start -- --new destroys what is left of it and makes a fresh pair.");
}

/** What can be typed in a second terminal while the devices are up. */
function showNext(screen: Screen, { devices: { low, high } }: Session, { images }: Pads, shop: Shop): void {
  const tearpad = "npm run -s tearpad --";
  screen.heading("Now you: in a second terminal, in this directory");
  screen.command(`echo hi | ${tearpad} seal --device ${low.tty} > note.box`);
  screen.command(`${tearpad} open --device ${high.tty} < note.box`);
  screen.command(`${tearpad} device info ${low.tty}`);
  screen.command(`${tearpad} control ${low.socket} power-cut`);
  screen.command(`${tearpad} control ${low.socket} power-on`);
  screen.command(`${tearpad} image inspect ${shown(images.low)}`);
  screen.line();
  const server = shown(shop.directory);
  const { name } = shop.issued;
  screen.command(`${tearpad} token credit ${server} ${name} --price 100 --key gift`);
  screen.command(`${tearpad} run sum 1..1000 --fee 10 --device ${shop.device.tty} --server ${shop.server.address}`);
  screen.command(`${tearpad} balance ${shop.device.tty}`);
  screen.command(`${tearpad} statement ${server} ${name}`);
  screen.line();
  screen.line("Devices and server stay up, and the observer goes on watching, until you press Ctrl-C.");
}

/** A path as short as it may be typed here. */
function shown(path: string): string {
  const below = relative(process.cwd(), path);
  const shorter = below.startsWith("..") || below === "" ? path : below;
  return /^[\w./@+-]+$/.test(shorter) ? shorter : `'${shorter.replaceAll("'", "'\\''")}'`;
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
