import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldSum, setIpv4Checksum, sumBytes, sumIpv4Pseudo } from "../../src/core/wire/checksum.ts";
import { concat, ipv4Header } from "../helpers/packets.ts";
import { check } from "../helpers/property.ts";
import { internetChecksum, transportChecksum } from "../naive/checksum.ts";

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const octets = (maxLength: number) => fc.uint8Array({ minLength: 0, maxLength });
const address = fc.uint8Array({ minLength: 4, maxLength: 4 });

describe("the Internet checksum", () => {
  it("of any bytes at any place is that of the naive twin", () => {
    check(
      fc.property(octets(3000), fc.nat(9), (bytes, at) => {
        const view = viewOf(concat(new Uint8Array(at).fill(0xa5), bytes, Uint8Array.of(0xa5)));
        expect(~foldSum(sumBytes(view, at, bytes.length, 0)) & 0xffff).toBe(internetChecksum(bytes));
      }),
    );
  });

  it("may be summed in pieces when all but the last have an even length", () => {
    check(
      fc.property(octets(300), octets(300), (first, second) => {
        const even = first.subarray(0, first.length & ~1);
        const view = viewOf(concat(even, second));
        const sum = sumBytes(view, even.length, second.length, sumBytes(view, 0, even.length, 0));
        expect(~foldSum(sum) & 0xffff).toBe(internetChecksum([...even, ...second]));
      }),
    );
  });

  it("makes every IPv4 header add up to 0xffff", () => {
    check(
      fc.property(
        address,
        address,
        fc.nat(0xffff),
        fc.nat(0xffff),
        (source, destination, totalLength, old) => {
          const header = ipv4Header({
            protocol: 6,
            totalLength,
            source: [...source],
            destination: [...destination],
          });
          viewOf(header).setUint16(10, old);
          setIpv4Checksum(viewOf(header), 0, 20);
          expect(internetChecksum(header)).toBe(0);
        },
      ),
    );
  });

  it("of a transport header and its payload, with the pseudo-header, is that of the naive twin", () => {
    check(
      fc.property(
        address,
        address,
        fc.constantFrom(6, 17),
        octets(300),
        (source, destination, protocol, bytes) => {
          const transport = concat(new Uint8Array(20), bytes);
          const packet = concat(
            ipv4Header({ protocol, source: [...source], destination: [...destination] }),
            transport,
          );
          const view = viewOf(packet);
          const sum = sumBytes(
            view,
            20,
            transport.length,
            sumIpv4Pseudo(view, 0, protocol, transport.length),
          );
          const checksum = ~foldSum(sum) & 0xffff;
          expect(checksum === 0 ? 0xffff : checksum).toBe(transportChecksum(packet));
        },
      ),
    );
  });
});
