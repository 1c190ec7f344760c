import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { familyOf, formatAddress, parseAddress } from "../../src/io/address.ts";
import { check } from "../helpers/property.ts";

/** Sixteen bytes with many zeros, so that the short forms of IPv6 come up. */
const octets = fc
  .array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 })
  .map((bytes) => Uint8Array.from(bytes));

describe("an address", () => {
  it("is the same after it was written and read again", () => {
    check(
      fc.property(octets, fc.boolean(), (bytes, mapped) => {
        if (mapped) bytes.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
        const words = new Int32Array(bytes.buffer);
        const text = formatAddress(words);
        expect(parseAddress(text)).toEqual(words);
        expect(familyOf(words) === 4 ? isIPv4(text) : isIPv6(text)).toBe(true);
      }),
      1000,
    );
  });

  it("is read alike from all of its forms", () => {
    check(
      fc.property(octets, (bytes) => {
        const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
        const words = new Int32Array(bytes.buffer);
        const long = groups.map((group) => group.toString(16).padStart(4, "0")).join(":");
        const upper = groups.map((group) => group.toString(16).toUpperCase()).join(":");
        const dotted = `${long.slice(0, 30)}${bytes.subarray(12).join(".")}`;
        for (const text of [long, upper, dotted]) expect(parseAddress(text)).toEqual(words);
      }),
      500,
    );
  });

  it("is read from generated addresses of both families", () => {
    check(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        expect(parseAddress(formatAddress(parseAddress(text)))).toEqual(parseAddress(text));
      }),
      500,
    );
  });
});
