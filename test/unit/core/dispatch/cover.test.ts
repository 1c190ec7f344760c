import { describe, expect, it } from "vitest";
import { Cover } from "../../../../src/core/dispatch/cover.ts";
import { USE_NO } from "../../../../src/core/tables/paths.ts";
import { addPath, node, pathTable } from "../tables/fixtures.ts";

const A = node(0);

/** Paths as pairs of our line and theirs, with round trips of 10 ms unless `rttMs` says otherwise; those chosen. */
function chosen(pairs: readonly (readonly [own: number, other: number])[], rttMs: readonly number[] = []) {
  const paths = pathTable();
  pairs.forEach(([own, other], i) => {
    paths.delays.handleRtt(addPath(paths, A, own, other), 1000 * (rttMs[i] ?? 10) + i);
  });
  const isChosen = new Cover(paths).choose(A);
  return pairs.filter((_, i) => isChosen[i] === 1);
}

function mesh(own: number, other: number): [number, number][] {
  return Array.from({ length: own * other }, (_, i) => [Math.floor(i / other), i % other]);
}

describe("the paths that cover all lines", () => {
  it("are all where each has a line of its own", () => {
    const lines = [0, 1, 2].map((i) => [i, i] as const);
    expect(chosen(lines)).toEqual(lines);
    expect(chosen(mesh(1, 3))).toEqual(mesh(1, 3));
    expect(chosen(mesh(3, 1))).toEqual(mesh(3, 1));
  });

  it("are as many as the side with more lines has", () => {
    for (const [own, other] of [
      [2, 2],
      [3, 3],
      [2, 3],
      [4, 2],
      [5, 5],
    ] as const) {
      const pairs = chosen(mesh(own, other));
      expect(pairs.length).toBe(Math.max(own, other));
      expect(new Set(pairs.map(([line]) => line)).size).toBe(own);
      expect(new Set(pairs.map(([, line]) => line)).size).toBe(other);
    }
  });

  it("use each line about as often as the others", () => {
    const pairs = chosen(mesh(2, 4));
    for (const line of [0, 1]) expect(pairs.filter(([own]) => own === line).length).toBe(2);
  });

  it("are those with the shortest round trips", () => {
    expect(chosen(mesh(2, 2), [50, 10, 11, 50])).toEqual([
      [0, 1],
      [1, 0],
    ]);
    expect(chosen(mesh(2, 2), [10, 50, 50, 10])).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  it("are among those that work", () => {
    const paths = pathTable();
    const slots = mesh(2, 2).map(([own, other]) => addPath(paths, A, own, other));
    const cover = new Cover(paths);
    expect([...cover.choose(A).subarray(0, 4)]).toEqual([1, 0, 0, 1]);
    paths.setUse(slots[3]!, USE_NO);
    // The fastest stays, even if its two lines are led over by others, too.
    expect([...cover.choose(A).subarray(0, 4)]).toEqual([1, 1, 1, 0]);
    for (const slot of slots) paths.setUse(slot, USE_NO);
    expect([...cover.choose(A).subarray(0, 4)]).toEqual([0, 0, 0, 0]);
  });
});
