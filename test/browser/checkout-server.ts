// Serves this checkout to a browser on this computer, file by file as it is; of TypeScript the types are taken out on the way.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";

const ROOT = new URL("../../", import.meta.url);
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".ts": "text/javascript",
  ".wasm": "application/wasm",
};

/** Serves until `close`; `made` are pages that are no files, as JSON. */
export async function serveCheckout(
  made: Readonly<Record<string, unknown>>,
): Promise<{ origin: string; close(): void }> {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://checkout").pathname;
    try {
      const content = path in made ? JSON.stringify(made[path]) : await contentOf(path);
      response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/json" }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function contentOf(path: string): Promise<Buffer | string> {
  const file = new URL(`.${path}`, ROOT);
  return path.endsWith(".ts") ? stripTypeScriptTypes(await readFile(file, "utf8")) : readFile(file);
}
