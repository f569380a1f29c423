/**
 * A host in a process of its own: opens the serial port argv[2], sends argv[3] random bytes and says how the echo compares.
 */
import { randomBytes } from "node:crypto";
import { SerialPort } from "serialport";

const bytes = randomBytes(Number(process.argv[3]));
const port = new SerialPort({ path: process.argv[2]!, baudRate: 115200 });
const echo: Buffer[] = [];
let length = 0;
port.on("data", (chunk: Buffer) => {
  echo.push(chunk);
  length += chunk.length;
  if (length < bytes.length) return;
  port.close(() => console.log(JSON.stringify({ length, equal: Buffer.concat(echo).equals(bytes) })));
});
port.write(bytes);
