// The token's job: it calls its server without naming itself, sends a file in sealed boxes and is debited for it, gets it back,
// loses its power in the middle, loses its server in the middle, has a sum computed, and spends what is left until service
// stops. It reaches its device through the serial driver on its terminal, and the server through a tap on the wire.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { ByteFile, type Device, openDevice, openTransport, type Transport } from "../../../host/driver/index.ts";
import { isLinkFailure, type Link, type LinkEvent, openLink } from "../../../host/link/index.ts";
import { TEXT_MAX_BYTES } from "../../../host/protocol/index.ts";
import type { Progress } from "../../progress.ts";
import { DemoError } from "../errors.ts";
import { bytesOf } from "../original.ts";
import { type AuditView, PART_BYTES, type Shop, type TokenView } from "./shop.ts";
import type { Testimony } from "./witness.ts";

/** One thing that the token did, and what it cost. Money in minor units. */
export interface Deed {
  readonly charged: bigint;
  readonly balance: bigint;
  readonly milliseconds: number;
}

/** A file on its way to the server. */
export interface Sent extends Deed {
  readonly bytes: number;
  readonly parts: number;
}

/** What is told while it happens. */
export interface TokenListener {
  called(deed: Deed, call: number): void;
  sent(sent: Sent): void;
  fetched(deed: Deed, sha256: { readonly sent: string; readonly received: string }): void;
  cut(sent: Sent, bytesSkipped: number): void;
  crashed(sent: Sent): void;
  computed(deed: Deed, output: string): void;
  spent(deed: Deed, requests: number, refusal: string): void;
}

export interface TokenStory {
  readonly sent: Sent;
  readonly fetched: Deed;
  readonly cut: Sent;
  readonly crashed: Sent;
  readonly computed: Deed;
  readonly spent: Deed;
  readonly sha256: { readonly sent: string; readonly received: string };
  /** What the sum's program answered. */
  readonly output: string;
  /** Pad bytes that the power cut made useless. */
  readonly bytesSkipped: number;
  /** The code with which service stopped. */
  readonly refusal: string;
  /** Where both ends stand at the end, as each says. */
  readonly device: { readonly balance: bigint; readonly up: number; readonly down: number; readonly split: number };
  readonly server: TokenView;
  readonly audit: AuditView;
  readonly testimony: Testimony;
}

const SUM = "1..100";
/** So long without a release, and there is none under way. */
const QUIET_MS = 100;
/** Echoed again and again until the value is nearly spent, and nothing at all, at the least price, until it is. */
const SMALL_BYTES = 2000;
/** More than that costs. */
const NEARLY_SPENT = 10n;

/** Plays it all. @throws DemoError TEXT_DIFFERS; what the driver and the link throw */
export async function playToken(
  shop: Shop,
  path: string,
  progress: Progress,
  listener: TokenListener,
): Promise<TokenStory> {
  let transport: Transport | null = null;
  const device = await openDevice(async () => {
    transport = await openTransport(shop.device.tty);
    return transport;
  });
  const file = await ByteFile.open(path);
  try {
    const directory = join(shop.directory, "..", "start-link", shop.issued.name);
    const ended = Promise.withResolvers<void>();
    const onEvent = (event: LinkEvent): void => {
      if (event.kind === "receipt" && event.receipt.ends) ended.resolve();
    };
    const start = performance.now();
    const link = await openLink(device, { directory, addresses: [`tcp://127.0.0.1:${shop.tap.port}`], onEvent });
    const { balance, call } = link.value.receipt;
    listener.called({ charged: 0n, balance, milliseconds: since(start) }, call);
    const errand = new Errand(link, file, progress);

    const sent = await errand.send("file");
    listener.sent(sent);
    const { deed: fetched, sha256 } = await errand.fetch("file");
    listener.fetched(fetched, sha256);
    if (sha256.received !== sha256.sent) throw new DemoError("TEXT_DIFFERS", sha256);

    const skippedBefore = await skippedOf(device, shop);
    const [back] = await armCut(shop, device, file.size, () => transport?.close());
    const cut = await errand.send("after the cut");
    await back;
    const bytesSkipped = (await skippedOf(device, shop)) - skippedBefore;
    listener.cut(cut, bytesSkipped);

    const crash = afterFirstBox(shop).then(() => shop.crashServer());
    const crashed = await errand.send("after the crash");
    await crash;
    listener.crashed(crashed);

    const { deed: computed, output } = await errand.compute();
    listener.computed(computed, output);
    const { deed: spent, requests, refusal } = await errand.spend();
    listener.spent(spent, requests, refusal);

    await ended.promise; // The server ends the link when the value is spent.
    await link.abandon();
    const [server, audit] = await Promise.all([shop.token(), shop.audit()]);
    return {
      sent,
      fetched,
      cut,
      crashed,
      computed,
      spent,
      sha256,
      output,
      bytesSkipped,
      refusal,
      device: await standing(device),
      server,
      audit,
      testimony: shop.witness.verdict(),
    };
  } finally {
    await file.close();
    await device.close();
  }
}

/** What the token asks of its server. */
class Errand {
  readonly #link: Link;
  readonly #file: ByteFile;
  readonly #progress: Progress;
  #balance = 0n;

  constructor(link: Link, file: ByteFile, progress: Progress) {
    this.#link = link;
    this.#file = file;
    this.#progress = progress;
  }

