import { expect, it } from "vitest";
import { limitedLog, textLine } from "../../../src/daemon/log.ts";

it("a line that repeats often is left out for a minute, and counted", () => {
  const lines: string[] = [];
  let now = 0;
  const log = limitedLog("info", { write: (line) => lines.push(JSON.parse(line).msg) }, () => now);
  for (; now < 60_000; now += 1000) {
    log.warn("l0 is not there");
    if (now === 30_000) log.info("something else");
  }
  log.warn("l0 is not there");
  expect(lines).toEqual([
    ...Array(5).fill("l0 is not there"),
    "something else",
    "l0 is not there (and 55 times more since)",
  ]);
  log.debug("too much");
  expect(lines).toHaveLength(7);
});

it("a line for people has a time, and a level that matters", () => {
  const line = (level: number) => textLine(JSON.stringify({ time: 0, level, msg: "x" }));
  expect(line(30)).toMatch(/^\d\d:\d\d:\d\d x\n$/);
  expect(line(40)).toMatch(/^\d\d:\d\d:\d\d warn: x\n$/);
});
