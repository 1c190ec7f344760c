import type { HashSeed } from "../base/hash.ts";
import { NONE, type NodeSlot, type None } from "../base/ids.ts";
import { WordMap } from "../base/word-map.ts";
import { addressText } from "../wire/address.ts";

/** From where an address is known: bits, of which it may have several. */
export const ADDRESS_ADVERTISED = 0x01;
export const ADDRESS_OBSERVED = 0x02;
export const ADDRESS_CONFIGURED = 0x04;

/** An address of a node: node slot * NODE_ADDRESSES_MAX + place. */
export type AddressSlot = number & { readonly nodeAddress: true };

export const NODE_ADDRESSES_MAX = 16;

export interface AddressReport {
  address: string;
  port: number;
  sources: ("configured" | "observed" | "advertised")[];
  seenMs: number;
}

const KEY_WORDS = 5;

/**
 * The addresses and ports of each node (paper §3.2, Table 3), up to NODE_ADDRESSES_MAX of them. Several nodes may have
 * one and the same, as behind NATs that give out the same private addresses; those are chained, and whoever looks the
 * address up gets the node that is most likely meant: configured before observed before advertised, and then the one
 * seen last.
 *
 * When a node has no place left, an address takes that of the one seen longest ago of the least certain source; one
 * that is configured gives way to none, and the newcomer is not taken where all others are more certain.
 */
export class NodeAddresses {
  /** ADDRESS_* bits by address slot; 0 where there is none. */
  readonly sources: Uint8Array;
  readonly seenMs: Float64Array;
  /** Of the addresses that have the same words and port, one is in the map: the head of their chain. */
  private readonly heads: WordMap;
  private readonly keys: Int32Array;
  /** The slot + 1 that follows in the chain. */
  private readonly following: Int32Array;
  private readonly key = new Int32Array(KEY_WORDS);

  constructor(nodes: number, seed: HashSeed) {
    const capacity = nodes * NODE_ADDRESSES_MAX;
    this.sources = new Uint8Array(capacity);
    this.seenMs = new Float64Array(capacity);
    this.heads = new WordMap(KEY_WORDS, capacity, seed);
    this.keys = new Int32Array(capacity * KEY_WORDS);
    this.following = new Int32Array(capacity);
  }

  /** Notes that a node has an address, from one of the ADDRESS_* sources; NONE where there is no place for it. */
  learn(
    node: NodeSlot,
    address: Int32Array,
    at: number,
    port: number,
    source: number,
    nowMs: number,
  ): AddressSlot | None {
    let slot = this.findOf(node, address, at, port);
    if (slot === NONE) {
      slot = this.place(node, source);
      if (slot === NONE) return NONE;
      this.chain(slot, address, at, port);
    }
    this.sources[slot] = this.sources[slot]! | source;
    this.seenMs[slot] = nowMs;
    return slot;
  }

  /** Takes one source from an address; without any it is forgotten. */
  retract(slot: AddressSlot, source: number): void {
    const left = this.sources[slot]! & ~source;
    if (left === 0) this.forget(slot);
    else this.sources[slot] = left;
  }

  forget(slot: AddressSlot): void {
    if (this.sources[slot] === 0) return;
    this.sources[slot] = 0;
    this.unchain(slot);
  }

  forgetNode(node: NodeSlot): void {
    for (let slot = this.first(node); slot !== NONE; slot = this.after(slot)) this.forget(slot);
  }

  /** The node that is most likely meant by an address and port. */
  find(address: Int32Array, at: number, port: number): NodeSlot | None {
    let best = NONE;
    for (let slot = this.headOf(address, at, port); slot !== NONE; slot = this.following[slot]! - 1) {
      if (best === NONE || this.isLikelier(slot, best)) best = slot;
    }
    return best === NONE ? NONE : (Math.floor(best / NODE_ADDRESSES_MAX) as NodeSlot);
  }

  /** A node's own entry for an address and port. */
  findOf(node: NodeSlot, address: Int32Array, at: number, port: number): AddressSlot | None {
    for (let slot = this.headOf(address, at, port); slot !== NONE; slot = this.following[slot]! - 1) {
      if (Math.floor(slot / NODE_ADDRESSES_MAX) === node) return slot as AddressSlot;
    }
    return NONE;
  }

