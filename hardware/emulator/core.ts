/**
 * The processor: an Arm Cortex-M0+ (Armv6-M), strict. What the architecture leaves open or silicon answers with a HardFault throws
 * {@link Panic}: an address that is not aligned or not there, an instruction that does not exist, executing where no code lies, a stack
 * below its limit. Cycles are those of the Cortex-M0+ Technical Reference Manual (table 3-1) with the single-cycle multiplier, 15 for
 * entering an exception and 13 for leaving it; waits of the bus are added by the {@link Bus}.
 *
 * It stands in for the processor of rp2040js, whose peripherals it serves: about four times as fast, and it forgives nothing. Unused and
 * therefore refused: the process stack, unprivileged mode, breakpoints.
 */
import { Panic } from "../../simulator/index.ts";

/** Where the RP2040 has its SRAM. */
export const RAM_BASE = 0x20000000;
export const RAM_SIZE: number = 264 * 1024;

/** Everything that is not plain RAM, and what may be done there. Addresses are unsigned; a Panic is a fault. */
export interface Bus {
  /** Any access but an aligned one to RAM. `wait` says what it costs beyond the instruction. */
  read(address: number, size: 1 | 2 | 4): number;
  write(address: number, size: 1 | 2 | 4, value: number): void;
  /** Cycles that the last access waited. */
  readonly wait: number;
  /** The 8 bytes of code that hold `address`, which is not in RAM: four halfwords from `codeAt` on in `code`. Adds to `wait` what fetching costs. */
  fetch(address: number): void;
  readonly code: Uint16Array;
  readonly codeAt: number;
  /** Called before code in RAM runs, when it lies in other 64 bytes than the last that ran there. */
  mayRun(address: number): void;
}

/** One turn of a loop that asks a peripheral the same again and again. */
interface Turn {
  readonly registers: Int32Array;
  at: number;
  period: number;
  digest: number;
}

/** The processor meets a fault that it cannot say anywhere, and stands still until something resets it. */
export class Lockup extends Error {}

/** Looks at every instruction before it is executed: for profiles and for whoever waits for a place. */
export type Trace = (pc: number, cycles: number) => void;

const MIN = 0x80000000 | 0;
/** Cycles of one run at most, so that they stay small integers. */
const SLICE = 1 << 28;

const NMI = 2;
const SVCALL = 11;
const PENDSV = 14;
const SYSTICK = 15;
const THREAD_PRIORITY = 4;
const EXCEPTION_RETURN_HANDLER = 0xfffffff1 | 0;
const EXCEPTION_RETURN_THREAD = 0xfffffff9 | 0;

export class Core {
  readonly registers: Int32Array = new Int32Array(16);
  /** Since the first power-on, in cycles of the clock that the firmware sets up: it goes on over resets. */
  cycles: number;
  /** The stack must not reach below it. */
  stackLimit = 0;
  /** The lowest stack pointer so far. */
  stackLowest = 0xffffffff;
  trace: Trace | null = null;

  // What the peripherals of rp2040js read and set: the interrupt controller.
  pendingInterrupts = 0;
  enabledInterrupts = 0;
  readonly interruptPriorities: number[] = [-1, 0, 0, 0];
  pendingNMI = false;
  pendingPendSV = false;
  pendingSVCall = false;
  pendingSystick = false;
  interruptsUpdated = false;
  VTOR = 0;
  SHPR2 = 0;
  SHPR3 = 0;
  IPSR = 0;

  private readonly bus: Bus;
  private readonly ram8: Uint8Array;
  private readonly ram16: Uint16Array;
  private readonly ram32: Int32Array;
  /** N and Z as a value that has them; C and V as 0 or 1. */
  private nz = 1;
  private c = 0;
  private v = 0;
  /** The level of every interrupt's line. */
  private lines = 0;
  private masked = false;
  private event = false;
  /** Sleeps in WFI or WFE. */
  private waiting = false;
  private locked = false;
  /** What one cycle of the processor takes of `cycles`: more than one on a slower clock. */
  private rate = 1;
  /** Cycles of the processor in this run, and at how many it ends. */
  private spent = 0;
  private limit = 0;
  /** Follows what is in RAM: equal again when every byte is as it was. And where the processor stood when it last asked in vain. */
  private digest = 0;
  private readonly turn: Turn = { registers: new Int32Array(16), at: 0, period: 0, digest: 0 };

