import { describe, expect, it } from "vitest";
import {
  foldSum,
  setIpv4Checksum,
  sumBytes,
  sumIpv4Pseudo,
  sumIpv6Pseudo,
} from "../../../../src/core/wire/checksum.ts";
import { concat, ipv4Header } from "../../../helpers/packets.ts";
import { fromHex, vectors } from "../../../vectors/load.ts";

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

describe("the Internet checksum", () => {
  it("is that of the example in RFC 1071, section 3", () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(sumBytes(viewOf(bytes), 0, 8, 0)).toBe(0x2ddf0);
    expect(foldSum(0x2ddf0)).toBe(0xddf2);
  });

  it("takes the last odd byte as the upper half of a word", () => {
    expect(sumBytes(viewOf(Uint8Array.of(0x12, 0x34, 0x56)), 0, 3, 0)).toBe(0x1234 + 0x5600);
  });

  it("folds the carry of the carry", () => {
    expect(foldSum(0x1ffff)).toBe(1);
    expect(foldSum(0xffff)).toBe(0xffff);
    expect(foldSum(0xffff_ffff)).toBe(0xffff);
    expect(foldSum(0)).toBe(0);
  });

  it("does not overflow over the longest packet of the largest words", () => {
    const bytes = new Uint8Array(65536).fill(0xff);
    // Any number of 0xffff words adds up to 0xffff in one's complement.
    expect(foldSum(sumBytes(viewOf(bytes), 0, 65535, 0xffff))).toBe(0xff00);
    expect(foldSum(sumBytes(viewOf(bytes), 0, 65534, 0xffff))).toBe(0xffff);
  });

  it("is set in a known IPv4 header whatever stood in its place", () => {
    const header = Uint8Array.from(Buffer.from("450000730000400040115a5ac0a80001c0a800c7", "hex"));
    setIpv4Checksum(viewOf(header), 0, 20);
    expect(Buffer.from(header).toString("hex")).toBe("45000073000040004011b861c0a80001c0a800c7");
  });

  it("covers the options of an IPv4 header", () => {
    const header = concat(Uint8Array.of(0xa5), ipv4Header({ protocol: 6, options: [1, 1, 1, 0] }));
    setIpv4Checksum(viewOf(header), 1, 24);
    expect(foldSum(sumBytes(viewOf(header), 1, 24, 0))).toBe(0xffff);
  });

  it("has both addresses, the protocol and the length in the pseudo-header", () => {
    const header = ipv4Header({ protocol: 6, source: [1, 2, 3, 4], destination: [5, 6, 7, 8] });
    expect(sumIpv4Pseudo(viewOf(header), 0, 17, 0x1111)).toBe(
      0x0102 + 0x0304 + 0x0506 + 0x0708 + 17 + 0x1111,
    );
  });

  it("of TCP, UDP and ICMPv6 over IPv6 is right in known packets", () => {
    const whole = /^(TCP|UDP) over IPv6|^an ICMPv6 echo/;
    const packets = vectors("ip-packets").filter(({ why }) => whole.test(why));
    expect(packets).toHaveLength(4);
    for (const { hex } of packets) {
      const bytes = fromHex(hex);
      const pseudo = sumIpv6Pseudo(viewOf(bytes), 0, bytes[6]!, bytes.length - 40);
      expect(foldSum(sumBytes(viewOf(bytes), 40, bytes.length - 40, pseudo))).toBe(0xffff);
    }
  });
});
