import { describe, expect, it } from "vitest";
import { FREEZES, FROZEN, frameGaps, freezeFigures, LONGEST } from "../../../tools/experiments/freezes.ts";

const figures = (shownS: number[]) => freezeFigures(frameGaps(shownS, 8, 10).values);
const every33Ms = Array.from({ length: 90 }, (_, i) => 7.5 + i / 30);

describe("the freezes of a video", () => {
  it("are none while frames come all the time", () => {
    const { [LONGEST]: longest, ...others } = figures(every33Ms);
    expect(longest).toBeCloseTo(1000 / 30);
    expect(others).toEqual({ [FREEZES]: 0, [FROZEN]: 0 });
  });

  it.each([
    ["in the middle", (atS: number) => atS < 8.5 || atS > 9.2, 750],
    ["at the beginning", (atS: number) => atS > 8.7, 720],
    ["at the end", (atS: number) => atS < 9.2, 820],
  ])("count %s", (_, isShown, ms) => {
    const told = figures(every33Ms.filter(isShown));
    expect(told[FREEZES]).toBe(1);
    expect(Math.abs(told[FROZEN]! - ms)).toBeLessThan(40);
    expect(told[LONGEST]).toBe(told[FROZEN]);
  });

  it("are all of the time where no frame comes", () => {
    expect(figures([])).toEqual({ [LONGEST]: 2000, [FREEZES]: 1, [FROZEN]: 2000 });
  });
});
