/**
 * The descriptors field by field, as the specifications want them, and the firmware's header with the same bytes.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { USB_ENDPOINTS, USB_INTERFACES, usbAnswers, writeDescriptors } from "../../hardware/usb/index.ts";
import { readBos, readConfiguration, readDevice, readString, readWindows, u16, u32 } from "./usb-read.ts";

const SERIAL = Uint8Array.of(0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef);
const WEBUSB = "3408b638-09a9-47a0-8bfd-a0768815b665";
const WINDOWS = "d8dd60df-4589-4cc7-9cd2-659d9e648a9f";

function answer(type: number, request: number, value: number, index = 0): Uint8Array {
  const found = usbAnswers(SERIAL).filter(
    (one) =>
      one.type === type &&
      one.request === request &&
      one.value === value &&
      (one.index === null || one.index === index),
  );
  expect(found).toHaveLength(1);
  return found[0]!.bytes;
}

const descriptor = (type: number, number = 0): Uint8Array => answer(0x80, 6, (type << 8) | number);
const text = (number: number): string => readString(answer(0x80, 6, 0x0300 | number, 0x0409));

describe("the descriptors", () => {
  test("the device is a composite one with a BOS, under the test pair, which sells no device", () => {
    expect(readDevice(descriptor(1))).toEqual({
      usb: 0x0210,
      class: 0xef,
      subclass: 2,
      protocol: 1,
      packet: 64,
      vendor: 0x1209,
      product: 0x0001,
      release: 0x0100,
      maker: 1,
      name: 2,
      serial: 3,
      configurations: 1,
    });
  });

  test("the texts are in English, and the serial number is the 8 bytes in hexadecimal", () => {
    expect([...descriptor(3)]).toEqual([4, 3, 0x09, 0x04]);
    expect([1, 2, 3, 4, 5].map(text)).toEqual([
      "Tearpad",
      "Tearpad",
      "0123456789ABCDEF",
      "Tearpad serial port",
      "Tearpad frames",
    ]);
  });

  test("one configuration, fed by the bus with 100 mA, that wakes nobody", () => {
    const { value, attributes, milliamperes } = readConfiguration(descriptor(2));
    expect({ value, attributes, milliamperes }).toEqual({ value: 1, attributes: 0x80, milliamperes: 100 });
  });

  test("interfaces count from 0 without a gap or an alternate, and every text that they name is there", () => {
    const { interfaces, associations } = readConfiguration(descriptor(2));
    expect(interfaces.map(({ number }) => number)).toEqual([0, 1, 2]);
    expect(interfaces.every(({ alternate }) => alternate === 0)).toBe(true);
    for (const { text: number } of [...interfaces, ...associations]) expect(text(number)).toMatch(/^Tearpad/);
  });

  test("no endpoint has two uses, and each has a packet of a size that full speed allows", () => {
    const endpoints = readConfiguration(descriptor(2)).interfaces.flatMap((one) => one.endpoints);
    const addresses = endpoints.map(({ address }) => address);
    expect(new Set(addresses).size).toBe(addresses.length);
    expect(addresses.toSorted()).toEqual(Object.values(USB_ENDPOINTS).toSorted());
    for (const { address, kind, packet, interval } of endpoints) {
      expect(address & 0x70).toBe(0);
      expect(address & 0x0f).toBeGreaterThan(0);
      if (kind === "bulk") expect([8, 16, 32, 64]).toContain(packet);
      if (kind === "interrupt") expect(packet).toBeLessThanOrEqual(64);
      if (kind === "interrupt") expect(interval).toBeGreaterThan(0);
    }
  });

  test("the serial port is an abstract control model with line coding, line state and breaks", () => {
    const { interfaces, associations } = readConfiguration(descriptor(2));
    expect(associations).toEqual([{ first: 0, count: 2, classes: [2, 2, 0], text: 4 }]);
    const [control, data] = [interfaces[USB_INTERFACES.cdc]!, interfaces[USB_INTERFACES.cdcData]!];
    expect([control.classes, data.classes]).toEqual([
      [2, 2, 0],
      [0x0a, 0, 0],
    ]);
    // Header (CDC 1.20), call management, abstract control (abilities 0x06), union: CDC 1.2 tables 15 and 16, PSTN 1.2 tables 3 and 4.
    expect(control.functional.map((one) => [...one])).toEqual([
      [0x00, 0x20, 0x01],
      [0x01, 0x00, 0x01],
      [0x02, 0x06],
      [0x06, 0x00, 0x01],
    ]);
    expect(control.endpoints).toEqual([{ address: 0x81, kind: "interrupt", packet: 16, interval: 255 }]);
    expect(data.endpoints.map(({ address, kind }) => [address, kind])).toEqual([
      [0x02, "bulk"],
      [0x82, "bulk"],
    ]);
  });

  test("the vendor interface is a pair of bulk endpoints of no class", () => {
    const vendor = readConfiguration(descriptor(2)).interfaces[USB_INTERFACES.vendor]!;
    expect(vendor.classes).toEqual([0xff, 0, 0]);
    expect(vendor.endpoints.map(({ address, kind }) => [address, kind])).toEqual([
      [0x03, "bulk"],
      [0x83, "bulk"],
    ]);
  });

  test("the BOS has the capabilities of WebUSB 1.0 and of Microsoft OS 2.0", () => {
    const bos = readBos(descriptor(0x0f));
    expect([...bos.keys()]).toEqual([WEBUSB, WINDOWS]);
    const [web, windows] = [bos.get(WEBUSB)!, bos.get(WINDOWS)!];
    expect([web.length, u16(web, 0), web[3]]).toEqual([4, 0x0100, 0]); // no page to land on
    expect([windows.length, u32(windows, 0), windows[7]]).toEqual([8, 0x06030000, 0]);
    expect(u16(windows, 4)).toBe(answer(0xc0, windows[6]!, 0, 7).length);
    expect(web[2]).not.toBe(windows[6]);
  });

  test("Windows finds WinUSB for the vendor interface and a GUID by which programs find it", () => {
    const [set, ...more] = readWindows(answer(0xc0, 2, 0, 7));
    expect(more).toEqual([]);
    expect([set!.type, u32(set!.fields, 0)]).toEqual([0, 0x06030000]);
    const [configuration] = set!.parts;
    expect([set!.parts.length, configuration!.type, configuration!.fields[0]]).toEqual([1, 1, 0]);
    const [vendor] = configuration!.parts;
    expect([configuration!.parts.length, vendor!.type, vendor!.fields[0]]).toEqual([1, 2, USB_INTERFACES.vendor]);
    const [driver, property] = vendor!.parts;
    expect(Buffer.from(driver!.fields).toString("latin1")).toBe(`WINUSB${"\0".repeat(10)}`);
    expect([driver!.type, property!.type, u16(property!.fields, 0)]).toEqual([3, 4, 7]); // REG_MULTI_SZ
    const nameBytes = u16(property!.fields, 2);
    const name = property!.fields.subarray(4, 4 + nameBytes);
    const data = property!.fields.subarray(6 + nameBytes);
    expect(u16(property!.fields, 4 + nameBytes)).toBe(data.length);
    expect(Buffer.from(name).toString("utf16le")).toBe("DeviceInterfaceGUIDs\0");
    expect(Buffer.from(data).toString("utf16le")).toMatch(/^\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}\0\0$/);
  });

  test("the firmware's header has the same bytes, and is the same wherever it is written", () => {
    const directories = [0, 1].map(() => mkdtempSync(join(tmpdir(), "tearpad-usb-")));
    for (const directory of directories) writeDescriptors(directory);
    const [header, again] = directories.map((one) => readFileSync(join(one, "usb_descriptors.h"), "utf8"));
    for (const directory of directories) rmSync(directory, { recursive: true });
    expect(again).toBe(header);
    const arrays = [...header!.matchAll(/usb_bytes_\d+\[\] = \{([^}]*)\}/g)].map(([, body]) =>
      Uint8Array.from(body!.match(/0x[0-9a-f]{2}/g)!.map(Number)),
    );
    expect(arrays).toEqual(usbAnswers(new Uint8Array(8)).map(({ bytes }) => bytes));
  });

  test("the rules for udev are for this vendor, product and name", () => {
    const rules = readFileSync(new URL("../../hardware/udev/60-tearpad.rules", import.meta.url), "utf8");
    const { vendor, product, name } = readDevice(descriptor(1));
    const found = [...rules.matchAll(/ATTRS?\{(\w+)\}=="([^"]*)"/g)].map(([, key, value]) => `${key} ${value}`);
    const hex = (id: number): string => id.toString(16).padStart(4, "0");
    expect(new Set(found)).toEqual(
      new Set([`idVendor ${hex(vendor!)}`, `idProduct ${hex(product!)}`, `product ${text(name!)}`]),
    );
  });
});
