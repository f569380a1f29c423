/**
 * What a device says of itself on USB, written once for the firmware and for the simulator: every answer to a request for a
 * descriptor, byte for byte. Sources: USB 2.0 chapter 9, CDC 1.2 and PSTN 1.2 (serial port), USB 3.2 section 9.6.2 (BOS),
 * WebUSB 1.0, Microsoft OS 2.0 descriptors.
 *
 * A device is a serial port (CDC-ACM, for any program that knows ports) and beside it a pair of bulk endpoints (for WebUSB and
 * libusb, without a driver of its own on any system). Both carry the same frames; a reply goes to the one that asked.
 */

/** The test pair of pid.codes: for trying only. Whoever sells devices takes a pair of their own. */
const USB_VENDOR = 0x1209;
const USB_PRODUCT = 0x0001;

/** Counts changes of what is below: Windows keeps what it read under vendor, product and this number. */
const RELEASE = 0x0100;

/** Bytes of a packet, the same at every endpoint that carries data: the most that full speed allows for bulk. */
export const USB_PACKET = 64;

export const USB_CONFIGURATION = 1;

/** Interfaces by number. The port's two come first, side by side, as an interface association must be. */
export const USB_INTERFACES = { cdc: 0, cdcData: 1, vendor: 2 } as const;

/** Endpoints by address; bit 7 says towards the host. Nothing ever comes from the notification endpoint. */
export const USB_ENDPOINTS = {
  notification: 0x81,
  cdcOut: 0x02,
  cdcIn: 0x82,
  vendorOut: 0x03,
  vendorIn: 0x83,
} as const;

/** Vendor requests under which a browser and Windows fetch what the BOS announces. */
const WEBUSB_REQUEST = 0x01;
const WINDOWS_REQUEST = 0x02;

/** Finds the vendor interface among the devices of Windows; drawn at random for this project. */
const INTERFACE_GUID = "{C558E40B-B21E-4062-A4EE-E6C38E2A694C}";

/** Bytes of the number that tells one device from another. */
export const USB_SERIAL_BYTES = 8;

/** A request towards the host that has an answer. An `index` of null: whatever it is, since the text has one language only. */
export interface DescriptorAnswer {
  /** bmRequestType, bRequest, wValue and wIndex of the request. */
  readonly type: number;
  readonly request: number;
  readonly value: number;
  readonly index: number | null;
  readonly bytes: Uint8Array;
}

const STRINGS = ["Tearpad", "Tearpad", "", "Tearpad serial port", "Tearpad frames"] as const;
const TEXT = { maker: 1, product: 2, serial: 3, port: 4, vendor: 5 } as const;

const TYPE = {
  device: 1,
  configuration: 2,
  string: 3,
  interface: 4,
  endpoint: 5,
  association: 0x0b,
  bos: 0x0f,
  capability: 0x10,
  cdc: 0x24,
} as const;
const GET_DESCRIPTOR = 6;
const FROM_DEVICE = 0x80;
const FROM_DEVICE_VENDOR = 0xc0;
const ENGLISH = 0x0409;
const BULK = 2;
const INTERRUPT = 3;

/** Where among {@link usbAnswers} the serial number stands: the only answer that differs between devices. */
export const USB_SERIAL_ANSWER = 5;

/**
 * Every answer to a request for a descriptor. All else is stalled: no other speed, no other language, no page to land on.
 * @param serial 8 bytes: the serial of the fill; of a blank or faulty device random bytes, drawn at power-on
 */
export function usbAnswers(serial: Uint8Array): DescriptorAnswer[] {
  if (serial.length !== USB_SERIAL_BYTES) throw new Error(`A serial has ${USB_SERIAL_BYTES} bytes.`);
  const strings = STRINGS.map((text, i) => stringDescriptor(i + 1 === TEXT.serial ? hex(serial) : text));
  const windows = windowsSet();
  return [
    standard(TYPE.device, 0, 0, deviceDescriptor()),
    standard(TYPE.configuration, 0, 0, configurationDescriptor()),
    standard(TYPE.string, 0, null, descriptor(TYPE.string, u16(ENGLISH))),
    ...strings.map((bytes, i) => standard(TYPE.string, i + 1, null, bytes)),
    standard(TYPE.bos, 0, 0, bosDescriptor(windows.length)),
    { type: FROM_DEVICE_VENDOR, request: WINDOWS_REQUEST, value: 0, index: 7, bytes: Uint8Array.from(windows) },
  ];
}

function standard(type: number, number: number, index: number | null, bytes: number[]): DescriptorAnswer {
  const value = (type << 8) | number;
  return { type: FROM_DEVICE, request: GET_DESCRIPTOR, value, index, bytes: Uint8Array.from(bytes) };
}

/** USB 2.0 section 9.6.1. 2.1 says that there is a BOS; class EF 02 01, that there are associations of interfaces. */
function deviceDescriptor(): number[] {
  const [usb, classes, packet, configurations] = [0x0210, [0xef, 0x02, 0x01], USB_PACKET, 1];
  const ids = [...u16(USB_VENDOR), ...u16(USB_PRODUCT), ...u16(RELEASE)];
  return descriptor(TYPE.device, [
    ...u16(usb),
    ...classes,
    packet,
    ...ids,
    TEXT.maker,
    TEXT.product,
    TEXT.serial,
    configurations,
  ]);
}

/** USB 2.0 section 9.6.3: fed by the bus with at most 100 mA, never waking its host. */
function configurationDescriptor(): number[] {
  const parts = [...serialPort(), ...vendorInterface()];
  const interfaces = Object.keys(USB_INTERFACES).length;
  const [attributes, units] = [0x80, 100 / 2];
  const head = [...u16(9 + parts.length), interfaces, USB_CONFIGURATION, 0, attributes, units];
  return [...descriptor(TYPE.configuration, head), ...parts];
}

