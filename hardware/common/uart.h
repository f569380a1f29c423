/* The line on UART0: 115,200 baud, 8 bits, no parity, one stop bit. */
#ifndef UART_H
#define UART_H

#include "line.h"

extern const line_t uart_line;

/** Takes the pins and begins to listen. */
void uart_start(void);

/** Empties the receiver, which holds 32 bytes and drops what comes behind them. */
void uart_interrupt(void);

#endif
