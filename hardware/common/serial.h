/*
 * The serial number that USB shows: 8 random bytes of the core, made anew at every fill (SPEC section 4), so that a
 * device that was filled again is another one to whoever watches the plug. The body does not read the pad's pages; it
 * asks the core, as any host does.
 */
#ifndef SERIAL_H
#define SERIAL_H

#include <stdint.h>

#include "line.h"

/** INFO, as a line brings it (SPEC sections 7 and 8). */
#define SERIAL_QUESTION \
  { 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 0xf0, 0x58, 0xee, 0x97, 0 }

/** The line on which the answer comes. */
extern const line_t serial_line;

/** The serial of the pad; without one, 8 bytes that last until the power goes. */
const uint8_t* serial_bytes(void);

#endif