/**
 * CDC 1.2 sections 5.2.3 and 5.3, PSTN 1.2 section 5.3. The abilities say that line coding, line state and breaks are known:
 * without the first Linux refuses every change of DTR and RTS.
 */
function serialPort(): number[] {
  const { cdc, cdcData } = USB_INTERFACES;
  const [calls, abilities] = [0x00, 0x02 | 0x04];
  return [
    ...descriptor(TYPE.association, [cdc, 2, 0x02, 0x02, 0x00, TEXT.port]),
    ...interfaceDescriptor(cdc, 1, [0x02, 0x02, 0x00], TEXT.port),
    ...descriptor(TYPE.cdc, [0x00, ...u16(0x0120)]),
    ...descriptor(TYPE.cdc, [0x01, calls, cdcData]),
    ...descriptor(TYPE.cdc, [0x02, abilities]),
    ...descriptor(TYPE.cdc, [0x06, cdc, cdcData]),
    ...endpointDescriptor(USB_ENDPOINTS.notification, INTERRUPT, 16, 255),
    ...interfaceDescriptor(cdcData, 2, [0x0a, 0x00, 0x00], TEXT.port),
    ...endpointDescriptor(USB_ENDPOINTS.cdcOut, BULK, USB_PACKET, 0),
    ...endpointDescriptor(USB_ENDPOINTS.cdcIn, BULK, USB_PACKET, 0),
  ];
}

function vendorInterface(): number[] {
  return [
    ...interfaceDescriptor(USB_INTERFACES.vendor, 2, [0xff, 0x00, 0x00], TEXT.vendor),
    ...endpointDescriptor(USB_ENDPOINTS.vendorOut, BULK, USB_PACKET, 0),
    ...endpointDescriptor(USB_ENDPOINTS.vendorIn, BULK, USB_PACKET, 0),
  ];
}

function interfaceDescriptor(number: number, endpoints: number, classes: number[], text: number): number[] {
  return descriptor(TYPE.interface, [number, 0, endpoints, ...classes, text]);
}

function endpointDescriptor(address: number, kind: number, packet: number, interval: number): number[] {
  return descriptor(TYPE.endpoint, [address, kind, ...u16(packet), interval]);
}

/** What version 2.1 adds: that a browser may use the device, and that Windows finds its driver by asking the device. */
function bosDescriptor(windowsBytes: number): number[] {
  const landingPage = 0; // None: an address in a device is one that nobody can take back.
  const webUsb = platform("3408b638-09a9-47a0-8bfd-a0768815b665", [...u16(0x0100), WEBUSB_REQUEST, landingPage]);
  const windows = platform("d8dd60df-4589-4cc7-9cd2-659d9e648a9f", [
    ...u32(WINDOWS_8_1),
    ...u16(windowsBytes),
    WINDOWS_REQUEST,
    0,
  ]);
  const head = [...u16(5 + webUsb.length + windows.length), 2];
  return [...descriptor(TYPE.bos, head), ...webUsb, ...windows];
}

/** A platform capability (USB 3.2 section 9.6.2.4); of its UUID the first three groups are little-endian. */
function platform(uuid: string, data: number[]): number[] {
  const groups = uuid.split("-").map((group) => [...Buffer.from(group, "hex")]);
  const id = groups.flatMap((group, i) => (i < 3 ? group.reverse() : group));
  return descriptor(TYPE.capability, [0x05, 0x00, ...id, ...data]);
}

/** The first Windows that knows these descriptors. */
const WINDOWS_8_1 = 0x06030000;

/**
 * Microsoft OS 2.0: WinUSB serves the vendor interface. Windows counts configurations from 0 here, not by their value.
 * The port needs no word: its class has a driver since Windows 10.
 */
function windowsSet(): number[] {
  const driver = windowsDescriptor(3, [...ascii("WINUSB"), 0, 0, ...zeros(8)]);
  const name = utf16("DeviceInterfaceGUIDs\0");
  const data = utf16(`${INTERFACE_GUID}\0\0`);
  const [property, listOfTexts] = [4, 7];
  const guids = windowsDescriptor(property, [
    ...u16(listOfTexts),
    ...u16(name.length),
    ...name,
    ...u16(data.length),
    ...data,
  ]);
  const ofInterface = windowsSubset(2, [USB_INTERFACES.vendor, 0], [...driver, ...guids]);
  const ofConfiguration = windowsSubset(1, [0, 0], ofInterface);
  return windowsSubset(0, u32(WINDOWS_8_1), ofConfiguration);
}

/** A header that ends with the length of itself and of what it holds, and what it holds. */
function windowsSubset(type: number, of: number[], parts: number[]): number[] {
  return [...windowsDescriptor(type, [...of, ...u16(4 + of.length + 2 + parts.length)]), ...parts];
}

function windowsDescriptor(type: number, fields: number[]): number[] {
  return [...u16(4 + fields.length), ...u16(type), ...fields];
}

function descriptor(type: number, fields: number[]): number[] {
  return [2 + fields.length, type, ...fields];
}

function stringDescriptor(text: string): number[] {
  return descriptor(TYPE.string, utf16(text));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex").toUpperCase();
}

function u16(value: number): number[] {
  return [value & 0xff, value >>> 8];
}

function u32(value: number): number[] {
  return [...u16(value & 0xffff), ...u16(value >>> 16)];
}

function utf16(text: string): number[] {
  return [...Buffer.from(text, "utf16le")];
}

function ascii(text: string): number[] {
  return [...Buffer.from(text, "latin1")];
}

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}
