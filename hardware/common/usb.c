/* USB: start and interrupt. */
#include "usb.h"

#include "usb_control.h"
#include "usb_controller.h"
#include "usb_pipe.h"

void usb_start(const uint8_t serial[8]) {
  control_name(serial);
  /* Setup packet, endpoint controls and buffer controls. */
  for (uint32_t at = 0; at < 0x100; at += 4) REG(USB_MEMORY + at) = 0;
  REG(USB_MUXING) = MUXING_TO_PHY | MUXING_SOFTCON;
  REG(USB_PWR) = PWR_VBUS_DETECT | PWR_VBUS_DETECT_OVERRIDE; /* fed by the bus: where there is no bus there is no device */
  REG(USB_MAIN_CTRL) = MAIN_CTRL_ENABLE;
  REG(USB_SIE_CTRL) = SIE_CTRL_EP0_INT_1BUF;
  /* Not suspend and resume: whoever sleeps finds everything as it was. */
  REG(USB_INTE) = USB_INT_BUFF_STATUS | USB_INT_BUS_RESET | USB_INT_SETUP | USB_INT_SOF;
  REG(NVIC_ISER) = BIT(IRQ_USB);
  REG_SET(USB_SIE_CTRL) = SIE_CTRL_PULL_UP;
}

void usb_interrupts_were_off(void) {
  if (!(REG(USB_INTS) & USB_INT_SOF)) return;
  (void)REG(USB_SOF_RD);
  pipe_frame_missed();
}

void usb_interrupt(void) {
  uint32_t now = REG(USB_INTS);
  if (now & USB_INT_SOF) {
    (void)REG(USB_SOF_RD); /* reading it ends the interrupt */
    pipe_frame_started();
  }
  if (now & USB_INT_BUS_RESET) {
    REG_CLEAR(USB_SIE_STATUS) = SIE_STATUS_BUS_RESET;
    control_reset();
  }
  for (int i = 0; i < PIPES; i++) {
    endpoint_settle(&pipes[i].out);
    endpoint_settle(&pipes[i].in);
  }
  control_serve();
  if (now & USB_INT_SETUP) control_setup();
  for (int i = 0; i < PIPES; i++) pipe_serve(&pipes[i]);
}
