import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Runs } from "../../src/core/dispatch/runs.ts";
import { check } from "../helpers/property.ts";

/** Single packets at hand go to one path up to as many, as the comment in runs.ts says. */
const RUN_PACKETS = 16;

interface Burst {
  packets: number;
  /** Whether it is the first of a turn. */
  turn: boolean;
}

const burst = fc.record({ packets: fc.integer({ min: 1, max: 64 }), turn: fc.boolean() });
const weights = (min: number) =>
  fc.array(fc.double({ min, max: 1000, noNaN: true }), { minLength: 1, maxLength: 6 });

/** What each path got, less its share. */
function errorsAfter(weightsOf: readonly number[], bursts: readonly Burst[]): number[] {
  const runs = new Runs(weightsOf.length);
  const columns = Float64Array.from(weightsOf);
  const got = weightsOf.map(() => 0);
  let all = 0;
  for (const { packets, turn } of bursts) {
    if (turn) runs.beginTurn();
    const path = runs.next(packets, columns);
    got[path]! += packets;
    all += packets;
  }
  const total = weightsOf.reduce((sum, weight) => sum + weight, 0);
  return got.map((packets, k) => packets - (all * weightsOf[k]!) / total);
}

const longestRun = (bursts: readonly Burst[]) =>
  Math.max(RUN_PACKETS, ...bursts.map(({ packets }) => packets));

describe("dispatch by runs", () => {
  it("never gives a path more than its share and one run, for any weights and bursts", () => {
    check(
      fc.property(weights(0.001), fc.array(burst, { minLength: 1, maxLength: 300 }), (weightsOf, bursts) => {
        const run = longestRun(bursts);
        for (const error of errorsAfter(weightsOf, bursts)) expect(error).toBeLessThan(run + 1e-6);
      }),
    );
  });

  it("never leaves a path behind its share by more than one run for each of the others", () => {
    check(
      fc.property(weights(0.001), fc.array(burst, { minLength: 1, maxLength: 300 }), (weightsOf, bursts) => {
        const most = longestRun(bursts) * (weightsOf.length - 1);
        for (const error of errorsAfter(weightsOf, bursts)) expect(error).toBeGreaterThan(-most - 1e-6);
      }),
    );
  });

  it("has shares that are exact to one run after a hundred thousand packets as after a hundred", () => {
    const weightsOf = [5, 2.5, 1, 0.1];
    for (const count of [100, 100_000]) {
      const bursts = Array.from({ length: count }, (_, i) => ({ packets: 1 + (i % 3), turn: i % 7 === 0 }));
      for (const error of errorsAfter(weightsOf, bursts))
        expect(Math.abs(error)).toBeLessThan(RUN_PACKETS + 3);
    }
  });

  it("never takes a path of weight 0, whatever it was owed when its weight became 0", () => {
    check(
      fc.property(
        weights(0.001).filter(({ length }) => length > 1),
        fc.array(fc.record({ packets: fc.integer({ min: 1, max: 64 }), dead: fc.nat() }), { maxLength: 200 }),
        (weightsOf, bursts) => {
          const runs = new Runs(weightsOf.length);
          for (const { packets, dead } of bursts) {
            const now = Float64Array.from(weightsOf);
            now[dead % weightsOf.length] = 0;
            expect(runs.next(packets, now)).not.toBe(dead % weightsOf.length);
          }
        },
      ),
    );
  });

  it("keeps single packets that are at hand together on one path, and changes it at the next turn", () => {
    const runs = new Runs(2);
    const equal = Float64Array.of(1, 1);
    const turns = Array.from({ length: 4 }, () => {
      runs.beginTurn();
      return Array.from({ length: 8 }, () => runs.next(1, equal));
    });
    for (const turn of turns) expect(new Set(turn).size).toBe(1);
    expect(turns.map(([path]) => path)).toEqual([0, 1, 0, 1]);
  });

  it("ends a run after a number of packets also within a turn", () => {
    const runs = new Runs(2);
    const equal = Float64Array.of(1, 1);
    const paths = Array.from({ length: 4 * RUN_PACKETS }, () => runs.next(1, equal));
    expect(paths.filter((path) => path === 0)).toHaveLength(2 * RUN_PACKETS);
    expect(paths.slice(0, RUN_PACKETS)).toEqual(new Array(RUN_PACKETS).fill(0));
    expect(paths[RUN_PACKETS]).toBe(1);
  });
});
