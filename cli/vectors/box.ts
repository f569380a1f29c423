/** Vectors of kind box: one box, by itself in the engine, and sealed by a simulated device and opened by its twin. */
import { type Engine, EngineError } from "../../host/engine/index.ts";
import { type Bytes, bytesOf, expectBytes, expectEqual, hex } from "./bytes.ts";
import { type Pair, placesOf, twinsOf } from "./pair.ts";

export interface BoxVector extends Pair {
  readonly kind: "box";
  readonly offset: number;
  /** In the place of the pad's bytes. */
  readonly slice?: Bytes;
  /** To seal: the text and the kind of the box. */
  readonly text?: Bytes;
  readonly boxKind?: number;
  /** To open and to be refused. */
  readonly item?: string;
  readonly expect: { readonly item: string; readonly consumes: number } | { readonly error: string };
}

const KINDS = [null, "data", "last"] as const;
const OPENING = 3;

/** The engine makes and opens DATA and LAST. */
export function hasEngineBox({ boxKind }: BoxVector): boolean {
  return boxKind !== OPENING;
}

export function runBoxOnEngine(engine: Engine, vector: BoxVector): void {
  const { pad, offset, direction, expect } = vector;
  const place = { padId: bytesOf(vector.padId), direction, offset };
  const slice = bytesOf(vector.slice ?? { ...pad, from: offset, length: 32 + 4096 });
  if ("error" in expect) {
    expectEqual(
      "opening",
      codeOf(() => engine.open(place, slice, bytesOf(vector.item ?? ""))),
      expect.error,
    );
    return;
  }
  const kind = KINDS[vector.boxKind ?? 0] ?? "last";
  const text = bytesOf(vector.text ?? "");
  expectBytes("the box", engine.seal(place, kind, slice, text), expect.item);
  const opened = engine.open(place, slice, bytesOf(expect.item));
  expectEqual("kind", opened.kind, kind);
  expectBytes("text", opened.text, hex(text));
}

/** The code of SPEC section 9 for what the engine throws. */
function codeOf(run: () => unknown): string {
  try {
    run();
    return "success";
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return error.code === "BAD_BOX" ? "BAD_ARGUMENT" : error.code;
  }
}

/** Whether devices of a pair come to it: the pad's own bytes, on the right side of the split; the OPENING of a first segment. */
export function isReachable(vector: BoxVector): boolean {
  const { base, split } = placesOf(vector);
  const within = vector.direction === "up" ? vector.offset >= base : vector.offset >= split;
  return vector.slice === undefined && (within || vector.boxKind === OPENING);
}

export function runBoxOnDevice(vector: BoxVector): void {
  const { direction, offset, expect } = vector;
  if ("error" in expect) {
    const answer = twinsOf(vector, 0).opener.ask("OPEN", [{ u32: offset }, vector.item ?? ""]);
    expectEqual("OPEN", answer instanceof Uint8Array ? "success" : answer.code, expect.error);
    return;
  }
  if (vector.boxKind === OPENING) {
    const { sealer, opener } = twinsOf(vector, 0);
    const segment = sealer.must("BEGIN", [{ u32: 0xffffffff }, { u32: 0 }]);
    expectBytes("the opening", segment.subarray(28), expect.item);
    opener.must("FIND", [hex(segment.subarray(12, 28)), expect.item]);
    return;
  }
  const kind = { u32: vector.boxKind ?? 0 };
  const text = vector.text ?? "";
  const { base, end } = placesOf(vector);
  const mark = direction === "up" ? offset - base : end - offset - expect.consumes;
  const { sealer, opener } = twinsOf(vector, mark);
  const sealed = sealer.must("SEAL", [kind, text]);
  expectBytes("mark, offset and box", sealed, hex(bytesOf([{ u32: mark }, { u32: offset }, expect.item])));
  const used = mark + expect.consumes;
  sealer.expectInfo(direction === "up" ? { upUsed: used, upBurned: used } : { downUsed: used, downBurned: used });
  const opened = opener.must("OPEN", [{ u32: offset }, expect.item]);
  expectBytes("kind and text", opened, hex(bytesOf([kind, text])));
}
