/*
 * Clocks of an RP2040 with a 12 MHz crystal: 125 MHz for processor and peripherals, 48 MHz for USB, 1 MHz for timer and
 * watchdog.
 */
#ifndef CLOCKS_H
#define CLOCKS_H

#include <stdint.h>

#include "rp2040.h"

#define CLOCK_HZ 125000000u

/**
 * Brings all clocks up and takes the peripherals that we use out of reset. Resets the board when an oscillator does not
 * start. Called before data has its values: nothing of it, or of what it calls, may lie in RAM.
 */
void clocks_start(void);

/** Microseconds since the reset; wraps after 71 minutes. Differences are right across the wrap. */
static inline uint32_t clocks_us(void) { return REG(TIMER_RAWL); }

/** Whether `us` have passed since `began`. */
static inline int clocks_passed(uint32_t began, uint32_t us) { return clocks_us() - began >= us; }

/** Waits. Not longer than a few milliseconds: the watchdog is not fed. */
static inline void clocks_wait(uint32_t us) {
  uint32_t began = clocks_us();
  while (!clocks_passed(began, us + 1)) {
  }
}

/** Sleeps until an interrupt comes, for DOZE_US at most. */
void clocks_doze(void);

#define DOZE_US 250u

/** Interrupt of the alarm that ends it. */
void clocks_awake(void);

#endif
