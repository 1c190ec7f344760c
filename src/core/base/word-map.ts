import { type HashSeed, hashWords } from "./hash.ts";
import { NONE } from "./ids.ts";

/**
 * A hash map from keys of a fixed number of int32 words to slots, with at most one key for each slot: open addressing,
 * linear probing, at most half full, deletion by shifting back, so that nothing is left behind. The key of a slot
 * stands in `keys` by slot, so it serves the table as its address columns too. Nothing grows: the slots are those of a
 * table with a fixed capacity. Memory that no key has needed yet has never been touched.
 *
 * A bucket is one word, so that the buckets of 100 000 keys fit in a core's cache: slot + 1 in the lower bits (0 is
 * an empty bucket), and as much of the key's hash as has room above them. Invariant: between a key's home, its hash
 * modulo the number of buckets, and the bucket that it is in there is no empty one.
 */
export class WordMap {
  readonly keyWords: number;
  /** The words of slot s from s * keyWords on; what they were last where `has(s)` is false. */
  readonly keys: Int32Array;
  /** Keys in the map. */
  size = 0;
  private readonly buckets: Int32Array;
  private readonly mask: number;
  private readonly seed: HashSeed;
  /** The slot found last: packets of one flow follow each other, and comparing keys is cheaper than hashing. */
  private last = NONE;

  constructor(keyWords: number, capacity: number, seed: HashSeed) {
    this.keyWords = keyWords;
    this.keys = new Int32Array(keyWords * capacity);
    this.buckets = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2 * capacity, 2))));
    this.mask = this.buckets.length - 1;
    this.seed = seed;
  }

  /** The slot of the key at `key[at]`, or NONE. */
  find(key: Int32Array, at: number): number {
    if (this.last !== NONE && this.matches(this.last, key, at)) return this.last;
    const { buckets, mask } = this;
    const hash = hashWords(this.seed, key, at, this.keyWords);
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const bucket = buckets[i]!;
      if (bucket === 0) return NONE;
      if (((bucket ^ hash) & ~mask) !== 0) continue;
      const slot = (bucket & mask) - 1;
      if (!this.matches(slot, key, at)) continue;
      this.last = slot;
      return slot;
    }
  }

  /** Gives a slot that has no key one that is not in the map. */
  insert(slot: number, key: Int32Array, at: number): void {
    const { buckets, mask, keys, keyWords } = this;
    const to = slot * keyWords;
    for (let i = 0; i < keyWords; i++) keys[to + i] = key[at + i]!;
    const hash = hashWords(this.seed, keys, to, keyWords);
    let i = hash & mask;
    while (buckets[i] !== 0) i = (i + 1) & mask;
    buckets[i] = (hash & ~mask) | (slot + 1);
    this.size++;
  }

  /** Takes the slot's key out; false where it had none. */
  delete(slot: number): boolean {
    let hole = this.bucketOf(slot);
    if (hole === NONE) return false;
    const { buckets, mask } = this;
    for (let i = (hole + 1) & mask; buckets[i] !== 0; i = (i + 1) & mask) {
      const home = this.hashOf((buckets[i]! & mask) - 1) & mask;
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      buckets[hole] = buckets[i]!;
      hole = i;
    }
    buckets[hole] = 0;
    this.size--;
    if (this.last === slot) this.last = NONE;
    return true;
  }

  has(slot: number): boolean {
    return this.bucketOf(slot) !== NONE;
  }

  private bucketOf(slot: number): number {
    const { buckets, mask } = this;
    for (let i = this.hashOf(slot) & mask; buckets[i] !== 0; i = (i + 1) & mask) {
      if ((buckets[i]! & mask) === slot + 1) return i;
    }
    return NONE;
  }

  private hashOf(slot: number): number {
    return hashWords(this.seed, this.keys, slot * this.keyWords, this.keyWords);
  }

  private matches(slot: number, key: Int32Array, at: number): boolean {
    const { keys, keyWords } = this;
    const from = slot * keyWords;
    for (let i = 0; i < keyWords; i++) if (keys[from + i] !== key[at + i]) return false;
    return true;
  }
}
