// Calculations: programs that run in threads, with fuel.

export { Compute, type ComputeOptions } from "./compute.ts";