  constructor(bus: Bus, ram: Uint8Array, cycles: number) {
    this.bus = bus;
    this.ram8 = ram;
    this.ram16 = new Uint16Array(ram.buffer, ram.byteOffset, ram.length >> 1);
    this.ram32 = new Int32Array(ram.buffer, ram.byteOffset, ram.length >> 2);
    this.cycles = cycles;
  }

  get pc(): number {
    return this.registers[15]! >>> 0;
  }

  set pc(address: number) {
    this.registers[15] = address;
  }

  /** Whether it sleeps in WFI or WFE, and nothing that is pending wakes it; or stands still in a lockup. */
  get asleep(): boolean {
    if (this.waiting && !this.locked && this.interruptsUpdated && this.mustWake()) this.waiting = false;
    return this.waiting;
  }

  /** Runs until `cycles` reaches `until`, which {@link stopAt} may bring nearer, or until it sleeps. */
  run(until: number): void {
    if (this.asleep) return;
    this.spent = 0;
    this.limit = Math.min(this.spentAt(until), SLICE);
    try {
      this.execute();
    } catch (error) {
      if (!(error instanceof Lockup)) throw error;
      this.locked = this.waiting = true;
    } finally {
      this.cycles = this.now;
      this.spent = 0;
    }
  }

  /** Ends the run that is under way when `cycles` reaches this. */
  stopAt(cycles: number): void {
    this.limit = Math.min(this.limit, this.spentAt(cycles));
  }

  /** The exact time, also from within an access. */
  get now(): number {
    return this.cycles + Math.round(this.spent * this.rate);
  }

  /** The clock changes: from now on a cycle of the processor takes so much of `cycles`. */
  runAt(rate: number): void {
    const end = this.cycles + this.limit * this.rate;
    this.cycles = this.now;
    this.spent = 0;
    this.rate = rate;
    this.limit = this.spentAt(end);
  }

  private spentAt(cycles: number): number {
    return Math.ceil((cycles - this.cycles) / this.rate);
  }

  /**
   * A peripheral was asked, and its answer stays the same before cycle `until`. When the last two turns of the loop that asks took the same time and left every register and
   * all of RAM as they were, so do those that follow: as many as end before `until`, or before anything else happens, are taken at once. The count of cycles is what it would be.
   */
  polled(until: number): void {
    const { registers, turn } = this;
    const { now } = this;
    const period = now - turn.at;
    const same = turn.digest === this.digest && registers.every((value, i) => value === turn.registers[i]);
    if (same && period === turn.period && this.rate === 1) {
      const turns = Math.floor((Math.min(until, this.cycles + this.limit) - now) / period) - 1;
      if (turns > 0) this.spent += turns * period;
    }
    turn.period = same ? period : 0;
    turn.at = this.now;
    turn.digest = this.digest;
    turn.registers.set(registers);
  }

  /** The line of an interrupt rises or falls. A rise stays pending until its handler is entered, and is again when that returns to a line still high. */
  setInterrupt(irq: number, level: boolean): void {
    const bit = 1 << irq;
    if (!level) {
      this.lines &= ~bit;
    } else if ((this.lines & bit) === 0) {
      this.lines |= bit;
      this.pend(bit);
    }
  }

  /** Software takes interrupts back (NVIC_ICPR): those whose lines are high stay pending. */
  unpend(bits: number): void {
    this.pendingInterrupts &= ~bits | this.lines;
  }

  private pend(bits: number): void {
    this.pendingInterrupts |= bits;
    this.interruptsUpdated = true;
  }

  /** The exception that is pending with the highest priority, 0 for none, whether or not it may be taken. */
  get vectPending(): number {
    return this.pending(THREAD_PRIORITY);
  }

  // Exceptions.

  private pending(below: number): number {
    if (this.pendingNMI) return NMI;
    const interrupts = this.pendingInterrupts & this.enabledInterrupts;
    for (let priority = 0; priority < below; priority++) {
      if (this.pendingSVCall && this.priorityOf(SVCALL) === priority) return SVCALL;
      if (this.pendingPendSV && this.priorityOf(PENDSV) === priority) return PENDSV;
      if (this.pendingSystick && this.priorityOf(SYSTICK) === priority) return SYSTICK;
      const level = interrupts & this.interruptPriorities[priority]!;
      if (level !== 0) return 16 + 31 - Math.clz32(level & -level);
    }
    return 0;
  }

