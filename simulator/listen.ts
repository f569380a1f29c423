/**
 * How a cable gets its TCP port.
 */
import type { Server } from "node:net";
import { SimulatorError } from "./error.ts";

/** Resolves when the server listens. @throws SimulatorError LINE_FAILED when the port cannot be had */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(
        new SimulatorError("LINE_FAILED", `The simulator cannot listen on ${host}:${port}.`, {
          facts: { host, port },
          advice: "Choose another port, or let the system choose one.",
          cause,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}
