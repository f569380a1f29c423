// Defects planted in the driver, in the protocol and in the simulator's image file, one at a time: a step left out, an order swapped, a check skipped, a number off
// by one. A hunt that does not find them proves nothing.

import type { DriverDefect } from "./driver-tree.ts";

export { huntDriver } from "./driver-hunt.ts";
export type { DriverDefect } from "./driver-tree.ts";

export const DRIVER_DEFECTS: readonly DriverDefect[] = [
  {
    name: "a frame is sent again under a new sequence",
    file: "host/driver/device.ts",
    from: "          sent++;\n          return line;",
    to: "          sent++;\n          return encodeFrame({ ...frame, sequence: frame.sequence + sent - 1 });",
  },
  {
    name: "a reply to an earlier command is taken for the answer",
    file: "host/driver/device.ts",
    from: "if (heard.sequence !== sent.sequence || heard.session",
    to: "if (heard.session",
  },
  {
    name: "the CRC-32 of a frame is not looked at",
    file: "host/protocol/frame.ts",
    from: "if (view.getUint32(end, true) !== crc32(",
    to: "if (view.getUint32(end, true) < 0 * crc32(",
  },
  {
    name: "NO_SESSION is not taken for a restart",
    file: "host/driver/recovery.ts",
    from: 'error.code === "NO_SESSION" || ',
    to: "",
  },
  {
    name: "a device that comes back is not asked which pad it holds",
    file: "host/driver/recovery.ts",
    from: "if (info.padId !== before.padId || info.serial !== before.serial) {",
    to: "if (info.padId.length !== before.padId.length) {",
  },
  {
    name: "the mark of a box is not compared",
    file: "host/driver/seal.ts",
    from: "if (mark !== this.mark)",
    to: "if (mark < 0)",
  },
  {
    name: "the next segment tells the number of the box after the missing one",
    file: "host/driver/seal.ts",
    from: "begin(this.#run, this.number)",
    to: "begin(this.#run, this.#run === null ? 0 : this.number + 1)",
  },
  {
    name: "each segment begins a run of its own",
    file: "host/driver/seal.ts",
    from: "begin(this.#run, this.number)",
    to: "begin(null, 0)",
  },
  {
    name: "a bundle may begin with an empty segment",
    file: "host/driver/seal.ts",
    from: "    if (this.number === 0) await this.#beginAnew();\n",
    to: "",
  },
  {
    name: "the text of a box in doubt is not sealed anew",
    file: "host/driver/seal.ts",
    from: "        setbacks = this.number > before ? 1 : setbacks + 1;\n",
    to: "        if (this.segments > 0 && this.#position + TEXT_MAX_BYTES < this.#text.size) this.#position += TEXT_MAX_BYTES;\n        setbacks = this.number > before ? 1 : setbacks + 1;\n",
  },
  {
    name: "the outbox is not waited for",
    file: "host/driver/seal.ts",
    from: "      await this.#part.append(box);\n",
    to: "      void this.#part.append(box).catch(() => {});\n",
  },
  {
    name: "whether a text fits is not asked before its first box",
    file: "host/driver/seal.ts",
    from: "  mustFit(start, source.size, grant);\n",
    to: "",
  },
  {
    name: "a bundle is not synced before it has its name",
    file: "host/driver/outbox.ts",
    from: "      await this.#handle.sync();\n",
    to: "",
  },
  {
    name: "a bundle has its name before it is synced",
    file: "host/driver/outbox.ts",
    from: "      await this.#handle.sync();\n      await this.#handle.close();\n      await rename(this.#path, bundle);\n",
    to: "      await rename(this.#path, bundle);\n      await this.#handle.sync();\n      await this.#handle.close();\n",
  },
  {
    name: "the name of a bundle is not synced",
    file: "host/driver/outbox.ts",
    from: "      await syncDirectory(this.#directory);\n",
    to: "",
  },
  {
    name: "a bundle without its LAST box is taken for whole",
    file: "host/protocol/bundle.ts",
    from: 'if (header === null) throw new BundleError("TRUNCATED", input.position, "The bundle ends before its last box");',
    to: "if (header === null) return;",
  },
  {
    name: "a text is written under its own name",
    file: "host/driver/sink.ts",
    from: "const temporary = join(",
    to: "const temporary = path || join(",
  },
  {
    name: "a text is not synced before its pad bytes are destroyed",
    file: "host/driver/sink.ts",
    from: "        await file.sync();\n",
    to: "",
  },
  {
    name: "the name of a text is not synced before its pad bytes are destroyed",
    file: "host/driver/sink.ts",
    from: "        await syncDirectory(dirname(path));\n",
    to: "",
  },
  {
    name: "pad bytes are destroyed before the text is finished",
    file: "host/driver/open.ts",
    from: 'await opening.deliver(typeof bundle === "string" ? file.stream() : keep(bundle, file), sink);',
    to: 'await opening.deliver(typeof bundle === "string" ? file.stream() : keep(bundle, file), { ...sink, finish: () => opening.release(file).then(sink.finish) });',
  },
  {
    name: "the slot is released first",
    file: "host/driver/open.ts",
    from: "      let index = 0;\n",
    to: "      for (const segment of this.#segments) await this.#insist(() => this.#releaseSlot(segment));\n      let index = 0;\n",
  },
  {
    name: "the slot of the first segment is not released last",
    file: "host/driver/open.ts",
    from: "of this.#segments.toReversed())",
    to: "of this.#segments)",
  },
  {
    name: "what the device forgot is not opened again before it is released",
    file: "host/driver/open.ts",
    from: "      await this.#releaseAnew(piece);",
    to: "",
  },
  {
    name: "the last box of a piece is not released",
    file: "host/driver/open.ts",
    from: "const length = boxes.reduce((sum, box) => sum + box.cost, 0);",
    to: "const length = boxes.slice(0, Math.max(1, boxes.length - 1)).reduce((sum, box) => sum + box.cost, 0);",
  },
  {
    name: "a box leaves before its reservation is on the disk",
    file: "simulator/machine.ts",
    from: "    this.flash.sync();\n",
    to: "",
  },
  {
    name: "what was written to the image is not synced",
    file: "simulator/image.ts",
    from: '    guard("write", this.path, () => fdatasyncSync(this.file));\n',
    to: "",
  },
  {
    name: "what the chip has done is not written to the image",
    file: "simulator/flash.ts",
    from: '    else if (fault === "slow") this.tearInto(pending, "random");\n    this.persist(pending);\n',
    to: '    else if (fault === "slow") this.tearInto(pending, "random");\n',
  },
  {
    name: "a new image is not synced",
    file: "simulator/image.ts",
    from: '    guard("write", path, () => fsyncSync(file));\n',
    to: "",
  },
];
