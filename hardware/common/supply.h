/* Whether the supply carries a program or an erase to its end. */
#ifndef SUPPLY_H
#define SUPPLY_H

#include <stdbool.h>

void supply_start(void);
bool supply_ok(void);

#endif