  private priorityOf(exception: number): number {
    if (exception === 0) return THREAD_PRIORITY;
    if (exception === NMI) return -2;
    if (exception === SVCALL) return this.SHPR2 >>> 30;
    if (exception === PENDSV) return (this.SHPR3 >>> 22) & 3;
    if (exception === SYSTICK) return this.SHPR3 >>> 30;
    return this.interruptPriorities.findIndex((level) => level & (1 << (exception - 16)));
  }

  /** Takes what is pending and may be taken. The new program counter, or -1 for none. */
  private takeException(pc: number): number {
    const current = this.priorityOf(this.IPSR);
    const exception = this.pending(this.masked ? Math.min(current, 0) : current);
    this.interruptsUpdated = false;
    if (exception === 0) return -1;
    if (exception === NMI) this.pendingNMI = false;
    else if (exception === SVCALL) this.pendingSVCall = false;
    else if (exception === PENDSV) this.pendingPendSV = false;
    else if (exception === SYSTICK) this.pendingSystick = false;
    else this.pendingInterrupts &= ~(1 << (exception - 16));
    const r = this.registers;
    const sp = r[13]!;
    const frame = (sp - 0x20) & ~7;
    this.setStack(frame);
    const psr = this.flags() | this.IPSR | (1 << 24) | (sp & 4 ? 1 << 9 : 0);
    const saved = [r[0]!, r[1]!, r[2]!, r[3]!, r[12]!, r[14]!, pc, psr];
    for (const [i, word] of saved.entries()) this.store32(frame + 4 * i, word);
    r[14] = this.IPSR === 0 ? EXCEPTION_RETURN_THREAD : EXCEPTION_RETURN_HANDLER;
    this.IPSR = exception;
    this.event = true;
    this.spent += 15;
    return this.branch(this.load32(this.VTOR + 4 * exception));
  }

  private returnFrom(value: number): number {
    const ended = this.IPSR;
    const toThread = value === EXCEPTION_RETURN_THREAD;
    if (!toThread && value !== EXCEPTION_RETURN_HANDLER) throw new Panic(`An exception returns by ${hex(value)}.`);
    const r = this.registers;
    const frame = r[13]!;
    for (const [i, register] of [0, 1, 2, 3, 12, 14].entries()) r[register] = this.load32(frame + 4 * i);
    const pc = this.load32(frame + 24);
    const psr = this.load32(frame + 28);
    if (toThread !== ((psr & 0x3f) === 0)) throw new Panic("An exception returns to a mode that it did not come from.");
    r[13] = (frame + 0x20) | (psr & (1 << 9) ? 4 : 0);
    this.IPSR = psr & 0x3f;
    this.setFlags(psr);
    if (ended >= 16) this.pendingInterrupts |= this.lines & (1 << (ended - 16));
    this.interruptsUpdated = true;
    this.event = true;
    this.spent += 13;
    return pc & ~1;
  }

  private flags(): number {
    const { nz } = this;
    return (nz < 0 ? MIN : 0) | (nz === 0 ? 1 << 30 : 0) | (this.c << 29) | (this.v << 28);
  }

  private setFlags(psr: number): void {
    this.nz = psr & (1 << 30) ? 0 : psr < 0 ? -1 : 1;
    this.c = (psr >>> 29) & 1;
    this.v = (psr >>> 28) & 1;
  }

  /** Where BX, BLX, POP or a vector leads. */
  private branch(target: number): number {
    if (target >>> 28 === 15 && this.IPSR !== 0) return this.returnFrom(target);
    if ((target & 1) === 0) throw new Panic(`A branch to ${hex(target)} leaves Thumb.`);
    return target & ~1;
  }

  private setStack(sp: number): void {
    this.registers[13] = sp & ~3;
    const unsigned = sp >>> 0;
    if (unsigned < this.stackLowest) {
      this.stackLowest = unsigned;
      if (unsigned < this.stackLimit)
        throw new Panic(`The stack reaches ${hex(sp)}, below its limit ${hex(this.stackLimit)}.`);
    }
  }

  // Memory: aligned RAM at once, all else over the bus.

  private load32(address: number): number {
    const at = address - RAM_BASE;
    if (at >= 0 && at < RAM_SIZE && (at & 3) === 0) return this.ram32[at >> 2]!;
    return this.read(address, 4);
  }

