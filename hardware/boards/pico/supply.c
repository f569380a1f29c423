/*
 * The RP2040's own brown-out detector watches the core's 1.1 V and not the 3.3 V on which the chip lives (data sheet
 * 2.10.3): a supervisor beside it pulls a pin low before those are too low to write.
 */
#include "supply.h"

#include "board.h"
#include "pin.h"

void supply_start(void) { pin_input_pulled_up(SUPPLY_PIN); }

bool supply_ok(void) { return pin_read(SUPPLY_PIN); }
