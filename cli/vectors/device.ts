/** Vectors of kind device: commands to one device or two, and their replies. */
import { Board, type Chip, type Fill, type Refusal } from "./board.ts";
import { type Bytes, type Expected, expectBytes, expectEqual } from "./bytes.ts";

export interface DeviceVector {
  readonly kind: "device";
  readonly chip: Chip;
  readonly devices: Readonly<Record<string, Fill | null>>;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly on: string;
  readonly command: string;
  /** Absent for REBOOT and BUTTON, which are no commands: the power goes and comes; the next look at the button finds it so. */
  readonly payload?: Bytes;
  readonly button?: "pressed" | "refused";
  readonly reply?: Expected;
  readonly info?: Readonly<Record<string, number | string>>;
  /** Without facts only code and detail count. */
  readonly error?: Refusal;
  readonly wait?: boolean;
}

export function runDevice(vector: DeviceVector): void {
  const boards = new Map<string, Board>();
  for (const [name, fill] of Object.entries(vector.devices)) {
    const board = new Board(vector.chip);
    board.boot();
    if (fill) board.fill(fill);
    boards.set(name, board);
  }
  for (const [number, step] of vector.steps.entries()) {
    runStep(boards.get(step.on) as Board, `step ${number + 1} on ${step.on}`, step);
  }
}

/** One command and what it has to answer. */
export function runStep(board: Board, what: string, step: Omit<Step, "on">): void {
  const { command, payload = "", button, info, wait } = step;
  if (command === "REBOOT") board.boot();
  else if (button) board.button(button);
  else if (command === "BUTTON") board.button(step.button ?? "refused");
  else if (info) board.expectInfo(info);
  else expectReply(`${what}, ${command}`, board.ask(command, payload, wait), step);
}

export function expectReply(
  what: string,
  reply: Uint8Array | Refusal,
  { reply: expected, error }: Pick<Step, "reply" | "error">,
): void {
  if (reply instanceof Uint8Array) {
    if (error) expectEqual(what, "success", error.code);
    expectBytes(what, reply, expected ?? "");
    return;
  }
  expectEqual(what, reply.code, error?.code ?? "success");
  expectEqual(`${what}: detail`, reply.detail, error?.detail ?? 0);
  if (error?.facts.length) expectEqual(`${what}: facts`, reply.facts.join(", "), error.facts.join(", "));
}
