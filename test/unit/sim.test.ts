import { describe, expect, it } from "vitest";
import { randomRun } from "../sim/random-run.ts";

describe("random runs of two routers", () => {
  it.each([1, 2, 3, 4])(
    "keep every promise (seed %i; tools/sim runs more)",
    (seed) => {
      const report = randomRun(seed, 2);
      expect(report.problems).toEqual([]);
      expect(report.delivered).toBeGreaterThan(0);
    },
    60_000,
  );
});
