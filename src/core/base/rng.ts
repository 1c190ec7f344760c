/**
 * xoshiro128** 1.1 (Blackman and Vigna) for simulation and jitter: every run is reproducible from its seed. Never for
 * keys, and never for anything that a stranger must not guess.
 */
export class Rng {
  private readonly state = new Int32Array(4);

  /** A 32-bit seed, or the four words of the state (not all 0). */
  constructor(seed: number | readonly [number, number, number, number]) {
    if (typeof seed !== "number") {
      this.state.set(seed);
      return;
    }
    // splitmix32: neighbouring seeds give states that have nothing in common.
    let mixed = seed | 0;
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + 0x9e3779b9) | 0;
      let word = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
      word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
      this.state[i] = word ^ (word >>> 16);
    }
  }

  uint32(): number {
    const state = this.state;
    const s1 = state[1]!;
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    state[2] = state[2]! ^ state[0]!;
    state[3] = state[3]! ^ s1;
    state[1] = s1 ^ state[2]!;
    state[0] = state[0]! ^ state[3]!;
    state[2] = state[2]! ^ (s1 << 9);
    const s3 = state[3]!;
    state[3] = (s3 << 11) | (s3 >>> 21);
    return result;
  }

  /** From 0 on, below 1, of 53 bits. */
  unit(): number {
    const high = this.uint32() >>> 5;
    return (high * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53;
  }

  /** A whole number from 0 on, below `limit`. */
  below(limit: number): number {
    return Math.floor(this.unit() * limit);
  }
}
