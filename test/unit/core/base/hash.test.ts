import { describe, expect, it } from "vitest";
import { type HashSeed, hashWords } from "../../../../src/core/base/hash.ts";

/**
 * HalfSipHash-1-3 with the key 00 01 … 07 over the bytes 00, 01, 02, …: as many as stand in front. The values are those
 * of the Linux kernel's self-test (lib/test_siphash.c, 32-bit machines).
 */
const VECTORS = [
  [0, 0x5814c896],
  [4, 0x7e059ea6],
  [8, 0x577999b1],
  [12, 0x6b28096c],
  [16, 0x8b31d501],
  [20, 0x911bb605],
  [24, 0x57150ad7],
  [28, 0x0a4100d0],
  [32, 0xbc6dda8d],
  [36, 0x7c46fb7f],
  [40, 0x05327eb2],
] as const;

const KEY: HashSeed = [0x03020100, 0x07060504];
const words = new Int32Array(Uint8Array.from({ length: 64 }, (_, i) => i).buffer);

describe("the hash of words", () => {
  it.each(VECTORS)("is HalfSipHash-1-3 of %i bytes", (bytes, expected) => {
    expect(hashWords(KEY, words, 0, bytes / 4) >>> 0).toBe(expected);
  });

  it("is of the words from a place on, and of no others", () => {
    const shifted = new Int32Array(20).fill(-1);
    shifted.set(words.subarray(0, 10), 7);
    expect(hashWords(KEY, shifted, 7, 10) >>> 0).toBe(0x05327eb2);
  });

  it("is another one with another seed", () => {
    expect(hashWords([0x03020101, 0x07060504], words, 0, 10)).not.toBe(hashWords(KEY, words, 0, 10));
    expect(hashWords([0x03020100, 0x07060505], words, 0, 10)).not.toBe(hashWords(KEY, words, 0, 10));
  });
});
