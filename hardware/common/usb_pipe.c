/* The bulk endpoints as lines. */
#include "usb_pipe.h"

#include "clocks.h"
#include "reset.h"
#include "usb.h"
#include "usb_descriptors.h"

#define NVIC_ICER 0xe000e180u

/*
 * Erratum RP2040-E15: a hub may cut the handshake of an IN that is late in its frame, and the controller never recovers. So a packet
 * to the host is not armed in the last 200 us of the 1,000 us that a frame lasts; the next start of frame arms it. Some more than 200,
 * since filling it takes a while.
 */
#define FRAME_LATE_US 785u
#define FRAME_OVER_US 998u

/* Enough to keep the bus busy while the core takes the rest: a host that is faster waits. */
RING(cdc_received, 1024);
RING(vendor_received, 1024);
static uint32_t frame_start;
static bool frame_known;

pipe_t pipes[PIPES] = {
  [PIPE_CDC] = {.out = ENDPOINT(USB_CDC_OUT_ENDPOINT, 0), .in = ENDPOINT(USB_CDC_IN_ENDPOINT, 1), .ring = &cdc_received},
  [PIPE_VENDOR] = {.out = ENDPOINT(USB_VENDOR_OUT_ENDPOINT, 2), .in = ENDPOINT(USB_VENDOR_IN_ENDPOINT, 3), .ring = &vendor_received},
};

static void send(pipe_t* pipe, const uint8_t* from, uint32_t count);
static void drained(pipe_t* pipe);

static void cdc_drained(void) { drained(&pipes[PIPE_CDC]); }
static void cdc_send(const uint8_t* from, uint32_t count) { send(&pipes[PIPE_CDC], from, count); }
static void vendor_drained(void) { drained(&pipes[PIPE_VENDOR]); }
static void vendor_send(const uint8_t* from, uint32_t count) { send(&pipes[PIPE_VENDOR], from, count); }

const line_t usb_cdc_line = {.in = &cdc_received, .drained = cdc_drained, .send = cdc_send};
const line_t usb_vendor_line = {.in = &vendor_received, .drained = vendor_drained, .send = vendor_send};

void pipe_frame_started(void) {
  frame_start = clocks_us();
  frame_known = true;
}

void pipe_frame_missed(void) { frame_known = false; }

void pipe_open(pipe_t* pipe) {
  endpoint_open(&pipe->out, ENDPOINT_BULK);
  endpoint_open(&pipe->in, ENDPOINT_BULK);
  pipe_forget(pipe);
  pipe->open = true;
}

void pipe_close(pipe_t* pipe) {
  pipe->open = false;
  endpoint_close(&pipe->out);
  endpoint_close(&pipe->in);
  pipe_forget(pipe);
}

void pipe_forget(pipe_t* pipe) {
  endpoint_revoke(&pipe->in);
  pipe->in.waiting = pipe->in.done = false;
  pipe->left = 0;
  pipe->end_owed = false;
  pipe->silent = true;
  /* At most one 00 behind other bytes, so it fits: a packet is only taken where a byte more has room. */
  ring_t* ring = pipe->ring;
  if (ring->put != 0 && ring->bytes[(ring->put - 1) & (ring->size - 1)] != 0) ring_put(ring, 0);
}

static void receive(pipe_t* pipe) {
  ring_append(pipe->ring, (const uint8_t*)pipe->out.bytes, pipe->out.length);
  if (pipe->out.length > 0) pipe->silent = false;
}

static bool late_in_frame(void) {
  uint32_t since = clocks_us() - frame_start;
  return !frame_known || (since >= FRAME_LATE_US && since <= FRAME_OVER_US);
}

static void give(pipe_t* pipe) {
  uint32_t length = pipe->left < USB_PACKET ? pipe->left : USB_PACKET;
  endpoint_give(&pipe->in, pipe->from, length);
  pipe->from += length;
  pipe->left -= length;
  pipe->end_owed = length == USB_PACKET;
}

void pipe_serve(pipe_t* pipe) {
  if (!pipe->open) return;
  endpoint_t* out = &pipe->out;
  endpoint_t* in = &pipe->in;
  if (out->done) {
    out->done = false;
    receive(pipe);
  }
  in->done = false;
  if (!out->armed && !out->halted && ring_room(pipe->ring) > USB_PACKET) endpoint_take(out);
  if (!in->armed && !in->halted && !in->waiting && (pipe->left > 0 || pipe->end_owed) && !late_in_frame()) give(pipe);
}

/* The main loop's side: with the USB interrupt off wherever it touches what the interrupt touches. */

static void lock(void) {
  REG(NVIC_ICER) = BIT(IRQ_USB);
  __asm__ volatile("dsb\nisb" ::: "memory");
}

static void unlock(void) { REG(NVIC_ISER) = BIT(IRQ_USB); }

static void drained(pipe_t* pipe) {
  lock();
  pipe_serve(pipe);
  unlock();
}

static void send(pipe_t* pipe, const uint8_t* from, uint32_t count) {
  lock();
  if (pipe->open && !pipe->silent) {
    pipe->from = from;
    pipe->left = count;
    pipe_serve(pipe);
  }
  unlock();

  uint32_t left = count;
  uint32_t since = clocks_us();
  while (pipe->left > 0) {
    reset_feed();
    if (pipe->left != left) {
      left = pipe->left;
      since = clocks_us();
    }
    if (!clocks_passed(since, LINE_PATIENCE_US)) continue;
    lock();
    pipe_forget(pipe);
    unlock();
  }
}
