/*
 * The state light, and the clock tick behind it.
 *
 * | Light | Means |
 * | --- | --- |
 * | dark | no power, or not started yet |
 * | on | ready |
 * | flickers off | works: do not pull the plug, though nothing is lost if you do |
 * | blinks once a second | asks for the button |
 * | blinks five times a second | no chip that it can use, or a supply too low for writing |
 */
#ifndef LIGHT_H
#define LIGHT_H

#include <stdbool.h>
#include <stdint.h>

#define TICK_US 5000u

/** Starts the tick. The light stays dark until light_ready. */
void light_start(void);

/** Interrupt of the timer: samples the button, blinks, and wakes a main loop that sleeps. */
void light_tick(void);

/** The device serves; `usable` is false when it has no chip. */
void light_ready(bool usable);

/** It works, or waits. */
void light_working(bool working);

/** The core looked at the button: somebody is asked, or not any more. A press ends the question for the light. */
void light_ask(bool asking);

#endif
