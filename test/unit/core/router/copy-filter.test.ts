import { describe, expect, it } from "vitest";
import { Rng } from "../../../../src/core/base/rng.ts";
import { CopyFilter } from "../../../../src/core/router/copy-filter.ts";

describe("the filter of copies", () => {
  it("knows a packet by its node and its timestamp", () => {
    const filter = new CopyFilter();
    expect([filter.isFirst(1, 7), filter.isFirst(2, 7), filter.isFirst(1, 8)]).toEqual([true, true, true]);
    expect([filter.isFirst(1, 7), filter.isFirst(2, 7), filter.isFirst(1, 8)]).toEqual([false, false, false]);
    expect(filter.isFirst(1, -7)).toBe(true);
  });

  it("knows copies that come thousands of packets later", () => {
    const filter = new CopyFilter();
    const rng = new Rng(1);
    const late = 3000;
    const stamps: number[] = [];
    let missed = 0;
    for (let i = 0, stamp = 0; i < 100_000; i++) {
      stamp += 1 + rng.below(2000);
      stamps.push(stamp | 0);
      expect(filter.isFirst(3, stamp | 0)).toBe(true);
      if (i >= late && filter.isFirst(3, stamps[i - late]!)) missed++;
    }
    // One in two hundred; with single entries it would be one in twelve.
    expect(missed).toBeLessThan(500);
  });

  it("tells packets apart that are sent at once, whatever their number", () => {
    const filter = new CopyFilter();
    for (let i = 0; i < 30_000; i++) expect(filter.isFirst(0, i)).toBe(true);
    for (let i = 0; i < 30_000; i++) expect(filter.isFirst(0, i)).toBe(false);
  });
});
