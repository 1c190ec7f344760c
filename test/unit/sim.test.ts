import { describe, expect, it } from "vitest";
import { NetworkRun, type NetworkRunOptions } from "../sim/network-run.ts";
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

describe("networks of a hub and spokes", () => {
  const base = { seconds: 5, transfers: 1, perSecond: 2, eventsPerSecond: 1 };
  const runs: (NetworkRunOptions & { what: string })[] = [
    { ...base, what: "a few spokes", seed: 1, spokes: 3 },
    {
      ...base,
      what: "an adversary on the lines",
      seed: 2,
      spokes: 2,
      mutatedPerMille: 20,
      forgedPerSecond: 50,
    },
    { ...base, what: "many spokes", seed: 3, spokes: 40, transfers: 0, eventsPerSecond: 2 },
  ];
  it.each(runs)(
    "keep every promise: $what (tools/sim network has larger and longer ones)",
    (options) => {
      const report = new NetworkRun(options).run();
      expect(report.problems).toEqual([]);
      expect(report.received).toBeGreaterThan(0.5 * report.sent);
    },
    120_000,
  );
});
