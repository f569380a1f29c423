// A token that calls through a proxy that ends TLS, as OPERATING advises where only that is let through.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream";
import { createServer, getCACertificates, setDefaultCACertificates } from "node:tls";
import { expect, test } from "vitest";
import { openLink } from "../../host/link/index.ts";
import { scratchDirectory } from "../host/pair.ts";
import { newServer } from "../server/token/world.ts";
import { issueToken } from "./real.ts";
import { deviceOf } from "./token.ts";

const openssl = spawnSync("openssl", ["version"]).status === 0;
if (!openssl && !process.env.CI) console.warn("not shown here, because there is no openssl: a link through TLS");

/** A proxy that ends TLS in front of a port, with a certificate that it signed itself. */
async function proxyTo(port: number): Promise<{ readonly port: number; readonly certificate: string }> {
  const directory = await scratchDirectory();
  const [keyFile, certificateFile] = [join(directory, "key.pem"), join(directory, "certificate.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keyFile];
  execFileSync("openssl", ["req", "-x509", ...key, "-days", "2", ...subject, "-out", certificateFile], {
    stdio: "pipe",
  });
  const certificate = readFileSync(certificateFile, "utf8");
  const proxy = createServer({ key: readFileSync(keyFile), cert: certificate }, (outside) => {
    const inside = connect(port, "127.0.0.1");
    pipeline(outside, inside, outside, () => {}); // How either ends is the end of both.
  });
  proxy.unref();
  await new Promise<void>((resolve) => proxy.listen(0, "localhost", resolve));
  return { port: (proxy.address() as AddressInfo).port, certificate };
}

test.skipIf(!openssl && !process.env.CI)(
  "T-21 a link goes through a proxy that ends TLS, and not through one that cannot prove its name",
  async () => {
    const server = await newServer();
    const token = await issueToken(server);
    const [address] = (await server.listen(["ws://127.0.0.1:0"])) as [string];
    const proxy = await proxyTo(Number(new URL(address).port));
    const device = await deviceOf(token.machine);
    const call = async () =>
      openLink(device, { directory: await scratchDirectory(), addresses: [`wss://localhost:${proxy.port}/link`] });

    await expect(call()).rejects.toMatchObject({
      code: "NO_ADDRESS_ANSWERED",
      facts: { tried: [{ reason: "DEPTH_ZERO_SELF_SIGNED_CERT" }] },
    });
    const trusted = getCACertificates();
    setDefaultCACertificates([...trusted, proxy.certificate]);
    try {
      const link = await call();
      const text = crypto.getRandomValues(new Uint8Array(5000));
      expect((await link.request("echo", text)).body).toEqual(text);
      await link.close();
    } finally {
      setDefaultCACertificates(trusted);
    }
    await device.close();
  },
);
