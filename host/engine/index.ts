// The engine (`tearpad/engine`): boxes and runs in WebAssembly, the same in Node and in a browser. It may use the protocol
// and nothing else of the project.

import "../protocol/node-check.ts";

export { type BoxPlace, Engine, type Opened, type OpenedItem } from "./engine.ts";
export { EngineError, type EngineErrorCode, type EngineFacts } from "./errors.ts";
export { type EngineSource, loadEngine } from "./load.ts";
export type { OpeningPiece } from "./opening.ts";
export type { EnginePad, RunPlace, Stretch } from "./place.ts";
export type { SealingPiece } from "./sealing.ts";
