// A host as plain as can be: commands by their number, replies and errors as they are.

import {
  COMMAND_TYPES,
  type CommandName,
  decodeError,
  encodeFrame,
  type Frame,
  FrameDecoder,
} from "../../host/protocol/index.ts";
import type { Body } from "./body.ts";
import { mustEqual } from "./bytes.ts";

export type { CommandName };

/** An error frame in the words of SPEC section 9. */
export interface Refusal {
  readonly code: string;
  readonly detail: number;
  readonly facts: readonly number[];
}

export class Host {
  readonly body: Body;
  #session = 0;
  #sequence = 0;

  constructor(body: Body) {
    this.body = body;
  }

  /** The power goes and comes. */
  reboot(): void {
    this.body.boot();
    this.#session = 0;
  }

  /** The payload of the reply, or how the command was refused. Begins a session when there is none. */
  ask(command: CommandName, payload: Uint8Array, wait?: boolean): Uint8Array | Refusal {
    const type = COMMAND_TYPES[command];
    if (this.#session === 0 && type >= COMMAND_TYPES.FILL) this.#hello();
    const reply = this.converse({ type, sequence: this.#sequence + 1, session: this.#session, payload }, wait);
    if (reply.type === 0xff) return refusal(reply.payload);
    mustEqual(`${command}: type of the reply`, reply.type, type | 0x80);
    if (type >= COMMAND_TYPES.FILL) this.#sequence++;
    return reply.payload;
  }

  /** The same for a command that has to succeed. */
  must(command: CommandName, payload: Uint8Array): Uint8Array {
    const reply = this.ask(command, payload);
    if (reply instanceof Uint8Array) return reply;
    throw new Error(`${command}: ${reply.code} ${reply.detail} ${reply.facts}`);
  }

  /** The same without a session. */
  askWithoutSession(command: CommandName): Uint8Array | Refusal {
    const reply = this.converse({ type: COMMAND_TYPES[command], sequence: 1, session: 0, payload: new Uint8Array(0) });
    return reply.type === 0xff ? refusal(reply.payload) : reply.payload;
  }

  converse(frame: Frame, wait?: boolean): Frame {
    const [reply, ...more] = new FrameDecoder().push(this.body.feed(encodeFrame(frame), wait));
    if (reply === undefined || "fault" in reply || more.length > 0) throw new Error("no reply, or a broken one");
    return reply;
  }

  #hello(): void {
    const { payload } = this.converse({
      type: COMMAND_TYPES.HELLO,
      sequence: 0,
      session: 0,
      payload: new Uint8Array(4),
    });
    this.#session = new DataView(payload.buffer, payload.byteOffset).getUint32(8, true);
    this.#sequence = 0;
  }
}

function refusal(payload: Uint8Array): Refusal {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const facts = [4, 8, 12, 16].map((at) => view.getUint32(at, true));
  return { code: decodeError(payload)?.code ?? `error ${payload[0]}`, detail: view.getUint16(2, true), facts };
}