  private store32(address: number, value: number): void {
    const at = address - RAM_BASE;
    if (at >= 0 && at < RAM_SIZE && (at & 3) === 0) {
      const old = this.ram32[at >> 2]!;
      if (old !== value) {
        this.ram32[at >> 2] = value;
        this.digest = (this.digest + Math.imul(value - old, weight(at))) | 0;
      }
    } else this.write(address, 4, value);
  }

  private load16(address: number): number {
    const at = address - RAM_BASE;
    if (at >= 0 && at < RAM_SIZE && (at & 1) === 0) return this.ram16[at >> 1]!;
    return this.read(address, 2);
  }

  private store16(address: number, value: number): void {
    const at = address - RAM_BASE;
    if (at >= 0 && at < RAM_SIZE && (at & 1) === 0) {
      const old = this.ram16[at >> 1]!;
      if (old !== (value & 0xffff)) {
        this.ram16[at >> 1] = value;
        this.digest = (this.digest + Math.imul((value & 0xffff) - old, weight(at))) | 0;
      }
    } else this.write(address, 2, value & 0xffff);
  }

  private load8(address: number): number {
    const at = address - RAM_BASE;
    if (at >= 0 && at < RAM_SIZE) return this.ram8[at]!;
    return this.read(address, 1);
  }

  private store8(address: number, value: number): void {
    const at = address - RAM_BASE;
    if (at >= 0 && at < RAM_SIZE) {
      const old = this.ram8[at]!;
      if (old !== (value & 0xff)) {
        this.ram8[at] = value;
        this.digest = (this.digest + Math.imul((value & 0xff) - old, weight(at))) | 0;
      }
    } else this.write(address, 1, value & 0xff);
  }

  /** One cycle is in the instruction; the bus says how it differs. Peripherals may read and move the time. */
  private read(address: number, size: 1 | 2 | 4): number {
    const value = this.bus.read(address >>> 0, size);
    this.spent += this.bus.wait;
    return value | 0;
  }

  private write(address: number, size: 1 | 2 | 4, value: number): void {
    this.bus.write(address >>> 0, size, value >>> 0);
    this.spent += this.bus.wait;
  }

  // Execution.

