/*
 * What the fuzzer does to a device: an input is a list of steps, and each step is eight bytes, so that any bytes at all are an input and one
 * step can be taken out or put in without the others meaning something else.
 *
 *     u8 what · u8 how · u16 size · u32 value
 *
 * A step is a command that would be right at this moment, and `how` says what is wrong with it; or it is something that happens to the
 * device: noise on the line, a cut, a fault, a press of the button.
 */
#ifndef STEPS_H
#define STEPS_H

#include "world.h"

#define STEP_SIZE 8u

/** Does one step, and looks at the device behind it. */
void step(struct world* world, const uint8_t bytes[STEP_SIZE]);

/** What the starting states are made with: a whole fill, and a link. Finds when it does not succeed. */
void fill_whole(struct world* world, const struct shape* shape, bool with_money);
void link_up(struct world* world, uint64_t cap);

/** A pad at issue: its first split, and where its directions begin. */
struct shape shape_of(enum side side, uint32_t slot_sides, uint32_t unit, uint32_t length);

#endif
