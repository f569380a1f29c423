// The smallest body that a core can have (SPEC section 12): a chip that is an array and forgives everything, a line that is two arrays, and no faults. It uses
// nothing that a browser lacks.

import { instantiateSync } from "@assemblyscript/loader";

/** A core with something around it, as the vectors and the conversation use it. */
export interface Body {
  /** Boots, as after so many traps since power-on. */
  boot(traps?: number): void;
  /** Takes bytes from the line and returns what the device sends for them, by default after all work that they begin. */
  feed(bytes: Uint8Array, wait?: boolean): Uint8Array;
  /** What the next look at the button finds, once. It is not pressed otherwise. */
  button(found: "pressed" | "refused"): void;
  /** Puts bytes on the chip as a programmer outside the device would. */
  put(address: number, bytes: Uint8Array): void;
  /** A copy of the chip. */
  chip(): Uint8Array;
}

export interface ChipShape {
  readonly sectors: number;
  readonly burnUnit: number;
  readonly overprogram?: boolean;
}

/** Makes a body around a core, with a blank chip. */
export type MakeBody = (shape: ChipShape) => Body;

/** What a body gives for entropy: the same everywhere, so that the same conversation has the same bytes everywhere. */
export function fillWithNumbers(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = 17 + 7 * i;
}

interface Exports extends Record<string, unknown> {
  readonly memory: WebAssembly.Memory;
  boot(traps: number, reason: number): void;
  window(): number;
  receive(length: number): void;
  poll(): number;
}

const WINDOW = 512;

/** A body made of nothing but arrays. */
export function bareBody(module: WebAssembly.Module, { sectors, burnUnit, overprogram = true }: ChipShape): Body {
  const chip = new Uint8Array(sectors * 4096).fill(0xff);
  const geometry = [sectors, Number(overprogram), burnUnit, 1];
  let sent: Uint8Array[] = [];
  let button = 0;
  const at = (pointer: number, length: number): Uint8Array => memory.subarray(pointer >>> 0, (pointer >>> 0) + length);
  const hal = {
    norGeometry: (what: number) => geometry[what],
    norRead: (address: number, pointer: number, length: number) =>
      at(pointer, length).set(chip.subarray(address, address + length)),
    norProgram: (address: number, pointer: number, length: number) => {
      for (const [i, byte] of at(pointer, length).entries()) chip[address + i]! &= byte;
      return 0;
    },
    norErase: (address: number, size: number) => {
      chip.fill(0xff, address, address + size);
      return 0;
    },
    transmit: (pointer: number, length: number) => void sent.push(at(pointer, length).slice()),
    entropy: (pointer: number, length: number) => fillWithNumbers(at(pointer, length)),
    supplyOk: () => 1,
    button: () => {
      const found = button;
      button = 0;
      return found;
    },
    ticks: () => 0,
  };
  const core = instantiateSync(module, { hal }).exports as unknown as Exports;
  const memory = new Uint8Array(core.memory.buffer);
  const initial = memory.slice();
  return {
    boot: (traps = 0) => {
      memory.set(initial);
      core.boot(traps, 0);
    },
    feed: (bytes, wait = true) => {
      sent = [];
      let more = 0;
      for (let done = 0; done < bytes.length; done += WINDOW) {
        const part = bytes.subarray(done, done + WINDOW);
        memory.set(part, core.window());
        core.receive(part.length);
        more = core.poll();
      }
      while (wait && more) more = core.poll();
      return concat(...sent);
    },
    button: (found) => {
      button = found === "pressed" ? 1 : 2;
    },
    put: (address, bytes) => chip.set(bytes, address),
    chip: () => chip.slice(),
  };
}

export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}
