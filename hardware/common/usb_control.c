/* Control transfers: SETUP, bytes in one direction, and an empty packet in the other as the end (USB 2.0 section 8.5.3). */
#include "usb_control.h"

#include <stddef.h>

#include "usb_controller.h"
#include "usb_descriptors.h"
#include "usb_pipe.h"

typedef struct {
  uint8_t type, request;
  uint16_t value, index, length;
} setup_t;

/* bmRequestType and bRequest together, as the specifications list them. */
enum {
  GET_DEVICE_STATUS = 0x8000,
  GET_INTERFACE_STATUS = 0x8100,
  GET_ENDPOINT_STATUS = 0x8200,
  CLEAR_ENDPOINT_FEATURE = 0x0201,
  SET_ENDPOINT_FEATURE = 0x0203,
  SET_ADDRESS = 0x0005,
  GET_CONFIGURATION = 0x8008,
  SET_CONFIGURATION = 0x0009,
  GET_INTERFACE = 0x810a,
  SET_INTERFACE = 0x010b,
  SET_LINE_CODING = 0x2120,
  GET_LINE_CODING = 0xa121,
  SET_CONTROL_LINE_STATE = 0x2122,
  SEND_BREAK = 0x2123,
};
enum { ENDPOINT_HALT = 0, LINE_STATE_DTR = 1, INTERFACES = 3 };

static endpoint_t control_in = ENDPOINT_ZERO(true);
static endpoint_t control_out = ENDPOINT_ZERO(false);
static endpoint_t notification = ENDPOINT(USB_NOTIFICATION_ENDPOINT, 4);

/* The transfer under way. */
static enum { NOTHING, ANSWER, LINE_CODING, STATUS, ADDRESS } stage;
static const uint8_t* answer_from;
static uint32_t answer_left;
static bool answer_end_owed;
static uint8_t small_answer[2];
static uint8_t new_address;

/* What the host has set. */
static uint8_t configuration;
static uint8_t line_coding[7] = {0x00, 0xc2, 0x01, 0x00, 0, 0, 8}; /* 115,200 8N1; kept, and of no effect */
static uint16_t line_state;

static uint8_t serial_descriptor[2 + 4 * USB_SERIAL_BYTES];

void control_name(const uint8_t serial[8]) {
  static const char digits[] = "0123456789ABCDEF";
  serial_descriptor[0] = sizeof serial_descriptor;
  serial_descriptor[1] = 3;
  for (uint32_t i = 0; i < 2 * USB_SERIAL_BYTES; i++) {
    uint8_t half = i % 2 == 0 ? serial[i / 2] >> 4 : serial[i / 2] & 15;
    serial_descriptor[2 + 2 * i] = (uint8_t)digits[half];
  }
}

/** Configuration 0 is none: the endpoints are closed. The same configuration again begins anew, too. */
static void configure(uint8_t value) {
  configuration = value;
  line_state = 0;
  endpoint_close(&notification);
  if (value != 0) endpoint_open(&notification, ENDPOINT_INTERRUPT);
  for (int i = 0; i < PIPES; i++) {
    if (value != 0)
      pipe_open(&pipes[i]);
    else
      pipe_close(&pipes[i]);
  }
}

void control_reset(void) {
  REG(USB_ADDRESS) = 0;
  endpoint_close(&control_in);
  endpoint_close(&control_out);
  stage = NOTHING;
  configure(0);
}

/* What a request can end in. */

static void stall(void) {
  stage = NOTHING;
  REG_SET(USB_EP_STALL_ARM) = STALL_ARM_EP0;
  REG(control_in.buffer) = BUFFER_STALL;
  REG(control_out.buffer) = BUFFER_STALL;
}

/** Done, with nothing to tell. */
static void acknowledge(void) {
  stage = STATUS;
  endpoint_give(&control_in, NULL, 0);
}

