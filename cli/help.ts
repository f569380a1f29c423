// What `tearpad --help` and `tearpad COMMAND --help` print. One place, so that the words are the same everywhere.

import { EXITS } from "./exit.ts";

/** The commands in the order in which a newcomer meets them. */
export const HELP: Readonly<Record<string, string>> = {
  pair: `tearpad pair OUT [--size 16M] [--entropy FILE|csprng] [--source NAME --min-entropy BITS]
tearpad pair --devices LOW,HIGH [--entropy …]

Makes OUT.low.tearpad and OUT.high.tearpad: two device images that hold one pad, for two people. With --devices it
fills two blank devices instead, given by address, as tearpad device fill does.

  --size SIZE          of each chip, a multiple of 4K from 32K to below 4G (default 16M, of which 16,646,144 bytes are pad)
  --entropy csprng     this computer's generator (default): the pad is a stream pad, as strong as that generator
  --entropy FILE       noise from a file, a device or a pipe, XORed with the generator. Bytes of a file are used once:
                       what was used of it is recorded, and never used again, also where it stands in another file
  --source NAME        declares FILE to be raw physical noise, and names its source (at most 64 bytes)
  --min-entropy BITS   the claimed min-entropy of that noise in bits per byte, 0.1 to 8. Health tests (SP 800-90B 4.4)
                       take their limits from it; below 8 the noise is conditioned with SHA-512, which takes more of it

--json prints low, high, padBytes, streamPad, provenance, claimedMinEntropy, sourceName, samplesTested,
longestRepetition, highestProportion, noise (source, bytes, recorded; null without --entropy FILE).`,

  seal: `tearpad seal [FILE] [--device ADDRESS|IMAGE] [--grant SIZE] [--out BUNDLE] < text > bundle

Seals a text (FILE or stdin) into a bundle (stdout or BUNDLE) that only the device's twin opens. Each pad byte is used
once: a text that does not fit is refused before anything is used. The bundle is on the disk before a byte of it leaves,
and stays in the outbox when it cannot be handed over.

  --device   a serial port, tcp://HOST:PORT, or an image file; default $TEARPAD_DEVICE
  --grant    high side only: gives the other side so many bytes of room with this bundle

--json prints id, textBytes, bundleBytes, boxes, segments, bytesSkipped, markBefore, markAfter, split; on stderr, as
stdout carries the bundle, but on stdout with --out.

An inner layer of your own is a pipe:  gpg -e -r bob < text | tearpad seal > bundle`,

  open: `tearpad open [BUNDLE] [--device ADDRESS|IMAGE] [--out FILE] < bundle > text

Opens a bundle (BUNDLE or stdin) with the twin of the device that sealed it, once: when the text is out, the pad bytes
are destroyed. To a pipe the text flows as it is verified; if the bundle turns out to be cut short, the exit code says so
and nothing is destroyed. --out writes FILE only when the text is whole.

--json prints alreadyDelivered, textBytes, boxes, segments, split; on stderr, as stdout carries the text, but on stdout
with --out.`,

  "outbox list": `tearpad outbox list

Bundles that were sealed and could not be handed over, and those being written. --json prints entries: id, bytes,
finished, writer (the process that is writing it, or null).`,
  "outbox send": `tearpad outbox send ID [--out BUNDLE] > bundle

Hands a kept bundle over, the same bytes as before, and forgets it then. --json prints id, bundleBytes (on stderr
without --out).`,
  "outbox drop": `tearpad outbox drop ID

Forgets a kept bundle. Its pad bytes stay used. One that is being written is refused.`,

  "device list": `tearpad device list

The serial ports on which a device answers. Each port is greeted for at most 1.5 s. --json prints devices (address,
firmware, state, side) and portsAsked: null, with exit code 1, where the ports of the computer cannot be listed.`,
  "device info": `tearpad device info [ADDRESS|IMAGE]

What a device says of itself, with a drawing of its pad. --json prints address, the fields of INFO and identity; of INFO
only state, faultySection, traps and trapReason when the device is faulty, for the others do not count then.`,
  "device fill": `tearpad device fill LOW HIGH [--entropy FILE|csprng] [--source NAME --min-entropy BITS]

Fills two blank devices with one pad. Options and --json as for tearpad pair.`,

  "device selftest": `tearpad device selftest ADDRESS [--skip-button]

Tries a device before it gets a pad, and prints a report that can be sent as it is: how often it started and whether its
core trapped since power-on, the chip and its times against its data sheet, whether used bytes can be destroyed on it, the
supply, the button (it asks for a press), and round trips of the line. A device with a pad is refused, and nothing on it is
touched. Exit code 11 when something is bad. --json prints address, transport, core, body, chip, trials (name, verdict,
found, advice, numbers; those of "starts" are boots, traps, trapReason), verdict.`,
  "device flash": `tearpad device flash --board pico|pico-bare [--drive PATH] [--device ADDRESS]
tearpad device flash IMAGE [--board …] [--drive PATH] [--device ADDRESS]

Puts the firmware (or IMAGE, a UF2 file beside its manifest.json) onto a board in boot mode: unplug it, hold BOOTSEL, plug
it in, let go. A pad on the board is not touched. Whatever is not the image that was built is refused before a byte is written.

  --board NAME      pico: a Pico with a chip for the pad; pico-bare: a Pico and nothing else. The drive does not say which it
                    is: at a terminal you are asked, elsewhere it has to be said. An image of another board is refused
  --drive PATH      where the board's drive is mounted (default: the one that there is)
  --device ADDRESS  where the device answers then (default: the device's port that appears); it has to be the image's board
                    and version

The drive gives nothing back. In boot mode again, "picotool verify IMAGE" compares every byte. Unplugged before the last
8 KiB: DRIVE_LOST. When the drive goes during those, as it does on a restart, a device has to answer; else RESTART_UNKNOWN.
--json prints image, board, version, core, imageDigest, drive, bytes, restarted (true, or "unknown" when the drive went
during the last 8 KiB), verified (file, onBoard, board, core), device, state.`,
  "image inspect": `tearpad image inspect FILE

The sections of an image, or of a chip that was read out, with version and checksum, and where the pad stands. Starts no
device and changes nothing. A corrupt section is named, a pad whose record cannot be read is pointed at, and the exit code
is 11 then.
--json prints path, size, state, fault, lostPad, journal, identity, connection, encryption, pad.`,

  call: `tearpad call [--device ADDRESS|IMAGE] [--server ADDRESS …] [--cap AMOUNT]

Calls the server of a token: both ends compare where they stand, what an earlier command left is finished and its answer
handed out, and the device gets a fresh receipt. Nothing on the wire names the token.

  --device   as for tearpad seal
  --server   tcp://HOST:PORT, ws:// or wss:// instead of the addresses on the device, tried in this order
  --cap      what the server may debit in this link, in minor units; above the owner's limit the device wants its button.
             Default: the owner's limit. A token whose limit is 0 pays nothing without --cap and its button

--json prints tried, address, notices, finished, receipt, value. What is in finished has service, charged and
body, or error; and file (name, bytes, whole) when it brought a part of a file.`,
  balance: `tearpad balance [ADDRESS|IMAGE]

What a token knows of its money and its pad, without its server. --json prints asset, atMost, atLeast, openCaps, limit,
receipt, pad. Amounts are minor units everywhere.`,
  send: `tearpad send [FILE] [--as NAME] [--device …] [--server …] [--cap AMOUNT] < file

Has the server keep a file under a name, sealed box by box on its way. It is there when its last part is; what was under the
name before is replaced then. A file that was cut off goes on where the server has it. --json prints name, bytes, there,
charged and what call prints.`,
  fetch: `tearpad fetch NAME [--out FILE] [--device …] [--server …] [--cap AMOUNT] > file

Gets a file back. --json prints name, bytes, charged and what call prints: on stderr, or on stdout with --out.`,
  run: `tearpad run PROGRAM [INPUT] --fee MOST [--out FILE] [--device …] [--server …] [--cap AMOUNT] < input > output

Runs a small WebAssembly program at the server, on INPUT or stdin: a file (its path has a directory or ends in .wasm), or a
program that the server knows by name, such as "sum".
Fee and result come back together; a program that fails costs nothing. --json prints outputBytes, fuel, fee, charged and what
call prints: on stderr, or on stdout with --out.

For example:  tearpad run sum 1..100 --fee 10`,
  request: `tearpad request SERVICE [BODY] [--device …] [--server …] [--cap AMOUNT]

Anything that a service understands. BODY is JSON, with "hex:…" for bytes; the answer is printed likewise. tearpad request
catalogue lists the services and what they cost. --json also prints what call prints.`,

  serve: `tearpad serve DIRECTORY [--create] [--listen ADDRESS …]

The server of a directory, until Ctrl-C. --create makes a new one first; its configuration is config.json there
(docs/OPERATING.md). --listen is for this time instead of what is there; with --create it is written there, and is what
tokens are told as well. --json prints, once it is up: pid, directory, addresses, restored, unknown, cutOff.`,
  issue: `tearpad issue DIRECTORY DEVICE --price AMOUNT [--tariff NAME] [--limit AMOUNT] [--account TOKEN] [--inactive] [--entropy …]

Sells a token: fills the blank device, keeps the twin in the server's vault, and books the value. The server may be running.

  --price     what is paid, in minor units; the value is that times the tariff's rate
  --tariff    of the configuration (default: standard)
  --limit     what a link may cost without a press of the device's button (default 0: every link that may cost anything asks)
  --account   of another token: both have one value then
  --inactive  the token is refused until tearpad token activate
  --entropy   and what goes with it: as for tearpad pair

--json prints what token show prints, device, streamPad, noise.`,
  "token list": `tearpad token list DIRECTORY

The tokens of a server. --json prints tokens, each as token show does.`,
  "token show": `tearpad token show DIRECTORY TOKEN

One token: its name, or number:NUMBER, the number that its owner chose with the service register. So in every command that
takes a token. --json prints name, number, state, asset, tariff, account, balance, held, inDoubt, earningsInDoubt,
closed, padLength, left, up, down, released, split, calls, slots, receipt. All token commands print the token as it is then.`,
  "token activate": `tearpad token activate DIRECTORY TOKEN

An inactive or held token may call.`,
  "token hold": `tearpad token hold DIRECTORY TOKEN

The token is refused until it is activated again.`,
  "token credit": `tearpad token credit DIRECTORY TOKEN --price AMOUNT --key KEY

Pays into its account. The same key again pays once. --json prints what token show prints, repeated (nothing moved now).`,
  "token resolve": `tearpad token resolve DIRECTORY TOKEN [--balance AMOUNT] [--earnings AMOUNT]

The doubt after a restore is over: the books of this token are right as they stand, or as --balance says; of earnings that
are in doubt all are its own, or so much as --earnings says.`,
  "token cancel": `tearpad token cancel DIRECTORY TOKEN [--tail] [--yes]

Ends a token for good and destroys its twin. Its value stays in its account, for another token to be issued into; with --tail
the value of a tied token ends with it. Asks for its name; a script says --yes.`,
  "goods show": `tearpad goods show DIRECTORY CODE

What was ordered under a code, and whether it was handed over. Small letters, spaces and hyphens in it do not matter.
--json prints item, count, handedOver.`,
  "goods hand-over": `tearpad goods hand-over DIRECTORY CODE [--yes]

The goods of this code are handed over: it is good for nothing more. Asks for what they are; a script says --yes. Exit code
25 when there is no such order, or it was handed over before. --json prints item, count, handedOver.`,
  statement: `tearpad statement DIRECTORY TOKEN [--entries 100]

What moved on the account of a token, newest last. --json prints token, account, asset, balance, entries.`,
  audit: `tearpad audit DIRECTORY

Derives every balance again from the journal. Exit code 1 when the books do not balance. --json prints entries, accounts,
openHolds, assets, disagreements.`,

  sim: `tearpad sim IMAGE [--create SIZE] [--pty [--link PATH] | --tcp HOST:PORT | --usbip HOST:PORT] [--presence HOW] [--control PATH] [--trace FILE]

A device on a pseudoterminal (default), a TCP port, or a USB cable through one, its flash in IMAGE, until Ctrl-C.

  --create SIZE    makes a blank image first
  --usbip          a USB device as a board is, by USB/IP: a Linux with the module vhci-hcd and the tool usbip attaches it, as
                   root: modprobe vhci-hcd; usbip --tcp-port PORT attach -r HOST -b 1-1. Then it is /dev/ttyACM0 there
  --link PATH      a symbolic link to the terminal, so that its name is known beforehand
  --presence HOW   who answers at its button: ask (you, here; default at a terminal, and with --control also from there),
                   accept (it is pressed whenever the device wants it; default elsewhere) or reject
  --control PATH   a socket for tearpad control
  --trace FILE     every byte between host and device: texts in the clear, and in a fill the whole pad

--json prints, once it is up: pid, address, image, imageBytes, state, side, control, core (version, sha256).`,
  control: `tearpad control PATH ORDER

An order to a running simulator: status, power-cut, power-on, reset, unplug, disarm, or a JSON object such as
'{"do":"cut-at","cut":{"call":5,"when":"during","kind":"power"}}'. --json prints state, traps, calls, us.`,

  vectors: `tearpad vectors FILE…

Runs test vectors against the builds that are installed. --json prints vectors, failed, outcomes.`,
};

/** The list of all commands and exit codes. */
export function overview(version: string): string {
  const first = Object.values(HELP).map((text) => `  ${text.split("\n", 1)[0]}`);
  const exits = EXITS.map(({ exit, means }) => `  ${String(exit).padStart(3)}  ${means}`);
  return `tearpad ${version}: a pad that is used once.

${first.join("\n")}

  tearpad COMMAND --help says more. Every command takes --json; errors are then one JSON object on stderr.

Environment: TEARPAD_DEVICE is the device to use; TEARPAD_HOME holds the outbox and what was used of which noise
(default $XDG_DATA_HOME/tearpad or ~/.local/share/tearpad).

Exit codes:
${exits.join("\n")}
`;
}
