/**
 * The USB device controller of the RP2040 (data sheet, section 4.1), strict, in place of the one of rp2040js, which takes every buffer at
 * once and knows no NAK, toggle, stall or address.
 *
 * The firmware sees registers and the 4 KiB of packet memory. The host's side is a transaction at a time: {@link setup}, {@link in},
 * {@link out}, and on the bus {@link reset} and {@link startOfFrame}. A buffer belongs to the controller from AVAILABLE until its packet went
 * or came; whatever the firmware does to it meanwhile, and what else a data sheet forbids, is a {@link Panic}.
 *
 * Not modelled: double buffering, isochronous endpoints, the host mode, errors of single bits on the wire.
 */
import { BasePeripheral, type RP2040, type RPUSBController } from "rp2040js";
import { Panic } from "../../../simulator/index.ts";

/** What a device does about a token: `none` is silence. */
export type Refusal = "nak" | "stall" | "none";

/** A packet with its toggle: 0 or 1. */
export interface Packet {
  readonly toggle: number;
  readonly bytes: Uint8Array;
}

const ADDR_ENDP = 0x00;
const MAIN_CTRL = 0x40;
const SOF_RD = 0x48;
const SIE_CTRL = 0x4c;
const SIE_STATUS = 0x50;
const BUFF_STATUS = 0x58;
const EP_ABORT = 0x60;
const EP_ABORT_DONE = 0x64;
const EP_STALL_ARM = 0x68;
const MUXING = 0x74;
const PWR = 0x78;
const INTR = 0x8c;
const INTE = 0x90;
const INTS = 0x98;

const ENABLED = 1 << 0;
const PULL_UP = 1 << 16;
const EACH_BUFFER_OF_EP0 = 1 << 29;
const TO_PHY = 0b1001;
const VBUS = 0b1100;

const SETUP_REC = 1 << 17;
const BUS_RESET = 1 << 19;
const RX_OVERFLOW = 1 << 26;
const DATA_SEQ_ERROR = 1 << 31;

const INT_BUFF_STATUS = 1 << 4;
const INT_BUS_RESET = 1 << 12;
const INT_SETUP = 1 << 16;
const INT_SOF = 1 << 17;
const KNOWN_INTERRUPTS = INT_BUFF_STATUS | INT_BUS_RESET | INT_SETUP | INT_SOF;

const FULL = 1 << 15;
const DATA1 = 1 << 13;
const STALL = 1 << 11;
const AVAILABLE = 1 << 10;
const LENGTH = 0x3ff;

const ENDPOINT_ENABLED = 1 << 31;
const EACH_BUFFER = 1 << 29;
const DOUBLE = 1 << 30;

const PACKET = 64;
const CONTROLS = 0x08;
const BUFFERS = 0x80;
const PACKETS = 0x100;
const IRQ = 5;
/** AVAILABLE may be set only so long after the rest of a buffer control: some cycles of the controller's 48 MHz, in ours of 125 MHz. */
const SETTLED_CYCLES = 12;
const ALIAS = { plain: 0, toggle: 1, set: 2, clear: 3 } as const;

export class UsbController extends BasePeripheral {
  /** Transactions that moved data, for whoever measures. */
  packets = 0;
  private readonly clock: { readonly now: number };
  private readonly revision: number;
  private readonly memory: DataView;
  private address = 0;
  private main = 0;
  private control = 0;
  private status = 0;
  private done = 0;
  private aborted = 0;
  private stallArmed = 0;
  private muxing = 0;
  private power = 0;
  private enabled = 0;
  private frame = 0;
  private frameSeen = true;
  /** Buffer controls as they were written last: 32 words, IN and OUT of each endpoint in turn. */
  private readonly buffers = new Uint32Array(32);
  private readonly written = new Float64Array(32);

  /**
   * Takes the place of the controller of `mcu`.
   * @param clock counts cycles of the processor
   * @param revision of the chip: before 2 an abort never ends (erratum RP2040-E2)
   */
  constructor(mcu: RP2040, clock: { readonly now: number }, revision: number = 2) {
    super(mcu, "USB");
    this.clock = clock;
    this.revision = revision;
    this.memory = mcu.usbDPRAMView;
    (mcu.peripherals as Record<number, BasePeripheral>)[0x50110] = this;
    (mcu as { usbCtrl: RPUSBController }).usbCtrl = this as unknown as RPUSBController;
  }

  // The host's side.

  /** Whether a host sees a device. */
  get attached(): boolean {
    return (
      (this.main & ENABLED) !== 0 &&
      (this.control & PULL_UP) !== 0 &&
      (this.muxing & TO_PHY) === TO_PHY &&
      (this.power & VBUS) === VBUS
    );
  }

  /** The host resets the bus. */
  reset(): void {
    this.status |= BUS_RESET;
    this.update();
  }

  /** A millisecond begins. */
  startOfFrame(): void {
    this.frame = (this.frame + 1) & 0x7ff;
    this.frameSeen = false;
    this.update();
  }

