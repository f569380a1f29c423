/**
 * The USB face of a device, one source for firmware and simulator. Imports nothing of the project.
 */
export {
  type DescriptorAnswer,
  USB_CONFIGURATION,
  USB_ENDPOINTS,
  USB_INTERFACES,
  USB_PACKET,
  USB_SERIAL_BYTES,
  usbAnswers,
} from "./descriptors.ts";
export { writeDescriptors } from "./header.ts";
