/**
 * The second body: the very bytes of the core, translated to C and compiled for this machine, with a HAL of its own around them. It has no
 * line of code in common with the simulator, and is itself the target of the fuzzer (test/fuzz).
 */
export { compileWithCore, findCompiler } from "./build.ts";
export { NativeDevice } from "./device.ts";
