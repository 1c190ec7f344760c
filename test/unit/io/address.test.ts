import { describe, expect, it } from "vitest";
import { familyOf, formatAddress, parseAddress } from "../../../src/io/address.ts";
import { IoError } from "../../../src/io/error.ts";

const bytesOf = (text: string) => [...new Uint8Array(parseAddress(text).buffer)];
const zeros = (count: number) => new Array(count).fill(0);

describe("an address", () => {
  it("of IPv4 is four words in network order, mapped into IPv6", () => {
    expect(bytesOf("192.0.2.1")).toEqual([...zeros(10), 0xff, 0xff, 192, 0, 2, 1]);
    expect(familyOf(parseAddress("192.0.2.1"))).toBe(4);
    expect(formatAddress(parseAddress("192.0.2.1"))).toBe("192.0.2.1");
  });

  it("of IPv6 is sixteen bytes in network order", () => {
    expect(bytesOf("2001:db8::1:2")).toEqual([0x20, 0x01, 0x0d, 0xb8, ...zeros(8), 0, 1, 0, 2]);
    expect(familyOf(parseAddress("2001:db8::1:2"))).toBe(6);
  });

  it.each([
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["fe80::0001", "fe80::1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    // IPv4-compatible is not IPv4-mapped.
    ["::192.0.2.33", "::c000:221"],
    ["0:0:1:0:0:ffff:192.0.2.33", "::1:0:0:ffff:c000:221"],
    ["1::ffff:192.0.2.33", "1::ffff:c000:221"],
    ["::ffff:192.0.2.33", "192.0.2.33"],
    ["::ffff:c000:221", "192.0.2.33"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
  ])("written as %s is read, and written as %s", (text, canonical) => {
    expect(formatAddress(parseAddress(text))).toBe(canonical);
  });

  it.each([
    "",
    " ",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4 ",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "g::",
    "[::1]",
    "::1/128",
    "::1.2.3.400",
    "localhost",
    // A zone has no place in the words, so it must not be dropped silently.
    "fe80::1%eth0",
    "::1%",
  ])('that is none, "%s", is refused with one line that says so', (text) => {
    expect(() => parseAddress(text)).toThrow(new IoError(`"${text}" is not an IP address`));
  });

  it("is formatted from any place in an array", () => {
    const words = new Int32Array(9).fill(-1);
    words.set(parseAddress("10.1.2.3"), 3);
    expect(formatAddress(words, 3)).toBe("10.1.2.3");
    expect(familyOf(words, 3)).toBe(4);
    expect(familyOf(words, 2)).toBe(6);
    expect([...words.subarray(0, 3), ...words.subarray(7)]).toEqual([-1, -1, -1, -1, -1]);
  });
});
