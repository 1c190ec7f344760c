import { describe, expect, it } from "vitest";
import {
  sequenceAfter,
  sequenceBefore,
  sequenceDistance,
  sequenceLater,
} from "../../../../src/core/base/seq.ts";

describe("serial numbers", () => {
  it.each([
    ["the same", 5, 5, 0],
    ["the next", 5, 6, 1],
    ["the one before", 5, 4, -1],
    ["over the wrap", 0xffff_ffff, 0, 1],
    ["back over the wrap", 0, 0xffff_ffff, -1],
    ["over the sign of an int32", 0x7fff_ffff, 0x8000_0000, 1],
    ["as far as it goes", 0, 0x7fff_ffff, 0x7fff_ffff],
    ["as far back as it goes", 0x7fff_ffff, 0, -0x7fff_ffff],
  ])("are ordered: %s", (_, from, to, distance) => {
    for (const [a, b] of [
      [from, to],
      [from | 0, to | 0],
      [from | 0, to],
      [from, to | 0],
    ] as const) {
      expect(sequenceDistance(a, b)).toBe(distance);
      expect(sequenceBefore(a, b)).toBe(distance > 0);
      expect(sequenceAfter(a, b)).toBe(distance < 0);
      expect(sequenceLater(a, b)).toBe((distance < 0 ? from : to) | 0);
    }
  });
});
