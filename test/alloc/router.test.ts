import { describe, expect, it } from "vitest";
import type { SchedulerName } from "../../src/core/router/context.ts";
import { runScenario } from "../helpers/child.ts";
import type { scenarios } from "./router-child.ts";

type Scenarios = typeof scenarios;

/** Long, so that what the compiler keeps of a run, whatever its length, is little beside it. */
const SEGMENTS = 12_000_000;

describe("the router's hot path", () => {
  it.each<[SchedulerName, number]>([
    ["arrival", 1],
    ["paper", 2],
  ])("carries millions of segments without allocating (%s)", async (scheduler, usedPaths) => {
    const result = await runScenario<Scenarios, "carry">(
      "test/alloc/router-child.ts",
      "carry",
      [SEGMENTS, 3_000_000, scheduler],
      { node: ["--expose-gc", "--max-semi-space-size=1"] },
    );
    expect(result.arrived).toBeGreaterThanOrEqual(SEGMENTS);
    expect(result.usedPaths).toBeGreaterThanOrEqual(usedPaths);
    // One object of sixteen bytes for each segment would make it collect 192 times.
    expect(result.collections).toBeLessThan(96);
    expect(result.grownBytes).toBeLessThan(SEGMENTS / 10);
  });
});
