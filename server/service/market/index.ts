// The market: offers, sales, and what is earned by them.

export { earningsAccount, earningsShare } from "./earnings.ts";
export { Market } from "./market.ts";
