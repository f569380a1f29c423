/**
 * A USB cable between an emulated board and a host: it gives the board its strict controller at every start.
 */
import type { Board } from "../board.ts";
import { UsbController } from "./controller.ts";
import type { UsbBoard } from "./host.ts";

export class UsbCable implements UsbBoard {
  readonly board: Board;
  private controller: UsbController | null = null;

  /** Plugs in before the board has power. */
  constructor(board: Board) {
    if (board.state !== "off") throw new Error("Plug in before powering on.");
    this.board = board;
    board.onStart = (chip) => {
      this.controller = new UsbController(chip, {
        get now() {
          return board.cycles;
        },
      });
    };
  }

  /** Null without power. */
  get usb(): UsbController | null {
    return this.board.chip === null ? null : this.controller;
  }

  run(cycles: number): void {
    this.board.run(cycles);
  }
}
