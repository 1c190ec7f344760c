import { describe, expect, it } from "vitest";
import { runScenario } from "../helpers/child.ts";
import type { Carried, scenarios } from "./router-child.ts";

type Scenarios = typeof scenarios;

/** Long, so that what the compiler keeps of a run, whatever its length, is little beside it. */
const SEGMENTS = 12_000_000;

describe("the router's hot path", () => {
  it.each<Carried & { usedPaths: number }>([
    { scheduler: "arrival", protocol: "tcp", flows: 1, usedPaths: 1 },
    { scheduler: "paper", protocol: "tcp", flows: 100, usedPaths: 2 },
    { scheduler: "arrival", protocol: "udp", flows: 100, usedPaths: 1 },
    { scheduler: "paper", protocol: "udp", flows: 1, usedPaths: 2 },
  ])(
    "carries millions of segments without allocating: $scheduler, $protocol, $flows flows",
    async ({ usedPaths, ...carried }) => {
      const result = await runScenario<Scenarios, "carry">(
        "test/alloc/router-child.ts",
        "carry",
        [SEGMENTS, 3_000_000, carried],
        { node: ["--expose-gc", "--max-semi-space-size=1"] },
      );
      expect(result.arrived).toBeGreaterThanOrEqual(SEGMENTS);
      expect(result.usedPaths).toBeGreaterThanOrEqual(usedPaths);
      // One object of sixteen bytes for each segment would make it collect 192 times.
      expect(result.collections).toBeLessThan(96);
      expect(result.grownBytes).toBeLessThan(SEGMENTS / 10);
    },
  );
});
