// What can go wrong between a token and its server, each with what it means for the pad and for the money.

import { type Kinds, type OlderNumber, type State, TearpadError } from "../protocol/index.ts";

/** An address that was tried, and why it was no use. */
export interface DeadAddress {
  readonly address: string;
  readonly reason: string;
}

/** The errors of a link, and their facts. Money in minor units, sizes in bytes. */
export interface LinkFacts {
  /** `state` of the device: an active one holds a pad of two people. */
  NOT_A_TOKEN: { state: State };
  NO_ADDRESS: Record<string, never>;
  BAD_LINK_ADDRESS: { address: string };
  NO_ADDRESS_ANSWERED: { tried: readonly DeadAddress[] };
  /** `linked`: until then it had a link. */
  CALL_REFUSED: { refusals: number; linked: boolean };
  DEVICE_OLDER: { what: OlderNumber; device: number; known: number };
  SERVER_OLDER: { what: OlderNumber; device: number; server: number };
  PRESENCE_REFUSED: { refused: boolean };
  LINK_LOST: { reason: string };
  LINK_CLOSED: Record<string, never>;
  NOT_KEPT: Record<string, never>;
  VALUE_CLOSED: { balance: bigint };
  CAP_EXCEEDED: { charged: bigint; balance: bigint; says: string };
  SERVICE_ERROR: { error: string; says: string; charged: bigint; balance: bigint };
  BAD_ANSWER: { bytes: number };
  GIVEN_UP: { boxes: number; of: number };
  NEED_GRANT: { needed: number; room: number };
  PAD_EXHAUSTED: { needed: number; room: number };
  SLOTS_EXHAUSTED: { slots: number };
}
export type LinkFailureCode = keyof LinkFacts;

/** An error between a token and its server. */
export class LinkFailure<C extends LinkFailureCode = LinkFailureCode> extends TearpadError<C, LinkFacts[C]> {
  constructor(code: C, facts: LinkFacts[C], cause?: unknown) {
    super(code, facts, ERRORS[code], cause);
  }
}

/** Whether `error` is one of a link under this code; its facts are typed then. */
export function isLinkFailure<C extends LinkFailureCode>(error: unknown, code: C): error is LinkFailure<C> {
  return error instanceof LinkFailure && error.code === code;
}

const UNTOUCHED = "No pad bytes were used and no money was moved.";
const KEPT =
  "What was sealed is kept on this disk and sent again as it is; nothing is used twice, and no request is charged twice.";

/** What is said of a line that the other end has ended. */
export const ENDED = "ended it";

