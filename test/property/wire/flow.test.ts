import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Flow } from "../../../src/core/wire/flow.ts";
import { concat, ipv4Header, pattern, tcpHeader, udpHeader } from "../../helpers/packets.ts";
import { check } from "../../helpers/property.ts";
import { describePacket } from "../../naive/ip-flow.ts";
import { plainFlow } from "../../vectors/convert.ts";
import { viewOf } from "../../vectors/load.ts";
import { mutated, mutations, unsigned } from "./arbitrary.ts";

const words = (max: number) =>
  fc.nat(max).chain((count) => fc.array(fc.nat(255), { minLength: 4 * count, maxLength: 4 * count }));

const transport = fc.oneof(
  fc.record({ options: words(10), payload: fc.nat(30) }).map(({ options, payload }) => ({
    protocol: 6,
    bytes: concat(tcpHeader({ options }), pattern(payload)),
  })),
  fc.record({ length: fc.nat(20), payload: fc.nat(12) }).map(({ length, payload }) => ({
    protocol: 17,
    bytes: concat(udpHeader(length), pattern(payload)),
  })),
  fc
    .record({
      protocol: fc.constantFrom(1, 58, 59, 47),
      type: fc.constantFrom(0, 3, 8, 128, 129),
      rest: fc.nat(16),
    })
    .map(({ protocol, type, rest }) => ({ protocol, bytes: concat(Uint8Array.of(type), pattern(rest)) })),
);

const ipv4 = fc
  .record({
    transport,
    options: words(10),
    fragment: fc.oneof(fc.constantFrom(0, 0x4000, 0x2000, 1), unsigned(16)),
    behind: fc.nat(4),
  })
  .map(({ transport: { protocol, bytes }, options, fragment, behind }) =>
    concat(
      ipv4Header({ protocol, options, fragment, totalLength: 20 + options.length + bytes.length }),
      bytes,
      pattern(behind),
    ),
  );

const extension = fc.record({
  type: fc.constantFrom(0, 43, 44, 51, 60),
  words: fc.nat(3),
  fill: fc.nat(255),
});

const ipv6 = fc
  .record({
    transport,
    extensions: fc.array(extension, { maxLength: 10 }),
    first: unsigned(28),
    addresses: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    zeros: fc.constantFrom(0, 10, 12),
    behind: fc.nat(20),
  })
  .map(({ transport: { protocol, bytes }, extensions, first, addresses, zeros, behind }) => {
    const types = [...extensions.map(({ type }) => type), protocol];
    const headers = extensions.map(({ type, words: size, fill }, i) => {
      const length = type === 44 ? 8 : type === 51 ? 4 * (size + 2) : 8 * (size + 1);
      // Mostly atomic fragments: the others end the walk.
      const header = new Uint8Array(length).fill(type === 44 && fill > 10 ? 0 : fill);
      header.set([types[i + 1]!, size]);
      return header;
    });
    addresses.fill(0, 0, zeros);
    if (zeros === 10) addresses.fill(0xff, 10, 12);
    const payload = concat(...headers, bytes);
    const head = new Uint8Array(8);
    viewOf(head).setUint32(0, 0x6000_0000 + first);
    viewOf(head).setUint16(4, payload.length);
    head.set([types[0]!, 64], 6);
    return concat(head, addresses, payload, pattern(behind));
  });

function expectSameAsTwin(bytes: Uint8Array): void {
  const flow = new Flow();
  const expected = describePacket(bytes);
  expect(flow.parse(viewOf(bytes), 0, bytes.length)).toBe(expected !== null);
  if (!expected) return;
  expect(plainFlow(flow)).toEqual(expected);
  expect(flow.packetBytes).toBeLessThanOrEqual(bytes.length);
}

describe("an IP packet", () => {
  it("of IPv4 is read as the slow twin reads it", () => {
    check(fc.property(ipv4, expectSameAsTwin), 500);
  });

  it("of IPv6 is read as the slow twin reads it", () => {
    check(fc.property(ipv6, expectSameAsTwin), 500);
  });

  it("that was truncated or mutated is read as the slow twin reads it", () => {
    check(
      fc.property(fc.oneof(ipv4, ipv6), mutations, fc.nat(60), (bytes, changes, cut) => {
        expectSameAsTwin(mutated(bytes, changes, cut));
      }),
      1000,
    );
  });

  it("leaves nothing of the one before in the record", () => {
    const flow = new Flow();
    check(
      fc.property(fc.oneof(ipv4, ipv6), (bytes) => {
        const fresh = new Flow();
        if (fresh.parse(viewOf(bytes), 0, bytes.length)) {
          flow.parse(viewOf(bytes), 0, bytes.length);
          expect(flow).toEqual(fresh);
        }
      }),
    );
  });
});