static void give_answer(void) {
  uint32_t length = answer_left < USB_PACKET ? answer_left : USB_PACKET;
  answer_end_owed = length == USB_PACKET && answer_end_owed;
  endpoint_give(&control_in, answer_from, length);
  answer_from += length;
  answer_left -= length;
}

/** The first bytes, as many as asked for. The host may end the transfer whenever it has enough, so its end is awaited at once. */
static void answer(const setup_t* setup, const uint8_t* from, uint32_t length) {
  stage = ANSWER;
  answer_from = from;
  answer_left = length < setup->length ? length : setup->length;
  answer_end_owed = length < setup->length; /* a packet that is not full says so */
  endpoint_take(&control_out);
  give_answer();
}

static void answer_small(const setup_t* setup, uint8_t value, uint32_t length) {
  small_answer[0] = value;
  small_answer[1] = 0;
  answer(setup, small_answer, length);
}

/* Requests. Each ends in one of the above. */

/** Endpoint 0 is neither here nor ever halted. */
static endpoint_t* endpoint_at(uint16_t index) {
  switch (index) {
    case USB_NOTIFICATION_ENDPOINT: return &notification;
    case USB_CDC_OUT_ENDPOINT: return &pipes[PIPE_CDC].out;
    case USB_CDC_IN_ENDPOINT: return &pipes[PIPE_CDC].in;
    case USB_VENDOR_OUT_ENDPOINT: return &pipes[PIPE_VENDOR].out;
    case USB_VENDOR_IN_ENDPOINT: return &pipes[PIPE_VENDOR].in;
    default: return NULL;
  }
}

static void describe(const setup_t* setup) {
  for (uint32_t i = 0; i < USB_ANSWERS; i++) {
    const struct usb_answer* known = &usb_answers[i];
    if (known->type != setup->type || known->request != setup->request || known->value != setup->value) continue;
    if (known->index != 0xffff && known->index != setup->index) continue;
    answer(setup, i == USB_SERIAL_ANSWER ? serial_descriptor : known->bytes, known->length);
    return;
  }
  stall();
}

static void endpoint_request(const setup_t* setup, uint32_t what) {
  endpoint_t* endpoint = endpoint_at(setup->index);
  bool zero = (setup->index & 0x7f) == 0;
  if (what == GET_ENDPOINT_STATUS && zero) return answer_small(setup, 0, 2);
  if (endpoint == NULL || configuration == 0) return stall();
  if (what == GET_ENDPOINT_STATUS) return answer_small(setup, endpoint->halted, 2);
  if (setup->value != ENDPOINT_HALT) return stall();
  if (what == SET_ENDPOINT_FEATURE)
    endpoint_halt(endpoint);
  else
    endpoint_restart(endpoint);
  acknowledge();
}

static void interface_request(const setup_t* setup, uint32_t what) {
  if (configuration == 0 || setup->index >= INTERFACES) return stall();
  if (what == GET_INTERFACE_STATUS) return answer_small(setup, 0, 2);
  if (what == GET_INTERFACE) return answer_small(setup, 0, 1);
  if (setup->value != 0) return stall();
  if (setup->index == USB_CDC_INTERFACE) {
    endpoint_restart(&notification);
  } else {
    pipe_t* pipe = &pipes[setup->index == USB_VENDOR_INTERFACE ? PIPE_VENDOR : PIPE_CDC];
    pipe_forget(pipe);
    endpoint_restart(&pipe->out);
    endpoint_restart(&pipe->in);
  }
  acknowledge();
}

static void port_request(const setup_t* setup, uint32_t what) {
  if (configuration == 0 || setup->index != USB_CDC_INTERFACE) return stall();
  if (what == GET_LINE_CODING) return answer(setup, line_coding, sizeof line_coding);
  if (what == SET_LINE_CODING) {
    if (setup->length != sizeof line_coding) return stall();
    stage = LINE_CODING;
    return endpoint_take(&control_out);
  }
  bool forget = setup->value != 0; /* a break of any length; 0 only ends one */
  if (what == SET_CONTROL_LINE_STATE) {
    forget = (line_state & ~setup->value & LINE_STATE_DTR) != 0; /* whoever had the port has closed it */
    line_state = setup->value;
  }
  if (forget) pipe_forget(&pipes[PIPE_CDC]);
  acknowledge();
}

