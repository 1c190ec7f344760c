import { describe, expect, it } from "vitest";
import {
  addressText,
  isMappedIpv4,
  readIpv4Address,
  readIpv6Address,
} from "../../../../src/core/wire/address.ts";
import { parseAddress } from "../../../../src/io/address.ts";
import { fromHex, viewOf } from "../../../vectors/load.ts";

describe("an address", () => {
  it.each([
    "0.0.0.0",
    "255.255.255.255",
    "192.0.2.1",
    "::",
    "::1",
    "1::",
    "2001:db8::1",
    "2001:db8:0:1:1:1:1:1",
    "2001:0:0:1::1",
    "1:0:0:2:0:0:0:3",
    "fe80::1:0:0:1",
    "1::2:2:0:0:3",
    "1:2:3:4:5:6:7:8",
    "::2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::",
  ])("is written as people write it: %s", (text) => {
    const expected =
      text === "1:0:0:2:0:0:0:3" ? "1:0:0:2::3" : text.replace(/^::2:/, "0:2:").replace(/:7::$/, ":7:0");
    expect(addressText(parseAddress(text), 0)).toBe(expected);
  });

  it("is read where it stands into the words of plans", () => {
    const view = viewOf(fromHex("a5 c0000201 a5 20010db8000000000000000000000001"));
    const words = new Int32Array(8).fill(-1);
    readIpv4Address(view, 1, words, 1);
    expect(words.subarray(1, 5)).toEqual(parseAddress("192.0.2.1"));
    expect(isMappedIpv4(words, 1)).toBe(true);
    readIpv6Address(view, 6, words, 3);
    expect(words.subarray(3, 7)).toEqual(parseAddress("2001:db8::1"));
    expect(isMappedIpv4(words, 3)).toBe(false);
    expect([words[0], words[7]]).toEqual([-1, -1]);
  });

  it("of IPv6 is not taken for one of IPv4", () => {
    for (const text of [
      "::",
      "::1",
      "::ffff:0:0:0",
      "1::ffff:102:304",
      "0:0:0:1::ffff:102:304",
      "::fffe:102:304",
    ]) {
      expect(isMappedIpv4(parseAddress(text), 0)).toBe(false);
    }
  });
});
