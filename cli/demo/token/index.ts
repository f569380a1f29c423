// A token, its server and its money: the shop where it is sold, the job, and the witness on the wire.

export { TOKEN_KEYS, tokenResult } from "./result.ts";
export { openShop, type Shop } from "./shop.ts";
export { playToken, type TokenStory, undestroyed } from "./story.ts";
export { showShop, showTokenEnd, tellToken } from "./telling.ts";
export { type Testimony, type Wire, Witness } from "./witness.ts";
