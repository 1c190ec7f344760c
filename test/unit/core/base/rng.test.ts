import { describe, expect, it } from "vitest";
import { Rng } from "../../../../src/core/base/rng.ts";

const take = (rng: Rng, count: number) => Array.from({ length: count }, () => rng.uint32());

describe("the random number generator", () => {
  it("is xoshiro128** 1.1", () => {
    // The first numbers of the authors' program from the state 1, 2, 3, 4.
    expect(take(new Rng([1, 2, 3, 4]), 10)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it("gives the same numbers for the same seed and others for another", () => {
    expect(take(new Rng(42), 5)).toEqual(take(new Rng(42), 5));
    expect(take(new Rng(42), 5)).not.toEqual(take(new Rng(43), 5));
    expect(take(new Rng(0), 5).some((number) => number !== 0)).toBe(true);
  });

  it("gives fractions from 0 on below 1, and whole numbers below a limit, evenly", () => {
    const rng = new Rng(7);
    const counts = new Array<number>(6).fill(0);
    let sum = 0;
    for (let i = 0; i < 60_000; i++) {
      const unit = rng.unit();
      if (unit >= 0 && unit < 1) sum += unit;
      counts[rng.below(6)]!++;
    }
    expect(sum / 60_000).toBeCloseTo(0.5, 2);
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});
