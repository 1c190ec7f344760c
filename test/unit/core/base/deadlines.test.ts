import { describe, expect, it } from "vitest";
import { Deadlines } from "../../../../src/core/base/deadlines.ts";
import { NONE } from "../../../../src/core/base/ids.ts";

describe("deadlines", () => {
  const withTimes = (...times: number[]) => {
    const deadlines = new Deadlines(16);
    times.forEach((timeMs, slot) => void deadlines.set(slot, timeMs));
    return deadlines;
  };
  const drain = (deadlines: Deadlines<number>) => {
    const slots: number[] = [];
    while (deadlines.size > 0) slots.push(deadlines.pop(Number.POSITIVE_INFINITY));
    return slots;
  };

  it("come in the order of their times", () => {
    expect(drain(withTimes(50, 10, 40, 20, 30))).toEqual([1, 3, 4, 2, 0]);
  });

  it("come when they are due, and not before", () => {
    const deadlines = withTimes(50, 10);
    expect(deadlines.next()).toBe(10);
    expect(deadlines.pop(9.9)).toBe(NONE);
    expect(deadlines.pop(10)).toBe(1);
    expect(deadlines.pop(49)).toBe(NONE);
  });

  it("are never when there are none", () => {
    const deadlines = withTimes();
    expect([deadlines.next(), deadlines.first(), deadlines.pop(1e9)]).toEqual([
      Number.POSITIVE_INFINITY,
      NONE,
      NONE,
    ]);
  });

  it("can be moved to earlier and to later", () => {
    const deadlines = withTimes(50, 10, 40, 20, 30);
    deadlines.set(0, 5);
    deadlines.set(1, 35);
    expect(drain(deadlines)).toEqual([0, 3, 4, 1, 2]);
  });

  it("can be cancelled, wherever they stand", () => {
    for (let cancelled = 0; cancelled < 5; cancelled++) {
      const deadlines = withTimes(50, 10, 40, 20, 30);
      expect(deadlines.cancel(cancelled)).toBe(true);
      expect(deadlines.cancel(cancelled)).toBe(false);
      expect(drain(deadlines)).toEqual([1, 3, 4, 2, 0].filter((slot) => slot !== cancelled));
    }
  });

  it("are known by slot", () => {
    const deadlines = withTimes(50, 10);
    expect([deadlines.has(0), deadlines.of(0), deadlines.has(2), deadlines.of(2)]).toEqual([
      true,
      50,
      false,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it("may be past all and before all", () => {
    expect(drain(withTimes(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0))).toEqual([1, 2, 0]);
  });
});
