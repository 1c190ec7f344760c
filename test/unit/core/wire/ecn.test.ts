import { describe, expect, it } from "vitest";
import { decapsulatedEcn, setEcn } from "../../../../src/core/wire/ecn.ts";
import { internetChecksum } from "../../../naive/checksum.ts";
import { fromHex, toHex, viewOf } from "../../../vectors/load.ts";

const NOT = 0b00;
const ECT0 = 0b10;
const ECT1 = 0b01;
const CE = 0b11;

describe("congestion marks", () => {
  // RFC 6040, figure 4.
  it.each([
    ["not capable", NOT, { [NOT]: NOT, [ECT0]: NOT, [ECT1]: NOT, [CE]: -1 }],
    ["ECT(0)", ECT0, { [NOT]: ECT0, [ECT0]: ECT0, [ECT1]: ECT1, [CE]: CE }],
    ["ECT(1)", ECT1, { [NOT]: ECT1, [ECT0]: ECT1, [ECT1]: ECT1, [CE]: CE }],
    ["congestion", CE, { [NOT]: CE, [ECT0]: CE, [ECT1]: CE, [CE]: CE }],
  ])("of a datagram that carries a packet that is %s", (_, inner, expected) => {
    const byOuter = Object.fromEntries(
      [NOT, ECT0, ECT1, CE].map((outer) => [outer, decapsulatedEcn(inner, outer)]),
    );
    expect(byOuter).toEqual(expected);
  });

  it("are set in an IPv4 header, with its checksum", () => {
    for (let tos = 0; tos < 256; tos++) {
      for (const id of [0, 1, 0x1234, 0xfffe, 0xffff]) {
        const header = fromHex("a5 4500002d000040003f0600000a4d00010a4d0002 a5");
        const view = viewOf(header);
        view.setUint8(2, tos);
        view.setUint16(5, id);
        view.setUint16(11, internetChecksum(header.slice(1, 21)));
        for (const ecn of [CE, NOT, ECT1, ECT0]) {
          setEcn(view, 1, ecn);
          expect(header[2]).toBe((tos & 0xfc) | ecn);
          expect(internetChecksum(header.slice(1, 21))).toBe(0);
        }
        expect([header[0], header[21]]).toEqual([0xa5, 0xa5]);
      }
    }
  });

  it("are set in an IPv6 header and nothing else is", () => {
    const header = fromHex("a5 6fffffff 0000 3b 40");
    setEcn(viewOf(header), 1, NOT);
    expect(toHex(header)).toBe("a56fcfffff00003b40");
    setEcn(viewOf(header), 1, ECT1);
    expect(toHex(header)).toBe("a56fdfffff00003b40");
  });
});
