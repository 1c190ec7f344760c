import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import { PathDelays } from "../../../../src/core/tables/path-delays.ts";
import { node } from "./fixtures.ts";

const [P, Q] = [0 as PathSlot, 1 as PathSlot];
const NODE = node(0);

/** Without smoothing: a sample is the real-time delay. */
function exact(windowMs = 1000) {
  return new PathDelays(4, 2, { smoothing: 1, windowMs });
}

function columns(delays: PathDelays, slot = P) {
  const { delayUs, minimumUs, queuingUs, queuingMaxUs } = delays;
  return [delayUs, minimumUs, queuingUs, queuingMaxUs].map((column) => column[slot]);
}

describe("the delays of a path", () => {
  it("are as in the paper: minimum, queuing delay D - Dmin, and its maximum", () => {
    const delays = exact();
    const rows = [5000, 7000, 4000, 10_000, 6000].map((sampleUs, i) => {
      delays.handleFeedback(P, NODE, sampleUs, i);
      return columns(delays);
    });
    expect(rows).toEqual([
      [5000, 5000, 0, 0],
      [7000, 5000, 2000, 2000],
      [4000, 4000, 0, 2000],
      [10_000, 4000, 6000, 6000],
      [6000, 4000, 2000, 6000],
    ]);
    expect(delays.samples[P]).toBe(5);
  });

  it("are a moving average of the samples, in which a sample weighs more after a silence", () => {
    const delays = new PathDelays(4, 2, { smoothing: 0.25 });
    delays.handleFeedback(P, NODE, 1000, 0);
    delays.handleFeedback(P, NODE, 2000, 10);
    expect(delays.delayUs[P]).toBe(1250);
    delays.handleFeedback(P, NODE, 2250, 1010);
    expect(delays.delayUs[P]).toBe(1750);
  });

  it("have nothing to do with those of other paths", () => {
    const delays = exact();
    delays.handleFeedback(P, NODE, 5000, 0);
    delays.handleFeedback(Q, NODE, 1000, 0);
    delays.handleFeedback(P, NODE, 6000, 1);
    expect([columns(delays), columns(delays, Q)]).toEqual([
      [6000, 5000, 1000, 1000],
      [1000, 1000, 0, 0],
    ]);
  });

  it("compare on all paths of a node, wherever the clocks' difference wraps", () => {
    for (const offset of [0, 0x7fff_ff00, -0x8000_0000, -1000, 0x7fff_ffff - 3000]) {
      const delays = exact();
      delays.handleFeedback(P, NODE, (offset + 1000) | 0, 0);
      delays.handleFeedback(Q, NODE, (offset + 5000) | 0, 0);
      delays.handleFeedback(P, NODE, (offset + 2000) | 0, 1);
      expect(delays.delayUs[Q]! - delays.delayUs[P]!).toBe(3000);
      expect(delays.queuingUs[P]).toBe(1000);
    }
  });

  it("follow a drift of the clocks through the wrap", () => {
    const delays = exact(60_000);
    let sample = 0x7fff_0000;
    delays.handleFeedback(P, NODE, sample, 0);
    const first = delays.delayUs[P]!;
    for (let i = 1; i <= 1000; i++) {
      sample = (sample + 100) | 0;
      delays.handleFeedback(P, NODE, sample, i);
    }
    expect(delays.delayUs[P]! - first).toBe(100_000);
  });

  it("forget a minimum and a maximum that the window has passed, a tenth at a time", () => {
    const delays = exact(1000);
    delays.handleFeedback(P, NODE, 1000, 0);
    delays.handleFeedback(P, NODE, 9000, 50);
    const seen: (number | undefined)[][] = [];
    for (let nowMs = 100; nowMs <= 1200; nowMs += 100) {
      delays.handleFeedback(P, NODE, 3000, nowMs);
      seen.push(columns(delays).slice(1));
    }
    // From 1000 on, the part that began at 0 is no longer in the window.
    expect(seen.slice(0, 9)).toEqual(new Array(9).fill([1000, 2000, 8000]));
    expect(seen[9]).toEqual([3000, 0, 2000]);
    expect(seen.at(-1)).toEqual([3000, 0, 2000]);
  });

  it("have only the newest sample for a minimum after a silence longer than the window", () => {
    const delays = exact(1000);
    delays.handleFeedback(P, NODE, 1000, 0);
    delays.handleFeedback(P, NODE, 9000, 50);
    delays.handleFeedback(P, NODE, 4000, 5000);
    expect(columns(delays)).toEqual([4000, 4000, 0, 0]);
    delays.handleFeedback(P, NODE, 5000, 5001);
    expect(columns(delays)).toEqual([5000, 4000, 1000, 1000]);
  });

  it("begin anew when a clock has been set", () => {
    const delays = new PathDelays(4, 2);
    delays.handleFeedback(P, NODE, 1000, 0);
    delays.handleFeedback(P, NODE, 3000, 1);
    delays.handleFeedback(P, NODE, 60_000_000, 2);
    expect(columns(delays)).toEqual([60_000_000, 60_000_000, 0, 0]);
  });

  it("are forgotten with the path, and the clock with the node", () => {
    const delays = exact();
    delays.handleFeedback(P, NODE, 1000, 0);
    delays.handleRtt(P, 5000);
    delays.reset(P);
    expect([delays.samples[P], delays.rttUs[P], ...columns(delays)]).toEqual([0, 0, 0, 0, 0, 0]);
    delays.resetNode(NODE);
    delays.handleFeedback(P, NODE, -5, 1);
    expect(delays.delayUs[P]).toBe(-5);
  });
});

describe("the round-trip time of a path", () => {
  it("is an average that begins with the first sample", () => {
    const delays = exact();
    delays.handleRtt(P, 8000);
    expect(delays.rttUs[P]).toBe(8000);
    delays.handleRtt(P, 16_000);
    expect(delays.rttUs[P]).toBe(9000);
  });
});
