/**
 * The memory protection unit (Armv6-M, B3.5): of it only regions that nobody may enter, in whatever mode, and the plain map around them.
 */
import { Panic } from "../../simulator/index.ts";

const CTRL = 0xe000ed94;
const RNR = 0xe000ed98;
const RBAR = 0xe000ed9c;
const RASR = 0xe000eda0;

const ENABLE = 1;
/** On, also while a fault is handled, and with the plain map where no region lies. */
const GUARDS = 7;
const EXECUTE_NEVER = 1 << 28;
const SIZE = 0x3e;

export class Mpu {
  private control = 0;
  private number = 0;
  private readonly bases: Uint32Array = new Uint32Array(8);
  private readonly attributes: Uint32Array = new Uint32Array(8);

  /** Whether an address is one of its registers. */
  static holds(address: number): boolean {
    return address >= CTRL && address <= RASR;
  }

  /** Whether an access to this address is a fault. */
  forbids(address: number): boolean {
    if (this.control === 0) return false;
    return this.attributes.some((attributes, i) => {
      const bits = ((attributes & SIZE) >> 1) + 1;
      return (attributes & ENABLE) !== 0 && Math.floor(address / 2 ** bits) === Math.floor(this.bases[i]! / 2 ** bits);
    });
  }

  read(address: number): number {
    if (address === CTRL) return this.control;
    throw new Panic("MPU: a register is read back.");
  }

  write(address: number, value: number): void {
    if (address === RNR) {
      if (value > 7) throw new Panic("MPU: there are 8 regions.");
      this.number = value;
    } else if (address === RBAR) {
      if (value & 0xff) throw new Panic("MPU: a region that does not begin at 256 bytes, or names itself.");
      this.bases[this.number] = value;
    } else if (address === RASR) {
      const bits = ((value & SIZE) >> 1) + 1;
      if (value & ENABLE && bits < 8) throw new Panic("MPU: a region of less than 256 bytes.");
      if (value & ENABLE && this.bases[this.number]! % 2 ** bits !== 0) throw new Panic("MPU: a region lies askew.");
      if ((value & ~(SIZE | ENABLE)) !== EXECUTE_NEVER) throw new Panic("MPU: only forbidden regions are modelled.");
      this.attributes[this.number] = value;
    } else {
      if (value !== 0 && value !== GUARDS) throw new Panic("MPU: another use of it is not modelled.");
      this.control = value;
    }
  }
}
