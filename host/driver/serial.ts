// A device on a serial port: a board on USB or UART, or a simulator's tty. The device sends no banner and needs no
// control lines (a pty has none).

import { DriverError } from "./errors.ts";
import type { Transport } from "./transport.ts";

/** Counts on a UART only: USB and ptys carry bytes as fast as they can. */
const BAUD_RATE = 115_200;

/** Opens a serial port for this program alone. @throws DriverError NO_DEVICE, NO_ACCESS or DEVICE_IN_USE */
export async function openSerial(path: string): Promise<Transport> {
  // Loaded here, so that a host without serial ports needs no native code.
  const { SerialPort } = await import("serialport");
  const port = new SerialPort({ path, baudRate: BAUD_RATE, lock: true, autoOpen: false });
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error ? reject(explain(path, error)) : resolve()));
  });

  // An unplugged port says so up to three times: "error" and twice "close".
  let gone = false;
  let reason: Error | undefined;
  let tell: ((reason?: Error) => void) | undefined;
  const end = (cause?: Error | null) => {
    if (gone) return;
    gone = true;
    reason = cause ?? undefined;
    tell?.(reason);
  };
  port.on("error", end);
  port.on("close", end);
  port.on("end", end);

  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        port.write(Buffer.from(bytes), (error) => (error ? reject(error) : resolve()));
      }),
    onData: (listener) => {
      port.on("data", listener);
    },
    onClose: (listener) => {
      tell = listener;
      if (gone) listener(reason);
    },
    close: () =>
      new Promise((resolve) => {
        if (port.isOpen) port.close(() => resolve());
        else resolve();
      }),
  };
}

/** What the operating system's refusal means; the binding gives it as words only. */
function explain(address: string, error: Error): DriverError {
  const says = error.message;
  if (/permission denied|access denied|not permitted/i.test(says)) {
    return new DriverError("NO_ACCESS", { address, fix: accessFix() }, error);
  }
  if (/cannot lock|temporarily unavailable|resource busy/i.test(says)) {
    return new DriverError("DEVICE_IN_USE", { address }, error);
  }
  return new DriverError("NO_DEVICE", { address }, error);
}

function accessFix(): string {
  if (process.platform !== "linux") return "close other programs that use it, and check its permissions";
  return 'join the group "dialout" (sudo usermod -aG dialout $USER, then log in again) or install a udev rule for the device with TAG+="uaccess"';
}
