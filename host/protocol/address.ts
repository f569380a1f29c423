// Addresses on a network, as people write them and devices carry them: tcp://HOST:PORT, and ws://HOST[:PORT][/PATH], the path being
// for a proxy in front of a server. HOST is a name, an IPv4 address, or an IPv6 address in brackets.

/** The parts of an address. */
export interface NetworkAddress {
  readonly scheme: "tcp" | "ws";
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

const ADDRESS =
  /^(?:(?<tcp>tcp)|ws):\/\/(?:\[(?<six>[0-9A-Fa-f:.]+)\]|(?<name>[^\s:/?#@[\]]+))(?::(?<port>[0-9]{1,5}))?(?<path>\/[\x21-\x7e]*)?$/;
const HTTP_PORT = 80;
const PORT_MAX = 65_535;

/** Where somebody is reached; null for what is no address. */
export function parseAddress(text: string): NetworkAddress | null {
  const parts = partsOf(text);
  if (parts === null) return null;
  const { scheme, host, port = scheme === "ws" ? HTTP_PORT : 0, path } = parts;
  return port === 0 || (scheme === "tcp" && path !== "/") ? null : { scheme, host, port };
}

/** Where to listen: an address with its port and without a path. Port 0 is any that is free. */
export function parseListenAddress(text: string): NetworkAddress | null {
  const { scheme, host, port, path } = partsOf(text) ?? {};
  if (scheme === undefined || host === undefined || port === undefined || path !== "/") return null;
  return { scheme, host, port };
}

interface Parts extends Omit<NetworkAddress, "port"> {
  readonly port: number | undefined;
  readonly path: string;
}

function partsOf(text: string): Parts | null {
  const parts = ADDRESS.exec(text)?.groups;
  if (parts === undefined) return null;
  const { tcp, six, name, path = "/" } = parts;
  const port = parts.port === undefined ? undefined : Number(parts.port);
  if (port !== undefined && port > PORT_MAX) return null;
  return { scheme: tcp === undefined ? "ws" : "tcp", host: (six ?? name) as string, port, path };
}
