// Where the bytes of a pad come from. Uses host/protocol and Node; knows no device.

export { EntropyError } from "./errors.ts";
export {
  type Declaration,
  generatorSource,
  type NoiseUse,
  noiseSource,
  type Origin,
  type PadSource,
} from "./source.ts";
