import { describe, expect, it } from "vitest";
import { matchesPattern } from "../../../../src/core/base/pattern.ts";

describe("a pattern for names", () => {
  it.each([
    ["eth0", "eth0", true],
    ["eth0", "eth01", false],
    ["eth0", "eth", false],
    ["wwan*", "wwan", true],
    ["wwan*", "wwan0", true],
    ["wwan*", "wlan0", false],
    ["*", "", true],
    ["", "a", false],
    ["*n*0", "wwan0x0", true],
    ["*n*0", "wwan0x1", false],
    ["e*h?", "eth0", true],
    ["e?h0", "eh0", false],
    ["en?.1", "enp.1", true],
    ["en?.1", "enpx1", false],
    ["a*b*c", "abbcbc", true],
  ])("%s means %s: %s", (pattern, name, isMeant) => {
    expect(matchesPattern(pattern, name)).toBe(isMeant);
  });
});
