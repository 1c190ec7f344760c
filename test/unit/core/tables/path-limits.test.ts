import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NONE, type PathSlot } from "../../../../src/core/base/ids.ts";
import { PathLimits } from "../../../../src/core/tables/path-limits.ts";

const PATH = 0 as PathSlot;
const OTHER = 1 as PathSlot;
/** 8 Mbit/s, of which 150 ms are 150 000 bytes. */
const RATE = 1e6;
const BURST = 150_000;

function limitsOf(own: number, told: number): PathLimits {
  const limits = new PathLimits(2, 2);
  limits.setRate(0, own, 0);
  limits.setRate(1, told, 0);
  limits.assign(PATH, 0, 1);
  limits.assign(OTHER, 0, NONE);
  return limits;
}

/** Sends packets of 972 bytes, 1000 with headers, as long as it may; answers how many. */
function drain(limits: PathLimits, path: PathSlot, nowUs: number): number {
  let packets = 0;
  while (!limits.isSpent(path, nowUs)) {
    limits.handleSent(path, 1, 972, nowUs);
    packets++;
  }
  return packets;
}

describe("limits of paths", () => {
  it("are none where none are set", () => {
    const limits = new PathLimits(1, 1);
    limits.assign(PATH, 0, NONE);
    limits.handleSent(PATH, 1000, 1e9, 0);
    expect([limits.isSpent(PATH, 0), limits.inUse, limits.rateOf(PATH)]).toEqual([false, false, Infinity]);
  });

  it("let a burst through, then as much as the rate", () => {
    const limits = limitsOf(RATE, Infinity);
    expect(drain(limits, PATH, 0)).toBe(BURST / 1000);
    expect(limits.isSpent(PATH, 0)).toBe(true);
    expect(drain(limits, PATH, 10_000)).toBe(10);
    expect(drain(limits, PATH, 100_000)).toBe(90);
    expect(drain(limits, PATH, 60_000_000)).toBe(BURST / 1000);
  });

  it("let a super-packet through that is larger than what is left, and wait for it afterwards", () => {
    const limits = limitsOf(RATE, Infinity);
    drain(limits, PATH, 0);
    limits.handleSent(PATH, 50, 50 * 972, 1000);
    expect(limits.isSpent(PATH, 49_000)).toBe(true);
    expect(limits.isSpent(PATH, 51_000)).toBe(false);
  });

  it("are shared by the paths of a line, and the tighter of two holds", () => {
    const limits = limitsOf(RATE, RATE / 2);
    expect(limits.rateOf(PATH)).toBe(RATE / 2);
    expect(limits.rateOf(OTHER)).toBe(RATE);
    expect(drain(limits, PATH, 0)).toBe(BURST / 2000);
    expect(drain(limits, OTHER, 0)).toBe(BURST / 2000);
    expect(limits.isSpent(PATH, 0)).toBe(true);
  });

  it("can be changed and taken away", () => {
    const limits = limitsOf(RATE, Infinity);
    drain(limits, PATH, 0);
    limits.setRate(0, RATE, 0);
    expect(limits.isSpent(PATH, 0)).toBe(true);
    limits.setRate(0, RATE / 10, 0);
    expect(drain(limits, PATH, 0)).toBe(33);
    limits.setRate(0, Infinity, 0);
    expect([limits.isSpent(PATH, 0), limits.inUse]).toEqual([false, false]);
  });

  it("keep the rate over any time, whatever is sent when", () => {
    const sends = fc.array(fc.record({ waitUs: fc.nat(50_000), packets: fc.integer({ min: 1, max: 45 }) }), {
      minLength: 1,
      maxLength: 200,
    });
    fc.assert(
      fc.property(sends, (list) => {
        const limits = limitsOf(RATE, Infinity);
        let nowUs = 0;
        let sent = 0;
        for (const { waitUs, packets } of list) {
          nowUs += waitUs;
          if (limits.isSpent(PATH, nowUs)) continue;
          limits.handleSent(PATH, packets, packets * 972, nowUs);
          sent += packets * 1000;
        }
        expect(sent).toBeLessThanOrEqual(BURST + (nowUs * RATE) / 1e6 + 45_000);
      }),
    );
  });
});
