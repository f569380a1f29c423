/*
 * A pipe: two bulk endpoints that carry a line. A host that sends more than the ring holds waits (it is answered NAK); one that does
 * not read makes `send` wait, for as long as line.h says.
 */
#ifndef USB_PIPE_H
#define USB_PIPE_H

#include "line.h"
#include "usb_controller.h"

typedef struct {
  endpoint_t out, in; /* from the host, to the host */
  ring_t* ring;
  const uint8_t* volatile from; /* what is being sent */
  volatile uint32_t left;
  volatile bool open;
  volatile bool silent; /* nothing is said until the host says something */
  bool end_owed;        /* the last packet was full: a shorter one must end the transfer */
} pipe_t;

/** By number; those of the lines in usb.h. */
enum { PIPE_CDC, PIPE_VENDOR, PIPES };
extern pipe_t pipes[PIPES];

/** A start of frame has come: the moment from which the frame is counted. */
void pipe_frame_started(void);

/** One has come, but not now: the frame is not counted. */
void pipe_frame_missed(void);

void pipe_open(pipe_t* pipe);
void pipe_close(pipe_t* pipe);

/** The other end went, or begins anew: see usb.h. */
void pipe_forget(pipe_t* pipe);

/** Takes and gives what can be. */
void pipe_serve(pipe_t* pipe);

#endif