  /** A SETUP token and its packet; taken always. */
  setup(address: number, packet: Uint8Array): "ack" | "none" {
    if (packet.length !== 8) throw new Panic("A setup packet has 8 bytes.");
    if (!this.hears(address)) return "none";
    new Uint8Array(this.memory.buffer, this.memory.byteOffset, 8).set(packet);
    this.stallArmed = 0;
    this.status |= SETUP_REC;
    this.packets++;
    this.update();
    return "ack";
  }

  /** An IN token; the host takes what comes. */
  in(address: number, endpoint: number): Packet | Refusal {
    const slot = endpoint * 2;
    const refusal = this.refusal(address, endpoint, slot);
    if (refusal !== null) return refusal;
    const value = this.buffers[slot]!;
    if ((value & FULL) === 0) throw new Panic(`The firmware gives a packet of endpoint ${endpoint} that is not full.`);
    const bytes = this.packetAt(slot).slice(0, value & LENGTH);
    this.finish(slot, value & ~(AVAILABLE | FULL));
    return { toggle: value & DATA1 ? 1 : 0, bytes };
  }

  /** An OUT token and its packet. A packet with the wrong toggle is one that came before: it is acknowledged and forgotten. */
  out(address: number, endpoint: number, packet: Packet): "ack" | Refusal {
    const slot = endpoint * 2 + 1;
    const refusal = this.refusal(address, endpoint, slot);
    if (refusal !== null) return refusal;
    const value = this.buffers[slot]!;
    if (value & FULL)
      throw new Panic(`The firmware takes a packet of endpoint ${endpoint} into a buffer that is full.`);
    const toggle = value & DATA1 ? 1 : 0;
    if (toggle !== packet.toggle) {
      this.status |= DATA_SEQ_ERROR;
      return "ack";
    }
    if (packet.bytes.length > (value & LENGTH)) {
      this.status |= RX_OVERFLOW;
      return "none";
    }
    this.packetAt(slot).set(packet.bytes);
    this.finish(slot, (value & ~(AVAILABLE | LENGTH)) | FULL | packet.bytes.length);
    return "ack";
  }

  private hears(address: number): boolean {
    return this.attached && (this.status & BUS_RESET) === 0 && address === this.address;
  }

  /** Null when the buffer is the controller's and nothing stands against the packet. */
  private refusal(address: number, endpoint: number, slot: number): Refusal | null {
    if (!this.hears(address)) return "none";
    if (endpoint !== 0 && (this.controlOf(slot) & ENDPOINT_ENABLED) === 0) return "none";
    const value = this.buffers[slot]!;
    if (value & STALL && (endpoint !== 0 || this.stallArmed & (1 << slot))) return "stall";
    if (this.aborted & (1 << slot)) return "nak";
    return value & AVAILABLE ? null : "nak";
  }

  private finish(slot: number, value: number): void {
    this.buffers[slot] = value;
    this.memory.setUint32(BUFFERS + 4 * slot, value, true);
    this.done |= 1 << slot;
    this.packets++;
    this.update();
  }

  private controlOf(slot: number): number {
    return slot < 2 ? 0 : this.memory.getUint32(CONTROLS + 4 * (slot - 2), true);
  }

  private packetAt(slot: number): Uint8Array {
    const at = slot < 2 ? PACKETS : this.controlOf(slot) & 0xffc0;
    return new Uint8Array(this.memory.buffer, this.memory.byteOffset + at, PACKET);
  }

  // The firmware's side: packet memory.

  /** A word of the packet memory was written; rp2040js calls it so. */
  DPRAMUpdated(offset: number, value: number): void {
    if (offset >= BUFFERS && offset < PACKETS) {
      this.bufferWritten((offset - BUFFERS) >> 2, value >>> 0);
      return;
    }
    for (let slot = 0; slot < 32; slot++) {
      if (!this.busy(slot)) continue;
      if (offset >= CONTROLS && offset < BUFFERS && slot >= 2 && offset === CONTROLS + 4 * (slot - 2)) {
        throw new Panic(`The firmware changes endpoint ${nameOf(slot)} while the controller has its buffer.`);
      }
      const at = this.packetAt(slot).byteOffset - this.memory.byteOffset;
      // Both directions of endpoint 0 share a buffer; an empty status packet that is awaited does not touch it.
      if (slot !== 1 && offset >= at && offset < at + PACKET) {
        throw new Panic(`The firmware writes into the packet of endpoint ${nameOf(slot)} while the controller has it.`);
      }
    }
  }

  private busy(slot: number): boolean {
    return (this.buffers[slot]! & AVAILABLE) !== 0 && (this.aborted & (1 << slot)) === 0;
  }

  private bufferWritten(slot: number, value: number): void {
    if (this.busy(slot) && this.revision >= 2)
      throw new Panic(`The firmware takes the buffer of endpoint ${nameOf(slot)} without revoking it.`);
    if (value & AVAILABLE) this.mustBeReady(slot, value);
    this.buffers[slot] = value;
    this.written[slot] = this.clock.now;
  }

