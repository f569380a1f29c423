/**
 * The cables that a simulated device can hang on: a pseudoterminal and a TCP port.
 */
export { type DirectLine, lineTo } from "./direct.ts";
export { Ferry, type Line } from "./line.ts";
export { attachPty, type PtyOptions } from "./pty.ts";
export { attachTcp, type TcpOptions } from "./tcp.ts";
