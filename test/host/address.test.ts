// Addresses: what is one, where it leads, and what is none, the same for everybody who reads them.

import { expect, test } from "vitest";
import { parseAddress, parseListenAddress } from "../../host/protocol/index.ts";

test("an address is a scheme, a host and a port; a WebSocket's may have a path, and no port", () => {
  const cases: [string, ReturnType<typeof parseAddress>][] = [
    ["tcp://127.0.0.1:7447", { scheme: "tcp", host: "127.0.0.1", port: 7447 }],
    ["tcp://token.example:1/", { scheme: "tcp", host: "token.example", port: 1 }],
    ["tcp://[::1]:65535", { scheme: "tcp", host: "::1", port: 65_535 }],
    ["ws://my_host:8080", { scheme: "ws", host: "my_host", port: 8080 }],
    ["ws://token.example/link?a=1", { scheme: "ws", host: "token.example", port: 80 }],
    ["wss://token.example/link", { scheme: "wss", host: "token.example", port: 443 }],
    ["wss://token.example:8443", { scheme: "wss", host: "token.example", port: 8443 }],
    ["ws://[fe80::1]:7448/a/b", { scheme: "ws", host: "fe80::1", port: 7448 }],
  ];
  for (const [text, parts] of cases) expect(parseAddress(text), text).toEqual(parts);
});

test("what is no address is null, whoever asks", () => {
  const none = ["", "tcp://", "tcp://host", "tcp://:1", "tcp://host:", "tcp://host:port", "tcp://host:65536", "host:1"];
  const odd = ["udp://host:1", "wsss://host:1", "tcp://a b:1", "tcp://host:1/path", "tcp://user@host:1", "tcp://::1:1"];
  for (const text of [...none, ...odd, "TCP://host:1", " tcp://host:1", "tcp://host:1\n", "ws:///path"]) {
    expect(parseAddress(text), text).toBe(null);
    expect(parseListenAddress(text), text).toBe(null);
  }
});

test("to be listened at it has a port, which may be any that is free, and no path", () => {
  expect(parseListenAddress("tcp://127.0.0.1:0")).toEqual({ scheme: "tcp", host: "127.0.0.1", port: 0 });
  expect(parseListenAddress("ws://[::]:7448/")).toEqual({ scheme: "ws", host: "::", port: 7448 });
  expect(parseAddress("tcp://127.0.0.1:0")).toBe(null);
  for (const text of ["ws://host", "wss://host:1", "ws://host/", "ws://host:1/path", "ws://host:1/path:2"])
    expect(parseListenAddress(text), text).toBe(null);
});
