/* The loop that runs the device. */
#ifndef MAIN_H
#define MAIN_H

#include <stdint.h>

/** Never returns. */
_Noreturn void main(void);

/** Sends an answer of the core to the line which asked. */
void main_answer(const uint8_t* from, uint32_t count);

#endif
