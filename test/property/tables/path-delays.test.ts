import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../src/core/base/ids.ts";
import { PathDelays } from "../../../src/core/tables/path-delays.ts";
import { check } from "../../helpers/property.ts";
import { node } from "../../unit/core/tables/fixtures.ts";

const P = 0 as PathSlot;
const WINDOW_MS = 1000;
const PARTS = 10;

const samples = fc.array(
  fc.record({
    laterMs: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 1500 })),
    delayUs: fc.integer({ min: 1000, max: 200_000 }),
  }),
  { minLength: 1, maxLength: 150, size: "max" },
);

describe("the delays of a path", () => {
  it("are what the list of all samples in the window says, whatever the clocks are apart", () => {
    check(
      fc.property(samples, fc.integer(), (list, offset) => {
        const delays = new PathDelays(1, 1, { smoothing: 1, windowMs: WINDOW_MS });
        const all: { part: number; delayUs: number; queuingUs: number }[] = [];
        let nowMs = 0;
        for (const [i, { laterMs, delayUs }] of list.entries()) {
          nowMs += i === 0 ? 0 : laterMs;
          delays.handleFeedback(P, node(0), (offset + delayUs) | 0, nowMs);
          const part = Math.floor(nowMs / (WINDOW_MS / PARTS));
          const window = () => all.filter((sample) => sample.part > part - PARTS);
          all.push({ part, delayUs, queuingUs: 0 });
          const minimumUs = Math.min(...window().map((sample) => sample.delayUs));
          all.at(-1)!.queuingUs = delayUs - minimumUs;
          const queuingMaxUs = Math.max(...window().map((sample) => sample.queuingUs));
          const first = all[0]!.delayUs;
          // The first sample stands for the clocks: all others lie as far from it as they really do.
          const from = delays.delayUs[P]! - delayUs;
          expect(from).toBe(((offset + first) | 0) - first);
          expect(delays.minimumUs[P]! - from).toBe(minimumUs);
          expect(delays.queuingUs[P]).toBe(delayUs - minimumUs);
          expect(delays.queuingMaxUs[P]).toBe(queuingMaxUs);
        }
      }),
    );
  });

  it("keep the order 0 ≤ Q ≤ Qmax, and D = Dmin + Q, under smoothing", () => {
    check(
      fc.property(samples, (list) => {
        const delays = new PathDelays(1, 1, { windowMs: WINDOW_MS });
        let nowMs = 0;
        for (const { laterMs, delayUs } of list) {
          nowMs += laterMs;
          delays.handleFeedback(P, node(0), delayUs, nowMs);
          const [d, min, q, max] = [
            delays.delayUs,
            delays.minimumUs,
            delays.queuingUs,
            delays.queuingMaxUs,
          ].map((column) => column[P]!);
          expect(q! >= 0 && q! <= max!).toBe(true);
          expect(d).toBeCloseTo(min! + q!, 6);
        }
      }),
    );
  });
});
