/*
 * Bytes to the chip and from it at once, through the queues of a serial peripheral. In line, so that what calls it can
 * run from RAM and the registers are constants there: it must keep up with the wires, which take 32 cycles a byte.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "rp2040.h"

/**
 * Sends `out`, or zeros for NULL, and keeps what comes in `in`, or nothing for NULL. Never more than `most` bytes are
 * under way, so that none that comes back is lost.
 * @param data the address of the register of both queues
 * @param status that of their state, in which `received` says that a byte waits
 */
static inline __attribute__((always_inline)) void exchange(uint32_t data, uint32_t status, uint32_t received,
                                                           uint32_t most, const uint8_t* out, uint8_t* in,
                                                           uint32_t count) {
  uint32_t sent = 0;
  for (; sent < count && sent < most; sent++) REG(data) = out == NULL ? 0 : out[sent];
  for (uint32_t got = 0; got < count; got++) {
    while (!(REG(status) & received)) {
    }
    uint8_t byte = (uint8_t)REG(data);
    if (sent < count) {
      REG(data) = out == NULL ? 0 : out[sent];
      sent++;
    }
    if (in != NULL) in[got] = byte;
  }
}

#endif
