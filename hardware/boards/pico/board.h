/* Raspberry Pi Pico with a chip of its own for the pad: which pin does what. The same table stands in README.md. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_BODY BODY_PICO

/* The line. Pico pins 1 and 2. */
#define UART_TX_PIN 0u
#define UART_RX_PIN 1u

/* The chip, on SPI0. */
#define NOR_IN_PIN 16u
#define NOR_SELECT_PIN 17u
#define NOR_CLOCK_PIN 18u
#define NOR_OUT_PIN 19u
/** 125 MHz by an even number: 4 is 31.25 MHz. With longer wires take 6. */
#define NOR_SPI_DIVISOR 4u

#define SUPPLY_PIN 21u
#define BUTTON_PIN 22u
#define LIGHT_PIN 25u

/* The whole chip is the core's. */
#define PAD_BEGIN 0u
#define PAD_BLOCK_ERASE 1u

#endif
