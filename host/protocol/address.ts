// Addresses on a network, as people write them and devices carry them: tcp://HOST:PORT, and ws://HOST[:PORT][/PATH], or wss:// for
// the same through TLS, the path being for a proxy in front of a server. HOST is a name, an IPv4 address, or an IPv6 address in
// brackets.

/** The parts of an address. */
export interface NetworkAddress {
  readonly scheme: "tcp" | "ws" | "wss";
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

const ADDRESS =
  /^(?<scheme>tcp|wss?):\/\/(?:\[(?<six>[0-9A-Fa-f:.]+)\]|(?<name>[^\s:/?#@[\]]+))(?::(?<port>[0-9]{1,5}))?(?<path>\/[\x21-\x7e]*)?$/;
/** Where none is written; a line over TCP has none that is usual. */
const USUAL_PORT = { tcp: 0, ws: 80, wss: 443 };
const PORT_MAX = 65_535;

/** Where somebody is reached; null for what is no address. */
export function parseAddress(text: string): NetworkAddress | null {
  const parts = partsOf(text);
  if (parts === null) return null;
  const { scheme, host, port = USUAL_PORT[scheme], path } = parts;
  return port === 0 || (scheme === "tcp" && path !== "/") ? null : { scheme, host, port };
}

/** Where to listen: an address with its port and without a path. Port 0 is any that is free. TLS is for a proxy in front. */
export function parseListenAddress(text: string): (NetworkAddress & { readonly scheme: "tcp" | "ws" }) | null {
  const { scheme, host, port, path } = partsOf(text) ?? {};
  if (scheme === undefined || scheme === "wss" || host === undefined || port === undefined || path !== "/") return null;
  return { scheme, host, port };
}

interface Parts extends Omit<NetworkAddress, "port"> {
  readonly port: number | undefined;
  readonly path: string;
}

function partsOf(text: string): Parts | null {
  const parts = ADDRESS.exec(text)?.groups;
  if (parts === undefined) return null;
  const { scheme, six, name, path = "/" } = parts;
  const port = parts.port === undefined ? undefined : Number(parts.port);
  if (port !== undefined && port > PORT_MAX) return null;
  return { scheme: scheme as NetworkAddress["scheme"], host: (six ?? name) as string, port, path };
}