  private mustBeReady(slot: number, value: number): void {
    const name = nameOf(slot);
    if ((value ^ this.buffers[slot]!) !== AVAILABLE) throw new Panic(`AVAILABLE of ${name} comes with other bits.`);
    if (this.clock.now - this.written[slot]! < SETTLED_CYCLES) throw new Panic(`AVAILABLE of ${name} comes too soon.`);
    if ((value & LENGTH) > PACKET) throw new Panic(`A packet of ${name} has at most ${PACKET} bytes.`);
    if (value & STALL) throw new Panic(`Endpoint ${name} cannot be available and stalled.`);
    if (this.aborted & (1 << slot)) throw new Panic(`Endpoint ${name} is given away while it is being revoked.`);
    if (this.done & (1 << slot))
      throw new Panic(`Endpoint ${name} is given away while its last packet was not looked at.`);
    if (slot < 2) {
      if ((this.control & EACH_BUFFER_OF_EP0) === 0) throw new Panic("Endpoint 0 would finish without an interrupt.");
      return;
    }
    const control = this.controlOf(slot);
    if ((control & ENDPOINT_ENABLED) === 0) throw new Panic(`Endpoint ${name} is not enabled.`);
    if ((control & EACH_BUFFER) === 0) throw new Panic(`Endpoint ${name} would finish without an interrupt.`);
    if (control & DOUBLE) throw new Panic("Double buffers are not modelled.");
    if ((control & 0xffff) < PACKETS + PACKET || control & 0x3f) throw new Panic(`The packet of ${name} lies wrong.`);
  }

  // The firmware's side: registers.

  override readUint32(offset: number): number {
    switch (offset) {
      case ADDR_ENDP:
        return this.address;
      case MAIN_CTRL:
        return this.main;
      case SIE_CTRL:
        return this.control;
      case SIE_STATUS:
        return this.status >>> 0;
      case BUFF_STATUS:
        return this.done >>> 0;
      case EP_ABORT:
      case EP_ABORT_DONE:
        return this.aborted >>> 0;
      case EP_STALL_ARM:
        return this.stallArmed;
      case MUXING:
        return this.muxing;
      case PWR:
        return this.power;
      case INTE:
        return this.enabled;
      case INTR:
        return this.raised;
      case INTS:
        return this.raised & this.enabled;
      case SOF_RD:
        this.frameSeen = true;
        this.update();
        return this.frame;
      default:
        throw new Panic(`The firmware reads USB register ${offset.toString(16)}, which is not modelled.`);
    }
  }

  override writeUint32Atomic(offset: number, value: number, alias: number): void {
    if (offset === SIE_STATUS || offset === BUFF_STATUS || offset === EP_ABORT_DONE) {
      // Ones clear, whether written plainly or through the alias that clears.
      if (alias !== ALIAS.plain && alias !== ALIAS.clear)
        throw new Panic(`${this.name}: a bit of status cannot be set.`);
      if (offset === SIE_STATUS) this.status &= ~value;
      if (offset === BUFF_STATUS) this.done &= ~value;
      this.update();
      return;
    }
    const before = alias === ALIAS.plain ? 0 : this.readUint32(offset);
    const now = [value, before ^ value, before | value, before & ~value][alias]! >>> 0;
    this.writeUint32(offset, now);
    this.update();
  }

  override writeUint32(offset: number, value: number): void {
    switch (offset) {
      case ADDR_ENDP:
        this.address = value & 0x7f;
        break;
      case MAIN_CTRL:
        if (value & ~ENABLED) throw new Panic("The host mode is not modelled.");
        this.main = value;
        break;
      case SIE_CTRL:
        this.control = value;
        break;
      case EP_ABORT:
        if (this.revision < 2) throw new Panic("EP_ABORT of this revision never ends (erratum RP2040-E2).");
        // What the controller was doing with a packet is over before the firmware can look.
        this.aborted = value;
        break;
      case EP_STALL_ARM:
        this.stallArmed = value & 0b11;
        break;
      case MUXING:
        this.muxing = value;
        break;
      case PWR:
        this.power = value;
        break;
      case INTE:
        if (value & ~KNOWN_INTERRUPTS) throw new Panic("An interrupt of the USB controller that is not modelled.");
        this.enabled = value;
        break;
      default:
        throw new Panic(`The firmware writes USB register ${offset.toString(16)}, which is not modelled.`);
    }
  }

  private get raised(): number {
    return (
      (this.done !== 0 ? INT_BUFF_STATUS : 0) |
      (this.status & BUS_RESET ? INT_BUS_RESET : 0) |
      (this.status & SETUP_REC ? INT_SETUP : 0) |
      (this.frameSeen ? 0 : INT_SOF)
    );
  }

  private update(): void {
    this.rp2040.setInterrupt(IRQ, (this.raised & this.enabled) !== 0);
  }
}

function nameOf(slot: number): string {
  return `${slot >> 1} ${slot & 1 ? "OUT" : "IN"}`;
}
