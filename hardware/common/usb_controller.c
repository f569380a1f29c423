/* The controller's endpoints. Called from the USB interrupt, or with it off. */
#include "usb_controller.h"

#include <stddef.h>

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
  volatile uint8_t* bytes = (volatile uint8_t*)endpoint->bytes;
  for (uint32_t i = 0; i < length; i++) bytes[i] = from[i];
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

void endpoint_revoke(endpoint_t* endpoint) {
  if (!endpoint->armed) return;
  REG_SET(USB_EP_ABORT) = endpoint->bit;
  for (int i = 0; i < REVOKE_TRIES && !(REG(USB_EP_ABORT_DONE) & endpoint->bit); i++) continue;
  endpoint_settle(endpoint);
  if (endpoint->armed) {
    endpoint->waiting = (REG(endpoint->buffer) & BUFFER_FULL) != 0;
    endpoint->armed = false;
    endpoint->toggle ^= BUFFER_DATA1;
  }
  REG(endpoint->buffer) = 0;
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
