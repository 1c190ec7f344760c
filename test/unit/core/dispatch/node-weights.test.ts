import { describe, expect, it } from "vitest";
import { NodeWeights } from "../../../../src/core/dispatch/node-weights.ts";
import { USE_BACKUP, USE_NO, USE_YES } from "../../../../src/core/tables/paths.ts";
import { addPath, node, pathTable } from "../tables/fixtures.ts";

const A = node(0);
const B = node(1);
const TOTAL = 600;

function world(count: number) {
  const paths = pathTable();
  const slots = Array.from({ length: count }, (_, i) => addPath(paths, A, i));
  const weights = new NodeWeights(paths, (used) => TOTAL / used);
  return { paths, slots, weights, of: (to = A) => [...weights.of(to)] };
}

describe("the weights of a node's paths", () => {
  it("are even parts of the total at first, and none where there is no path", () => {
    expect([1, 2, 3].map((count) => world(count).of())).toEqual([[600], [300, 300], [200, 200, 200]]);
    expect(world(2).of(B)).toEqual([]);
  });

  it("are one array as long as the list stays, and another when it changes", () => {
    const { paths, slots, weights } = world(2);
    const before = weights.of(A);
    addPath(paths, B, 0, 9);
    expect(weights.of(A)).toBe(before);
    paths.setUse(slots[0]!, USE_NO);
    const after = weights.of(A);
    expect(after).not.toBe(before);
    expect(weights.of(A)).toBe(after);
  });

  it("are 0 for paths that are not eligible, which begin with an even part when they are", () => {
    const { paths, slots, of } = world(3);
    paths.setUse(slots[1]!, USE_BACKUP);
    expect(of()).toEqual([300, 0, 300]);
    expect(paths.weight[slots[1]!]).toBe(0);
    paths.setUse(slots[0]!, USE_NO);
    paths.setUse(slots[2]!, USE_NO);
    expect(of()).toEqual([0, 600, 0]);
    paths.setUse(slots[2]!, USE_YES);
    expect(of()).toEqual([0, 0, 600]);
  });

  it("stay with their paths when these move up in the list", () => {
    const { paths, slots, of } = world(3);
    of();
    paths.weight[slots[1]!] = 17;
    paths.remove(slots[0]!);
    expect(of()).toEqual([17, 200]);
    addPath(paths, A, 7);
    expect(of()).toEqual([17, 200, 200]);
  });
});