  /** Has the server keep the file, part by part. */
  async send(name: string): Promise<Sent> {
    const { size } = this.#file;
    const start = performance.now();
    let charged = 0n;
    let offset = 0;
    let parts = 0;
    do {
      const bytes = new Uint8Array(await this.#file.read(offset, Math.min(PART_BYTES, size - offset)));
      const end = offset + bytes.length >= size;
      charged += await this.#ask("store", { action: "put", name, offset, bytes, end });
      offset += bytes.length;
      parts++;
      this.#progress.show("sending", offset, size);
    } while (offset < size);
    this.#progress.end();
    return { ...this.#deed(charged, start), bytes: size, parts };
  }

  async fetch(name: string): Promise<{ deed: Deed; sha256: { sent: string; received: string } }> {
    const start = performance.now();
    const received = createHash("sha256");
    const sent = createHash("sha256");
    let charged = 0n;
    for (let offset = 0, size = 1; offset < size; ) {
      const answer = await this.#link.request("store", { action: "get", name, offset, length: PART_BYTES });
      const part = answer.body as { bytes: Uint8Array; size: number };
      received.update(part.bytes);
      sent.update(await this.#file.read(offset, part.bytes.length));
      charged += answer.charged;
      this.#balance = answer.balance;
      offset += part.bytes.length;
      size = part.size;
    }
    const digests = { sent: sent.digest("hex"), received: received.digest("hex") };
    return { deed: this.#deed(charged, start), sha256: digests };
  }

  async compute(): Promise<{ deed: Deed; output: string }> {
    const start = performance.now();
    const body = { action: "run", program: "sum", input: new TextEncoder().encode(SUM), mostFee: 10 };
    const answer = await this.#link.request("compute", body);
    const { output } = answer.body as { output: Uint8Array };
    this.#balance = answer.balance;
    return { deed: this.#deed(answer.charged, start), output: new TextDecoder().decode(output) };
  }

  /** Asks small things until the server serves no more. */
  async spend(): Promise<{ deed: Deed; requests: number; refusal: string }> {
    const start = performance.now();
    let charged = 0n;
    for (let requests = 0; ; requests++) {
      try {
        charged += await this.#ask("echo", new Uint8Array(this.#balance > NEARLY_SPENT ? SMALL_BYTES : 0));
      } catch (error) {
        if (!isLinkFailure(error, "SERVICE_ERROR")) throw error;
        const { error: refusal, charged: more, balance } = error.facts;
        this.#balance = balance;
        return { deed: this.#deed(charged + more, start), requests, refusal };
      }
    }
  }

  async #ask(service: string, body: unknown): Promise<bigint> {
    const { charged, balance } = await this.#link.request(service, body);
    this.#balance = balance;
    return charged;
  }

  #deed(charged: bigint, start: number): Deed {
    return { charged, balance: this.#balance, milliseconds: since(start) };
  }
}

/** Arranges that the device loses its power in the middle of the next box that it seals. Resolves when it is back. */
async function armCut(shop: Shop, device: Device, fileBytes: number, unplug: () => unknown): Promise<Promise<void>[]> {
  const { control } = shop.device;
  await released(shop, device);
  // A box takes one program for its record, and then one for each page of its slice.
  const pages = Math.ceil(Math.min(fileBytes, TEXT_MAX_BYTES) / 256);
  const call = 1 + Math.ceil(pages / 2);
  await control.order({ do: "cut-at", cut: { call, name: "norProgram", when: "during", kind: "power" } });
  const back = async (): Promise<void> => {
    await control.order({ do: "until", state: "off" });
    await control.order({ do: "power-on" });
    await unplug();
  };
  const coming = back();
  coming.catch(() => {}); // Thrown where it is waited for.
  return [coming];
}

/** Resolves when the device releases nothing more of what came down: that programs the flash as well. A grant may stay until the next answer. */
async function released(shop: Shop, device: Device): Promise<void> {
  for (let before = -1; ; ) {
    const { used } = (await device.info()).down;
    if (used === shop.witness.downMark || used === before) return;
    before = used;
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
}

/** Resolves when another box went up the wire: the server is in the middle of a request then. */
async function afterFirstBox(shop: Shop): Promise<void> {
  const { up } = shop.witness.verdict().boxes;
  while (shop.witness.verdict().boxes.up === up) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Pad bytes of up that the device used and that no box on the wire was under. */
async function skippedOf(device: Device, shop: Shop): Promise<number> {
  const { up } = await device.info();
  return up.used - shop.witness.upBytes(up.used);
}

async function standing(device: Device): Promise<TokenStory["device"]> {
  const info = await device.info();
  const { receipt } = await device.value();
  return { balance: receipt.balance, up: info.up.used, down: info.down.used, split: info.split };
}

/** The token's pad as it lies on its chip now, against what the witness saw: what hid a text is zero. */
export async function undestroyed({ image, padAddress, original, witness }: Shop): Promise<number> {
  const chip = await bytesOf(image, padAddress, original.bytes.length);
  return witness.upUses().reduce((wrong, { offset, length }) => {
    for (let i = offset; i < offset + length; i++) if (chip[i] !== 0) wrong++;
    return wrong;
  }, 0);
}

function since(start: number): number {
  return Math.round(performance.now() - start);
}
