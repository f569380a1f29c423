/*
 * A line: UART, USB serial, USB vendor interface. What comes in waits in its ring; what goes out is sent at once.
 * main.c takes one frame at a time from a line and answers on the line which asked.
 */
#ifndef LINE_H
#define LINE_H

#include <stdint.h>

#include "ring.h"

typedef struct {
  /** Filled by the line's interrupt. */
  ring_t* in;
  /** Called when bytes were dropped from `in`, so that the line may fetch more; NULL when it need not know. */
  void (*drained)(void);
  /**
   * Returns when all bytes are taken, or when nobody is there to take them: an unplugged line, or a host that has not
   * read for LINE_PATIENCE_US. Then they are lost, and the host asks again. Feeds the watchdog while it waits.
   */
  void (*send)(const uint8_t* from, uint32_t count);
} line_t;

/**
 * How long a line waits for a host that does not read: longer than any host that still listens, shorter than its
 * patience.
 */
#define LINE_PATIENCE_US 2000000u

#endif
