/* The button that says that somebody is there (SPEC section 13, presence). */
#ifndef BUTTON_H
#define BUTTON_H

#include <stdbool.h>
#include <stdint.h>

void button_start(void);

/** Every TICK_US, from the timer's interrupt. True when it was pressed just now. */
bool button_tick(void);

/** What hal_button answers. */
uint32_t button_look(void);

#endif