  private execute(): void {
    const { registers: r, bus, ram16, trace } = this;
    let pc = r[15]!;
    let { nz, c, v } = this;
    const { code } = bus;
    /** The eight bytes of code outside RAM that were fetched last, and the 64 in RAM that may be run. */
    let line = -1;
    let codeAt = 0;
    let block = -1;
    let a = 0;
    let b = 0;
    let x = 0;

    while (this.spent < this.limit) {
      if (this.interruptsUpdated) {
        this.nz = nz;
        this.c = c;
        this.v = v;
        r[15] = pc;
        const handler = this.takeException(pc);
        if (handler !== -1) {
          pc = handler;
          ({ nz, c, v } = this);
        }
      }
      r[15] = pc;
      if (trace !== null) trace(pc >>> 0, this.now);

      let op: number;
      const at = pc - RAM_BASE;
      if (at >= 0 && at < RAM_SIZE) {
        if (at >> 6 !== block) {
          bus.mayRun(pc);
          block = at >> 6;
          line = -1;
        }
        op = ram16[at >> 1]!;
      } else {
        if (pc >> 3 !== line) {
          bus.fetch(pc >>> 0);
          this.spent += bus.wait;
          ({ codeAt } = bus);
          line = pc >> 3;
        }
        op = code[codeAt + ((pc >> 1) & 3)]!;
      }
      pc += 2;
      this.spent++;

      switch (op >>> 11) {
        case 0: // LSLS Rd, Rm, #imm5; MOVS Rd, Rm
          a = r[(op >> 3) & 7]!;
          b = (op >> 6) & 31;
          if (b !== 0) {
            c = (a >>> (32 - b)) & 1;
            a <<= b;
          }
          r[op & 7] = nz = a;
          break;
        case 1: // LSRS Rd, Rm, #imm5
          a = r[(op >> 3) & 7]!;
          b = (op >> 6) & 31;
          if (b === 0) {
            c = a >>> 31;
            a = 0;
          } else {
            c = (a >>> (b - 1)) & 1;
            a >>>= b;
          }
          r[op & 7] = a;
          nz = a | 0;
          break;
        case 2: // ASRS Rd, Rm, #imm5
          a = r[(op >> 3) & 7]!;
          b = (op >> 6) & 31;
          if (b === 0) b = 32;
          c = (b === 32 ? a >>> 31 : a >>> (b - 1)) & 1;
          r[op & 7] = nz = b === 32 ? a >> 31 : a >> b;
          break;
        case 3: // ADDS, SUBS Rd, Rn, Rm or #imm3
          a = r[(op >> 3) & 7]!;
          b = op & 0x400 ? (op >> 6) & 7 : r[(op >> 6) & 7]!;
          if (op & 0x200) {
            x = (a - b) | 0;
            c = (a ^ MIN) >= (b ^ MIN) ? 1 : 0;
            v = ((a ^ b) & (a ^ x)) >>> 31;
          } else {
            x = (a + b) | 0;
            c = (x ^ MIN) < (a ^ MIN) ? 1 : 0;
            v = ((a ^ x) & (b ^ x)) >>> 31;
          }
          r[op & 7] = nz = x;
          break;
        case 4: // MOVS Rd, #imm8
          r[(op >> 8) & 7] = nz = op & 255;
          break;
        case 5: // CMP Rn, #imm8
          a = r[(op >> 8) & 7]!;
          b = op & 255;
          x = (a - b) | 0;
          c = (a ^ MIN) >= (b ^ MIN) ? 1 : 0;
          v = ((a ^ b) & (a ^ x)) >>> 31;
          nz = x;
          break;
        case 6: // ADDS Rdn, #imm8
          a = r[(op >> 8) & 7]!;
          b = op & 255;
          x = (a + b) | 0;
          c = (x ^ MIN) < (a ^ MIN) ? 1 : 0;
          v = ((a ^ x) & (b ^ x)) >>> 31;
          r[(op >> 8) & 7] = nz = x;
          break;
        case 7: // SUBS Rdn, #imm8
          a = r[(op >> 8) & 7]!;
          b = op & 255;
          x = (a - b) | 0;
          c = (a ^ MIN) >= (b ^ MIN) ? 1 : 0;
          v = ((a ^ b) & (a ^ x)) >>> 31;
          r[(op >> 8) & 7] = nz = x;
          break;
        case 8:
          if (op & 0x400) {
            const rm = (op >> 3) & 15;
            const rd = (op & 7) | ((op >> 4) & 8);
            b = rm === 15 ? pc + 2 : r[rm]!;
            switch ((op >> 8) & 3) {
              case 0: // ADD Rdn, Rm
              case 2: // MOV Rd, Rm
                x = op & 0x200 ? b : ((rd === 15 ? pc + 2 : r[rd]!) + b) | 0;
                if (rd === 15) {
                  pc = x & ~1;
                  this.spent++;
                } else if (rd === 13) this.setStack(x);
                else r[rd] = x;
                break;
              case 1: // CMP Rn, Rm
                a = r[rd]!;
                x = (a - b) | 0;
                c = (a ^ MIN) >= (b ^ MIN) ? 1 : 0;
                v = ((a ^ b) & (a ^ x)) >>> 31;
                nz = x;
                break;
              default: // BX, BLX Rm
                if (op & 0x80) r[14] = pc | 1;
                this.spent++;
                pc = this.branch(b);
                if (b >>> 28 === 15) {
                  ({ nz, c, v } = this);
                }
            }
            break;
          }
          a = r[op & 7]!;
          b = r[(op >> 3) & 7]!;
          switch ((op >> 6) & 15) {
            case 0: // ANDS
              r[op & 7] = nz = a & b;
              break;
            case 1: // EORS
              r[op & 7] = nz = a ^ b;
              break;
            case 2: // LSLS Rdn, Rm
              b &= 255;
              if (b !== 0) {
                c = b > 32 ? 0 : (a >>> (32 - b)) & 1;
                a = b > 31 ? 0 : a << b;
              }
              r[op & 7] = nz = a;
              break;
            case 3: // LSRS Rdn, Rm
              b &= 255;
              if (b !== 0) {
                c = b > 32 ? 0 : (a >>> (b - 1)) & 1;
                a = b > 31 ? 0 : a >>> b;
              }
              r[op & 7] = nz = a | 0;
              break;
            case 4: // ASRS Rdn, Rm
              b &= 255;
              if (b !== 0) {
                c = b > 31 ? a >>> 31 : (a >>> (b - 1)) & 1;
                a >>= Math.min(b, 31);
              }
              r[op & 7] = nz = a;
              break;
            case 5: // ADCS
              x = (a + b + c) | 0;
              c = c ? ((x ^ MIN) <= (a ^ MIN) ? 1 : 0) : (x ^ MIN) < (a ^ MIN) ? 1 : 0;
              v = ((a ^ x) & (b ^ x)) >>> 31;
              r[op & 7] = nz = x;
              break;
            case 6: // SBCS
              x = (a - b - 1 + c) | 0;
              c = c ? ((a ^ MIN) >= (b ^ MIN) ? 1 : 0) : (a ^ MIN) > (b ^ MIN) ? 1 : 0;
              v = ((a ^ b) & (a ^ x)) >>> 31;
              r[op & 7] = nz = x;
              break;
            case 7: // RORS
              b &= 255;
              if (b !== 0) {
                b &= 31;
                if (b !== 0) a = (a >>> b) | (a << (32 - b));
                c = a >>> 31;
              }
              r[op & 7] = nz = a;
              break;
            case 8: // TST
              nz = a & b;
              break;
            case 9: // RSBS Rd, Rn, #0
              x = -b | 0;
              c = b === 0 ? 1 : 0;
              v = (b & x) >>> 31;
              r[op & 7] = nz = x;
              break;
            case 10: // CMP
              x = (a - b) | 0;
              c = (a ^ MIN) >= (b ^ MIN) ? 1 : 0;
              v = ((a ^ b) & (a ^ x)) >>> 31;
              nz = x;
              break;
            case 11: // CMN
              x = (a + b) | 0;
              c = (x ^ MIN) < (a ^ MIN) ? 1 : 0;
              v = ((a ^ x) & (b ^ x)) >>> 31;
              nz = x;
              break;
            case 12: // ORRS
              r[op & 7] = nz = a | b;
              break;
            case 13: // MULS
              r[op & 7] = nz = Math.imul(a, b);
              break;
            case 14: // BICS
              r[op & 7] = nz = a & ~b;
              break;
            default: // MVNS
              r[op & 7] = nz = ~b;
          }
          break;
        case 9: // LDR Rt, [PC, #imm8]
          this.spent++;
          r[(op >> 8) & 7] = this.load32((((pc + 2) & ~3) + ((op & 255) << 2)) | 0);
          break;
        case 10:
        case 11: {
          this.spent++;
          const address = (r[(op >> 3) & 7]! + r[(op >> 6) & 7]!) | 0;
          switch ((op >> 9) & 7) {
            case 0:
              this.store32(address, r[op & 7]!);
              break;
            case 1:
              this.store16(address, r[op & 7]!);
              break;
            case 2:
              this.store8(address, r[op & 7]!);
              break;
            case 3:
              r[op & 7] = (this.load8(address) << 24) >> 24;
              break;
            case 4:
              r[op & 7] = this.load32(address);
              break;
            case 5:
              r[op & 7] = this.load16(address);
              break;
            case 6:
              r[op & 7] = this.load8(address);
              break;
            default:
              r[op & 7] = (this.load16(address) << 16) >> 16;
          }
          break;
        }
        case 12: // STR Rt, [Rn, #imm5]
          this.spent++;
          this.store32((r[(op >> 3) & 7]! + ((op >> 4) & 0x7c)) | 0, r[op & 7]!);
          break;
        case 13: // LDR
          this.spent++;
          r[op & 7] = this.load32((r[(op >> 3) & 7]! + ((op >> 4) & 0x7c)) | 0);
          break;
        case 14: // STRB
          this.spent++;
          this.store8((r[(op >> 3) & 7]! + ((op >> 6) & 31)) | 0, r[op & 7]!);
          break;
        case 15: // LDRB
          this.spent++;
          r[op & 7] = this.load8((r[(op >> 3) & 7]! + ((op >> 6) & 31)) | 0);
          break;
        case 16: // STRH
          this.spent++;
          this.store16((r[(op >> 3) & 7]! + ((op >> 5) & 0x3e)) | 0, r[op & 7]!);
          break;
        case 17: // LDRH
          this.spent++;
          r[op & 7] = this.load16((r[(op >> 3) & 7]! + ((op >> 5) & 0x3e)) | 0);
          break;
        case 18: // STR Rt, [SP, #imm8]
          this.spent++;
          this.store32((r[13]! + ((op & 255) << 2)) | 0, r[(op >> 8) & 7]!);
          break;
        case 19: // LDR Rt, [SP, #imm8]
          this.spent++;
          r[(op >> 8) & 7] = this.load32((r[13]! + ((op & 255) << 2)) | 0);
          break;
        case 20: // ADR
          r[(op >> 8) & 7] = ((pc + 2) & ~3) + ((op & 255) << 2);
          break;
        case 21: // ADD Rd, SP, #imm8
          r[(op >> 8) & 7] = r[13]! + ((op & 255) << 2);
          break;
        case 22:
        case 23:
          if ((op & 0xff00) === 0xb000) {
            b = (op & 127) << 2;
            this.setStack(op & 0x80 ? r[13]! - b : r[13]! + b);
          } else if ((op & 0xfe00) === 0xb400) {
            const count = ones(op & 0x1ff);
            let address = r[13]! - 4 * count;
            this.setStack(address);
            this.spent += count;
            for (let i = 0; i < 8; i++) {
              if (op & (1 << i)) {
                this.store32(address, r[i]!);
                address += 4;
              }
            }
            if (op & 0x100) this.store32(address, r[14]!);
          } else if ((op & 0xfe00) === 0xbc00) {
            let address = r[13]!;
            for (let i = 0; i < 8; i++) {
              if (op & (1 << i)) {
                r[i] = this.load32(address);
                address += 4;
                this.spent++;
              }
            }
            if (op & 0x100) {
              b = this.load32(address);
              r[13] = address + 4;
              this.spent += 3;
              pc = this.branch(b);
              if (b >>> 28 === 15) {
                ({ nz, c, v } = this);
              }
            } else r[13] = address;
          } else {
            a = r[(op >> 3) & 7]!;
            switch (op & 0xffc0) {
              case 0xb200: // SXTH
                r[op & 7] = (a << 16) >> 16;
                break;
              case 0xb240: // SXTB
                r[op & 7] = (a << 24) >> 24;
                break;
              case 0xb280: // UXTH
                r[op & 7] = a & 0xffff;
                break;
              case 0xb2c0: // UXTB
                r[op & 7] = a & 0xff;
                break;
              case 0xba00: // REV
                a = ((a & 0xff00ff) << 8) | ((a >>> 8) & 0xff00ff);
                r[op & 7] = (a << 16) | (a >>> 16);
                break;
              case 0xba40: // REV16
                r[op & 7] = ((a & 0xff00ff) << 8) | ((a >>> 8) & 0xff00ff);
                break;
              case 0xbac0: // REVSH
                r[op & 7] = ((a << 24) >> 16) | ((a >> 8) & 255);
                break;
              default:
                r[15] = pc;
                this.hint(op);
                if (!this.waiting) break;
                this.nz = nz;
                this.c = c;
                this.v = v;
                return;
            }
          }
          break;
        case 24: {
          // STM Rn!, {…}
          const rn = (op >> 8) & 7;
          let address = r[rn]!;
          for (let i = 0; i < 8; i++) {
            if (op & (1 << i)) {
              this.store32(address, r[i]!);
              address += 4;
              this.spent++;
            }
          }
          r[rn] = address;
          break;
        }
        case 25: {
          // LDM Rn(!), {…}
          const rn = (op >> 8) & 7;
          let address = r[rn]!;
          for (let i = 0; i < 8; i++) {
            if (op & (1 << i)) {
              r[i] = this.load32(address);
              address += 4;
              this.spent++;
            }
          }
          if ((op & (1 << rn)) === 0) r[rn] = address;
          break;
        }
        case 26:
        case 27: {
          let take: boolean;
          switch ((op >> 8) & 15) {
            case 0:
              take = nz === 0;
              break;
            case 1:
              take = nz !== 0;
              break;
            case 2:
              take = c !== 0;
              break;
            case 3:
              take = c === 0;
              break;
            case 4:
              take = nz < 0;
              break;
            case 5:
              take = nz >= 0;
              break;
            case 6:
              take = v !== 0;
              break;
            case 7:
              take = v === 0;
              break;
            case 8:
              take = c !== 0 && nz !== 0;
              break;
            case 9:
              take = c === 0 || nz === 0;
              break;
            case 10:
              take = nz < 0 === (v !== 0);
              break;
            case 11:
              take = nz < 0 !== (v !== 0);
              break;
            case 12:
              take = nz !== 0 && nz < 0 === (v !== 0);
              break;
            case 13:
              take = nz === 0 || nz < 0 !== (v !== 0);
              break;
            case 15:
              this.pendingSVCall = true;
              this.interruptsUpdated = true;
              take = false;
              break;
            default:
              throw unknown(op);
          }
          if (take) {
            pc += ((op << 24) >> 23) + 2;
            this.spent++;
          }
          break;
        }
        case 28: // B
          pc += ((op << 21) >> 20) + 2;
          this.spent++;
          break;
        case 30: {
          // The 32-bit instructions: BL, MRS, MSR and barriers.
          const low = this.second(pc);
          pc += 2;
          if ((low & 0xd000) === 0xd000) {
            const s = (op >> 10) & 1;
            const i1 = ((low >> 13) & 1) === s ? 1 : 0;
            const i2 = ((low >> 11) & 1) === s ? 1 : 0;
            r[14] = pc | 1;
            pc += (s ? 0xff000000 | 0 : 0) | (i1 << 23) | (i2 << 22) | ((op & 0x3ff) << 12) | ((low & 0x7ff) << 1);
            this.spent += 2;
          } else if ((op & 0xfff0) === 0xf3b0 && (low & 0xffc0) === 0x8f40) {
            this.spent += 2;
          } else if (op === 0xf3ef && low >> 12 === 8) {
            this.nz = nz;
            this.c = c;
            this.v = v;
            r[(low >> 8) & 15] = this.special(low & 255);
            this.spent += 2;
          } else if ((op & 0xfff0) === 0xf380 && low >> 8 === 0x88) {
            this.nz = nz;
            this.c = c;
            this.v = v;
            this.setSpecial(low & 255, r[op & 15]!);
            ({ nz, c, v } = this);
            this.spent += 2;
          } else throw unknown((op << 16) | low);
          break;
        }
        default:
          throw unknown(op);
      }
    }
    r[15] = pc;
    this.nz = nz;
    this.c = c;
    this.v = v;
  }

