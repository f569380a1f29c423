/**
 * A device in the same program as its host: a line without a cable.
 */
import type { Machine } from "../machine.ts";
import { Ferry } from "./line.ts";

/** What a host's driver takes as a transport. */
export interface DirectLine {
  write(bytes: Uint8Array): Promise<void>;
  onData(listener: (bytes: Uint8Array) => void): void;
  onClose(listener: (reason?: Error) => void): void;
  close(): Promise<void>;
}

/**
 * The line to a machine in this program, which does its background work while the line is open. What is written to a machine
 * without power is lost. A machine has one line at a time: a new one takes over.
 * @param closed called once, when the line ends
 */
export function lineTo(machine: Machine, closed: () => void = () => {}): DirectLine {
  let open = true;
  let hear: (bytes: Uint8Array) => void = () => {};
  let tell: (reason?: Error) => void = () => {};
  const ferry = new Ferry(
    machine,
    (bytes, taken) => {
      hear(bytes);
      taken();
    },
    (error) => {
      tell(error as Error);
      shut();
    },
  );

  function shut(): void {
    if (!open) return;
    open = false;
    ferry.stop();
    closed();
  }

  return {
    write: async (bytes) => {
      if (open) ferry.receive(bytes);
    },
    onData: (listener) => {
      hear = listener;
    },
    onClose: (listener) => {
      tell = listener;
    },
    close: async () => shut(),
  };
}
