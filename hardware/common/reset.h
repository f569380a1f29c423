/*
 * Why the board started, and how it starts again: the watchdog, and the count of traps that outlives it.
 *
 * The watchdog's scratch registers keep their content over every reset but power-on (data sheet 4.7). Three of them
 * hold how often the core trapped since power-on and why it last did; with the third trap the core refuses to serve
 * (SPEC section 12).
 */
#ifndef RESET_H
#define RESET_H

#include <stdint.h>

#include "rp2040.h"

/** The reason of SPEC section 12 for what is no trap of the core: a fault, or a watchdog that nobody fed. */
#define REASON_ANOTHER 255u

/** What body_boot is told. */
typedef struct {
  uint32_t traps;
  uint32_t reason;
} reset_history_t;

/** Reads the history, counting a watchdog that ran out, and starts the watchdog. Once, at start. */
reset_history_t reset_begin(void);

/** Longer than anything that does not feed it: a computation over 4 KiB, or the start. */
#define WATCHDOG_US 2000000u

/**
 * Feeds the watchdog, which otherwise resets the board. Its counter falls by two each microsecond (erratum RP2040-E1).
 */
static inline void reset_feed(void) { REG(WATCHDOG_LOAD) = 2 * WATCHDOG_US; }

/** Counts a trap and resets processor and peripherals. The pad chip finishes what it does. */
_Noreturn void reset_with_reason(uint32_t reason);

#endif
