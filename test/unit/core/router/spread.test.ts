import { describe, expect, it } from "vitest";
import { Spread } from "../../../../src/core/router/spread.ts";
import { USE_YES } from "../../../../src/core/tables/paths.ts";
import { loneContext } from "../../../helpers/context.ts";
import { addPath, node } from "../tables/fixtures.ts";

const NOW_US = 1e9;

/** A node with one path, the round trip on which takes so long. */
function spreadOf(rttUs: number): Spread {
  const context = loneContext();
  const path = addPath(context.paths, node(0), 0);
  context.paths.setUse(path, USE_YES);
  context.paths.delays.handleRtt(path, rttUs);
  const spread = new Spread(context);
  spread.note(path, 0, NOW_US);
  return spread;
}

describe("how long a packet may be held", () => {
  it("is longer by what the sender keeps packets back for, and forgets it", () => {
    const spread = spreadOf(60_000);
    const holdUs = spread.holdUs(node(0), NOW_US);
    spread.noteLate(node(0), 40_000, NOW_US);
    expect(spread.holdUs(node(0), NOW_US)).toBe(holdUs + 40_000);
    spread.noteLate(node(0), 10_000, NOW_US);
    expect(spread.holdUs(node(0), NOW_US)).toBe(holdUs + 40_000);
    expect(spread.holdUs(node(0), NOW_US + 5e6)).toBeLessThan(holdUs + 1_000);
  });

  it("is not longer because of what the sender's TCP sends again, a round trip later", () => {
    const spread = spreadOf(60_000);
    const holdUs = spread.holdUs(node(0), NOW_US);
    spread.noteLate(node(0), 46_000, NOW_US);
    expect(spread.holdUs(node(0), NOW_US)).toBe(holdUs);
    // Where a round trip is short, packets are kept back for longer than one.
    const near = spreadOf(2_000);
    near.noteLate(node(0), 15_000, NOW_US);
    expect(near.holdUs(node(0), NOW_US)).toBe(holdUs + 15_000);
  });
});
