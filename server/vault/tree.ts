/**
 * A key for every page, and a way to forget some of them for ever.
 *
 * The keys of the pages are the leaves of a binary tree (Goldreich, Goldwasser and Micali): the two children of a node are the two
 * halves of SHA-512 of its key, so whoever has a node has everything below it, and nobody can go up or sideways. What is kept is
 * the smallest set of nodes below which lie exactly the pages that are still to be read: at first the root alone, and a few
 * dozen nodes later, however large the pad is. A page whose leaf lies below none of them is gone.
 *
 * Nodes are numbered as in a heap: 1 is the root, 2n and 2n+1 the children of n. The leaves behind the last page belong to no
 * page; they count as pages as long as the last one does, so that the cover stays small.
 */
import { hash, randomBytes } from "node:crypto";
import { joined, type Range } from "./ranges.ts";

export const KEY_SIZE = 32;

/** Keys of the two children of one node, side by side. */
interface Children {
  parent: number;
  keys: Buffer;
}

export class KeyTree {
  /** Number of the node: its key. No node lies below another. */
  readonly nodes: ReadonlyMap<number, Buffer>;
  private readonly pages: number;
  /** Levels below the root. */
  private readonly depth: number;
  /** What the last walks down passed, two of each level, the latest first: the next page of up, or of down, is seldom far away. */
  private readonly walked: (Children | undefined)[] = [];

  constructor(pages: number, nodes: ReadonlyMap<number, Buffer>) {
    this.pages = pages;
    this.depth = Math.ceil(Math.log2(pages));
    this.nodes = nodes;
  }

  /** A tree under a new random root. */
  static grow(pages: number): KeyTree {
    return new KeyTree(pages, new Map([[1, randomBytes(KEY_SIZE)]]));
  }

  /** The key of a page, good until the next call; null when it is forgotten. */
  leaf(page: number): Buffer | null {
    return this.key(2 ** this.depth + page, this.depth);
  }

  /** The pages that have keys. */
  alive(): Range[] {
    const ranges: Range[] = [];
    for (const node of this.nodes.keys()) {
      const below = this.depth - (31 - Math.clz32(node));
      const start = node * 2 ** below - 2 ** this.depth;
      const end = Math.min(start + 2 ** below, this.pages);
      if (start < end) ranges.push({ start, end });
    }
    return joined(ranges);
  }

  /** A tree with the keys of these pages alone, all of which must be alive here. This one is as it was. */
  reduced(alive: readonly Range[]): KeyTree {
    const nodes = new Map<number, Buffer>();
    for (const [node, level] of this.cover(alive)) {
      const key = this.key(node, level);
      if (key === null) throw new Error(`Node ${node} was forgotten before`);
      nodes.set(node, Buffer.from(key));
    }
    return new KeyTree(this.pages, nodes);
  }

  /** Overwrites every key. Nothing can be asked of this tree any more. */
  forget(): void {
    for (const key of this.nodes.values()) key.fill(0);
    for (const children of this.walked) children?.keys.fill(0);
    this.walked.length = 0;
  }

  private *cover(alive: readonly Range[]): Generator<[node: number, level: number]> {
    for (const { start, end } of alive) {
      let from = 2 ** this.depth + start;
      let to = end === this.pages ? 2 ** (this.depth + 1) : 2 ** this.depth + end;
      for (let level = this.depth; from < to; level--, from >>>= 1, to >>>= 1) {
        if (from & 1) yield [from++, level];
        if (to & 1) yield [--to, level];
      }
    }
  }

  /** Goes up to the nearest node that is known, and down again. */
  private key(node: number, level: number): Buffer | null {
    const kept = this.nodes.get(node);
    if (kept !== undefined) return kept;
    if (level === 0) return null;
    const { keys } = this.children(node >>> 1, level) ?? {};
    const half = (node & 1) * KEY_SIZE;
    return keys?.subarray(half, half + KEY_SIZE) ?? null;
  }

  /** The children, at this level, of a node. */
  private children(parent: number, level: number): Children | null {
    const { walked } = this;
    const at = 2 * level;
    const latest = walked[at];
    if (latest?.parent === parent) return latest;
    let children = walked[at + 1];
    if (children?.parent !== parent) {
      const key = this.key(parent, level - 1);
      if (key === null) return null;
      children?.keys.fill(0);
      children = { parent, keys: hash("sha512", key, "buffer") };
    }
    walked[at] = children;
    walked[at + 1] = latest;
    return children;
  }
}