  /** The second half of a 32-bit instruction. */
  private second(pc: number): number {
    const at = pc - RAM_BASE;
    if (at >= 0 && at < RAM_SIZE) return this.ram16[at >> 1]!;
    this.bus.fetch(pc >>> 0);
    this.spent += this.bus.wait;
    return this.bus.code[this.bus.codeAt + ((pc >> 1) & 3)]!;
  }

  /** CPSIE, CPSID, WFI, WFE, SEV, NOP, YIELD. */
  private hint(op: number): void {
    if (op === 0xb672) {
      this.masked = true;
    } else if (op === 0xb662) {
      this.masked = false;
      this.interruptsUpdated = true;
    } else if (op === 0xbf30) {
      this.spent++;
      this.waiting = !this.mustWake();
    } else if (op === 0xbf20) {
      this.spent++;
      this.waiting = !this.event && !this.mustWake();
      this.event = false;
    } else if (op === 0xbf40) {
      this.event = true;
    } else if (op !== 0xbf00 && op !== 0xbf10) throw unknown(op);
  }

  /** WFI goes on when an interrupt could be taken if it were not masked. */
  private mustWake(): boolean {
    return this.pending(this.priorityOf(this.IPSR)) !== 0;
  }

  private special(which: number): number {
    if (which === 0 || which === 3) return this.flags() | (which === 3 ? this.IPSR : 0);
    if (which === 5) return this.IPSR;
    if (which === 8) return this.registers[13]!;
    if (which === 16) return Number(this.masked);
    if (which === 20) return 0;
    throw new Panic(`MRS of special register ${which}.`);
  }

  private setSpecial(which: number, value: number): void {
    if (which === 0) this.setFlags(value);
    else if (which === 8) {
      this.stackLowest = 0xffffffff;
      this.setStack(value);
    } else if (which === 16) {
      this.masked = (value & 1) !== 0;
      this.interruptsUpdated = true;
    } else if (which !== 20 || value !== 0) throw new Panic(`MSR of special register ${which}.`);
  }
}

/** What a value at this place of RAM counts in the digest: something else for each place. */
function weight(at: number): number {
  return Math.imul(at + 1, 0x9e3779b1) | 1;
}

function ones(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}

function unknown(op: number): Panic {
  return new Panic(`There is no instruction ${hex(op)}.`);
}

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, "0")}`;
}
