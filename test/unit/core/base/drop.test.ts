import { describe, expect, it } from "vitest";
import { DROP, DROP_REASONS, DropCounters } from "../../../../src/core/base/drop.ts";

describe("drop counters", () => {
  it("have a column for each reason, by its name", () => {
    expect(DROP_REASONS.map((reason) => DROP[reason])).toEqual(DROP_REASONS.map((_, index) => index));
    expect(new Set(DROP_REASONS).size).toBe(DROP_REASONS.length);
  });

  it("read as words", () => {
    for (const reason of DROP_REASONS) expect(reason).toMatch(/^[a-z]+(-[a-z]+)+$/);
  });

  it("count packets and bytes by reason, and show what happened only", () => {
    const drops = new DropCounters();
    drops.count(DROP["unknown-node"], 100);
    drops.count(DROP["unknown-node"], 50);
    drops.count(DROP["too-big"], 9000);
    expect(drops.snapshot()).toEqual([
      { reason: "too-big", packets: 1, bytes: 9000 },
      { reason: "unknown-node", packets: 2, bytes: 150 },
    ]);
  });
});
