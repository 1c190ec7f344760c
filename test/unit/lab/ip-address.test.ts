import { describe, expect, it } from "vitest";
import {
  contains,
  formatAddress,
  formatSubnet,
  nthAddress,
  overlaps,
  parseAddress,
  parseSubnet,
} from "../../../tools/lab/ip-address.ts";

describe("IP addresses", () => {
  it.each([
    ["10.0.255.1", "10.0.255.1"],
    ["fd00::1", "fd00::1"],
    ["FD00:0:0:1:0:0:0:1", "fd00:0:0:1::1"],
    ["::", "::"],
    ["1::", "1::"],
    ["1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"],
    ["::ffff:1.2.3.4", "::ffff:102:304"],
  ])("reads %s and writes %s", (text, canonical) => {
    expect(formatAddress(parseAddress(text)!)).toBe(canonical);
  });

  it.each(["10.0.0", "10.0.0.256", "fd00::1%eth0", "1::2::3", ""])("refuses %j", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it("reads a subnet", () => {
    expect(formatSubnet(parseSubnet("10.1.0.0/24")!)).toBe("10.1.0.0/24");
    expect(formatSubnet(parseSubnet("fd00:2::/64")!)).toBe("fd00:2::/64");
    expect(formatSubnet(parseSubnet("0.0.0.0/0")!)).toBe("0.0.0.0/0");
  });

  it.each(["10.1.0.1/24", "10.1.0.0", "10.1.0.0/33", "fd00::/129", "10.0.0.0/24/1", "10.0.0.0/-1", "x/8"])(
    "refuses the subnet %j",
    (text) => {
      expect(parseSubnet(text)).toBeUndefined();
    },
  );

  it("counts addresses within a subnet", () => {
    expect(nthAddress(parseSubnet("10.1.0.0/24")!, 2)).toBe("10.1.0.2");
    expect(nthAddress(parseSubnet("fd00:2::/64")!, 1)).toBe("fd00:2::1");
  });

  it("knows what lies in a subnet", () => {
    const subnet = parseSubnet("10.1.0.0/25")!;
    expect(contains(subnet, parseAddress("10.1.0.127")!)).toBe(true);
    expect(contains(subnet, parseAddress("10.1.0.128")!)).toBe(false);
    expect(contains(subnet, parseAddress("::a01:1")!)).toBe(false);
  });

  it("knows which subnets overlap, whichever comes first", () => {
    const wide = parseSubnet("10.0.0.0/8")!;
    const narrow = parseSubnet("10.7.0.0/24")!;
    expect(overlaps(wide, narrow)).toBe(true);
    expect(overlaps(narrow, wide)).toBe(true);
    expect(overlaps(narrow, parseSubnet("10.7.1.0/24")!)).toBe(false);
    expect(overlaps(parseSubnet("::/0")!, wide)).toBe(false);
  });
});
