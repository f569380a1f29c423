/* The controller's endpoints. Called from the USB interrupt, or with it off. */
#include "usb_controller.h"

#include <stddef.h>
#include <string.h>

#include "usb_descriptors.h"

/* The controller takes the packet at once; only a broken one does not, and then nothing of it matters any more. */
#define REVOKE_TRIES 1000

void endpoint_open(endpoint_t* endpoint, uint32_t kind) {
  endpoint_close(endpoint);
  REG(endpoint->control) = ENDPOINT_ENABLE | ENDPOINT_INTERRUPT_EACH | kind | (endpoint->bytes & 0xffffu);
}

void endpoint_close(endpoint_t* endpoint) {
  endpoint_revoke(endpoint);
  REG(endpoint->buffer) = 0;
  if (endpoint->control) REG(endpoint->control) = 0;
  endpoint->toggle = 0;
  endpoint->done = endpoint->halted = endpoint->waiting = false;
}

/** The length and the toggle first, AVAILABLE alone some cycles later: the controller's clock is slower than ours (4.1.2.5.1). */
static void arm(endpoint_t* endpoint, uint32_t value) {
  value |= endpoint->toggle;
  endpoint->toggle ^= BUFFER_DATA1;
  endpoint->armed = true;
  REG(endpoint->buffer) = value;
  __asm__ volatile("nop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop" ::: "memory");
  REG(endpoint->buffer) = value | BUFFER_AVAILABLE;
}

void endpoint_give(endpoint_t* endpoint, const uint8_t* from, uint32_t length) {
  memcpy((void*)endpoint->bytes, from, length);
  endpoint->length = length;
  arm(endpoint, BUFFER_FULL | length);
}

void endpoint_take(endpoint_t* endpoint) { arm(endpoint, USB_PACKET); }

void endpoint_settle(endpoint_t* endpoint) {
  if (!(REG(USB_BUFF_STATUS) & endpoint->bit)) return;
  REG_CLEAR(USB_BUFF_STATUS) = endpoint->bit;
  if (!endpoint->armed) return;
  endpoint->armed = false;
  endpoint->done = true;
  endpoint->length = REG(endpoint->buffer) & BUFFER_LENGTH;
}

/**
 * Before B2 an abort never ends, and the endpoint says NAK for good (erratum RP2040-E2): there the buffer is taken back
 * without asking. A packet that is under way just then may be lost or come twice, which the frame's CRC-32 tells.
 */
static bool abort_ends(void) { return REG(SYSINFO_CHIP_ID) >> 28 >= 2; }

void endpoint_revoke(endpoint_t* endpoint) {
  if (!endpoint->armed) return;
  bool asks = abort_ends();
  if (asks) REG_SET(USB_EP_ABORT) = endpoint->bit;
  for (int i = 0; asks && i < REVOKE_TRIES && !(REG(USB_EP_ABORT_DONE) & endpoint->bit); i++) continue;
  endpoint_settle(endpoint);
  if (endpoint->armed) {
    endpoint->waiting = (REG(endpoint->buffer) & BUFFER_FULL) != 0;
    endpoint->armed = false;
    endpoint->toggle ^= BUFFER_DATA1;
  }
  REG(endpoint->buffer) = 0;
  if (!asks) return;
  REG_CLEAR(USB_EP_ABORT_DONE) = endpoint->bit;
  REG_CLEAR(USB_EP_ABORT) = endpoint->bit;
}

void endpoint_halt(endpoint_t* endpoint) {
  endpoint_revoke(endpoint);
  endpoint->halted = true;
  REG(endpoint->buffer) = BUFFER_STALL;
}

void endpoint_restart(endpoint_t* endpoint) {
  endpoint_revoke(endpoint);
  endpoint->halted = false;
  endpoint->toggle = 0;
  REG(endpoint->buffer) = 0;
  if (!endpoint->waiting) return;
  endpoint->waiting = false;
  arm(endpoint, BUFFER_FULL | endpoint->length);
}
