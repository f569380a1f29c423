/** The serial line of a model device: frames, sessions and errors (docs/SPEC.md sections 7 and 9). */
import { concat, Failure, readU32, u16, u32 } from "./box.ts";
import { COMMANDS, fields } from "./commands.ts";
import { type Device, ERRORS } from "./device.ts";
import { decodeFrame, type Frame, LARGEST_PAYLOAD, plainFrame } from "./frame.ts";

/** The serial line of a device in its first boot: the frames that it sends back for the bytes it is fed (section 7). */
export class Line {
  private readonly device: Device;
  private input: number[] = [];
  private hellos = 0;
  private session = 0;
  private next = 1;
  private kept: { sequence: number; crc: number; reply: Frame } | undefined;

  constructor(device: Device) {
    this.device = device;
  }

  feed(bytes: Uint8Array): Frame[] {
    const replies: Frame[] = [];
    for (const byte of bytes) {
      if (byte !== 0) this.input.push(byte);
      else if (this.input.length > 0) {
        replies.push(this.answer(Uint8Array.from(this.input)));
        this.input = [];
      }
    }
    return replies;
  }

  private answer(encoded: Uint8Array): Frame {
    let frame: Frame = { type: 0, sequence: 0, session: 0, payload: new Uint8Array(0) };
    try {
      frame = decodeFrame(encoded);
      if (frame.flags !== 0) throw new Failure("BAD_FRAME", 5);
      return this.obey(frame);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      return { ...frame, type: 0xff, flags: 0, payload: errorPayload(failure, frame.type) };
    }
  }

  private obey(frame: Frame): Frame {
    const { type, sequence, session, payload } = frame;
    const reply = (content: Uint8Array): Frame => ({ type: type + 0x80, sequence, session, payload: content });
    if (type === COMMANDS.HELLO) return reply(this.hello(payload));
    const any = type === COMMANDS.INFO || type === COMMANDS.PAGE || type === COMMANDS.VALUE;
    if (any) return reply(this.device.execute(type, payload));
    if (this.session === 0 || session !== this.session) {
      const { used, split, nextSlot } = this.device.end ?? { used: { up: 0, down: 0 }, split: 0, nextSlot: 0 };
      throw new Failure("NO_SESSION", 0, used.up, used.down, split, nextSlot);
    }
    const crc = readU32(plainFrame(frame), 12 + payload.length);
    if (this.kept?.sequence === sequence && this.kept.crc === crc) return this.kept.reply;
    if (sequence !== this.next) throw new Failure("WRONG_SEQUENCE", 0, this.next);
    this.kept = { sequence, crc, reply: reply(this.device.execute(type, payload)) };
    this.next += 1;
    return this.kept.reply;
  }

  private hello(payload: Uint8Array): Uint8Array {
    const nonce = fields(payload, 1)[0] as number;
    this.hellos += 1;
    this.session = 65536 + this.hellos;
    this.next = 1;
    this.kept = undefined;
    return concat(u32(nonce), u16(1), u16(LARGEST_PAYLOAD), u32(this.session), VERSION, Uint8Array.of(1));
  }
}

/** Vectors leave the version of the core open. */
const VERSION = Uint8Array.of(0, 0, 0);

function errorPayload(failure: Failure, command: number): Uint8Array {
  const [a = 0, b = 0, c = 0, d = 0] = failure.facts;
  return concat(Uint8Array.of(ERRORS.indexOf(failure.code), command), u16(failure.detail), u32(a, b, c, d));
}
