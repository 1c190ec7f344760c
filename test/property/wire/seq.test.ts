import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sequenceBefore, sequenceDistance, sequenceLater } from "../../../src/core/base/seq.ts";
import { check } from "../../helpers/property.ts";

describe("serial numbers", () => {
  it("are ordered as what they were counted from, wherever the count began", () => {
    const distance = fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 });
    check(
      fc.property(fc.nat(2 ** 32 - 1), distance, (from, by) => {
        const to = Number(BigInt.asUintN(32, BigInt(from) + BigInt(by)));
        expect(sequenceDistance(from, to)).toBe(by);
        expect(sequenceDistance(from | 0, to | 0)).toBe(by);
        expect(sequenceBefore(from, to)).toBe(by > 0);
        expect(sequenceLater(from, to) >>> 0).toBe(by > 0 ? to : from);
        expect(sequenceLater(to, from)).toBe(sequenceLater(from, to));
      }),
      1000,
    );
  });
});
