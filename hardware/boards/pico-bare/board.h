/* A bare Raspberry Pi Pico: the pad lies in the flash that it boots from, and nothing is wired. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_BODY BODY_PICO_BARE

/* The line besides USB, for whoever solders two wires: Pico pins 1 and 2. */
#define UART_TX_PIN 0u
#define UART_RX_PIN 1u

#define LIGHT_PIN 25u

/** What lies before it is the firmware's, and is never programmed or erased by it. */
#define PAD_BEGIN 0x40000u

/*
 * Sectors only. An erase of 64 KiB takes up to two seconds, and a reset within it would find a boot ROM that gives up
 * after half of one, on a fast ring oscillator after a quarter.
 */
#define PAD_BLOCK_ERASE 0u

#endif
