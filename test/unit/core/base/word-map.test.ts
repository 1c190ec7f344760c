import { describe, expect, it } from "vitest";
import { NONE } from "../../../../src/core/base/ids.ts";
import { WordMap } from "../../../../src/core/base/word-map.ts";

const SEED = [1, 2] as const;
const key = (...words: number[]) => Int32Array.from(words);

describe("a map of words", () => {
  it("finds the slot of a key, at any place of an array", () => {
    const map = new WordMap(3, 8, SEED);
    map.insert(5, key(9, 9, 1, 2, 3), 2);
    expect(map.find(key(1, 2, 3), 0)).toBe(5);
    expect(map.find(key(0, 1, 2, 3), 1)).toBe(5);
    expect(map.find(key(1, 2, 4), 0)).toBe(NONE);
  });

  it("tells keys apart that differ in one word only", () => {
    const map = new WordMap(4, 4, SEED);
    for (let i = 0; i < 4; i++) map.insert(i, key(...[0, 1, 2, 3].map((k) => (k === i ? 1 : 0))), 0);
    expect([0, 1, 2, 3].map((i) => map.find(key(...[0, 1, 2, 3].map((k) => (k === i ? 1 : 0))), 0))).toEqual([
      0, 1, 2, 3,
    ]);
  });

  it("has negative words and zeros in keys", () => {
    const map = new WordMap(2, 4, SEED);
    map.insert(0, key(0, 0), 0);
    map.insert(1, key(-1, -0x8000_0000), 0);
    expect([map.find(key(0, 0), 0), map.find(key(-1, -0x8000_0000), 0)]).toEqual([0, 1]);
  });

  it("does not find what has been deleted, even if it was found last", () => {
    const map = new WordMap(1, 4, SEED);
    map.insert(2, key(7), 0);
    expect(map.find(key(7), 0)).toBe(2);
    expect(map.delete(2)).toBe(true);
    expect(map.find(key(7), 0)).toBe(NONE);
    expect([map.has(2), map.delete(2), map.size]).toEqual([false, false, 0]);
  });

  it("finds the new key of a slot that had another", () => {
    const map = new WordMap(1, 4, SEED);
    map.insert(1, key(7), 0);
    map.find(key(7), 0);
    map.delete(1);
    map.insert(1, key(8), 0);
    expect([map.find(key(7), 0), map.find(key(8), 0)]).toEqual([NONE, 1]);
  });

  it("keeps the keys by slot, for whoever needs the words", () => {
    const map = new WordMap(2, 4, SEED);
    map.insert(3, key(11, 12), 0);
    expect([...map.keys.subarray(6, 8)]).toEqual([11, 12]);
  });

  it("is as large as its capacity, to the last slot", () => {
    for (const capacity of [1, 2, 3, 64, 1000]) {
      const map = new WordMap(1, capacity, SEED);
      for (let i = 0; i < capacity; i++) map.insert(i, key(i * 3), 0);
      for (let i = 0; i < capacity; i++) expect(map.find(key(i * 3), 0)).toBe(i);
      expect(map.find(key(1), 0)).toBe(NONE);
      expect(map.size).toBe(capacity);
    }
  });
});
