// A transport carries bytes between this host and one device, in order, and says when it is gone. Nothing else: framing,
// repeating and time-outs are the device's business (device.ts). Anything that can do these four things is a transport.

export interface Transport {
  /** Resolves when the bytes are taken; rejects when they cannot be. */
  write(bytes: Uint8Array): Promise<void>;
  /** Sets the one listener for bytes from the device. It may be called from within `write`. */
  onData(listener: (bytes: Uint8Array) => void): void;
  /**
   * Sets the one listener for the end of the transport. It is called once, with the cause when there is one; a DriverError
   * says that the transport knows what its end means, otherwise the device counts as lost.
   */
  onClose(listener: (reason?: Error) => void): void;
  close(): Promise<void>;
}
