/**
 * The descriptors as C, for the firmware.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type DescriptorAnswer,
  USB_CONFIGURATION,
  USB_ENDPOINTS,
  USB_INTERFACES,
  USB_PACKET,
  USB_SERIAL_ANSWER,
  USB_SERIAL_BYTES,
  usbAnswers,
} from "./descriptors.ts";

/** Writes `usb_descriptors.h` into a directory that is there. The same bytes on every machine. */
export function writeDescriptors(directory: string): void {
  writeFileSync(join(directory, "usb_descriptors.h"), descriptorsHeader());
}

function descriptorsHeader(): string {
  const answers = usbAnswers(new Uint8Array(USB_SERIAL_BYTES));
  const numbers = {
    configuration: USB_CONFIGURATION,
    packet: USB_PACKET,
    ...suffixed(USB_INTERFACES, "interface"),
    ...suffixed(USB_ENDPOINTS, "endpoint"),
    serialBytes: USB_SERIAL_BYTES,
    serialAnswer: USB_SERIAL_ANSWER,
    answers: answers.length,
  };
  return `/* Written by hardware/usb/header.ts from hardware/usb/descriptors.ts; what each byte means stands there. */
#ifndef USB_DESCRIPTORS_H
#define USB_DESCRIPTORS_H

#include <stdint.h>

${Object.entries(numbers)
  .map(([name, value]) => `#define USB_${upper(name)} ${value}u`)
  .join("\n")}

/** An answer to one request for a descriptor; an index of 0xffff stands for any. */
struct usb_answer {
  uint8_t type, request;
  uint16_t value, index, length;
  const uint8_t *bytes;
};

${answers.map(({ bytes }, i) => arrayOf(bytes, i)).join("\n")}

static const struct usb_answer usb_answers[USB_ANSWERS] = {
${answers.map(entryOf).join("\n")}
};

#endif
`;
}

function suffixed(numbers: Record<string, number>, suffix: string): Record<string, number> {
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [`${name}_${suffix}`, value]));
}

function upper(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

function arrayOf(bytes: Uint8Array, i: number): string {
  const rows = Array.from({ length: Math.ceil(bytes.length / 16) }, (_, row) =>
    [...bytes.subarray(row * 16, row * 16 + 16)].map(byte).join(", "),
  );
  return `static const uint8_t usb_bytes_${i}[] = {\n${rows.map((row) => `  ${row},`).join("\n")}\n};`;
}

function entryOf({ type, request, value, index, bytes }: DescriptorAnswer, i: number): string {
  const asked = [byte(type), byte(request), word(value), word(index ?? 0xffff)].join(", ");
  return `  { ${asked}, ${bytes.length}, usb_bytes_${i} },`;
}

function byte(value: number): string {
  return `0x${value.toString(16).padStart(2, "0")}`;
}

function word(value: number): string {
  return `0x${value.toString(16).padStart(4, "0")}`;
}