const ERRORS: Kinds<LinkFacts> = {
  NOT_A_TOKEN: {
    message: ({ state }) =>
      state === "active"
        ? "This device holds a pad of two people, not a token."
        : `This device is ${state}, and holds no token.`,
    pad: UNTOUCHED,
    advice: ({ state }) =>
      state === "active"
        ? "Use seal and open with it, or plug in a token that a server issued."
        : "Plug in a token that a server issued, or have one issued into this device.",
  },
  NO_ADDRESS: {
    message: () => "The token carries no address of its server.",
    pad: UNTOUCHED,
    advice: "Give the server's address.",
  },
  BAD_LINK_ADDRESS: {
    message: ({ address }) => `"${address}" is not the address of a server.`,
    pad: UNTOUCHED,
    advice: "Give tcp://host:port, ws://host:port or wss://host:port.",
  },
  NO_ADDRESS_ANSWERED: {
    message: ({ tried }) =>
      `None of ${tried.length} addresses answered: ${tried.map(({ address, reason }) => `${address} (${reason})`).join(", ")}.`,
    pad: UNTOUCHED,
    advice: ({ tried }) =>
      tried.some(({ reason }) => reason.endsWith(ENDED))
        ? "Somebody is there and ended the line: is it the right server? It may have no room for another line: call again in a while, or ask its operator."
        : "Check the network, or give another address of the server.",
  },
  CALL_REFUSED: {
    message: ({ refusals, linked }) =>
      linked
        ? `The server ended the link, and has not taken a call of this token since (refused in a row: ${refusals}).`
        : `The server did not take the call (refused in a row: ${refusals}).`,
    pad: ({ linked }) => (linked ? KEPT : UNTOUCHED),
    advice: ({ linked }) =>
      linked
        ? "The token was held or cancelled, or another device with its pad has called: ask the operator. When it is taken again, call: what was under way is finished then."
        : "Wait half a minute and call again: another link of this token may be open. If it stays, the token is cancelled or held, or this is not its server: ask the operator.",
  },
  DEVICE_OLDER: {
    message: ({ what, device, known }) =>
      `The device is older than what is known of it: its ${what} is ${device} and was ${known}.`,
    pad: "The device was restored to an earlier state, or is a copy. It is not linked: its bytes may have been used already. Nothing was used or charged now.",
    advice:
      "Do not use this copy any more. Use the device that was ahead, or have the operator move the balance to a new token.",
  },
  SERVER_OLDER: {
    message: ({ what, device, server }) =>
      `The server is older than what the device knows of it: ${what} is ${server} there and ${device} here.`,
    pad: "The server's books are older than the device's. It is not linked. Nothing was used or charged now.",
    advice:
      "Tell the operator: the server was restored from an old copy. The device holds the last receipt as evidence.",
  },
  PRESENCE_REFUSED: {
    message: ({ refused }) =>
      refused ? "It was refused at the device's button." : "Nobody pressed the device's button in time.",
    pad: UNTOUCHED,
    advice: "Allow less than the owner's limit, or press the button when the device asks for it.",
  },
  LINK_LOST: {
    message: ({ reason }) => `The link was lost (${reason}).`,
    pad: KEPT,
    advice: "Open the link again with the same directory: what was under way is finished then.",
  },
  LINK_CLOSED: {
    message: () => "The link was closed before this was answered.",
    pad: KEPT,
    advice: "Open the link again with the same directory: the answer is fetched then.",
  },
  NOT_KEPT: {
    message: () => "The disk took no more of what a link must keep.",
    pad: "A box that could not be kept did not leave: its pad bytes are used up, nobody has it, and it is not charged.",
    advice: "See the cause, make room, and open the link again with the same directory.",
  },
  VALUE_CLOSED: {
    message: ({ balance }) => `The value of this token is closed, with a balance of ${balance} minor units.`,
    pad: "The server serves this token no more; what was not sealed was not charged.",
    advice: "Get a new token. What is left of the balance is in the receipt that the device holds.",
  },
  CAP_EXCEEDED: {
    message: ({ says }) => `This would cost more than the link allows: ${says}`,
    pad: "Its pad bytes are used; no service fee was charged.",
    advice: "Raise the cap and ask again.",
  },
  SERVICE_ERROR: {
    message: ({ error, says, charged, balance }) =>
      `The service failed with ${error}: ${says} (charged: ${charged}, left: ${balance}).`,
    pad: "The pad bytes of question and answer are used, and no more than these was charged: no service fee.",
    advice: "See what the service says, and ask again differently.",
  },
  BAD_ANSWER: {
    message: ({ bytes }) => `The server sent an answer of ${bytes} bytes that cannot be read.`,
    pad: "It came from the server unchanged, and what it cost is charged.",
    advice: "Tell the operator; update this program if it is older than the server.",
  },
  GIVEN_UP: {
    message: ({ boxes, of }) =>
      boxes < of
        ? `The request was given up after ${boxes} of its ${of} boxes: the rest does not fit any more.`
        : "The request was given up: it was sent, no answer came, and it does not fit once more.",
    pad: "The pad bytes of what was sent are used, and of boxes that were lost with the device. Unless it was sent whole it was not served, and no fee was charged.",
    advice:
      "See the cause. Send it in smaller parts, or get a new token. Of one that was sent whole, the server's statement tells what it was charged.",
  },
  NEED_GRANT: {
    message: ({ needed, room }) =>
      `This needs ${needed} pad bytes, ${room} are granted to this side, and the server granted no more in time.`,
    pad: UNTOUCHED,
    advice: "Send it in smaller parts, or try again later.",
  },
  PAD_EXHAUSTED: {
    message: ({ needed, room }) => `This needs ${needed} pad bytes and the token has ${room} left.`,
    pad: UNTOUCHED,
    advice: "Send less, or get a new token.",
  },
  SLOTS_EXHAUSTED: {
    message: ({ slots }) => `All ${slots} calls that this token has were made.`,
    pad: "The bytes that are left cannot begin another call. Its value is with the server: nothing of it is lost.",
    advice: "Get a new token, and have the operator issue it into this one's account.",
  },
};
