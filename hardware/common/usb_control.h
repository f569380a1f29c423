/*
 * Endpoint 0: the requests of USB 2.0 chapter 9, of the serial port (PSTN 1.2 section 6.3), and those for descriptors. Whatever is not
 * known is stalled, which the next SETUP ends.
 */
#ifndef USB_CONTROL_H
#define USB_CONTROL_H

#include <stdint.h>

/** Keeps the serial number as the descriptor that it becomes. */
void control_name(const uint8_t serial[8]);

/** The bus was reset: no address, no configuration, nothing under way. */
void control_reset(void);

/** A SETUP has come. */
void control_setup(void);

/** Looks at what the controller has done, and goes on. */
void control_serve(void);

#endif
