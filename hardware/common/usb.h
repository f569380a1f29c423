/*
 * The USB device: a serial port and a pair of bulk endpoints, each a line like the UART (line.h). What it says of itself stands in
 * hardware/usb/descriptors.ts. Everything happens in its interrupt; main sees rings and `send` only.
 *
 * The device never speaks first: a line says nothing from a bus reset, a new configuration, a closed port or a break until a byte has
 * come in on it again. What was being sent then is lost, and half a frame that had come in is ended by a 00.
 */
#ifndef USB_H
#define USB_H

#include "line.h"

extern const line_t usb_cdc_line, usb_vendor_line;

/**
 * Shows the device to the host. Before it: clk_usb runs at 48 MHz, the controller is out of reset, the timer counts. The serial number
 * is told as 16 hexadecimal digits.
 */
void usb_start(const uint8_t serial[8]);

/**
 * To be called where interrupts were off for longer than some microseconds, before they are on again: a frame that has
 * begun meanwhile did so nobody knows when, and nothing is given to the host before the next.
 */
void usb_interrupts_were_off(void);

/** The handler of IRQ_USB. */
void usb_interrupt(void);

#endif
