import { describe, expect, it } from "vitest";
import { foldSum, sumBytes, sumIpv6Pseudo } from "../../../../src/core/wire/checksum.ts";
import { ICMP_ERROR_BYTES, writeTooBig, writeUnreachable } from "../../../../src/core/wire/icmp-error.ts";
import { PROTOCOL_ICMPV6 } from "../../../../src/core/wire/ipv6.ts";
import { ipv4Header } from "../../../helpers/packets.ts";

const PACKET_AT = 4000;

/** The error about a packet that is too big, or without `mtu` has no way, and the memory around it. */
function errorAbout(
  header: Uint8Array,
  bytes: number,
  mtu: number | undefined,
): { error: Uint8Array; view: DataView } {
  const memory = new Uint8Array(8000).fill(0xa5);
  memory.set(header, PACKET_AT);
  for (let i = header.length; i < bytes; i++) memory[PACKET_AT + i] = i;
  const view = new DataView(memory.buffer);
  const length =
    mtu === undefined
      ? writeUnreachable(view, 100, PACKET_AT, bytes)
      : writeTooBig(view, 100, PACKET_AT, bytes, mtu);
  expect(memory.subarray(0, 100).every((byte) => byte === 0xa5)).toBe(true);
  expect(memory.subarray(100 + length, PACKET_AT).every((byte) => byte === 0xa5)).toBe(true);
  return {
    error: memory.slice(100, 100 + length),
    view: new DataView(memory.buffer, 100, Math.max(length, 1)),
  };
}

const source = [192, 0, 2, 1];
const destination = [198, 51, 100, 7];
const four = (fields: object = {}) =>
  Uint8Array.from(
    ipv4Header({ protocol: 17, totalLength: 1480, fragment: 0x4000, source, destination, ...fields }),
  );

describe("the error about a packet that is too big", () => {
  it("seems to come from an IPv4 packet's destination, and quotes its start", () => {
    const { error, view } = errorAbout(four(), 1480, 1343);
    expect(error).toHaveLength(576);
    expect([...error.subarray(0, 4)]).toEqual([0x45, 0, 576 >> 8, 576 & 0xff]);
    expect([...error.subarray(9, 10), ...error.subarray(12, 20)]).toEqual([1, ...destination, ...source]);
    expect([...error.subarray(20, 22), ...error.subarray(24, 28)]).toEqual([
      3,
      4,
      0,
      0,
      1343 >> 8,
      1343 & 0xff,
    ]);
    expect([...error.subarray(28, 48)]).toEqual([...four()]);
    expect(error[575]).toBe((575 - 28) & 0xff);
    expect(foldSum(sumBytes(view, 0, 20, 0))).toBe(0xffff);
    expect(foldSum(sumBytes(view, 20, 556, 0))).toBe(0xffff);
  });

  it("seems to come from an IPv6 packet's destination, and is no larger than the smallest MTU", () => {
    const from = Array.from({ length: 16 }, (_, i) => i);
    const to = Array.from({ length: 16 }, (_, i) => 0x20 + i);
    const header = Uint8Array.of(0x60, 0, 0, 0, 1440 >> 8, 1440 & 0xff, 17, 64, ...from, ...to);
    const { error, view } = errorAbout(header, 1480, 1400);
    expect(error).toHaveLength(ICMP_ERROR_BYTES);
    expect([...error.subarray(8, 40)]).toEqual([...to, ...from]);
    expect([error[6], error[40], error[41], view.getUint32(44)]).toEqual([58, 2, 0, 1400]);
    const pseudo = sumIpv6Pseudo(view, 0, PROTOCOL_ICMPV6, error.length - 40);
    expect(foldSum(sumBytes(view, 40, error.length - 40, pseudo))).toBe(0xffff);
  });

  it.each([
    ["may be fragmented", four({ fragment: 0 })],
    ["is not the first fragment", four({ fragment: 0x4001 })],
    ["is an error itself", Uint8Array.from([...four({ protocol: 1 }), 3, 4, 0, 0])],
  ])("is not made of a packet that %s", (_, header) => {
    expect(errorAbout(header, 1480, 1343).error).toHaveLength(0);
  });

  it("is made of an echo, with which people look for the size of packets", () => {
    const { error } = errorAbout(Uint8Array.from([...four({ protocol: 1 }), 8, 0, 0, 0]), 1480, 1343);
    expect(error).toHaveLength(576);
  });
});

describe("the error about a packet that has no way", () => {
  it("says so of the host in IPv4, may the packet be fragmented or not", () => {
    for (const fragment of [0, 0x4000]) {
      const { error, view } = errorAbout(four({ fragment }), 60, undefined);
      expect(error).toHaveLength(88);
      expect([...error.subarray(12, 22)]).toEqual([...destination, ...source, 3, 1]);
      expect([...error.subarray(24, 28)]).toEqual([0, 0, 0, 0]);
      expect([...error.subarray(28, 48)]).toEqual([...four({ fragment })]);
      expect(foldSum(sumBytes(view, 20, 68, 0))).toBe(0xffff);
    }
  });

  it("says that there is no route in IPv6", () => {
    const header = Uint8Array.of(0x60, 0, 0, 0, 0, 20, 6, 64, ...new Array(32).fill(1));
    const { error } = errorAbout(header, 60, undefined);
    expect([error.length, ...error.subarray(40, 42), ...error.subarray(44, 48)]).toEqual([
      108, 1, 0, 0, 0, 0, 0,
    ]);
  });

  it("is not made of an error or a later fragment", () => {
    const error = Uint8Array.from([...four({ protocol: 1 }), 3, 1, 0, 0]);
    expect(errorAbout(error, 60, undefined).error).toHaveLength(0);
    expect(errorAbout(four({ fragment: 1 }), 60, undefined).error).toHaveLength(0);
  });
});
