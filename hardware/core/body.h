/*
 * The core from the side of whoever runs it: start it, feed it, and let it work.
 *
 *     body_boot(traps, reason);
 *     for (;;) {
 *       n = what the line brought, at most BODY_WINDOW bytes
 *       if (n) body_receive(bytes, n);
 *       more = body_poll();
 *     }
 *
 * Never called from inside a HAL function, and never twice at once.
 */
#ifndef BODY_H
#define BODY_H

#include <stdbool.h>
#include <stdint.h>

/** Most bytes for one body_receive. */
#define BODY_WINDOW 512u

/**
 * Power-on, or a reset behind a trap: fresh memory, then boot. `traps` counts since power-on, `reason` is why the last
 * happened.
 */
void body_boot(uint32_t traps, uint32_t reason);

/** Takes what the line brought and answers every frame that ends in it. */
void body_receive(const uint8_t* bytes, uint32_t count);

/** One step of background work. True while there is more. */
bool body_poll(void);

#endif
