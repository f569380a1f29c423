/*
 * What a bare board does not have. Without a button nobody can say yes: presence is refused, so that nothing above the
 * owner's limit is ever allowed. Without a supervisor nobody can tell a failing supply: a cut is found out at the next
 * start, as everywhere.
 */
#include "button.h"
#include "hal.h"
#include "supply.h"

void button_start(void) {}

bool button_tick(void) { return false; }

uint32_t button_look(void) { return BUTTON_REFUSED; }

void supply_start(void) {}

bool supply_ok(void) { return true; }
