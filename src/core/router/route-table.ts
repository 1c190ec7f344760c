import type { HashSeed } from "../base/hash.ts";
import { NONE, type NodeSlot, type None } from "../base/ids.ts";
import { WordMap } from "../base/word-map.ts";
import type { Prefix } from "../dispatch/rule-spec.ts";
import { isMappedIpv4 } from "../wire/address.ts";

/** Destinations whose node is remembered. */
const CACHE_SLOTS = 4096;

interface Route {
  readonly node: NodeSlot;
  readonly prefix: Prefix;
}

/** Which node a destination is behind: the longest prefix that holds it. Answers are remembered by address. */
export class RouteTable {
  private routes: Route[] = [];
  private readonly cache: WordMap;
  private readonly cached = new Int32Array(CACHE_SLOTS);
  private cacheSize = 0;

  constructor(seed: HashSeed) {
    this.cache = new WordMap(4, CACHE_SLOTS, seed);
  }

  /** Replaces the prefixes that are behind a node. */
  set(node: NodeSlot, prefixes: readonly Prefix[]): void {
    const others = this.routes.filter((route) => route.node !== node);
    this.routes = [...others, ...prefixes.map((prefix) => ({ node, prefix }))];
    this.routes.sort((one, other) => other.prefix.bits - one.prefix.bits);
    this.forget();
  }

  /** The node behind which the address at `at` is. */
  find(address: Int32Array, at: number): NodeSlot | None {
    const known = this.cache.find(address, at);
    if (known !== NONE) return this.cached[known]! as NodeSlot | None;
    const node = this.search(address, at);
    if (this.cacheSize === CACHE_SLOTS) this.forget();
    this.cache.insert(this.cacheSize, address, at);
    this.cached[this.cacheSize++] = node;
    return node;
  }

  private search(address: Int32Array, at: number): NodeSlot | None {
    const family = isMappedIpv4(address, at) ? 4 : 6;
    for (const { node, prefix } of this.routes) {
      if (prefix.family === family && holds(prefix, address, at)) return node;
    }
    return NONE;
  }

  private forget(): void {
    for (let slot = 0; slot < this.cacheSize; slot++) this.cache.delete(slot);
    this.cacheSize = 0;
  }
}

function holds(prefix: Prefix, address: Int32Array, at: number): boolean {
  let bits = prefix.bits;
  for (let i = prefix.family === 4 ? 3 : 0; i < 4 && bits > 0; i++, bits -= 32) {
    const mask = bits >= 32 ? -1 : swap(-1 << (32 - bits));
    if (((prefix.address[i]! ^ address[at + i]!) & mask) !== 0) return false;
  }
  return true;
}

/** Address words hold bytes in network order, on little-endian machines. */
function swap(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
