#include "serial.h"

#include <stdbool.h>
#include <stddef.h>

#include "hal.h"

/** Where the serial lies in the decoded reply: behind the head of 12 bytes, at 48 of INFO. */
enum { SERIAL_AT = 12 + 48, SERIAL_SIZE = 8 };

static uint8_t serial[SERIAL_SIZE];

/** Decodes COBS as far as the serial: groups of a length and its bytes, with a zero between one and the next. */
static void keep(const uint8_t* from, uint32_t count) {
  uint32_t at = 0;
  uint32_t left = 0;
  bool zero = false;
  for (uint32_t i = 0; i < count && from[i] != 0; i++) {
    uint8_t byte = from[i];
    if (left == 0) {
      bool between = zero;
      left = byte - 1u;
      zero = byte != 255;
      if (!between) continue;
      byte = 0;
    } else {
      left--;
    }
    if (at >= SERIAL_AT && at < SERIAL_AT + SERIAL_SIZE) serial[at - SERIAL_AT] = byte;
    at++;
  }
}

const line_t serial_line = {.in = NULL, .drained = NULL, .send = keep};

const uint8_t* serial_bytes(void) {
  uint8_t some = 0;
  for (uint32_t i = 0; i < SERIAL_SIZE; i++) some |= serial[i];
  if (some == 0) hal_entropy(serial, SERIAL_SIZE);
  return serial;
}
