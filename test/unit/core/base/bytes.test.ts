import { describe, expect, it } from "vitest";
import { copyWords } from "../../../../src/core/base/bytes.ts";

describe("copyWords", () => {
  const copy = (to: number, from: number, length: number) => {
    const bytes = new Uint8Array(64).fill(0xa5);
    for (let i = 0; i < 20; i++) bytes[from + i] = i + 1;
    copyWords(new DataView(bytes.buffer), to, from, length);
    return bytes;
  };

  it("copies bytes in their order, from any place to any other", () => {
    const bytes = copy(33, 3, 20);
    expect([...bytes.subarray(33, 53)]).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect([...bytes.subarray(23, 33), ...bytes.subarray(53)].every((byte) => byte === 0xa5)).toBe(true);
  });

  it("rounds a length up to whole words and no further", () => {
    expect([...copy(40, 0, 5).subarray(40, 50)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 0xa5, 0xa5]);
  });

  it("copies nothing for a length of 0", () => {
    expect(copy(40, 0, 0)[40]).toBe(0xa5);
  });
});
