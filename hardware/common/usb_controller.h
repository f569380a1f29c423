/*
 * The controller: its registers (RP2040 data sheet, 4.1.3 and 4.1.2.5) and its endpoints, one buffer of 64 bytes each.
 *
 * An endpoint is armed with one packet, or with room for one; the controller moves it and says so. Until then the buffer is the
 * controller's: nobody touches it but endpoint_revoke, which takes it back.
 */
#ifndef USB_CONTROLLER_H
#define USB_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "rp2040.h"

#define USB_MEMORY 0x50100000u
#define USB_SETUP_PACKET (USB_MEMORY + 0x000u)
#define USB_CONTROL_BYTES (USB_MEMORY + 0x100u)

#define USB_ADDRESS 0x50110000u
#define USB_MAIN_CTRL 0x50110040u
#define USB_SOF_RD 0x50110048u
#define USB_SIE_CTRL 0x5011004cu
#define USB_SIE_STATUS 0x50110050u
#define USB_BUFF_STATUS 0x50110058u
#define USB_EP_ABORT 0x50110060u
#define USB_EP_ABORT_DONE 0x50110064u
#define USB_EP_STALL_ARM 0x50110068u
#define USB_MUXING 0x50110074u
#define USB_PWR 0x50110078u
#define USB_INTE 0x50110090u
#define USB_INTS 0x50110098u

enum { MAIN_CTRL_ENABLE = BIT(0) };
enum { SIE_CTRL_PULL_UP = BIT(16), SIE_CTRL_EP0_INT_1BUF = BIT(29) };
enum { SIE_STATUS_SETUP_REC = BIT(17), SIE_STATUS_BUS_RESET = BIT(19) };
enum { MUXING_TO_PHY = BIT(0), MUXING_SOFTCON = BIT(3) };
enum { PWR_VBUS_DETECT = BIT(2), PWR_VBUS_DETECT_OVERRIDE = BIT(3) };
enum { STALL_ARM_EP0 = BIT(0) | BIT(1) };
enum { USB_INT_BUFF_STATUS = BIT(4), USB_INT_BUS_RESET = BIT(12), USB_INT_SETUP = BIT(16), USB_INT_SOF = BIT(17) };

/* Buffer control (4.1.2.5.3). */
#define BUFFER_FULL BIT(15)
#define BUFFER_DATA1 BIT(13)
#define BUFFER_STALL BIT(11)
#define BUFFER_AVAILABLE BIT(10)
#define BUFFER_LENGTH 0x3ffu

/* Endpoint control (4.1.2.5.2). */
#define ENDPOINT_ENABLE BIT(31)
#define ENDPOINT_INTERRUPT_EACH BIT(29)
enum { ENDPOINT_BULK = 2u << 26, ENDPOINT_INTERRUPT = 3u << 26 };

typedef struct {
  uint32_t control; /* addresses of its two registers; endpoint 0 has no control */
  uint32_t buffer;
  uint32_t bytes; /* address of its 64 bytes */
  uint32_t bit;   /* in BUFF_STATUS and EP_ABORT */
  uint32_t toggle; /* BUFFER_DATA1 or 0: the next packet's */
  uint32_t length; /* of the packet that went or came, or waits */
  bool armed;      /* the controller has the buffer */
  bool done;       /* the packet went or came, and nobody has looked yet */
  bool halted;
  bool waiting; /* a packet to the host that was revoked and is kept */
} endpoint_t;

/** The endpoint with this address, 1 to 15 (bit 7: to the host), whose buffer is the `slot`-th behind that of endpoint 0. */
#define ENDPOINT(address, slot)                                                                    \
  {                                                                                                \
    .control = USB_MEMORY + 8u * ((address) & 15u) + ((address) & 0x80u ? 0u : 4u),                \
    .buffer = USB_MEMORY + 0x80u + 8u * ((address) & 15u) + ((address) & 0x80u ? 0u : 4u),         \
    .bytes = USB_MEMORY + 0x180u + 64u * (slot), .bit = 1u << (2u * ((address) & 15u) + ((address) & 0x80u ? 0u : 1u)), \
  }

/** Endpoint 0 towards the host or from it; both use one buffer. */
#define ENDPOINT_ZERO(to_host) \
  { .buffer = USB_MEMORY + ((to_host) ? 0x80u : 0x84u), .bytes = USB_CONTROL_BYTES, .bit = (to_host) ? 1u : 2u }

/** Begins with the toggle at DATA0, unhalted, nothing armed. */
void endpoint_open(endpoint_t* endpoint, uint32_t kind);

/** The endpoint no longer exists for the host. */
void endpoint_close(endpoint_t* endpoint);

/** Arms with a packet to the host; `from` may be NULL for one without bytes. */
void endpoint_give(endpoint_t* endpoint, const uint8_t* from, uint32_t length);

/** Arms with room for one packet from the host. */
void endpoint_take(endpoint_t* endpoint);

/** Looks whether the packet went or came, and if so sets `done` and `length`. */
void endpoint_settle(endpoint_t* endpoint);

/** Takes the buffer back. A packet that just went or came is `done`; one to the host that had not gone is `waiting`. */
void endpoint_revoke(endpoint_t* endpoint);

/** Stalls from now on. */
void endpoint_halt(endpoint_t* endpoint);

/** No longer halted, the toggle at DATA0; a packet to the host that waits is armed again with it. Also without a halt. */
void endpoint_restart(endpoint_t* endpoint);

#endif