  first(node: NodeSlot): AddressSlot | None {
    return this.next(node * NODE_ADDRESSES_MAX, (node + 1) * NODE_ADDRESSES_MAX);
  }

  /** The same node's address behind `slot`. */
  after(slot: AddressSlot): AddressSlot | None {
    return this.next(slot + 1, (Math.floor(slot / NODE_ADDRESSES_MAX) + 1) * NODE_ADDRESSES_MAX);
  }

  /** Where the four words of an address stand in `words`. */
  wordsAt(slot: AddressSlot): number {
    return slot * KEY_WORDS;
  }

  get words(): Int32Array {
    return this.keys;
  }

  port(slot: AddressSlot): number {
    return this.keys[slot * KEY_WORDS + 4]!;
  }

  snapshot(node: NodeSlot): AddressReport[] {
    const reports: AddressReport[] = [];
    for (let slot = this.first(node); slot !== NONE; slot = this.after(slot)) {
      const bits = this.sources[slot]!;
      const sources: AddressReport["sources"] = [];
      if (bits & ADDRESS_CONFIGURED) sources.push("configured");
      if (bits & ADDRESS_OBSERVED) sources.push("observed");
      if (bits & ADDRESS_ADVERTISED) sources.push("advertised");
      const address = addressText(this.keys, this.wordsAt(slot));
      reports.push({ address, port: this.port(slot), sources, seenMs: this.seenMs[slot]! });
    }
    return reports;
  }

  private next(from: number, end: number): AddressSlot | None {
    for (let slot = from; slot < end; slot++) if (this.sources[slot] !== 0) return slot as AddressSlot;
    return NONE;
  }

  private headOf(address: Int32Array, at: number, port: number): number {
    const key = this.key;
    for (let i = 0; i < 4; i++) key[i] = address[at + i]!;
    key[4] = port;
    return this.heads.find(key, 0);
  }

  /** A free place of the node for an address of the given source, made where need be. */
  private place(node: NodeSlot, source: number): AddressSlot | None {
    const from = node * NODE_ADDRESSES_MAX;
    let worst = from;
    for (let slot = from; slot < from + NODE_ADDRESSES_MAX; slot++) {
      if (this.sources[slot] === 0) return slot as AddressSlot;
      if (this.isLikelier(worst, slot)) worst = slot;
    }
    const certainty = topBit(this.sources[worst]!);
    if (certainty === topBit(ADDRESS_CONFIGURED) || certainty > topBit(source)) return NONE;
    this.forget(worst as AddressSlot);
    return worst as AddressSlot;
  }

  private isLikelier(slot: number, than: number): boolean {
    const difference = topBit(this.sources[slot]!) - topBit(this.sources[than]!);
    return difference !== 0 ? difference > 0 : this.seenMs[slot]! > this.seenMs[than]!;
  }

  private chain(slot: AddressSlot, address: Int32Array, at: number, port: number): void {
    const head = this.headOf(address, at, port);
    for (let i = 0; i < KEY_WORDS; i++) this.keys[slot * KEY_WORDS + i] = this.key[i]!;
    if (head === NONE) {
      this.following[slot] = 0;
      this.heads.insert(slot, this.key, 0);
      return;
    }
    this.following[slot] = this.following[head]!;
    this.following[head] = slot + 1;
  }

  private unchain(slot: AddressSlot): void {
    const key = slot * KEY_WORDS;
    const head = this.heads.find(this.keys, key);
    const next = this.following[slot]!;
    if (head === slot) {
      this.heads.delete(slot);
      if (next !== 0) this.heads.insert(next - 1, this.keys, key);
      return;
    }
    let before = head;
    while (this.following[before] !== slot + 1) before = this.following[before]! - 1;
    this.following[before] = next;
  }
}

/** Of the sources, which are in the order of certainty, the most certain. */
function topBit(bits: number): number {
  return 31 - Math.clz32(bits);
}
