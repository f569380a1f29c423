/**
 * Defects that the claims about the firmware's USB part must find, each a mistake that one makes: planted one at a time.
 */
import { CLAIMS } from "./usb-claims.ts";
import { buildEcho, type Defect, EchoBoard } from "./usb-echo.ts";

export const USB_DEFECTS: Readonly<Record<string, Defect>> = {
  "the toggle stays when a halt is cleared": {
    source: "usb_controller",
    is: "  endpoint->halted = false;\n  endpoint->toggle = 0;",
    becomes: "  endpoint->halted = false;",
  },
  "AVAILABLE comes with the rest": {
    source: "usb_controller",
    is: "  REG(endpoint->buffer) = value;\n",
    becomes: "",
  },
  "AVAILABLE comes at once behind the rest": {
    source: "usb_controller",
    is: "nop\\nnop\\nnop\\nnop\\nnop\\nnop\\nnop\\nnop\\nnop\\nnop\\nnop\\nnop",
    becomes: "nop",
  },
  "a buffer is taken back without asking": {
    source: "usb_controller",
    is: "  if (asks) REG_SET(USB_EP_ABORT) = endpoint->bit;\n",
    becomes: "",
  },
  "a buffer is asked back where that never ends": {
    source: "usb_controller",
    is: "return REG(SYSINFO_CHIP_ID) >> 28 >= 2;",
    becomes: "return true;",
  },
  "the toggle of a packet that was taken back counts": {
    source: "usb_controller",
    is: "    endpoint->armed = false;\n    endpoint->toggle ^= BUFFER_DATA1;",
    becomes: "    endpoint->armed = false;",
  },
  "a packet that waited is lost with a halt": {
    source: "usb_controller",
    is: "  if (!endpoint->waiting) return;",
    becomes: "  return;",
  },
  "the address counts before the request ends": {
    source: "usb_control",
    is: "      new_address = (uint8_t)setup->value;",
    becomes: "      new_address = (uint8_t)setup->value;\n      REG(USB_ADDRESS) = new_address;",
  },
  "the address outlives a bus reset": {
    source: "usb_control",
    is: "  REG(USB_ADDRESS) = 0;\n",
    becomes: "",
  },
  "a SETUP leaves the old answer in place": {
    source: "usb_control",
    is: "    endpoint_revoke(both[i]);\n",
    becomes: "",
  },
  "a SETUP does not set the toggles": {
    source: "usb_control",
    is: "    both[i]->toggle = BUFFER_DATA1;\n",
    becomes: "",
  },
  "a stall of endpoint 0 is not armed": {
    source: "usb_control",
    is: "  REG_SET(USB_EP_STALL_ARM) = STALL_ARM_EP0;\n",
    becomes: "",
  },
  "an answer is longer than asked for": {
    source: "usb_control",
    is: "length < setup->length ? length : setup->length",
    becomes: "length",
  },
  "the end of an answer is awaited too late": {
    source: "usb_control",
    is: "  endpoint_take(&control_out);\n  give_answer();",
    becomes: "  give_answer();\n  if (answer_left == 0) endpoint_take(&control_out);",
  },
  "bytes that nobody takes are waited for": {
    source: "usb_control",
    is: "  if ((setup->type & 0x80) == 0 && setup->length != 0 && what != SET_LINE_CODING) return stall();\n",
    becomes: "",
  },
  "a configuration does not begin anew": {
    source: "usb_control",
    is: "  configuration = value;\n",
    becomes: "  if (configuration == value) return;\n  configuration = value;\n",
  },
  "a closed port is not noticed": {
    source: "usb_control",
    is: "(line_state & ~setup->value & LINE_STATE_DTR) != 0",
    becomes: "false",
  },
  "a new host gets what was for the old one": {
    source: "usb_pipe",
    is: "  pipe->silent = true;\n",
    becomes: "  pipe->silent = false;\n",
  },
  "half a frame stays": {
    source: "usb_pipe",
    is: "ring_put(ring, 0);",
    becomes: "(void)ring;",
  },
  "a transfer of whole packets has no end": {
    source: "usb_pipe",
    is: "  pipe->end_owed = length == USB_PACKET;\n",
    becomes: "",
  },
  "packets are taken without room": {
    source: "usb_pipe",
    is: "ring_room(pipe->ring) > USB_PACKET",
    becomes: "true",
  },
  "packets are given late in a frame": {
    source: "usb_pipe",
    is: " && !late_in_frame()",
    becomes: "",
  },
  "a host that does not read is waited for": {
    source: "usb_pipe",
    is: "    pipe_forget(pipe);\n    unlock();",
    becomes: "    unlock();",
  },
  "the lines are mixed up": {
    source: "usb_pipe",
    is: "send(&pipes[PIPE_VENDOR]",
    becomes: "send(&pipes[PIPE_CDC]",
  },
  "starts of frames are not looked at": {
    source: "usb",
    is: "    (void)REG(USB_SOF_RD); /* reading it ends the interrupt */\n    pipe_frame_started();",
    becomes: "    (void)REG(USB_SOF_RD);",
  },
};

/** The claim that finds a defect, on one revision of the chip or the other; null when none does. */
export function findUsbDefect(defect: Defect): string | null {
  const image = buildEcho(defect);
  for (const revision of [2, 1]) {
    for (const [claim, holds] of Object.entries(CLAIMS)) {
      try {
        holds(new EchoBoard(image, revision));
      } catch {
        return revision === 1 ? `B0 and B1: ${claim}` : claim;
      }
    }
  }
  return null;
}