static void request(const setup_t* setup) {
  uint32_t what = (uint32_t)setup->type << 8 | setup->request;
  /* Bytes that nobody takes would be waited for without end. */
  if ((setup->type & 0x80) == 0 && setup->length != 0 && what != SET_LINE_CODING) return stall();
  switch (what) {
    case SET_ADDRESS:
      if (setup->value > 127) return stall();
      new_address = (uint8_t)setup->value;
      acknowledge();
      stage = ADDRESS;
      return;
    case GET_CONFIGURATION:
      return answer_small(setup, configuration, 1);
    case SET_CONFIGURATION:
      if (setup->value > USB_CONFIGURATION) return stall();
      configure((uint8_t)setup->value);
      return acknowledge();
    case GET_DEVICE_STATUS:
      return answer_small(setup, 0, 2); /* fed by the bus, wakes nobody */
    case GET_ENDPOINT_STATUS:
    case CLEAR_ENDPOINT_FEATURE:
    case SET_ENDPOINT_FEATURE:
      return endpoint_request(setup, what);
    case GET_INTERFACE_STATUS:
    case GET_INTERFACE:
    case SET_INTERFACE:
      return interface_request(setup, what);
    case SET_LINE_CODING:
    case GET_LINE_CODING:
    case SET_CONTROL_LINE_STATE:
    case SEND_BREAK:
      return port_request(setup, what);
    default:
      return describe(setup);
  }
}

/** Ends what was under way, whatever it was (USB 2.0 section 5.5.5). The first packet behind a SETUP is DATA1, both ways. */
void control_setup(void) {
  endpoint_t* both[] = {&control_in, &control_out};
  for (int i = 0; i < 2; i++) {
    endpoint_revoke(both[i]);
    both[i]->done = both[i]->waiting = false;
    both[i]->toggle = BUFFER_DATA1;
  }
  stage = NOTHING;

  REG_CLEAR(USB_SIE_STATUS) = SIE_STATUS_SETUP_REC;
  uint32_t first = REG(USB_SETUP_PACKET);
  uint32_t second = REG(USB_SETUP_PACKET + 4u);
  if (REG(USB_SIE_STATUS) & SIE_STATUS_SETUP_REC) return; /* another has come into the reading: the next interrupt has it whole */
  setup_t setup = {(uint8_t)first, (uint8_t)(first >> 8), (uint16_t)(first >> 16), (uint16_t)second, (uint16_t)(second >> 16)};
  request(&setup);
}

static void take_line_coding(void) {
  const volatile uint8_t* bytes = (const volatile uint8_t*)control_out.bytes;
  if (control_out.length != sizeof line_coding) return stall();
  for (uint32_t i = 0; i < sizeof line_coding; i++) line_coding[i] = bytes[i];
  acknowledge();
}

void control_serve(void) {
  endpoint_settle(&notification);
  endpoint_settle(&control_in);
  endpoint_settle(&control_out);
  if (control_in.done) {
    control_in.done = false;
    if (stage == ANSWER && (answer_left > 0 || answer_end_owed)) give_answer();
    /* Only now: the request itself is answered at the old address. */
    if (stage == ADDRESS) REG(USB_ADDRESS) = new_address;
    if (stage == ADDRESS || stage == STATUS) stage = NOTHING;
  }
  if (control_out.done) {
    control_out.done = false;
    if (stage == LINE_CODING) return take_line_coding();
    endpoint_revoke(&control_in);
    control_in.waiting = false;
    stage = NOTHING;
  }
}
