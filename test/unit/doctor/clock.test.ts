import { expect, it } from "vitest";
import { clockFindings } from "../../../src/doctor/clock.ts";

const start = { wallMs: Date.UTC(2027, 0), steadyMs: 1000 };
const after = (wallMs: number, steadyMs = wallMs) => ({
  wallMs: start.wallMs + wallMs,
  steadyMs: start.steadyMs + steadyMs,
});

it("finds nothing where both clocks go alike", () => {
  expect(clockFindings(start, after(5000, 5020), "tsc")).toMatchObject([{ level: "ok" }]);
  expect(clockFindings(start, after(5000), undefined)).toMatchObject([{ level: "ok" }]);
});

it("notices that the clock was set, forwards or backwards", () => {
  expect(clockFindings(start, after(65_000, 5000), "tsc")[0]!.text).toMatch(/^the clock jumped by 60\.0 s/);
  expect(clockFindings(start, after(4500, 5000), "tsc")[0]!.text).toMatch(/^the clock jumped by -0\.5 s/);
});

it("notices a clock that nobody has set, and one that is slow to read", () => {
  const unset = { wallMs: 0, steadyMs: 0 };
  const texts = clockFindings(unset, { wallMs: 10, steadyMs: 10 }, "hpet").map(({ text }) => text);
  expect(texts).toEqual([
    "the clock says that it is 1970-01-01; quotas go by it",
    "the kernel reads the time from hpet, which is slow",
  ]);
});
