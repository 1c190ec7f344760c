import { describe, expect, it } from "vitest";
import { layoutDifferences, SHARED_LAYOUT } from "../../../../src/core/batch/layout.ts";

describe("layoutDifferences", () => {
  it("is empty for an addon that states the same numbers", () => {
    expect(layoutDifferences({ ...SHARED_LAYOUT })).toEqual([]);
  });

  it.each(Object.keys(SHARED_LAYOUT))("names %s when the addon's number is another", (name) => {
    expect(layoutDifferences({ ...SHARED_LAYOUT, [name]: SHARED_LAYOUT[name]! + 1 })).toEqual([name]);
  });

  it("names what only one side knows", () => {
    const { batchMax: _, ...older } = SHARED_LAYOUT;
    expect(layoutDifferences({ ...older, batchMost: 64 })).toEqual(["batchMax", "batchMost"]);
  });
});
